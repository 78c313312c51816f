import json
from dataclasses import asdict
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import InputError, MissingInputError, MissingTableError, ParameterError
from curate.schema import check_rows, conform, digest_rows
from curate.stages.build_manifest import STAGE, BuildManifest, export_manifest
from tests.noise.corpus import arrow, corpus_tables, image_id, image_row, memory, scores
from tests.stages.test_estimate_noise import drawn, verdict

N = 120


@pytest.fixture
def corpus():
    """Class 0 clean, class 1 half wrong, class 2 wholly wrong, class 3 tiny; some images with two labels or none."""
    rng = np.random.default_rng(0)
    labels = [(i, i % 3) for i in range(N)] + [(i, (i + 1) % 3) for i in range(0, N, 10)] + [(7, 3)]
    p = {0: lambda: 0.9 + rng.random() / 10, 1: lambda: rng.choice([0.02, 0.97]), 2: lambda: 0.1, 3: lambda: 0.99}
    images = [image_row(i, owner=f"o{i % 5}", url=f"u{i}") for i in range(N + 5)]
    images[8] = image_row(8, status="damaged")
    tables = corpus_tables(
        labels,
        images=images,
        near_duplicates=[
            {"image_id": image_id(i), "eval_set": "val", "eval_image_id": "e", "method": "sha256", "similarity": 1.0}
            for i in (9, 10)
        ],
        tombstones=[{"kind": "url", "value": "u11", "reason": "asked", "since": datetime(2020, 1, 1)}],
        label_stats=[
            {"class_key": "c00", "name": "class 0", "n_images": 1, "n_audited": 0, "precision": 0.9, "ci_low": 0.8,
             "ci_high": 1.0, "wrong_sense": 0.0, "sibling": 0.0, "other_class": 0.0, "unknown": 0.1,
             "method": "mean p_correct", "evidence": "model"}
        ],
    )  # fmt: skip
    scored = sorted((i, k) for i, k in labels if i != 8)
    tables["label_scores"] = scores(scored, [round(float(p[k]()), 6) for _, k in scored])
    return tables, labels


def build(tables, folder, **params):
    params = {"min_precision": 0.8} | params
    found = {}
    for name, rows in STAGE.run(memory(tables, folder), BuildManifest(**params)).items():
        rows = rows if isinstance(rows, pa.Table) else rows.to_arrow_table()
        check_rows(conform(rows, name), name)
        found[name] = conform(rows, name)
    return found


def pairs_of(found):
    rows = found["manifest"].to_pylist()
    return {(r["image_id"], key) for r in rows for key in r["class_keys"]}


@pytest.mark.parametrize("evidence", ["model", "audited"])
@pytest.mark.parametrize("min_precision", [0.5, 0.8, 1.0])
def test_every_label_is_kept_or_excluded_and_never_both(corpus, tmp_path, evidence, min_precision):
    tables, labels = corpus
    found = build(tables, tmp_path, evidence=evidence, min_precision=min_precision)
    kept = pairs_of(found)
    out = {(r["image_id"], r["class_key"]) for r in found["exclusions"].to_pylist()}
    whole = {image for image, key in out if not key}
    for i, k in labels:
        pair = (image_id(i), f"c{k:02d}")
        assert (pair in kept) + (pair in out) + (pair[0] in whole) == 1
    assert not whole & {image for image, _ in kept}
    assert {r["image_id"] for r in found["manifest"].to_pylist()} | {i for i, _ in out} == {
        image_id(i) for i in range(N + 5)
    }


def test_reasons(corpus, tmp_path):
    tables, _ = corpus
    reasons = {(r["image_id"], r["class_key"]): r for r in build(tables, tmp_path)["exclusions"].to_pylist()}
    assert reasons[image_id(8), ""]["rule"] == "damaged" and reasons[image_id(8), ""]["detail"] == "truncated"
    assert reasons[image_id(9), ""]["rule"] == "near_duplicate" and "val/e" in reasons[image_id(9), ""]["detail"]
    assert reasons[image_id(11), ""]["rule"] == "tombstone"
    assert reasons[image_id(N + 1), ""]["rule"] == "no_label"
    assert reasons[image_id(2), "c02"]["rule"] == "class_excluded"
    assert reasons[image_id(7), "c03"]["rule"] == "class_excluded"
    assert {r["rule"] for (_, key), r in reasons.items() if key == "c01"} == {"below_threshold"}


