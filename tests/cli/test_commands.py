"""What commands do, from the line that is typed to what lies on the disk."""

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.shared import COMMAND, Commands, environment
from tests.sources import evalsets


def rows(cli: Commands, query: str) -> list[dict]:
    return [json.loads(line) for line in cli("sql", query, "--format", "json").splitlines()]


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_sql_prints_a_result(cli: Commands, form):
    out = cli("sql", "SELECT status, count(*) AS n FROM images GROUP BY ALL ORDER BY ALL", "--format", form)
    assert (
        out.split()
        == {
            "table": ["status", "n", "damaged", "3", "ok", "296"],
            "csv": ['"status","n"', '"damaged",3', '"ok",296'],
            "json": ['{"status":', '"damaged",', '"n":', "3}", '{"status":', '"ok",', '"n":', "296}"],
        }[form]
    )


def test_sql_writes_parquet_to_stdout(looked_at):
    line = ("sql", "-w", str(looked_at), "FROM label_stats ORDER BY class_key", "--format", "parquet")
    done = subprocess.run((*COMMAND, *line), env=environment(), check=True, capture_output=True)
    table = pq.read_table(io.BytesIO(done.stdout))
    assert table.num_rows == 12 and table.column_names[:2] == ["class_key", "name"]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM images",
        "DROP VIEW images",
        "CREATE TABLE mine AS FROM images",
        "COPY (SELECT 1) TO '{0}/commits/ingest.json'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{0}/commits/ingest.json'",
        "SELECT 1; COPY (SELECT 1) TO '{0}/commits/ingest.json'",
        "ATTACH '{0}/other.duckdb'",
        "EXPORT DATABASE '{0}'",
        "",
    ],
)
def test_sql_cannot_change_the_workspace(cli: Commands, query):
    before = bytes_below(cli.workspace)
    assert "only queries" in cli.complaint(2, "sql", query.format(cli.workspace))
    assert bytes_below(cli.workspace) == before


def test_questions_leave_the_workspace_as_it_is(cli: Commands):
    before = bytes_below(cli.workspace)
    for line in ("tables", "tables images", "evalset list", "plan quickstart", "why 000000001", "audit export x.csv"):
        cli.try_(*line.split())
    cli("sql", "FROM images LIMIT 1")
    assert bytes_below(cli.workspace) == before


def test_tables(cli: Commands):
    listed = cli("tables")
    assert "images                299" in listed and "image_labels          view" in listed
    shown = cli("tables", "manifest")
    assert "*image_id" in shown and "class_ids" in shown


def test_why_takes_a_key_an_id_and_the_beginning_of_one(cli: Commands):
    [found] = rows(cli, "SELECT image_id, key FROM images JOIN near_duplicates USING (image_id) ORDER BY ALL LIMIT 1")
    told = cli("why", found["key"])
    assert told == cli("why", found["image_id"]) == cli("why", found["image_id"][:8])
    for part in ("image_id: " + found["image_id"], "labels as ingested", "copies of eval images", "near_duplicate"):
        assert part in told
    assert "None" not in told
    assert "no image" in cli.complaint(1, "why", found["image_id"][:5])  # too short to mean an id


def test_why_asks_back_where_several_are_meant(own: Commands, corpus):
    own("ingest", corpus / "posts" / "00000.tar", "--source-name", "again")
    [found] = rows(own, "SELECT image_id, key FROM images WHERE source = 'posts' AND key = '000000001'")
    said = own.complaint(1, "why", found["key"])
    assert "names several images" in said and f"{found['image_id']} (posts)" in said and "(again)" in said
    assert "source: posts" in own("why", found["image_id"])


