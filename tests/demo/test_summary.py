"""The comparison counts what a road that is known found."""

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from curate.demo.corpus import generate
from curate.demo.figure import plot
from curate.demo.summary import Tally, compare, render
from curate.schema import table_schema
from tests.tables import MemoryTables

MANIFEST, TABLES = "m1", (
    "images", "raw_labels", "mentions", "rejects", "class_members", "ancestors", "rollups", "near_duplicates",
    "duplicate_clusters", "label_stats", "manifest", "manifest_classes", "evaluations", "training_runs",
)  # fmt: skip


def image_id(key):
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def filled(name, rows):
    """Rows with the table's other columns filled by something that its checks allow."""
    dummy = {"VARCHAR": "x", "INTEGER": 1, "BIGINT": 1, "DOUBLE": 0.5}
    return [
        {c.name: row.get(c.name, None if c.nullable else dummy.get(c.sql_type)) for c in table_schema(name).columns}
        for row in rows
    ]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("demo"), tiny=True)


@pytest.fixture(scope="module")
def perfect(corpus):
    """Rows of a road that finds everything: the estimates are true, the manifest holds the right pairs."""
    truth = {
        n: pq.read_table(corpus.truth / f"{n}.parquet").to_pylist() for n in ("posts", "pairs", "leaks", "classes")
    }
    sound = {p["key"]: p for p in truth["posts"] if p["kind"] != "damaged"}
    pairs = [pair for pair in truth["pairs"] if pair["key"] in sound]
    rows = {name: [] for name in TABLES}
    for place, post in enumerate(truth["posts"]):
        damaged, odd = post["outcome"] == "damaged", post["outcome"] == "odd"
        if post["outcome"] == "rejected":
            rows["rejects"].append({"locator": f"00000.tar/{post['key']}.jpg"})
            continue
        status = {"status": "damaged" if damaged else "ok", "error": "cut off" if damaged else None}
        rows["images"].append({"image_id": image_id(post["key"]), "key": post["key"], **status,
                               "remark": "no metadata" if odd else None, "byte_offset": place})  # fmt: skip
        for key in (post["key"], post["copy_of"]) if post["kind"] == "near_dup" else ():
            rows["duplicate_clusters"].append(
                {"image_id": image_id(key), "cluster_id": image_id(post["copy_of"]), "is_representative": False}
            )
    for place, pair in enumerate(pairs):
        label = {"image_id": image_id(pair["key"]), "field": "hashtag", "position": place}
        rows["raw_labels"].append({**label, "raw_label": "x"})
        rows["mentions"].append({**label, "start": 0, "class_key": pair["wnid"], "confidence": 1.0, "runners_up": []})
        if pair["is_correct"] and sound[pair["key"]]["kind"] != "leak":
            labels = {"class_ids": [0], "class_keys": [pair["wnid"]], "label_weights": [1.0]}
            rows["manifest"].append(
                {"manifest_id": MANIFEST, "image_id": image_id(pair["key"]), **labels, "split": "train"}
            )
    for row in truth["classes"]:
        wnid, share = row["wnid"], row["true_precision"]
        rows["class_members"].append({"class_key": wnid, "wnid": wnid})
        rows["ancestors"].append({"class_key": wnid, "ancestor_key": wnid, "distance": 0})
        rows["label_stats"].append({"class_key": wnid, "precision": share, "ci_low": share - 0.1,
                                    "ci_high": share + 0.1, "evidence": "model"})  # fmt: skip
        rows["manifest_classes"].append({"manifest_id": MANIFEST, "class_key": wnid, "class_id": 1, "status": "kept",
                                         "evidence": "model", "n_more_audits": None})  # fmt: skip
    for leak in truth["leaks"]:
        rows["near_duplicates"].append({"image_id": image_id(leak["key"]), "eval_set": "evalset", "method": "phash",
                                        "eval_image_id": leak["eval_image_id"] + ".jpg"})  # fmt: skip
    for run, value in (("r1", 0.6), ("r2", 0.7)):
        rows["training_runs"].append({"run_id": run, "n_steps": 600})
        rows["evaluations"].append({"run_id": run, "metric": "top1", "class_key": "", "value": value, "n_images": 60})
    return rows


def tables(rows):
    unique = {}
    named = sorted({row["class_key"] for row in rows.get("mentions", ())})
    rows = rows | {"rollups": [{"class_key": key, "kept_key": key, "rule": "kept"} for key in named]}
    for name, given in rows.items():
        key = table_schema(name).key
        kept = {tuple(row[k] for k in key): row for row in filled(name, given)}
        unique[name] = pa.Table.from_pylist(list(kept.values()), schema=table_schema(name).arrow)
    return MemoryTables({name: table for name, table in unique.items() if table.num_rows}, empty=TABLES)


def judged(corpus, rows):
    runs = {"raw labels": "r1", "the manifest": "r2"}
    return compare(tables(rows).connect(), corpus.truth, manifest_id=MANIFEST, runs=runs)


