"""leaks list, sample, import and report, from the line that is typed to what lies on the disk."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.cli.shared import Commands, once
from tests.review.workspace import EVIL, eval_id, image_id, write_workspace


@pytest.fixture(scope="session")
def leaky(tmp_path_factory) -> Path:
    return once(tmp_path_factory, "leaky", write_workspace) / "workspace"


@pytest.fixture
def cli(leaky, terminal) -> Commands:
    """For commands that change nothing."""
    return Commands(leaky, terminal)


@pytest.fixture
def own(leaky, tmp_path, terminal) -> Commands:
    return Commands(shutil.copytree(leaky, tmp_path / "workspace"), terminal)


def test_the_copies_are_listed(cli):
    listed = [json.loads(line) for line in cli("leaks", "list", "--format", "json").splitlines()]
    assert {(row["image_id"], row["eval_image_id"]) for row in listed} == {
        (image_id(n), eval_id(other)) for n, other in ((0, 0), (1, 1), (2, 1), (3, 2))
    }
    assert listed[0]["key"] == "post-1" and listed[0]["transform"] == "crop+rotate"
    assert cli("leaks", "list", "--against", "void/../x", "--format", "json") == ""
    assert cli("leaks", "list", "--format", "csv").splitlines()[0].startswith('"eval_set","eval_image_id","image_id"')
    assert "post-3" in cli("leaks", "list")


def test_leaked_eval_images_are_one_a_line(cli):
    assert cli("leaks", "list", "--eval-ids", "--against", "val").splitlines() == sorted([EVIL, "v0.png", "v2.png"])
    assert "Name one with --against" in cli.complaint(2, "leaks", "list", "--eval-ids")


@pytest.mark.parametrize("command", [("list",), ("sample", "--out", "x.csv")])
def test_a_set_that_was_not_searched_for(cli, command):
    assert "Run 'curate dedup --against unsearched'" in cli.complaint(1, "leaks", *command, "--against", "unsearched")
    assert "Did you mean 'val'?" in cli.complaint(1, "leaks", *command, "--against", "vall")


def test_nothing_before_dedup(fresh, tmp_path):
    for command in (
        ("list",),
        ("report", "--out", tmp_path),
        ("sample", "--against", "a", "--out", tmp_path / "x.csv"),
    ):
        assert "Run 'curate dedup' first" in fresh.complaint(1, "leaks", *command)


def test_from_drawn_pairs_to_verdicts(own, tmp_path):
    file, pages = tmp_path / "r.csv", tmp_path / "pages"
    code, out, err = own.try_("leaks", "sample", "--against", "val", "--n", 4, "--out", file, "--pictures", pages)
    assert (code, out) == (0, "") and "4 pairs to judge" in err and (pages / "index.html").is_file()
    with file.open(newline="") as stream:
        drawn = list(csv.DictReader(stream))
    for row, verdict in zip(drawn, ("c", "d", "", "u"), strict=True):
        row["verdict"] = verdict
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(drawn[0]))
        writer.writeheader()
        writer.writerows(drawn)
    code, out, err = own.try_("leaks", "import", file, "--reviewer", "ann")
    assert (code, out) == (0, "") and "3 new verdicts" in err and "1 come after" in err and "curate dedup" in err
    kept = own("sql", "SELECT verdict, reviewer FROM duplicate_reviews ORDER BY 1", "--format", "json").splitlines()
    assert [json.loads(line)["verdict"] for line in kept] == ["copy", "different", "unsure"]
    again = own.try_("leaks", "import", file, "--reviewer", "ann")
    assert "0 new verdicts" in again[2] and "curate dedup" not in again[2]
    left = own.try_("leaks", "sample", "--against", "val", "--out", file)
    assert "3 pairs to judge" in left[2]
    with file.open(newline="") as stream:
        assert {row["image_id"] for row in csv.DictReader(stream)}.isdisjoint(
            row["image_id"] for row in drawn if row["verdict"]
        )


def test_a_mistaken_file_changes_nothing(own, tmp_path):
    (tmp_path / "r.csv").write_text(f"image_id,eval_set,eval_image_id,verdict\n{image_id(1)},val,v2.png,perhaps\n")
    assert "line 2: verdict 'perhaps'" in own.complaint(1, "leaks", "import", tmp_path / "r.csv")
    assert own("sql", "FROM duplicate_reviews", "--format", "json") == ""


def test_the_report_is_written_twice_the_same(cli, tmp_path):
    said = cli("leaks", "report", "--out", tmp_path / "a")
    cli("leaks", "report", "--out", tmp_path / "b")
    assert "val: 4 of 9 corpus images are copies of 3 of 6 evaluation images" in said
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert {"report.html", "report.json", "val-curve.svg", "val-recall.png"} <= set(names)
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)
    data = json.loads((tmp_path / "a" / "report.json").read_text())
    assert data["sets"][0]["n_hits"] == 4 and data["parameters"]["precision"] == 0.9
    assert set(data["tables"]) >= {"near_duplicates", "images"} and data["versions"]["curate"]


def test_a_file_is_no_folder(cli, tmp_path):
    (tmp_path / "a").touch()
    assert "is a file" in cli.complaint(2, "leaks", "report", "--out", tmp_path / "a")
