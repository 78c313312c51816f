"""Two manifests beside each other: every label is accounted for on both sides."""

from collections import Counter

import duckdb
import numpy as np
import pytest

from curate.errors import FormatError, MissingInputError
from curate.stages.build_manifest import export_manifest
from curate.stages.manifest_diff import changed_labels, compare, differences, folder_side
from tests.noise.corpus import image_id, memory
from tests.stages.test_build_manifest import build
from tests.stages.test_manifest_options import FAMILY, labels_of, planted


def exported(tables, folder, **params):
    folder.mkdir()
    found = build(tables, folder, **params)
    out = export_manifest(memory(tables | found, folder), found["manifests"]["manifest_id"][0].as_py(), folder / "out")
    return out, found


def diff(old, new):
    with duckdb.connect() as con:
        compare(con, folder_side(old), folder_side(new))
        return differences(con).to_arrow_table().to_pylist(), changed_labels(con).to_arrow_table().to_pylist()


def corpus(**tables):
    rng = np.random.default_rng(0)
    p = {(i, k): round(float(rng.uniform(0.5, 1)), 3) for k in range(3) for i in range(25 * k, 25 * k + 40)}
    return planted(p | {(i, 3): 0.99 for i in (1, 2, 100)}, FAMILY, {"c01": 1, "c02": 2, "c03": 2}, **tables)


def leak(*indices):
    return [
        {"image_id": image_id(i), "eval_set": "val", "eval_image_id": "e", "method": "sha256", "similarity": 1.0}
        for i in indices
    ]


def part(rows, name):
    return [row for row in rows if row["part"] == name]


CASES = [
    ({}, {"min_precision": 0.9}),
    ({}, {"keep": "all", "min_precision": 0.95}),
    ({"roll_up": True}, {"inherit": True, "max_per_class": 12}),
    ({"min_images": 41}, {}),
    ({"roll_up": True, "keep": "all", "inherit": True}, {"min_precision": 1.0}),
]


@pytest.mark.parametrize(("before", "after"), CASES)
def test_sums(tmp_path, before, after):
    tables = corpus(near_duplicates=leak(5, 30))
    (old, a), (new, b) = exported(tables, tmp_path / "a", **before), exported(corpus(), tmp_path / "b", **after)
    rows, changed = diff(old, new)
    was, now = set(labels_of(a)), set(labels_of(b))
    summary = {row["item"]: [row[f"n_{x}"] for x in ("old", "dropped", "same", "added", "new")] for row in
               part(rows, "summary")}  # fmt: skip
    assert summary["labels"] == [len(was), len(was - now), len(was & now), len(now - was), len(now)]
    images = [{image for image, _ in labels} for labels in (was, now)]
    assert summary["images"][::4] == [len(each) for each in images]
    assert list(summary) == ["images", "labels", "classes"]
    for row in [*part(rows, "summary"), *part(rows, "class")]:
        assert row["n_old"] == row["n_dropped"] + row["n_same"] and row["n_new"] == row["n_same"] + row["n_added"]
    for name in ("n_dropped", "n_added"):
        assert sum(row[name] for row in part(rows, "class")) == summary["labels"][1 if name == "n_dropped" else 3]
    rules = part(rows, "rule")
    direct = tables["label_scores"].num_rows
    assert sum(row["n_labels"] for row in rules) == direct
    as_before = sum(row["n_labels"] for row in rules if row["old"] == row["new"])
    assert len(changed) >= direct - as_before
    assert not any(row["new"] == "absent" or row["old"] == "absent" for row in rules)
    for side, found in (("old", a), ("new", b)):
        by_rule = Counter()
        for row in rules:
            by_rule[row[side].partition(",")[0]] += row["n_labels"]
        kept = sum(row["n_kept"] + row["n_weighted"] for row in found["manifest_classes"].to_pylist())
        assert by_rule["kept"] + by_rule["weighted"] == kept
        assert by_rule["near_duplicate"] == (3 if side == "old" else 0)


def test_what_differs_is_named(tmp_path):
    (old, _), (new, _) = exported(corpus(), tmp_path / "a"), exported(
        corpus(near_duplicates=leak(5)), tmp_path / "b", min_precision=0.9, roll_up=True
    )  # fmt: skip
    rows, changed = diff(old, new)
    assert {(row["item"], row["old"], row["new"]) for row in part(rows, "parameter")} == {
        ("min_precision", "0.8", "0.9"), ("roll_up", "false", "true"),
    }  # fmt: skip
    assert [row["item"] for row in part(rows, "input")] == ["near_duplicates"]
    status = {row["item"]: (row["old"], row["new"]) for row in part(rows, "class")}
    assert status["c03"] == ("excluded", "rolled up to c01")
    assert {row["item"] for row in part(rows, "threshold")} <= {"c00", "c01", "c02"} and part(rows, "threshold")
    became = {(row["image_id"], row["class_key"]): (row["old"], row["new"]) for row in changed}
    assert became[image_id(5), "c00"] == ("kept", "near_duplicate")
    assert became[image_id(100), "c03"] == ("class_excluded", "kept as c01")
    assert ("below_threshold" in {new for _, new in became.values()}) and all(a != b for a, b in became.values())


def test_labels_that_only_one_of_them_knows_are_absent_from_the_other(tmp_path):
    p = {(i, 0): 0.9 for i in range(10)}
    (old, _), (new, _) = exported(planted(p), tmp_path / "a"), exported(
        planted(p | {(20, 0): 0.9, (21, 1): 0.9}), tmp_path / "b"
    )  # fmt: skip
    rows, _ = diff(old, new)
    assert {(row["old"], row["new"], row["n_labels"]) for row in part(rows, "rule")} == {
        ("kept", "kept", 10), ("absent", "kept", 1), ("absent", "class_excluded", 1),
    }  # fmt: skip
    assert {(row["item"], row["old"], row["new"]) for row in part(rows, "class")} == {
        ("c00", "kept", "kept"), ("c01", "absent", "excluded"),
    }  # fmt: skip


def test_a_manifest_does_not_differ_from_itself(tmp_path):
    old, _ = exported(corpus(), tmp_path / "a", roll_up=True, inherit=True)
    rows, changed = diff(old, old)
    assert changed == [] and {row["part"] for row in rows} == {"summary", "rule"}
    assert all(row["old"] == row["new"] for row in part(rows, "rule"))


def test_folders_that_are_no_manifest(tmp_path):
    old, _ = exported(corpus(), tmp_path / "a")
    with pytest.raises(MissingInputError, match="no manifest in .*nowhere"):
        folder_side(tmp_path / "nowhere")
    (old / "origins.parquet").unlink()
    with pytest.raises(MissingInputError, match="origins.parquet is missing"):
        folder_side(old)
    (old / "origins.parquet").write_bytes(b"PAR1")
    with pytest.raises(FormatError, match="no readable Parquet file"):
        folder_side(old)
    (old / "origins.parquet").write_bytes((old / "exclusions.parquet").read_bytes())
    with pytest.raises(FormatError, match="columns missing: origin, direct_key"):
        folder_side(old)
    (old / "provenance.json").write_text("{}")
    with pytest.raises(FormatError, match="no manifest_id"):
        folder_side(old)
