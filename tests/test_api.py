"""The Python API: what `import curate` offers, and that it does what the commands do."""

import inspect
import shutil
import subprocess
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import curate
from curate.errors import MissingInputError, MissingTableError, ParameterError, SchemaError, WorkspaceError
from curate.schema import table_schema, table_schemas
from tests.cli.shared import PYTHON, environment

PUBLIC = ["Session", "__version__", "errors", "open", "open_manifest", "run"]
SESSION = {
    "arrow", "check_files", "connect", "datasheet", "diff", "digests", "drop", "export_manifest", "find_image",
    "find_manifest", "folder", "newest_manifest", "plan", "read_pipeline", "run", "run_steps", "sql", "store", "table",
    "take_in_verdicts",
}  # fmt: skip


@pytest.fixture(scope="session")
def workspace(example: Path, tmp_path_factory: pytest.TempPathFactory) -> curate.Session:
    """Finished, and not to be changed."""
    copy = tmp_path_factory.mktemp("api") / "workspace"
    return curate.open(shutil.copytree(example / "notebook-demo" / "workspace", copy))


@pytest.fixture
def own(workspace: curate.Session, tmp_path: Path) -> curate.Session:
    return curate.open(shutil.copytree(workspace.folder, tmp_path / "workspace"))


def test_the_public_names():
    assert sorted(curate.__all__) == PUBLIC
    for name in curate.__all__:
        assert getattr(curate, name) is not None
    with pytest.raises(AttributeError, match="opne"):
        _ = curate.opne


def test_every_public_name_is_documented():
    documented = [getattr(curate, name) for name in PUBLIC if name != "__version__"]
    members = {name: member for name, member in vars(curate.Session).items() if not name.startswith("_")}
    assert set(members) | {"store"} == SESSION
    for thing in [*documented, *members.values()]:
        assert inspect.getdoc(thing), thing
    for function in [curate.open, curate.run, curate.open_manifest, curate.Session.run, curate.Session.run_steps]:
        for parameter in set(inspect.signature(function).parameters) - {"self"}:
            assert f"{parameter}:" in inspect.getdoc(function), (function, parameter)
    for name, thing in vars(curate.errors).items():
        if isinstance(thing, type) and thing.__module__ == "curate.errors":
            assert inspect.getdoc(thing) and issubclass(thing, curate.errors.CurateError), name


def test_importing_is_light():
    code = "import sys, curate; curate.errors; print(*sys.modules)"
    done = subprocess.run((*PYTHON, "-c", code), env=environment(), check=True, capture_output=True, text=True)
    assert set(done.stdout.split()) & {"duckdb", "pyarrow", "torch", "numpy"} == set()


def test_the_example_shows_a_batch(example: Path):
    said = (example / "said.txt").read_text().splitlines()
    assert "one batch: images (16, 3, 48, 48), targets (16, 10)" in said
    assert said[-1].startswith("labels: ") and said[-1].count(",") == 15
    assert any(line.startswith("Outcome(stage='build-manifest', action='ran'") for line in said)


def test_tables_are_relations_and_arrow(workspace: curate.Session):
    images = workspace.table("images")
    assert isinstance(images, duckdb.DuckDBPyRelation)
    assert images.filter("status = 'ok'").aggregate("count(*)").fetchall() == [(296,)]
    rows = workspace.arrow("label_stats")
    assert isinstance(rows, pa.Table) and rows.schema.equals(table_schema("label_stats").arrow)
    assert rows["class_key"].to_pylist() == sorted(rows["class_key"].to_pylist()) and rows.num_rows == 12
    assert workspace.arrow("image_labels").schema.equals(table_schema("image_labels").arrow)
    assert workspace.arrow("embeddings")["vector"].type.value_type == pa.float16()
    assert workspace.sql("SELECT count(*) FROM image_labels WHERE origin = 'direct'").fetchall()[0][0] > 200
    assert workspace.table("audits").fetchall() == []  # nobody has judged anything
    views = {name for (name,) in workspace.connect().execute("SHOW TABLES").fetchall()}
    assert views == set(table_schemas())