def test_diff_and_datasheet_of_manifests(own: Commands, tmp_path, monkeypatch):
    [first] = rows(own, "SELECT manifest_id FROM manifests")
    old, folder = first["manifest_id"], tmp_path / "strict"
    own("build-manifest", "--min-precision", 0.97, "--max-per-class", 12, "--out", folder)
    [new] = {row["manifest_id"] for row in rows(own, "SELECT manifest_id FROM manifests")} - {old}
    told = own("diff", old[:6], new)
    assert told == own("diff", old, folder) and f"old {old}, new {new}" in told
    for part in ("parameters that differ", "max_per_class", "over_cap", "classes that differ"):
        assert part in told
    parts = [json.loads(line) for line in own("diff", old, new, "--format", "json").splitlines()]
    [labels] = [row for row in parts if (row["part"], row["item"]) == ("summary", "labels")]
    changed = list(csv.DictReader(io.StringIO(own("diff", old, new, "--labels", "--format", "csv"))))
    assert sum(row["old"] == "kept" for row in changed) == labels["n_dropped"] > 0
    assert (
        own("datasheet") == own("datasheet", new) == own("datasheet", folder) == (folder / "DATASHEET.md").read_text()
    )
    assert own("datasheet", new, "--format", "json") == (folder / "datasheet.json").read_text()
    assert json.loads(own("datasheet", old, "--format", "json"))["parameters"]["min_precision"] == 0.8
    elsewhere = Commands(tmp_path / "nowhere", own._capture)
    assert f"old {new}, new {new}" in elsewhere("diff", folder, folder)
    assert "no workspace at" in elsewhere.complaint(1, "diff", folder, new)
    image = changed[0]["image_id"]
    assert "over_cap" in own("why", image) or "below_threshold" in own("why", image)


def judge(file: Path, drawn: list[dict], verdicts: list[str]) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, drawn[0])
        writer.writeheader()
        writer.writerows({**row, "verdict": verdicts[i % len(verdicts)]} for i, row in enumerate(drawn))


def test_audit_round_trip(own: Commands, tmp_path):
    file = tmp_path / "to-judge.csv"
    own("audit", "sample", "--per-class", 3)
    own("audit", "export", file)
    with file.open(newline="") as stream:
        drawn = list(csv.DictReader(stream))
    assert len(drawn) == 36 and {row["verdict"] for row in drawn} == {""}
    judge(file, drawn, ["yes", "yes", "no", ""])
    for new in (27, 0):  # the same file may be read twice
        assert f"{new} new verdicts" in own.try_("audit", "import", file)[2]
    assert {row["auditor"] for row in rows(own, "FROM audits")} == {"to-judge.csv"}
    rest = tmp_path / "rest.parquet"
    own("audit", "export", rest)
    assert pq.read_table(rest).num_rows == 9
    judge(tmp_path / "rest.csv", pq.read_table(rest).to_pylist(), ["no"])
    own("audit", "import", tmp_path / "rest.csv", "--auditor", "somebody")
    own("estimate-noise")
    assert {(r["n_audited"], r["evidence"]) for r in rows(own, "FROM label_stats")} == {(3, "audited")}
    assert (
        own.try_("audit", "export", rest)[2] == "no label waits for a verdict; draw some with 'curate audit sample'\n"
    )
    file.write_text(file.read_text().replace(",yes", ",perhaps"))
    said = own.complaint(1, "audit", "import", file)
    assert "to-judge.csv, line 2: verdict 'perhaps'" in said and "Use yes, no or cannot_tell" in said


def test_audit_export_knows_two_formats(cli: Commands, tmp_path):
    assert "neither .csv nor .parquet" in cli.complaint(2, "audit", "export", tmp_path / "none.txt")


