"""What a manifest says about itself, and that its numbers are those of the tables."""

import json

import pytest

from curate.stages.build_manifest import export_manifest
from curate.stages.datasheet import NOT_STATED, RULES, TO_STATE, datasheet
from curate.stages.datasheet_text import N_LISTED, plain, render
from tests.noise.corpus import arrow, image_id, memory
from tests.stages.test_build_manifest import build
from tests.stages.test_estimate_noise import drawn, verdict
from tests.stages.test_manifest_options import FAMILY, planted


def facts_of(tables, found, folder):
    return datasheet(memory(tables | found, folder), found["manifests"]["manifest_id"][0].as_py())


@pytest.fixture
def tables():
    p = {(i, 0): 0.9 for i in range(40)} | {(i, 1): 0.9 for i in range(20, 50)} | {(i, 2): 0.3 for i in range(30)}
    leaks = [
        {"image_id": image_id(i), "eval_set": "val_2012", "eval_image_id": "e/1", "method": "sha256", "similarity": 1.0}
        for i in (3, 4)
    ]
    return planted(p | {(60, 3): 0.9}, FAMILY, near_duplicates=leaks)


def section(text, title):
    return text.split(f"## {title}\n\n", 1)[1].split("\n\n## ", 1)[0]


def cells(text):
    """Rows of the first table of a text."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_numbers_are_those_of_the_tables(tables, tmp_path):
    found = build(tables, tmp_path, roll_up=True, keep="all", inherit=True, val_share=0.2)
    facts, rows = facts_of(tables, found, tmp_path), found["manifest"].to_pylist()
    assert facts["holds"]["n_images"] == len(rows)
    assert facts["holds"]["n_labels"] == sum(len(row["class_ids"]) for row in rows)
    kinds = [facts["holds"][name] for name in ("n_kept", "n_weighted", "n_inherited")]
    assert sum(kinds) == facts["holds"]["n_labels"] and min(kinds) > 0
    assert facts["holds"]["n_val"] == sum(row["split"] == "val" for row in rows)
    assert facts["holds"]["sources"] == [{"source": "web", "format": "webdataset", "n_images": len(rows)}]
    assert facts["leaks"] == [{"eval_set": "val_2012", "n_images": 2}]
    assert facts["precision"]["n_labels"] == kinds[0] and facts["precision"]["noise_rate"] == pytest.approx(0.1)
    assert facts["losses"][-1]["n_labels_left"] + kinds[2] == facts["holds"]["n_labels"]
    text = render(facts)
    assert f"does not cover {kinds[1]:,} labels below the precision" in text
    assert f"does not cover {kinds[2]:,} inherited labels" in text


def test_losses_add_up_as_they_are_read(tables, tmp_path):
    found = build(tables, tmp_path, roll_up=True, inherit=True, max_per_class=25)
    facts = facts_of(tables, found, tmp_path)
    left = None
    for *_, images, labels, images_left, labels_left in cells(section(render(facts), "Cleaning")):
        numbers = [int(cell.replace("−", "-").replace("+", "") or 0) for cell in (images, labels)]
        now = int(images_left), int(labels_left)
        assert left is None or now == (left[0] + numbers[0], left[1] + numbers[1])
        left = now
    assert left == (facts["holds"]["n_images"], facts["holds"]["n_labels"])
    assert {row["rule"] for row in facts["losses"]} >= {"", "near_duplicate", "over_cap"}
    assert {row["rule"] for row in facts["losses"]} <= {"", *RULES}


def test_a_models_estimate_promises_nothing(tables, tmp_path):
    facts = facts_of(tables, build(tables, tmp_path), tmp_path)
    text = render(facts)
    assert facts["precision"]["statement"].startswith("Model-based, no guarantee: for ")
    assert "Audits would establish one" in text and "Evidence:" not in text


def test_audits_say_how_many_and_what_more_would_decide(tables, tmp_path):
    rows = [row for row in drawn(tables, tmp_path, per_class=25) if row["class_key"] != "c01"]
    right = {"c00": "correct", "c02": "wrong", "c03": "correct"}
    tables["audits"] = arrow("audits", [verdict(r, right[r["class_key"]]) for r in rows])
    facts = facts_of(tables, build(tables, tmp_path, evidence="audited"), tmp_path)
    precision = facts["precision"]
    assert precision["n_classes"] == {"kept": 1, "undecided": 1, "excluded": 2, "rolled_up": 0}
    assert precision["n_looks"] == 1 and precision["n_classes_audited"] == 3
    assert precision["n_audited"] == sum(row["n_audited"] for row in facts["classes"]) > 40
    assert (
        precision["n_more_audits"] == next(r for r in facts["classes"] if r["class_key"] == "c01")["n_more_audits"] > 0
    )
    text = render(facts)
    assert "a confidence of 95 %" in text and f"about {precision['n_more_audits']} more audits" in text
    assert "at most 0.2 of the 3 classes" in text


def test_nothing_kept_states_nothing(tables, tmp_path):
    facts = facts_of(tables, build(tables, tmp_path, min_images=1000), tmp_path)
    assert facts["precision"]["statement"] == "No class was kept; nothing is stated."
    assert "| images | 0 |" in render(facts)


def test_what_only_people_know_is_not_made_up(tables, tmp_path):
    facts = facts_of(tables, build(tables, tmp_path), tmp_path)
    assert facts["stated_by_its_makers"] == dict.fromkeys(TO_STATE, NOT_STATED)
    text = render(facts)
    assert all(f"{question} *not stated*" in text for question in TO_STATE.values())
    facts["stated_by_its_makers"]["licence"] = "CC BY 4.0 | *all*"
    assert r"CC BY 4.0 \| \*all\*" in render(facts)


def test_names_are_text_and_never_markup(tables, tmp_path):
    name = "a|b\n# *c* `d` [e](http://f) <script>g</script> &amp; ~~h~~ i_j_k \\"
    rows = [{**row, "name": name} for row in tables["classes"].to_pylist()]
    tables["classes"] = arrow("classes", rows)
    text = render(facts_of(tables, build(tables, tmp_path), tmp_path))
    shown = r"a\|b # \*c\* \`d\` \[e\](http://f) \<script\>g\</script\> \&amp; \~\~h\~\~ i\_j\_k \\"
    assert plain(name) == shown and shown in text
    assert all(line.count("|") - line.count(r"\|") == 9 for line in text.splitlines() if shown in line)


def test_long_lists_are_cut_and_said_to_be(tmp_path):
    p = {(10 * k + i, k): 0.95 - k / 1000 for k in range(60) for i in range(5 + k % 7)}
    text = render(facts_of(planted(p), build(planted(p), tmp_path, min_precision=0.9), tmp_path))
    shown = section(text, "Classes")
    assert f"### The largest ({N_LISTED} of 51)" in shown and "All 60 classes are in datasheet.json." in shown
    least = cells(shown.split("### The least precise", 1)[1])[:N_LISTED]
    assert [row[5] for row in least] == sorted(row[5] for row in least)


def test_the_export_holds_it_and_its_bytes_are_the_manifests(tables, tmp_path):
    found = build(tables, tmp_path, roll_up=True, inherit=True)
    every = memory(tables | found, tmp_path)
    name = found["manifests"]["manifest_id"][0].as_py()
    first, second = (export_manifest(every, name, tmp_path / out) for out in ("one", "two"))
    for file in ("DATASHEET.md", "datasheet.json", "origins.parquet"):
        assert (first / file).read_bytes() == (second / file).read_bytes()
    facts = datasheet(every, name)
    assert json.loads((first / "datasheet.json").read_text()) == facts
    assert (first / "DATASHEET.md").read_text() == render(facts)
    assert "/data" not in (first / "datasheet.json").read_text(), "where sources lie is for provenance.json to say"
