"""The road from posts to a manifest on the demo's tiny corpus, for tests that look at it as a whole.

Everything that several tests need is made once per session, whichever process they run in.
"""

import io
import pickle
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import curate.api as api
from curate.api import Session
from curate.cli.pipeline import export_manifest
from curate.demo.corpus import DemoCorpus, generate
from curate.errors import SchemaError
from curate.plan import Step, inputs, produces
from curate.runner import Outcome
from curate.schema import table_schemas
from curate.stage import QueryStage, Stage, Tables
from curate.stages.catalog import STAGES
from tests.cli.shared import PYTHON, ROOT, environment, once

Post = list[tuple[str, bytes]]
"""Members of a tar that make up one record."""

LAST = "build-manifest"
N_TARS = 3
STORED = [name for name, schema in table_schemas().items() if not schema.view_sql]


@dataclass(frozen=True)
class Road:
    """A finished run and what it was made from. Other processes read all but the session: it is not to be changed.

    Attributes:
        corpus: The generated corpus.
        posts: Its posts, cut into N_TARS tars.
        session: The workspace, of this process alone.
        wordnet: A workspace in which only load-wordnet has run, see `few_synsets`.
        outcomes: Of all stages.
        seen: What each function of each stage could read, see `watched`.
    """

    corpus: DemoCorpus
    posts: Path
    session: Session
    wordnet: Path
    outcomes: list[Outcome]
    seen: list[tuple[str, str, set[str]]]


def whole_road(factory: pytest.TempPathFactory) -> Road:
    """The run that the others are compared with."""
    folder = once(factory, "road", make_road)
    told = pickle.loads((folder / "told").read_bytes())
    session = copy_of(folder / "whole", factory.mktemp("road") / "whole")
    return Road(posts=folder / "cut" / "posts", session=session, wordnet=folder / "wordnet", **told)


