from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from curate.review import queries
from curate.review.leaks import prepare
from tests.review.workspace import rows, table, write_pictures


@contextmanager
def connected(folder: Path, **changed):
    """A connection to the tables in memory, some of them others; the pictures lie in the folder."""
    write_pictures(folder)
    given = rows(folder) | changed
    with duckdb.connect() as con:
        for name in (*queries.TABLES, *queries.OPTIONAL):
            con.register(name, table(name, given.get(name, [])))
        prepare(con)
        yield con


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("leaks")


@pytest.fixture
def con(folder):
    with connected(folder) as con:
        yield con
