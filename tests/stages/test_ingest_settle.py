from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq

from curate.plan import Step, judge
from curate.recipe import build_params
from curate.runner import append, run
from curate.sources import buckets
from curate.sources.records import image_id
from curate.stages.ingest import SIDE_POSITION, STAGE
from tests.sources.layouts import POSTS, jpeg, webvision
from tests.stages.test_ingest import ingest, post, query, write_tar

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def forget(workspace, **stones):
    rows = [{"kind": kind, "value": value, "reason": f"by {kind}", "since": datetime(2026, 1, 1)}
            for kind, value in stones.items()]  # fmt: skip
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    append(workspace, "forget", "tombstones", pa.table(columns).cast(pa.schema([
        ("kind", pa.string()), ("value", pa.string()), ("reason", pa.string()), ("since", pa.timestamp("us")),
    ])))  # fmt: skip


def rejected(workspace):
    return query(workspace, "SELECT locator, rule, detail FROM rejects ORDER BY ALL")


def test_tombstones_are_rejects_and_cost_no_decoding(tmp_path):
    root = tmp_path / "posts"
    write_tar(root / "a.tar", post("1", 1, tags=["a"], user="ann") + post("2", 2, tags=["b"], url="http://x/2"))
    write_tar(root / "b.tar", post("1", 3, tags=["c"]) + post("3", 4, tags=["d"], user="ann"))
    write_tar(root / "c.tar", post("4", 5, tags=["e"]))
    workspace, _ = ingest(tmp_path / "w", str(root))
    assert rejected(workspace) == []
    second = image_id("posts", "1", 1)  # an id that b.tar's image has only once a.tar was read
    forget(workspace, url="http://x/2", owner="ann", image_id=second)
    step = Step(STAGE, build_params(STAGE.params, {"sources": [str(root)]}, "ingest"))
    assert judge(workspace, step).why == "table tombstones changed"
    workspace, outcome = ingest(tmp_path / "w", str(root))
    assert outcome.n_parts_run == 2, "which are rewritten from what was read before"
    assert query(workspace, "SELECT key, uri FROM images") == [("4", "c.tar")]
    assert query(workspace, "SELECT raw_label FROM raw_labels") == [("e",)]
    assert rejected(workspace) == [
        ("1", "tombstone", "owner: by owner"), ("1 (2)", "tombstone", "image_id: by image_id"),
        ("2", "tombstone", "url: by url"), ("3", "tombstone", "owner: by owner"),
    ]  # fmt: skip
    assert judge(workspace, step).action == "reuse"
    rebuilt, _ = ingest(tmp_path / "w", str(root))
    assert rebuilt.digests() == workspace.digests()


def test_a_source_that_comes_after_its_tombstones(tmp_path):
    write_tar(tmp_path / "first.tar", post("0", 9))
    workspace, _ = ingest(tmp_path / "w", str(tmp_path / "first.tar"))
    forget(workspace, sha256=POSTS[0].sha256)
    write_tar(tmp_path / "posts.tar", [("k.jpg", POSTS[0].jpeg), ("l.jpg", POSTS[1].jpeg)])
    labels = tmp_path / "labels.csv"
    labels.write_text("key,label\nk,cat\nl,dog\n")
    workspace, _ = ingest(
        tmp_path / "w", str(tmp_path / "first.tar"), {"path": str(tmp_path / "posts.tar"), "labels": str(labels)}
    )
    assert query(workspace, "SELECT key FROM images ORDER BY ALL") == [("0",), ("l",)]
    assert query(workspace, "SELECT raw_label FROM raw_labels") == [("dog",)]
    assert rejected(workspace) == [
        ("k", "tombstone", "sha256: by sha256"), ("labels.csv:k", "unknown_key", "1 labels, no such image"),
    ]  # fmt: skip