def test_copies_of_eval_images_may_stay(corpus, tmp_path):
    tables, _ = corpus
    found, before = build(tables, tmp_path, leaks="keep"), build(tables, tmp_path)
    assert "near_duplicate" not in found["exclusions"]["rule"].to_pylist()
    of_copies = {image_id(9), image_id(10)}
    kept = set(found["manifest"]["image_id"].to_pylist())
    assert of_copies & kept and not of_copies & set(before["manifest"]["image_id"].to_pylist())
    assert {image_id(8), image_id(11)} & kept == set()  # damaged, forgotten
    assert set(found["manifest"]["manifest_id"].to_pylist()) != set(before["manifest"]["manifest_id"].to_pylist())


def test_labels_of_classes_that_were_left_out_are_excluded_by_their_rule(corpus, tmp_path):
    tables, labels = corpus
    became = {0: 0, 1: 0, 2: None, 3: 3}
    keys = {k: "" if other is None else f"c{other:02d}" for k, other in became.items()}
    rules = {0: "kept", 1: "few_images", 2: "max_classes", 3: "kept"}
    tables["rollups"] = arrow(
        "rollups",
        [{"class_key": f"c{k:02d}", "name": f"class {k}", "kept_key": keys[k], "rule": rules[k], "n_images": 40}
         for k in became],
    )  # fmt: skip
    direct = sorted({(i, became[k]) for i, k in labels if became[k] is not None and i != 8})
    tables["label_scores"] = scores(direct, [0.9] * len(direct))
    found = build(tables, tmp_path)
    kept, out = pairs_of(found), {(r["image_id"], r["class_key"]): r for r in found["exclusions"].to_pylist()}
    whole = {image for image, key in out if not key}
    for i, k in labels:
        pair = (image_id(i), keys[k] or f"c{k:02d}")
        assert (pair in kept) + (pair in out) + (pair[0] in whole) == 1
        if k == 2 and pair[0] not in whole:
            row = out[pair]
            assert (row["stage"], row["rule"]) == ("build-hierarchy", "max_classes")
            assert row["detail"] == "class 2 with 40 images is not among the largest classes"
    assert {image for image, _ in kept} | {image for image, _ in out} == {image_id(i) for i in range(N + 5)}
    assert {r["class_key"] for r in found["manifest_classes"].to_pylist()} == {"c00", "c03"}


def test_kept_classes_reach_the_precision_and_are_numbered(corpus, tmp_path):
    found = build(corpus[0], tmp_path)
    classes = {row["class_key"]: row for row in found["manifest_classes"].to_pylist()}
    assert {key: row["status"] for key, row in classes.items()} == {
        "c00": "kept", "c01": "kept", "c02": "excluded", "c03": "excluded",
    }  # fmt: skip
    assert [classes[key]["class_id"] for key in sorted(classes)] == [0, 1, None, None]
    assert all(row["kept_precision"] >= 0.8 for row in classes.values() if row["status"] == "kept")
    kept = pairs_of(found)
    assert all(row["n_kept"] == sum(key == k for _, k in kept) for key, row in classes.items())
    two = [row for row in found["manifest"].to_pylist() if len(row["class_ids"]) == 2]
    assert two and all(row["class_keys"] == ["c00", "c01"] and row["class_ids"] == [0, 1] for row in two)


def test_manifest_id_follows_content_not_layout(corpus, tmp_path):
    tables, _ = corpus
    one = build(tables, tmp_path)
    (tmp_path / "cut").mkdir()
    mixed = {name: rows.take(pa.array(range(rows.num_rows)[::-1], pa.int64())) for name, rows in tables.items()}
    cut = {name: [rows.slice(0, 40), rows.slice(40)] for name, rows in mixed.items()}
    two = build(cut, tmp_path / "cut")
    assert all(digest_rows(one[name], name) == digest_rows(two[name], name) for name in one)
    name = one["manifest"]["manifest_id"][0].as_py()
    assert build(tables, tmp_path, min_precision=0.7)["manifest"]["manifest_id"][0].as_py() != name
    tables["tombstones"] = tables["tombstones"].slice(0, 0)
    assert build(tables, tmp_path)["manifest"]["manifest_id"][0].as_py() != name


def test_resampling(corpus, tmp_path):
    rows = {
        m: build(corpus[0], tmp_path, resampling=m, resampling_t=0.9)["manifest"] for m in ("none", "sqrt", "uniform")
    }
    assert set(rows["none"]["repeat_factor"].to_pylist()) == {1.0}
    n = {k: sum(k in r["class_keys"] for r in rows["none"].to_pylist()) for k in ("c00", "c01")}
    ratio = {k: 0.9 * rows["none"].num_rows / n[k] for k in n}
    for row in rows["uniform"].to_pylist():
        assert row["repeat_factor"] == pytest.approx(max(1.0, *(ratio[k] for k in row["class_keys"])))
    for row in rows["sqrt"].to_pylist():
        assert row["repeat_factor"] == pytest.approx(max(1.0, *(ratio[k] ** 0.5 for k in row["class_keys"])))