def test_evalsets_come_and_go(fresh: Commands, corpus, tmp_path, monkeypatch):
    """Of few images, so that few copies of them are planted and compared."""
    classes = sorted((corpus / "evalset").iterdir())
    for name, images in (("few", classes[0]), ("others", classes[1])):
        folder = tmp_path / "here" / name / images.name
        folder.mkdir(parents=True)
        for path in sorted(images.iterdir())[:3]:
            shutil.copy(path, folder)
    fresh("ingest", corpus / "posts" / "00000.tar")
    fresh("embed", "--encoder", "builtin", "--plants", 1)
    fresh("evalset", "add", "first", tmp_path / "here" / "others")
    few = ("--compare", 0.1, "--k", 3)
    fresh("dedup", "--against", "first", *few)
    monkeypatch.chdir(tmp_path / "here")
    _, _, err = fresh.try_("evalset", "add", "second", "few")  # a relative path …
    # Lines are not broken to the width of a terminal that is none.
    assert any(line.startswith("eval set second (folder): 3 images found") for line in err.splitlines())
    monkeypatch.chdir(tmp_path)
    fresh("evalset", "add", "third", tmp_path / "here" / "few", "--format", "folder")  # … is found from elsewhere
    listed = [line.split()[:2] for line in fresh("evalset", "list").splitlines()[1:]]
    assert listed == [["first", "3"], ["second", "3"], ["third", "3"]]
    assert rows(fresh, "SELECT count(*) AS n FROM eval_embeddings")[0]["n"] == 18  # described at once, in two views
    planted = "SELECT max(n) AS n FROM (SELECT count(*) AS n FROM planted_embeddings GROUP BY eval_set, transform)"
    assert rows(fresh, planted) == [{"n": 2}]  # one of either half, as embed was told
    fresh("dedup", "--against", "second", *few)
    compared = "SELECT eval_set FROM duplicate_thresholds ORDER BY ALL"
    assert rows(fresh, compared) == [{"eval_set": "first"}, {"eval_set": "second"}]
    fresh("evalset", "remove", "second")
    fresh("dedup", *few)  # which no longer compares with it
    assert rows(fresh, compared) == [{"eval_set": "first"}]
    fresh("evalset", "export", "third", "--out", "third.parquet")
    exported = pq.read_table(tmp_path / "third.parquet")
    assert exported.num_rows == 3 and {"sha256", "phash", "class_key", "vector"} <= set(exported.column_names)


def test_an_eval_set_is_shared_without_its_images(own: Commands, fresh: Commands, corpus, tmp_path):
    file = tmp_path / "shared.parquet"
    for encoder in ((), ("--encoder", "builtin")):
        said = own.try_("evalset", "export", "evalset", "--out", file, *encoder)[2]
        assert "60 images, 60 with vectors of builtin" in said
    fresh("ingest", corpus / "posts")
    fresh("evalset", "add", "theirs", file)
    hashes = "SELECT eval_image_id, sha256, phash, class_key FROM eval_images ORDER BY ALL"
    assert rows(fresh, hashes) == rows(own, hashes)
    fresh("embed", "--encoder", "builtin")
    described = "SELECT eval_image_id, view, vector FROM eval_embeddings ORDER BY ALL"
    theirs, ours = rows(fresh, described), rows(own, described)
    assert [(row["eval_image_id"], row["view"]) for row in theirs] == [(r["eval_image_id"], r["view"]) for r in ours]
    assert [row["vector"] for row in theirs] == [row["vector"] for row in ours]
    prints = "SELECT fingerprint FROM eval_sets"
    assert rows(fresh, prints) == rows(own, prints)
    assert "export" in fresh("evalset", "list") and "shared without its images" in fresh.complaint(
        1, "evaluate", "nowhere", "--on", "theirs"
    )
    said = own.complaint(1, "evalset", "export", "evalset", "--out", file, "--encoder", "resnet")
    assert "no vectors of encoder 'resnet'" in said
    assert "does not end in .parquet" in own.complaint(2, "evalset", "export", "evalset", "--out", "shared.csv")