def make_road(folder: Path) -> None:
    """One worker, in this thread."""
    corpus = generate(folder / "corpus", tiny=True)
    posts = folder / "cut" / "posts"
    records = read_records(corpus.posts)
    write_tars(posts, [records[i * len(records) // N_TARS : (i + 1) * len(records) // N_TARS] for i in range(N_TARS)])
    wordnet = folder / "wordnet"
    list(api.open(wordnet, create=True).run_steps([few_synsets(corpus.classes)]))
    session = api.open(shutil.copytree(wordnet, folder / "whole"))
    seen: list[tuple[str, str, set[str]]] = []
    steps = [Step(watched(step.stage, seen), step.params) for step in road_steps(session, corpus, posts)]
    outcomes = list(session.run_steps(steps, n_workers=1))
    export_manifest(session, None)
    (folder / "told").write_bytes(pickle.dumps({"corpus": corpus, "outcomes": outcomes, "seen": seen}))


CHEAP = {
    'embed", encoder=["builtin"]': 'embed", encoder=["builtin"], plants=2',
    'dedup", against=["evalset"]': 'dedup", against=["evalset"], compare=0.2',
}
"""What the example is told to cost less: as much is planted and compared as by curate demo --tiny."""


def finished_example(factory: pytest.TempPathFactory) -> Path:
    """Where examples/notebook_style.py has run: notebook-demo/corpus, notebook-demo/workspace, and said.txt."""

    def make(folder: Path) -> None:
        text = (ROOT / "examples" / "notebook_style.py").read_text()
        for dear, cheap in CHEAP.items():
            assert text.count(dear) == 1
            text = text.replace(dear, cheap)
        example = folder / "notebook_style.py"
        example.write_text(text)
        run = subprocess.run((*PYTHON, str(example)), cwd=folder, env=environment(), capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        (folder / "said.txt").write_text(run.stdout)

    return once(factory, "example", make)


def few_synsets(classes: Path) -> Step:
    """load-wordnet with no more than the classes, other senses of their words, and what lies above: it takes no time.

    As a stage is known by its name, version and parameters, every run that begins with this one reuses it.
    """
    stage = next(stage for stage in STAGES if stage.name == "load-wordnet")
    assert isinstance(stage, QueryStage)
    whole = stage.run

    def run(tables: Tables, params: Any) -> dict[str, pa.Table]:
        with duckdb.connect() as con:
            rows = whole(tables, params)
            for name, table in rows.items():
                con.register(name, table)
            con.execute(
                f"""
                CREATE TABLE kept AS WITH RECURSIVE above AS (
                    SELECT DISTINCT wnid FROM lemmas WHERE lemma IN (
                        SELECT lemma FROM lemmas SEMI JOIN read_csv('{classes}') USING (wnid))
                    UNION SELECT hypernym_wnid FROM hypernyms JOIN above USING (wnid)
                ) FROM above"""
            )
            return {name: con.sql(f"FROM {name} SEMI JOIN kept USING (wnid)").to_arrow_table() for name in rows}

    return Step(replace(stage, run=run), stage.params())


def settings(corpus: DemoCorpus, posts: Path) -> list[str]:
    """What quickstart has to be told, as for --set."""
    return [
        f"ingest.sources=[{{path: '{posts}'}}]",
        f"add-evalset.sets=[{{name: evalset, path: '{corpus.evalset}'}}]",
        f"map-labels.classes='{corpus.classes}'",
        "embed.plants=1",  # what pixel comparisons say is tested where they are made; here they cost time
        "dedup.compare=0.1",
        "dedup.k=3",
    ]


def road_steps(session: Session, corpus: DemoCorpus, posts: Path, *more: str) -> list[Step]:
    """The steps of quickstart up to the manifest."""
    steps = session.read_pipeline("quickstart", [*settings(corpus, posts), *more])
    return steps[: [step.stage.name for step in steps].index(LAST) + 1]


def travel(session: Session, corpus: DemoCorpus, posts: Path, *more: str, n_workers: int = 1) -> dict[str, Outcome]:
    """Run the road and export the manifest; outcomes by stage."""
    found = {o.stage: o for o in session.run_steps(road_steps(session, corpus, posts, *more), n_workers=n_workers)}
    export_manifest(session, None)
    return found


def copy_of(folder: Path, to: Path) -> Session:
    """A workspace of its own that begins where another stands."""
    return api.open(shutil.copytree(folder, to))


def read_records(folder: Path) -> list[Post]:
    """The records of all tars of a folder, in order."""
    found: dict[str, Post] = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for info in tar:
                member = tar.extractfile(info)
                assert member is not None
                found.setdefault(info.name.partition(".")[0], []).append((info.name, member.read()))
    return list(found.values())


def write_tars(folder: Path, tars: Sequence[Sequence[Post]]) -> None:
    """One tar per list of records."""
    folder.mkdir(parents=True)
    for number, records in enumerate(tars):
        with tarfile.open(folder / f"{number:05d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for name, data in (member for record in records for member in record):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def exported(session: Session) -> dict[str, bytes]:
    """The files of the newest manifest's folder."""
    folder = session.folder / "manifests" / session.newest_manifest()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def watched(stage: Stage, seen: list[tuple[str, str, set[str]]]) -> Stage:
    """A stage that notes, before each of its functions runs, which tables the function could read."""

    def noting(name: str) -> Any:
        function = getattr(stage, name)

        def noted(tables: Tables, *rest: Any) -> Any:
            seen.append((stage.name, name, readable(tables)))
            return function(tables, *rest)

        return noted if function else None

    names = ("run",) if isinstance(stage, QueryStage) else ("parts", "make_worker", "settle", "gather")
    return replace(stage, **{name: noting(name) for name in names})


def readable(tables: Tables) -> set[str]:
    """Tables that can be read by any of the three ways."""
    with tables.connect() as con:
        found = {name for (name,) in con.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()}
        found &= set(STORED)
        for name in STORED:
            with suppress(duckdb.CatalogException):
                con.execute(f"FROM {name} LIMIT 0")
                found.add(name)
    for name in STORED:
        with suppress(SchemaError):
            tables.parts(name)
            found.add(name)
        with suppress(SchemaError):
            tables.arrow(name)
            found.add(name)
    return found


def declared(stage: Stage, function: str) -> set[str]:
    """Tables that a function of a stage may read: what the stage declares, and after its parts what they wrote."""
    own = set(stage.writes) if function in ("settle", "gather") else set()
    return set(inputs(stage)) | {t for t in stage.optional if t in produces(stage)} | own
