import datetime

import pyarrow as pa
import pytest

from curate.schema import table_schema
from curate.sources.evalset_export import write_export
from curate.stages.embed_shared import look_up_shared, shared_state
from tests.sources.test_evalset_export import ABOUT, rows
from tests.tables import MemoryTables


@pytest.fixture
def file(tmp_path):
    write_export(tmp_path / "val.parquet", rows(), ABOUT)
    return tmp_path / "val.parquet"


def fed(file, **changes):
    """Two images in two views, as embed feeds its worker."""
    columns = {"encoder": "builtin", "path": str(file), "byte_length": 0, "of_eval": True} | changes
    found = pa.table({name: [value] * 4 for name, value in columns.items()})
    return found.append_column("id", pa.array(["a", "b"] * 2)).append_column(
        "view", pa.array(["", "", "hflip", "hflip"])
    )


def test_vectors_come_from_the_shared_file(file):
    index_N, vectors_ND = look_up_shared(fed(file), "net")
    assert index_N.tolist() == [0, 1, 2] and vectors_ND.shape == (3, 2)


@pytest.mark.parametrize("changes", [{"byte_length": 5}, {"of_eval": False}, {"encoder": "vectors:mine.parquet"}])
def test_images_that_are_there_are_described_themselves(file, changes):
    assert look_up_shared(fed(file, **changes), "net") is None
    assert look_up_shared(fed(file).drop_columns(["of_eval"]), "net") is None


def test_a_shared_file_that_changed_makes_its_parts_stale(file):
    base = {"n_images": 3, "added_at": datetime.datetime(2026, 1, 1)}
    sets = [{"eval_set": "val", "root": str(file), "format": "export", **base},
            {"eval_set": "other", "root": "/x", "format": "folder", **base}]  # fmt: skip
    tables = MemoryTables({"eval_sets": pa.Table.from_pylist(sets, schema=table_schema("eval_sets").arrow)})
    before = shared_state(tables, "val/images")
    assert before and shared_state(tables, "val/images") == before
    assert (
        shared_state(tables, "other/first") == {} == shared_state(MemoryTables({}, empty=["eval_sets"]), "val/images")
    )
    write_export(file, rows(False), ABOUT)
    assert shared_state(tables, "val/images") != before