def test_a_long_table_of_labels_gives_what_a_short_one_gives(tmp_path, monkeypatch):
    write_tar(tmp_path / "posts.tar", [(f"{i:03d}.jpg", jpeg(i % 5)) for i in range(40)])
    labels = tmp_path / "labels.csv"
    lines = [f"{i % 50:03d},{word}" for word in ("cat", "dog") for i in range(50)]
    labels.write_text("\n".join(["key,label", *lines, "x", ""]))
    spec = {"path": str(tmp_path / "posts.tar"), "labels": str(labels)}
    short, _ = ingest(tmp_path / "short", spec)
    monkeypatch.setattr(buckets, "SHORT_BYTES", 0)
    monkeypatch.setattr(buckets, "_BUCKET_BYTES", 256)
    long, outcome = ingest(tmp_path / "long", spec, n_workers=2)
    assert outcome.n_parts_run > 4
    assert long.digests() == short.digests()
    found = query(long, "SELECT position, raw_label, count(*) FROM raw_labels GROUP BY ALL ORDER BY ALL")
    assert found == [(SIDE_POSITION, "cat", 40), (SIDE_POSITION + 1, "dog", 40)]
    rules = query(long, "SELECT rule, count(*) FROM rejects GROUP BY ALL ORDER BY ALL")
    assert rules == [("broken_row", 1), ("unknown_key", 10)]
    step = Step(STAGE, build_params(STAGE.params, {"sources": [spec]}, "ingest"))
    assert judge(long, step).action == "reuse"
    assert not list((tmp_path / "long" / "tmp").glob("list-*"))


def test_a_long_list_gives_what_a_short_one_gives(tmp_path, monkeypatch):
    for i in range(5):
        (tmp_path / f"{i}.jpg").write_bytes(jpeg(i))
    lines = [f"{i % 7}.jpg,word{i},{i}" for i in range(60)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,score", *lines, "", ""]))
    short, _ = ingest(tmp_path / "short", str(tmp_path / "list.csv"))
    monkeypatch.setattr(buckets, "SHORT_BYTES", 0)
    monkeypatch.setattr(buckets, "_BUCKET_BYTES", 200)
    long, outcome = ingest(tmp_path / "long", str(tmp_path / "list.csv"), n_workers=2)
    assert outcome.n_parts_run == 8
    assert long.digests() == short.digests()
    assert query(long, "SELECT locator, rule FROM rejects ORDER BY ALL") == [
        ("list.csv:row 6", "missing_image"), ("list.csv:row 7", "missing_image"),
    ]  # fmt: skip


def test_keys_that_come_back_in_parquet_and_webvision(tmp_path):
    for name in ("a", "b"):
        images = pa.array([{"bytes": jpeg(i), "path": "same.jpg"} for i in range(2)], IMAGE)
        (tmp_path / "hub").mkdir(exist_ok=True)
        pq.write_table(pa.table({"image": images}), tmp_path / "hub" / f"{name}.parquet")
    root = webvision(tmp_path / "v")
    lists = root / "info"
    (lists / "train_filelist_flickr.txt").write_text((lists / "train_filelist_google.txt").read_text())
    workspace, _ = ingest(tmp_path / "w", str(tmp_path / "hub"), str(root))
    rows = query(workspace, "SELECT source, occurrence, count(*) FROM images GROUP BY ALL ORDER BY ALL")
    assert rows == [("hub", 0, 1), ("hub", 1, 1), ("hub", 2, 1), ("hub", 3, 1), ("v", 0, 3), ("v", 1, 3)]
    assert query(workspace, "SELECT uri FROM images WHERE source = 'hub' AND occurrence = 2") == [
        ("b.parquet#row=0&column=image",)
    ]


def test_added_images_of_webvision_are_found(tmp_path):
    root = webvision(tmp_path / "v")
    aside = (root / "google/q0002/k1.jpg").rename(tmp_path / "k1.jpg")
    workspace, _ = ingest(tmp_path / "w", str(root))
    assert query(workspace, "SELECT locator, rule FROM rejects") == [
        ("info/train_filelist_google.txt:line 1", "missing_image")
    ]
    aside.rename(root / "google/q0002/k1.jpg")
    workspace, _ = ingest(tmp_path / "w", str(root))
    assert query(workspace, "SELECT count(*) FROM images") == [(3,)]
    assert query(workspace, "SELECT count(*) FROM rejects") == [(0,)]


def test_a_run_is_repeatable(tmp_path):
    root = webvision(tmp_path / "v")
    digests = []
    for name in ("w1", "w2"):
        workspace, _ = ingest(tmp_path / name, str(root))
        digests.append(workspace.digests())
    assert digests[0] == digests[1]
    step = Step(STAGE, build_params(STAGE.params, {"sources": [str(root)]}, "ingest"))
    assert next(run(workspace, [step])).action == "reused"