def test_mistakes_are_stated(workspace: curate.Session, tmp_path: Path):
    with pytest.raises(WorkspaceError, match="no workspace at"):
        curate.open(tmp_path / "nowhere")
    with pytest.raises(ParameterError, match="unknown stage 'ingset'. Did you mean 'ingest'"):
        workspace.run("ingset")
    with pytest.raises(ParameterError, match="embed: unknown parameter 'encodr'. Did you mean 'encoder'"):
        workspace.run("embed", encodr="builtin")
    with pytest.raises(ParameterError, match="min_precision: 'high' is no float"):
        workspace.run("build-manifest", min_precision="high")
    with pytest.raises(ParameterError, match=r"sql|Binder|colour"):
        workspace.sql("SELECT colour FROM images")
    with pytest.raises(SchemaError, match="no table 'imags'. Did you mean 'images'"):
        workspace.table("imags")
    with pytest.raises(ParameterError, match="unknown engine 'spark'"):
        list(workspace.run_steps(workspace.read_pipeline("quickstart")[:1], engine="spark"))
    with pytest.raises(MissingInputError, match="no manifest yet"):
        curate.open(tmp_path / "new", create=True).newest_manifest()
    with pytest.raises(MissingInputError, match="'evalst'"):
        workspace.drop("add-evalset", "evalst")


def test_paths_may_be_paths_or_text_and_are_found_from_anywhere(corpus: Path, tmp_path: Path, monkeypatch):
    workspace = curate.open(tmp_path / "new", create=True)
    monkeypatch.chdir(corpus)
    assert workspace.run("ingest", sources=["posts"]).action == "ran"
    monkeypatch.chdir(tmp_path)
    assert workspace.run("ingest", sources=[corpus / "posts"]).action == "reused"
    assert workspace.run("ingest", sources={"path": corpus / "posts", "name": "posts"}).n_parts_run == 0
    outcome = workspace.run("ingest", sources=[{"path": str(corpus / "posts"), "name": "again"}], max_pixels=10**8)
    assert (outcome.n_parts_run, outcome.n_rows["sources"]) == (2, 2)  # added to what was there
    outcome = workspace.drop("ingest", "again")
    assert outcome.n_rows["images"] == 299


def test_one_call_does_what_a_command_does(own: curate.Session):
    outcome = own.run("build-manifest", min_precision=0.7)
    assert (outcome.stage, outcome.action, outcome.why) == ("build-manifest", "ran", "parameter min_precision changed")
    assert own.run("build-manifest", min_precision=0.7).action == "reused"
    manifest = curate.open_manifest(own.export_manifest())
    assert manifest.manifest_id == own.newest_manifest()
    assert len(manifest) == own.sql(f"FROM manifest WHERE manifest_id = '{manifest.manifest_id}'").shape[0]
    elsewhere = curate.open_manifest(own.export_manifest(own.folder.parent / "mine"))
    assert elsewhere.digest() == manifest.digest()


def test_a_pipeline_says_what_it_would_do_and_does_it(own: curate.Session, corpus: Path):
    settings = [
        f"ingest.sources=[{{path: '{corpus / 'posts'}'}}]",
        f"add-evalset.sets=[{{name: evalset, path: '{corpus / 'evalset'}'}}]",
        f"map-labels.classes='{corpus / 'classes.csv'}'",
    ]
    steps = own.read_pipeline("quickstart", settings)
    before = own.digests()
    planned = {step.stage.name: verdict.action for step, verdict in own.plan(steps, until="build-hierarchy")}
    assert planned["load-wordnet"] == "reuse" and planned["build-hierarchy"] in ("reuse", "run")
    outcomes = list(own.run_steps(steps, until="build-hierarchy"))
    assert [o.stage for o in outcomes][-1] == "build-hierarchy" and sum(o.n_parts_run for o in outcomes) == 0
    assert own.digests() == before  # the same corpus, the same tables
    assert [o.stage for o in curate.run("quickstart", own, settings, until="load-wordnet")] == ["load-wordnet"]


def test_inputs_are_checked_before_anything_runs(corpus: Path, tmp_path: Path):
    workspace = curate.open(tmp_path / "new", create=True)
    workspace.run("ingest", sources=[corpus / "posts"])
    with pytest.raises(MissingTableError, match="Run 'curate map-labels' first"):
        workspace.run("score-labels")
    assert set(workspace.store.commits()) == {"ingest"}


def test_damaged_files_are_found(own: curate.Session):
    own.check_files()
    part = next((own.folder / "parts" / "images").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(WorkspaceError, match=r"images.*is damaged or gone\. Delete it and run stage ingest again"):
        own.check_files()


def test_images_by_key_and_id(workspace: curate.Session):
    image_id = workspace.find_image("000000001")
    assert workspace.find_image(image_id) == workspace.find_image(image_id[:10]) == image_id
    with pytest.raises(MissingInputError, match="no image 'nothing'"):
        workspace.find_image("nothing")