def test_split_keeps_copies_together(corpus, tmp_path):
    tables, _ = corpus
    clusters = [
        {"image_id": image_id(i), "cluster_id": image_id(i // 4 * 4), "is_representative": i % 4 == 0} for i in range(N)
    ]
    tables["duplicate_clusters"] = arrow("duplicate_clusters", clusters)
    rows = build(tables, tmp_path, val_share=0.4)["manifest"].to_pylist()
    split = {}
    for row in rows:
        split.setdefault(int(row["image_id"], 16) // 4, set()).add(row["split"])
    assert all(len(found) == 1 for found in split.values())
    assert {"train", "val"} == set.union(*split.values())
    assert {row["split"] for row in build(tables, tmp_path)["manifest"].to_pylist()} == {"train"}


def test_audited_evidence(corpus, tmp_path):
    tables, _ = corpus
    nothing = build(tables, tmp_path, evidence="audited")["manifest_classes"].to_pylist()
    assert {row["status"] for row in nothing if row["class_key"] != "c03"} == {"undecided"}
    assert all(row["n_more_audits"] >= 1 for row in nothing if row["status"] == "undecided")
    rows = drawn(tables, tmp_path, per_class=30)
    said = {"c00": "correct", "c01": "unsure", "c02": "wrong", "c03": "correct"}
    tables["audits"] = arrow("audits", [verdict(r, said[r["class_key"]]) for r in rows])
    found = {
        row["class_key"]: row for row in build(tables, tmp_path, evidence="audited")["manifest_classes"].to_pylist()
    }
    assert {key: row["status"] for key, row in found.items()} == {
        "c00": "kept", "c01": "excluded", "c02": "excluded", "c03": "excluded",
    }  # fmt: skip
    assert found["c00"]["kept_ci_low"] >= 0.8 and found["c00"]["evidence"] == "audited"


@pytest.mark.parametrize(
    "params",
    [{"min_precision": 0.0}, {"min_precision": 80}, {"confidence": 1.0}, {"evidence": "none"}, {"min_images": 0},
     {"leaks": "drp"}, {"keep": "some"}, {"max_per_class": 4}, {"max_per_class": 0},
     {"resampling": "log"}, {"resampling_t": 0}, {"val_share": 1.0}],
)  # fmt: skip
def test_parameters_are_checked(corpus, tmp_path, params):
    with pytest.raises(ParameterError, match=next(iter(params))):
        build(corpus[0], tmp_path, **params)


def test_labels_without_a_score_are_an_error(corpus, tmp_path):
    tables, _ = corpus
    tables["label_scores"] = tables["label_scores"].slice(5)
    with pytest.raises(MissingTableError, match="5 of"):
        build(tables, tmp_path)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_export(corpus, tmp_path, monkeypatch):
    tables, _ = corpus
    found = build(tables, tmp_path)
    name = found["manifest"]["manifest_id"][0].as_py()
    every = memory(tables | found, tmp_path)
    monkeypatch.setattr("curate.stages.manifest_folder.ROWS_PER_SHARD", 30)
    out = export_manifest(every, name, tmp_path / "out" / "m")
    first = files(out)
    shards = [path for path in first if path.startswith("manifest-")]
    assert shards == [f"manifest-{i:05d}-of-{len(shards):05d}.parquet" for i in range(len(shards))] and len(shards) > 1
    rows = pa.concat_tables([pq.read_table(out / path) for path in shards])
    assert rows.equals(found["manifest"].sort_by("image_id"))
    provenance = json.loads(first["provenance.json"])
    assert provenance["statement"] == "model-based, no guarantee"
    assert provenance["sources"] == {"web": "/data"}
    assert provenance["parameters"] == asdict(BuildManifest(min_precision=0.8)) and len(provenance["inputs"]) == 15
    assert provenance["digests"]["manifest"] == digest_rows(found["manifest"], "manifest")[0]
    assert files(export_manifest(every, name, out)) == first
    assert [path.name for path in out.parent.iterdir()] == ["m"]


def test_export_refuses(corpus, tmp_path):
    tables, _ = corpus
    found = build(tables, tmp_path)
    every = memory(tables | found, tmp_path)
    with pytest.raises(MissingInputError, match="no manifest 'x'"):
        export_manifest(every, "x", tmp_path / "m")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="is no manifest"):
        export_manifest(every, found["manifest"]["manifest_id"][0].as_py(), tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_nothing_kept(corpus, tmp_path):
    found = build(corpus[0], tmp_path, min_images=100)
    assert found["manifest"].num_rows == 0
    assert set(found["manifest_classes"]["status"].to_pylist()) == {"excluded"}
