"""What people get wrong: one clear line that says what, where and what to do; exit code 1 or 2; no traceback."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from curate.store import Workspace
from tests.cli.shared import Commands

PIPELINE = "stages:\n  ingest: {sources: [posts]}\n"

LOOKED_UP = [
    # unknown commands, parameters and values
    (2, "frobnicate", ["No such command 'frobnicate'", "Try 'curate --help'"]),
    (2, "ingset posts", ["No such command 'ingset'", "Did you mean 'ingest'"]),
    (2, "evalset ad", ["No such command 'ad'", "curate evalset --help"]),
    (2, "run", ["Missing argument 'PIPELINE.yaml'"]),
    (2, "map-labels --clases x", ["No such option: --clases", "--classes"]),
    (2, "map-labels --senses foo", ["senses", "'foo' is none of context, group, abstain"]),
    (2, "map-labels --min-confidence 2", ["min_confidence", "0 to 1"]),
    (2, "run quickstart --set map-labels.sense=group", ["unknown parameter 'sense'", "Did you mean 'senses'"]),
    (2, "run quickstart --set map-label.senses=group", ["unknown stage 'map-label'", "Did you mean 'map-labels'"]),
    (2, "run quickstart --set senses=group", ["not of the form stage.param=value"]),
    (2, "run quickstart --set embed.batch_size=many", ["batch_size", "'many' is no int"]),
    (2, "run quickstart --until trian", ["--until trian", "Did you mean 'train'"]),
    (2, "run quickstart --engine spark", ["unknown engine 'spark'", "local, ray"]),
    (2, "build-manifest", ["Missing option '--min-precision'"]),
    (2, "build-manifest --min-precision 1.5", ["min_precision = 1.5", "(0, 1]"]),
    (2, "build-manifest --min-precision 0", ["min_precision = 0.0", "(0, 1]"]),
    (2, "build-manifest --min-precision high", ["--min-precision", "number"]),
    (2, "build-manifest --min-precision 0.8 --confidence 1", ["confidence = 1.0"]),
    (2, "dedup --precision 2", ["precision 2.0"]),
    (2, "score-labels --folds 1", ["folds must be at least 2"]),
    (2, "audit sample --per-class 0", ["--per-class"]),
    (2, "audit sample --class dog", ["no direct label of class 'dog'", "Known: n02012849"]),
    # eval sets and encoders
    (1, "dedup --against imagenet_val", ["no eval set 'imagenet_val'", "Known: evalset", "curate evalset add"]),
    (1, "evaluate nowhere --on evalst", ["no evaluation set 'evalst'", "Did you mean 'evalset'"]),
    (1, "evalset remove evalst", ["no eval set 'evalst'", "Did you mean 'evalset'"]),
    (1, "evalset export evalst --out out.parquet", ["no eval set 'evalst'"]),
    (1, "embed --encoder foo", ["no encoder 'foo'", "builtin, file:"]),
    (1, "score-labels --encoder foo", ["no descriptors of encoder 'foo'", "Known: builtin"]),
    # files that are not there
    (1, "ingest nowhere", ["no such file or folder '", "nowhere'"]),
    (1, "run nowhere.yaml", ["no pipeline file 'nowhere.yaml'", "quickstart"]),
    (1, "map-labels --classes nowhere.csv", ["--classes: no file 'nowhere.csv'", "CSV with a wnid column"]),
    (1, "embed --encoder file:nowhere.pt2", ["nowhere.pt2", "No such file"]),
    (1, "embed --encoder vectors:nowhere.parquet", ["nowhere.parquet: no such file"]),
    (1, "audit import nowhere.csv", ["no file nowhere.csv"]),
    (2, "audit calibration --plot scores.pdf", ["neither .svg nor .png"]),
    (1, "audit calibration", ["audit sample"]),
    (1, "evalset add new nowhere", ["no such file or folder '", "nowhere'"]),
    (1, "train nowhere", ["no manifest in 'nowhere'", "build-manifest --out"]),
    (1, "train nowhere --recipe nothing", ["no manifest in 'nowhere'"]),
    (1, "evaluate nowhere --on evalset", ["no checkpoint in 'nowhere'"]),
    (1, "evalset export evalset --out nowhere/out.parquet", ["nowhere/out.parquet"]),
    # questions
    (2, "sql --format xml FROM_images", ["unknown format 'xml'", "table, csv, json, parquet"]),
    (1, "tables imags", ["no table 'imags'", "Did you mean 'images'"]),
    (1, "why nothing", ["no image 'nothing'", "image_id"]),
    (1, "diff nothing nothing", ["no manifest 'nothing', and no such folder", "There are: "]),
    (1, "diff ./a ./b", ["no manifest in 'a'", "provenance.json is missing"]),
    (2, "diff a", ["Missing argument 'NEW'"]),
    (2, "diff a b --format xml", ["unknown format 'xml'", "table, csv, json"]),
    (1, "datasheet nothing", ["no manifest 'nothing'", "There are: "]),
    (1, "datasheet ./nowhere", ["no datasheet in './nowhere'"]),
    (2, "datasheet --format html", ["unknown format 'html'", "markdown, json"]),
    (2, "build-manifest --min-precision 0.8 --max-per-class 3", ["max_per_class = 3", "min_images (5) and more"]),
    (2, "build-manifest --min-precision 0.8 --keep some", ["keep", "'some' is none of precise, all"]),
]


@pytest.mark.parametrize(("code", "line", "words"), LOOKED_UP, ids=[line for _, line, _ in LOOKED_UP])
def test_a_mistake_is_named(cli: Commands, monkeypatch, tmp_path, code, line, words):
    monkeypatch.chdir(tmp_path)
    said = cli.complaint(code, *line.split())
    assert [word for word in words if word not in said] == [], said


@pytest.mark.parametrize("command", ["tables", "plan quickstart", "map-labels", "evalset list", "audit export x.csv"])
def test_no_workspace(tmp_path, terminal, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    said = Commands(tmp_path / "nowhere", terminal).complaint(1, *command.split())
    assert "no workspace at" in said and "nowhere" in said and "curate init DIR" in said


def test_the_workspace_of_the_environment_is_used_and_named(tmp_path, terminal, monkeypatch, looked_at):
    from curate.cli.main import run_command

    monkeypatch.setenv("CURATE_WORKSPACE", str(looked_at))
    assert run_command(["evalset", "list"]) == 0
    assert "evalset" in terminal.readouterr().out
    monkeypatch.setenv("CURATE_WORKSPACE", str(tmp_path / "gone"))
    assert run_command(["evalset", "list"]) == 1
    assert "gone" in terminal.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stages:\n  ingest: {sourcs: [posts]}\n", ["my.yaml", "ingest", "unknown parameter 'sourcs'", "'sources'"]),
        ("stages:\n  ingets: {}\n", ["my.yaml", "unknown stage 'ingets'", "Did you mean 'ingest'"]),
        ("stages: [ingest\n", ["my.yaml", "line 1"]),
        ("steps: {}\n", ["my.yaml", "no 'stages:' mapping"]),
        ("stages:\n  embed: {}\n  embed: {}\n", ["my.yaml", "embed is given twice"]),
        ("stages:\n  ingest: {}\n", ["my.yaml", "parameter 'sources' is missing"]),
    ],
)
def test_a_pipeline_file_with_a_mistake(fresh: Commands, tmp_path, text, words):
    file = tmp_path / "my.yaml"
    file.write_text(text)
    said = fresh.complaint(2, "run", file)
    assert [word for word in words if word not in said] == [], said


def test_wrong_columns(own: Commands, tmp_path, corpus):
    listed = tmp_path / "list.csv"
    listed.write_text("name,label\na.jpg,dog\n")
    said = own.complaint(1, "ingest", listed)
    assert "list.csv: no column for path; columns are name, label" in said and "--columns path=COLUMN" in said
    assert "no column 'nmae'" in own.complaint(1, "ingest", listed, "--columns", "path=nmae")
    assert "Did you mean 'path'" in own.complaint(1, "ingest", listed, "--columns", "pth=name")
    labels = tmp_path / "labels.csv"
    labels.write_text("key,colour\na,red\n")
    said = own.complaint(1, "ingest", corpus / "posts", "--labels", labels)
    assert "labels.csv: no column for hashtag" in said and "key, colour" in said
    verdicts = tmp_path / "verdicts.csv"
    verdicts.write_text("sample_id,verdikt\n1,yes\n")
    said = own.complaint(1, "audit", "import", verdicts)
    assert "verdicts.csv, line 1: no column 'verdict'" in said and "verdikt" in said
    classes = tmp_path / "classes.csv"
    classes.write_text("synset,name\nn02084071,dog\n")
    assert "classes.csv" in own.complaint(1, "map-labels", "--classes", classes)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT colour FROM images", ['"colour"', "Candidate"]),
        ("SELECT * FROM imags", ["imags", 'Did you mean "images"']),
        ("SELCT 1", ["SELCT"]),
    ],
)
def test_a_wrong_query(cli: Commands, query, words):
    said = cli.complaint(2, "sql", query)
    assert [word for word in ["sql: ", *words] if word not in said] == [], said
    assert "LINE" not in said and "^" not in said


def test_an_empty_corpus(fresh: Commands, tmp_path):
    (tmp_path / "empty").mkdir()
    said = fresh.complaint(1, "ingest", tmp_path / "empty")
    assert "source empty: no images in" in said and "Give a folder" in said
    assert "no images in" in fresh.complaint(1, "evalset", "add", "mine", tmp_path / "empty")
    (tmp_path / "list.csv").write_text("path,label\nnot-there.jpg,dog\n")
    code, _, err = fresh.try_("ingest", tmp_path / "list.csv")
    assert code == 1 and "no images" in err and "missing_image: not-there.jpg" in err


def test_a_stage_before_those_that_it_needs(fresh: Commands, corpus):
    fresh("ingest", corpus / "posts")
    assert "no eval set 'evalset'" in fresh.complaint(1, "dedup", "--against", "evalset")
    for command, missing, first in [
        ("score-labels", "mentions", "map-labels"),
        ("build-hierarchy", "mentions", "map-labels"),
        ("build-manifest --min-precision 0.8", "mentions", "map-labels"),
        ("audit sample", "mentions", "map-labels"),
        ("audit export x.csv", "mentions", "map-labels"),
    ]:
        said = fresh.complaint(1, *command.split())
        assert missing in said and f"Run 'curate {first}' first" in said, said
    said = fresh.complaint(1, "sql", "FROM eval_sets")
    assert "table eval_sets does not exist yet" in said and "'curate evalset add'" in said
    assert "table ancestors does not" in fresh.complaint(1, "sql", "FROM image_labels")
    assert "verdict_id" in fresh("sql", "FROM audits")  # people write it, so it may be asked for at any time


def test_ray_without_ray(fresh: Commands, tmp_path, corpus, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    file = tmp_path / "my.yaml"
    file.write_text(PIPELINE)
    said = fresh.complaint(1, "run", file, "--engine", "ray", "--set", f"ingest.sources=['{corpus / 'posts'}']")
    assert "needs the package ray" in said and "pip install 'curate[ray]'" in said


def test_another_wordnet(fresh: Commands, monkeypatch):
    synsets = [SimpleNamespace(offset=lambda: 1930)]  # physical entity in 3.0
    corpus = SimpleNamespace(ensure_loaded=lambda: None, all_synsets=lambda pos: synsets, get_version=lambda: "3.1")
    monkeypatch.setattr("nltk.corpus.wordnet", corpus)
    said = fresh.complaint(1, "load-wordnet", "--glosses")
    assert "WordNet 3.1" in said and "WordNet 3.0" in said and "leave out glosses" in said


def test_a_table_of_another_definition(own: Commands):
    commit = own.workspace / "commits" / "estimate-noise.json"
    found = json.loads(commit.read_text())
    found["schemas"]["label_stats"] = "0123456789abcdef"
    commit.write_text(json.dumps(found))
    said = own.complaint(1, "build-manifest", "--min-precision", "0.7")
    assert "label_stats" in said and "schemas/label_stats.sql" in said and "Run 'curate estimate-noise' again" in said
    assert "299" in own("sql", "SELECT count(*) FROM images")  # which has nothing to do with it
    assert "label_stats" in own.complaint(1, "sql", "FROM label_stats")
    own("estimate-noise")  # as the message says
    assert own("build-manifest", "--min-precision", "0.7")


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b""])
def test_a_damaged_part(own: Commands, damage):
    [part] = (own.workspace / "parts" / "label_stats").glob("*.parquet")
    part.write_bytes(damage(part.read_bytes()))
    for command in (["sql", "FROM label_stats"], ["build-manifest", "--min-precision", "0.7"]):
        said = own.complaint(1, *command)
        assert str(part) in said and "damaged" in said and "Delete it and run stage estimate-noise again" in said
    part.unlink()
    own("estimate-noise")  # as the message says
    assert own("sql", "SELECT count(*) FROM label_stats", "--format", "json") == '{"count_star()": 12}\n'


def test_a_damaged_commit(own: Commands):
    (own.workspace / "commits" / "estimate-noise.json").write_text("{")
    said = own.complaint(1, "tables")
    assert "estimate-noise.json" in said and "Delete it" in said


def test_two_runs_at_once(own: Commands):
    with Workspace(own.workspace).lock():
        said = own.complaint(1, "estimate-noise")
        assert "another run (process" in said and "Wait for it" in said
        assert "299" in own("sql", "SELECT count(*) FROM images")  # reading goes on
    own("estimate-noise")


def test_an_encoder_file_is_a_program(own: Commands, tmp_path):
    file = tmp_path / "net.pt2"
    file.write_bytes(b"import os")
    said = own.complaint(1, "embed", "--encoder", f"file:{file}")
    assert "net.pt2" in said and "--trust" in said and f"file:{file}@sha256:" in said
    said = own.complaint(1, "embed", "--encoder", f"file:{file}@sha256:{'0' * 64}")
    assert "not 0000" in said and "as pinned" in said


def test_init_takes_only_an_empty_folder(own: Commands, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert "is not empty and no workspace" in own.complaint(1, "init", tmp_path / "full")
    assert own("init", own.workspace) == f"workspace {own.workspace}\n"


def test_a_manifest_goes_only_into_an_empty_folder(own: Commands, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    code, _, err = own.try_("build-manifest", "--min-precision", "0.8", "--out", tmp_path / "full")
    assert code == 1 and "is there and is no manifest" in err
    assert [path.name for path in Path(tmp_path / "full").iterdir()] == ["file"]