def test_a_split_is_chosen(fresh: Commands, tmp_path):
    evalsets.cifar100(tmp_path / "cifar-100-binary")
    assert "3 images found, 3 with a class" in fresh.try_("evalset", "add", "mine", tmp_path)[2]
    fresh("evalset", "add", "mine", tmp_path, "--split", "train")
    assert rows(fresh, "SELECT min(uri) AS uri FROM eval_images")[0]["uri"] == "train.bin#record=0&labels=2"
    said = fresh.complaint(1, "evalset", "add", "mine", tmp_path, "--split", "val")
    assert "no split 'val'. There are: train, test" in said
    shown = fresh("evalset", "list").splitlines()[1].split()
    assert shown[:4] == ["mine", "3", "3", "cifar"] and len(shown[4]) == 12


def test_dedup_before_embed_finds_what_hashes_tell(fresh: Commands, corpus, monkeypatch):
    monkeypatch.setattr("curate.stages.dedup_rows.PLANTS", 1)  # to compare them is what takes long
    fresh("ingest", corpus / "posts")
    fresh("evalset", "add", "evalset", corpus / "evalset")
    fresh("dedup", "--against", "evalset")
    assert {row["method"] for row in rows(fresh, "FROM near_duplicates")} == {"sha256", "phash"}


def test_from_a_manifest_folder_to_an_accuracy(own: Commands, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = own("build-manifest", "--min-precision", "0.7", "--out", "mine").strip()
    assert folder == str(tmp_path / "mine") or folder == "mine"
    assert {"classes.parquet", "provenance.json"} <= {path.name for path in Path("mine").iterdir()}
    assert own("build-manifest", "--min-precision", "0.7", "--out", "mine").strip() == folder  # again: the same bytes
    few = ("--set", "steps=3", "--set", "batch_size=8", "--out", "model")
    assert own("train", "mine", *few, "--where", "p_correct > 0.5").strip() == "model"
    measured = own("evaluate", "model", "--on", "evalset")
    assert {"top1", "top1_clean", "top1_lower", "coverage"} <= {line.split()[0] for line in measured.splitlines()[1:]}
    for code, wrong, words in [
        (2, ["--set", "stepz=3"], ["--set stepz", "Did you mean 'steps'"]),
        (2, ["--set", "steps=some"], ["steps is 'some'"]),
        (2, ["--set", "steps=["], ["--set steps=["]),
        (2, ["--set", "steps"], ["not of the form NAME=VALUE"]),
        (2, ["--root", "pots=/"], ["--root pots", "Did you mean 'posts'"]),
        (1, ["--root", "posts=/nowhere"], ["'posts'", "/nowhere", "--root posts=DIR"]),
        (2, ["--where", "p_korrect > 1"], ["p_korrect"]),
        (2, ["--where", "p_correct > 1"], ["no row of the manifest"]),
        (1, ["--recipe", "nothing"], ["no training recipe 'nothing'", "quickstart"]),
        (1, ["--set", "steps=4", "--out", "model"], ["checkpoint is of another run"]),
    ]:
        said = own.complaint(code, "train", "mine", *wrong)
        assert [word for word in words if word not in said] == [], said


def test_plan_and_run(fresh: Commands, corpus, tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text(f"stages:\n  ingest: {{sources: ['{corpus / 'posts'}']}}\n  embed: {{encoder: [builtin]}}\n")
    planned = [line.split()[:2] for line in fresh("plan", file).splitlines()[1:]]
    assert planned == [["ingest", "run"], ["embed", "run"]]
    assert list((fresh.workspace / "commits").glob("*")) == []  # a plan does nothing
    code, out, err = fresh.try_("run", file, "--until", "ingest", "--workers", 1)
    assert (code, out) == (0, "") and "ingest" in err and "images 299" in err and "embed" not in err
    assert [line.split()[:2] for line in fresh("plan", file).splitlines()[1:]] == [
        ["ingest", "reuse"],
        ["embed", "run"],
    ]
    assert "reused" in fresh.try_("run", file, "--until", "ingest")[2]