def test_a_perfect_road_finds_everything(corpus, perfect):
    found = judged(corpus, perfect)
    assert len(found.estimated) == len(found.classes) == 12
    assert found.mapped.share == found.mapped_rightly.share == found.kept.share == found.after.share == 1
    assert 0.6 < found.before.share < 0.9
    assert found.mean_absolute_error == pytest.approx(0) and found.correlation == pytest.approx(1)
    assert found.covered == Tally(12, 12)
    assert all(tally == Tally(1, 1) for tally in found.leaks.values()) and len(found.leaks) == 10
    assert (found.n_false_hits, found.n_leaks_left) == (0, 0)
    assert all(tally.share == 1 for tally in (*found.copies.values(), *found.damaged.values()))
    assert [(run.name, run.accuracy, run.n_steps) for run in found.runs] == [
        ("raw labels", 0.6, 600), ("the manifest", 0.7, 600)
    ]  # fmt: skip
    for row in found.classes:
        assert row.kept_precision == 1 and row.status == "kept" and 0 < row.n_kept <= row.n_labels


def test_what_a_road_misses_is_counted(corpus, perfect):
    leak, other = perfect["near_duplicates"][0], perfect["near_duplicates"][1]
    innocent = next(r["image_id"] for r in perfect["manifest"])
    rows = dict(perfect)
    rows["near_duplicates"] = [
        {**leak, "eval_image_id": "n00000000/eval_99999.jpg"},  # the right post, the wrong eval image
        *perfect["near_duplicates"][1:],
        {**other, "image_id": innocent},
    ]
    rows["manifest"] = [*perfect["manifest"][5:], {**perfect["manifest"][0], "image_id": leak["image_id"]}]
    rows["label_stats"] = [
        {**row, "precision": 0.99, "ci_low": 0.98, "ci_high": 1.0} for row in perfect["label_stats"][:3]
    ]
    rows["rejects"] = []
    rows["mentions"] = perfect["mentions"][:-4]
    found = judged(corpus, rows)
    assert sum(t.n for t in found.leaks.values()) == 9 and found.n_false_hits == 1 and found.n_leaks_left == 1
    assert len(found.estimated) == 3 and found.mean_absolute_error > 0
    assert found.damaged["missing_image"] == Tally(0, 1) and found.damaged["zero_bytes"] == Tally(1, 1)
    assert found.mapped.of - found.mapped.n == 4


def test_labels_above_or_around_the_true_class_are_right(corpus, perfect):
    """An ancestor of the class fits, and so does a set of senses that holds it."""
    rows = dict(perfect)
    lemon, cranes = "n07749582", ("n02012849", "n03126707")
    rename = {lemon: "n07747055", cranes[0]: "g:0", cranes[1]: "g:0"}
    rows["mentions"] = [{**m, "class_key": rename.get(m["class_key"], m["class_key"])} for m in perfect["mentions"]]
    rows["ancestors"] = [
        *perfect["ancestors"],
        {"class_key": lemon, "ancestor_key": "n07747055", "distance": 1},
        {"class_key": "n07747055", "ancestor_key": "n07747055", "distance": 0},
        {"class_key": "g:0", "ancestor_key": "g:0", "distance": 0},
    ]
    rows["class_members"] = [
        *(row for row in perfect["class_members"] if row["wnid"] not in cranes),
        {"class_key": "n07747055", "wnid": "n07747055"},
        *({"class_key": "g:0", "wnid": wnid} for wnid in cranes),
    ]
    true = {image_id(p["key"]): p["class_key"] for p in pq.read_table(corpus.truth / "posts.parquet").to_pylist()}
    stands_for = {"n07747055": {lemon}, "g:0": set(cranes)}
    labels = {(m["image_id"], m["class_key"]) for m in rows["mentions"]}
    right = sum(true[image] in stands_for.get(key, {key}) for image, key in labels)
    assert judged(corpus, rows).before == Tally(right, len(labels))


def test_an_empty_workspace_is_shown_too(corpus):
    found = compare(tables({}).connect(), corpus.truth, manifest_id=MANIFEST)
    assert found.mapped.n == 0 and not found.estimated and not found.runs
    console = Console(width=80, file=io.StringIO())
    console.print(render(found))


def test_the_rendering_fits_a_terminal(corpus, perfect):
    console = Console(width=80, file=io.StringIO())
    console.print(render(judged(corpus, perfect)))
    text = console.file.getvalue()
    assert len(text.splitlines()) < 45
    assert "10 of 10 found, 0 false" in text and "crane (bird)" in text and "60.0 % on raw labels" in text


def test_the_figure_is_a_png_of_its_size(corpus, perfect, tmp_path):
    from PIL import Image

    found = judged(corpus, perfect)
    plot(found, tmp_path / "demo.png")
    plot(found, tmp_path / "again.png")
    with Image.open(tmp_path / "demo.png") as image:
        assert image.format == "PNG" and image.size == (1200, 720)
    assert (tmp_path / "demo.png").read_bytes() == (tmp_path / "again.png").read_bytes()
