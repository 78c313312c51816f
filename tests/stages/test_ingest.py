import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import imagehash
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from curate.errors import FormatError, MissingInputError, ParameterError
from curate.plan import Step, judge
from curate.recipe import build_params
from curate.runner import run
from curate.sources.records import image_id
from curate.stages.ingest import SIDE_POSITION, STAGE
from curate.store import Workspace
from curate.vision.decode import read_range


def jpeg(seed, size=(48, 36)):
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write_tar(path, members, format=tarfile.USTAR_FORMAT):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=format) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mtime = 1.5
            tar.addfile(info, io.BytesIO(content))


def post(key, seed, **metadata):
    return [(f"{key}.jpg", jpeg(seed)), (f"{key}.txt", b""), (f"{key}.json", json.dumps(metadata).encode())]


def ingest(folder, *specs, n_workers=1, **params):
    workspace = Workspace(folder, create=True)
    step = Step(STAGE, build_params(STAGE.params, {"sources": list(specs), **params}, "ingest"))
    return workspace, next(run(workspace, [step], n_workers=n_workers))


def query(workspace, sql):
    with workspace.all_tables().connect() as con:
        return con.execute(sql).fetchall()


def stored_bytes(workspace, row):
    root = dict(query(workspace, "SELECT source, root FROM sources"))[row[0]]
    return read_range(Path(root, row[1]), row[2], row[3])


def test_posts_in_a_tar(tmp_path):
    members = post("0001", 1, hashtags=["#cat", " red"], caption="A cat", user="ann", url="http://x/1.jpg")
    members += post("0002", 2, query="tabby", title="T", **{"class": 3})
    write_tar(tmp_path / "posts" / "a.tar", members)
    workspace, _ = ingest(tmp_path / "w", str(tmp_path / "posts"))
    labels = query(
        workspace,
        "SELECT i.key, field, position, raw_label FROM raw_labels JOIN images i USING (image_id) ORDER BY ALL",
    )
    assert labels == [
        ("0001", "caption", 0, "A cat"), ("0001", "hashtag", 0, "#cat"), ("0001", "hashtag", 1, " red"),
        ("0002", "class", 0, "3"), ("0002", "query", 0, "tabby"), ("0002", "title", 0, "T"),
    ]  # fmt: skip
    rows = query(
        workspace, "SELECT source, uri, byte_offset, byte_length, sha256, key, owner, url FROM images ORDER BY key"
    )
    assert [(r[0], r[1], r[5]) for r in rows] == [("posts", "a.tar", "0001"), ("posts", "a.tar", "0002")]
    assert rows[0][6:] == ("ann", "http://x/1.jpg")
    for seed, row in enumerate(rows, 1):
        assert stored_bytes(workspace, row) == jpeg(seed)
        assert hashlib.sha256(jpeg(seed)).hexdigest() == row[4]
    assert query(workspace, "SELECT format, width, height, decoder, status, error, remark FROM images LIMIT 1") == [
        ("jpeg", 48, 36, "libjpeg-turbo", "ok", None, None)
    ]
    expected = str(imagehash.phash(Image.open(io.BytesIO(jpeg(1)))))
    [(found,)] = query(workspace, "SELECT phash FROM images WHERE key = '0001'")
    assert (found ^ int(expected, 16)).bit_count() <= 4
    assert query(workspace, "SELECT count(*) FROM rejects") == [(0,)]


def test_keys_that_occur_in_several_tars(tmp_path):
    root = tmp_path / "posts"
    write_tar(root / "a.tar", post("1", 1, tags=["a"]) + post("2", 2) + post("1", 3, tags=["b"]))
    write_tar(root / "b.tar", post("1", 4, tags=["c"]) + post("3", 5))
    write_tar(root / "c.tar", post("3", 6) + post("1", 7))
    workspace, outcome = ingest(tmp_path / "w", str(root), n_workers=2)
    rows = query(workspace, "SELECT key, uri, occurrence, image_id FROM images ORDER BY key, occurrence")
    assert [r[:3] for r in rows] == [
        ("1", "a.tar", 0), ("1", "a.tar", 1), ("1", "b.tar", 2), ("1", "c.tar", 3),
        ("2", "a.tar", 0), ("3", "b.tar", 0), ("3", "c.tar", 1),
    ]  # fmt: skip
    assert all(r[3] == image_id("posts", r[0], r[2]) for r in rows)
    assert query(
        workspace,
        "SELECT raw_label, occurrence FROM raw_labels JOIN images USING (image_id) ORDER BY ALL",
    ) == [("a", 0), ("b", 1), ("c", 2)]
    assert outcome.n_parts_run >= 3
    step = Step(STAGE, build_params(STAGE.params, {"sources": [str(root)]}, "ingest"))
    assert judge(workspace, step).action == "reuse"
    # One more tar runs alone, and the result is that of a rebuild.
    write_tar(root / "b2.tar", post("1", 8) + post("4", 9))
    workspace, _ = ingest(tmp_path / "w", str(root))
    rebuilt, _ = ingest(tmp_path / "w2", str(root))
    assert workspace.digests() == rebuilt.digests()
    assert [r[0] for r in query(workspace, "SELECT uri FROM images WHERE key = '1' ORDER BY occurrence")] == [
        "a.tar", "a.tar", "b.tar", "b2.tar", "c.tar",
    ]  # fmt: skip


def test_digests_do_not_depend_on_shards_workers_or_place(tmp_path):
    posts = [post(f"{i:03d}", i, tags=[f"t{i}"]) for i in range(12)]
    write_tar(tmp_path / "one" / "posts" / "x.tar", [m for p in posts for m in p])
    for shard in range(3):
        write_tar(tmp_path / "two" / "posts" / f"{shard}.tar", [m for p in posts[shard::3][::-1] for m in p])
    first, _ = ingest(tmp_path / "w1", str(tmp_path / "one" / "posts"))
    second, _ = ingest(tmp_path / "w2", str(tmp_path / "two" / "posts"), n_workers=3)
    assert first.digests() == second.digests()
    # Moved data keeps its parts.
    (tmp_path / "two").rename(tmp_path / "three")
    moved, outcome = ingest(tmp_path / "w2", str(tmp_path / "three" / "posts"))
    assert outcome.n_parts_run == 0
    assert moved.digests() == first.digests()
    assert query(moved, "SELECT root FROM sources") == [(str(tmp_path / "three" / "posts"),)]


def test_long_work_moves_to_processes_and_ends_in_the_same(tmp_path, monkeypatch):
    for shard in range(6):
        write_tar(tmp_path / "posts" / f"{shard}.tar", post(f"{shard}", shard, tags=["a"]) + post("all", 9))
    threads, _ = ingest(tmp_path / "w1", str(tmp_path / "posts"), n_workers=2)
    monkeypatch.setattr("curate.engines.local._THREADS_S", 0.0)
    processes, _ = ingest(tmp_path / "w2", str(tmp_path / "posts"), n_workers=2)
    assert processes.digests() == threads.digests()


def test_what_is_wrong_in_a_tar_has_a_reason(tmp_path):
    members = [
        ("1.jpg", b"<html>not found</html>"), ("1.txt", b"x"), ("1.json", b"{}"),
        ("2.jpg", jpeg(2)), ("2.json", b'{"caption": "cut'), ("2.txt", b"told twice"),
        ("3.jpg", jpeg(3)), ("3.json", b'{"caption": "\xff"}'), ("3.txt", b"\xff"),
        ("4.json", b"{}"), ("4.txt", b"no image"),
        ("5.png", jpeg(5)), ("5.txt", b"a caption"),
        ("6.jpg", jpeg(6)), ("6.txt", b"c"),
        ("6.json", b'{"tags": ["\\ud83d", "a\\u0000b", null, ""], "caption": "c"}'),
        ("7.jpg", b""), ("7.json", b"[1]"), ("7.txt", b""),
        ("._8.jpg", b"resource fork"),
    ]  # fmt: skip
    write_tar(tmp_path / "posts" / "a.tar", members, tarfile.PAX_FORMAT)
    workspace, _ = ingest(tmp_path / "w", str(tmp_path / "posts"))
    images = {r[0]: r[1:] for r in query(workspace, "SELECT key, status, error, remark FROM images")}
    assert images["1"] == ("damaged", "no image: an HTML page", None)
    assert images["2"][0] == "ok" and images["2"][2].startswith("json member unusable")
    assert images["5"] == ("ok", None, "named png, is jpeg; no json member")
    assert "escaped" in images["6"][2]
    assert images["7"][:2] == ("damaged", "empty file")
    rejects = query(workspace, "SELECT locator, rule FROM rejects ORDER BY locator")
    assert rejects == [
        ("a.tar/._8.jpg", "hidden_file"), ("a.tar/2.json", "broken_json"), ("a.tar/3.json", "not_utf8"),
        ("a.tar/3.txt", "not_utf8"), ("a.tar/4", "missing_image"), ("a.tar/7.json", "broken_json"),
    ]  # fmt: skip
    labels = query(workspace, "SELECT key, field, raw_label FROM raw_labels JOIN images USING (image_id) ORDER BY ALL")
    assert labels == [
        ("1", "caption", "x"), ("2", "caption", "told twice"), ("5", "caption", "a caption"),
        ("6", "caption", "c"), ("6", "hashtag", "\\ud83d"), ("6", "hashtag", "a\\x00b"),
    ]  # fmt: skip


def test_a_truncated_tar_keeps_what_can_be_read(tmp_path):
    write_tar(tmp_path / "posts" / "a.tar", [m for i in range(5) for m in post(str(i), i)])
    whole = (tmp_path / "posts" / "a.tar").read_bytes()
    (tmp_path / "posts" / "a.tar").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "posts" / "b.tar").write_bytes(b"<html>")
    workspace, _ = ingest(tmp_path / "w", str(tmp_path / "posts"))
    assert query(workspace, "SELECT count(*) > 0, count(*) < 5, bool_and(status = 'ok') FROM images") == [(True,) * 3]
    assert query(workspace, "SELECT locator, rule FROM rejects ORDER BY ALL") == [
        ("a.tar", "truncated_shard"), ("b.tar", "truncated_shard"),
    ]  # fmt: skip


def write_image(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg(seed))


def test_folders_give_classes(tmp_path):
    root = tmp_path / "photos"
    write_image(root / "n02084071" / "1.jpg", 1)
    write_image(root / "n02084071" / "more" / "2.JPEG", 2)
    write_image(root / "red panda" / "3.jpg", 3)
    write_image(root / "4.jpg", 4)
    (root / "readme.txt").write_text("hello")
    (root / ".hidden.jpg").write_bytes(b"")
    (root / "link").symlink_to(root / "red panda")
    os.mkfifo(root / "pipe.jpg")
    workspace, _ = ingest(tmp_path / "w", {"path": str(root), "name": "mine"})
    rows = query(
        workspace,
        "SELECT key, field, raw_label FROM images LEFT JOIN raw_labels USING (image_id) "
        "WHERE source = 'mine' ORDER BY key",
    )
    assert rows == [
        ("4.jpg", None, None), ("n02084071/1.jpg", "wnid", "n02084071"), ("n02084071/more/2.JPEG", "wnid", "n02084071"),
        ("red panda/3.jpg", "class", "red panda"),
    ]  # fmt: skip
    assert query(workspace, "SELECT locator, rule FROM rejects ORDER BY ALL") == [
        ("link", "linked_folder"), ("pipe.jpg", "no_regular_file"), ("readme.txt", "not_an_image"),
    ]  # fmt: skip


def test_a_new_file_in_a_folder_costs_its_block(tmp_path):
    root = tmp_path / "photos"
    for i in range(3000):
        (root / f"{i % 7}").mkdir(parents=True, exist_ok=True)
        (root / f"{i % 7}" / f"{i}.jpg").write_bytes(b"none")
    workspace, before = ingest(tmp_path / "w", str(root))
    assert before.n_parts_run >= 3
    write_image(root / "3" / "1000000.jpg", 1)
    workspace, after = ingest(tmp_path / "w", str(root))
    assert 1 <= after.n_parts_run <= 2
    assert query(workspace, "SELECT status, count(*) FROM images GROUP BY ALL ORDER BY ALL") == [
        ("damaged", 3000), ("ok", 1),
    ]  # fmt: skip


def test_a_list_has_several_labels_for_an_image(tmp_path):
    for i in range(3):
        write_image(tmp_path / "set" / "img" / f"{i}.jpg", i)
    rows = [
        ("img/0.jpg", "cat", "0.5"), ("img/1.jpg", "dog", "1"), ("img/0.jpg", "animal", "0.25"),
        ("../secret.jpg", "x", "1"), ("/etc/passwd", "x", "1"), ("img/9.jpg", "gone", "1"), ("", "x", "1"),
        (str(tmp_path / "set" / "img" / "2.jpg"), "fox", ""),
    ]  # fmt: skip
    digests = []
    for order in (rows, rows[::-1]):
        with (tmp_path / "set" / "list.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("path", "label", "score"), *order])
        workspace, _ = ingest(tmp_path / f"w{len(digests)}", str(tmp_path / "set" / "list.csv"))
        digests.append({t: d for t, d in workspace.digests().items() if t != "rejects"})
    assert digests[0] == digests[1]
    found = query(
        workspace,
        "SELECT source, key, position, raw_label, score FROM images JOIN raw_labels USING (image_id) ORDER BY ALL",
    )
    assert found == [
        ("list.csv", "img/0.jpg", 0, "animal", 0.25), ("list.csv", "img/0.jpg", 1, "cat", 0.5),
        ("list.csv", "img/1.jpg", 0, "dog", 1.0), ("list.csv", "img/2.jpg", 0, "fox", None),
    ]  # fmt: skip
    rejects = query(workspace, "SELECT rule, count(*) FROM rejects GROUP BY ALL ORDER BY ALL")
    assert rejects == [("missing_image", 1), ("no_path", 1), ("outside_root", 2)]
    assert query(workspace, "SELECT format FROM sources") == [("table",)]


def test_a_root_widens_what_a_list_may_name(tmp_path):
    write_image(tmp_path / "img" / "1.jpg", 1)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "a.jsonl").write_text('{"image": "../img/1.jpg", "tags": "#a #b", "id": 7}\nbroken\n')
    spec = {"path": str(tmp_path / "lists" / "a.jsonl"), "root": str(tmp_path), "name": "a"}
    (tmp_path / "lists" / "a.jsonl").write_text('{"image": "img/1.jpg", "tags": "#a #b", "id": 7}\nbroken\n')
    workspace, _ = ingest(tmp_path / "w", spec)
    assert query(workspace, "SELECT key, uri, raw_label FROM images JOIN raw_labels USING (image_id) ORDER BY ALL") == [
        ("7", "img/1.jpg", "#a"), ("7", "img/1.jpg", "#b"),
    ]  # fmt: skip
    assert query(workspace, "SELECT locator, rule FROM rejects") == [("a.jsonl:row 2", "broken_json")]


def test_a_side_table_is_joined_by_key(tmp_path):
    write_tar(tmp_path / "posts" / "a.tar", [(f"{i:03d}.jpg", jpeg(i)) for i in range(4)])
    labels = tmp_path / "labels.csv"
    rows = [("000", "cat"), ("001", "dog"), ("001", "animal"), ("404", "ghost"), ("404", "spirit")]
    digests = []
    for order in (rows, rows[::-1]):
        labels.write_text("key,noisy\n" + "".join(f"{key},{label}\n" for key, label in order))
        spec = {"path": str(tmp_path / "posts"), "labels": str(labels), "columns": ["class=noisy"]}
        workspace, _ = ingest(tmp_path / f"w{len(digests)}", spec)
        digests.append(workspace.digests())
    assert digests[0] == digests[1]
    found = query(
        workspace, "SELECT key, position, raw_label FROM images JOIN raw_labels USING (image_id) ORDER BY ALL"
    )
    assert found == [
        ("000", SIDE_POSITION, "cat"), ("001", SIDE_POSITION, "animal"), ("001", SIDE_POSITION + 1, "dog"),
    ]  # fmt: skip
    assert query(workspace, "SELECT locator, rule FROM rejects") == [("labels.csv:404", "unknown_key")]
    assert query(workspace, "SELECT count(*) FROM raw_labels ANTI JOIN images USING (image_id)") == [(0,)]


def test_added_at_stays(tmp_path):
    write_image(tmp_path / "photos" / "a" / "1.jpg", 1)
    workspace, _ = ingest(tmp_path / "w", str(tmp_path / "photos"))
    first = query(workspace, "SELECT added_at FROM sources")
    write_image(tmp_path / "photos" / "a" / "2.jpg", 2)
    workspace, _ = ingest(tmp_path / "w", str(tmp_path / "photos"))
    assert query(workspace, "SELECT added_at FROM sources") == first
    assert query(workspace, "SELECT count(*) FROM images") == [(2,)]


def test_mistakes_have_clear_errors(tmp_path):
    with pytest.raises(MissingInputError, match="no such file or folder"):
        ingest(tmp_path / "w", str(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError, match="no images in"):
        ingest(tmp_path / "w", str(tmp_path / "empty"))
    write_tar(tmp_path / "posts" / "a.tar", [("1.json", b"{}")])
    with pytest.raises(MissingInputError, match=r"first reject: missing_image: only json \(a\.tar/1\)"):
        ingest(tmp_path / "w", str(tmp_path / "posts"))
    write_tar(tmp_path / "posts" / "a.tar", [("1.jpg", jpeg(1))])
    table = tmp_path / "labels.csv"
    table.write_text("key,clean,noisy\n1,cat,dog\n")
    for columns, message in [
        ([], "no column for hashtag or .* columns are key, clean, noisy"),
        (["class=nosy"], "no column 'nosy'; columns are key, clean, noisy"),
        (["clas=noisy"], "Did you mean 'class'"),
    ]:
        with pytest.raises(FormatError, match=message):
            ingest(tmp_path / "w", {"path": str(tmp_path / "posts"), "labels": str(table), "columns": columns})
    with pytest.raises(FormatError, match="no column for path; columns are key, clean, noisy"):
        ingest(tmp_path / "w", str(table))
    with pytest.raises(MissingInputError, match="no such file"):
        ingest(tmp_path / "w", {"path": str(tmp_path / "posts"), "labels": "none.csv"})
    with pytest.raises(ParameterError, match="'posts' is given twice"):
        ingest(tmp_path / "w", str(tmp_path / "posts"), str(tmp_path / "posts"))
    write_tar(tmp_path / "one.tar", [("1.jpg", jpeg(1))])
    assert ingest(tmp_path / "w", str(tmp_path / "one.tar"))[1].n_rows["images"] == 1
    (tmp_path / "a.tar.gz").write_bytes(b"")
    with pytest.raises(FormatError, match="Unpack it first"):
        ingest(tmp_path / "w", str(tmp_path / "a.tar.gz"))
    with pytest.raises(FormatError, match="cannot be read as folder"):
        ingest(tmp_path / "w", {"path": str(tmp_path / "posts" / "a.tar"), "format": "folder"})


def test_odd_names_do_no_harm(tmp_path):
    keys = ["日本語/ключ", "emoji 🐊", "a b'c\"d", "x" * 150, "y" * 300]
    members = [(f"{key}.jpg", jpeg(i)) for i, key in enumerate(keys)]
    for name, format in [("pax", tarfile.PAX_FORMAT), ("gnu", tarfile.GNU_FORMAT)]:
        write_tar(tmp_path / name / "a.tar", members, format)
        workspace, _ = ingest(tmp_path / f"w-{name}", str(tmp_path / name))
        assert {r[0] for r in query(workspace, "SELECT key FROM images")} == set(keys)
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "ok.jpg").write_bytes(jpeg(1))
    (raw / os.fsdecode(b"caf\xe9.jpg")).write_bytes(jpeg(2))
    workspace, _ = ingest(tmp_path / "w-raw", str(raw))
    assert query(workspace, "SELECT key FROM images") == [("ok.jpg",)]
    assert query(workspace, "SELECT rule FROM rejects") == [("undecodable_name",)]


DESERVED = {
    "bomb_png": "too many pixels", "html_as_jpg": "an HTML page", "odd_corrupt_jpeg": "no known image format",
    "truncated_jpeg": "Premature end", "zero_bytes": "empty file",
}  # fmt: skip
REMARKED = {
    "broken_json": "json member unusable", "nonutf8_json": "json member unusable", "missing_json": "no json member",
    "missing_txt": "no txt member", "cmyk_jpeg": "CMYK", "exif_rotated": "EXIF orientation", "gif_as_jpg": "is gif",
    "odd_animated_gif": "several frames", "odd_pbm": "is ppm", "odd_tiff": "is tiff", "png16": "more than 8 bits",
    "png_as_jpg": "is png", "png_palette_alpha": "transparency", "tracking_pixel": "tiny", "webp_as_jpg": "is webp",
}  # fmt: skip


def test_planted_damage_in_web_posts(tmp_path, data):
    workspace, _ = ingest(tmp_path / "w", {"path": str(data / "webposts" / "corpus"), "name": "posts"}, n_workers=2)
    truth = pq.read_table(data / "webposts" / "truth" / "images.parquet").to_pylist()
    columns = "key, occurrence, uri, status, error, remark, sha256, width, height"
    found = {(r[2], r[0]): r for r in query(workspace, f"SELECT {columns} FROM images")}
    assert len(found) == len(truth) == 4500
    for row in truth:
        _, occurrence, _, status, error, remark, digest, width, height = found[
            f"shard-{row['shard']:05d}.tar", row["key"]
        ]
        damage = row["damage"]
        assert digest == row["sha256"]
        assert (status == "ok") == row["decodable"], damage
        if damage in DESERVED:
            assert DESERVED[damage] in error
        elif damage in REMARKED:
            assert REMARKED[damage] in remark
        assert (occurrence == 1) == (damage == "duplicate_key")
        if row["decodable"]:
            stored = (width, height) if damage != "exif_rotated" else (height, width)
            assert stored == (row["width"], row["height"])
    assert sum(row["damage"] is not None for row in truth) == 26
    unmarked = [row for row in truth if row["damage"] is None]
    assert not any(found[f"shard-{row['shard']:05d}.tar", row["key"]][5] for row in unmarked)
    rejects = query(workspace, "SELECT rule, count(*) FROM rejects GROUP BY ALL ORDER BY ALL")
    assert rejects == [("broken_json", 2), ("not_utf8", 1)]


def test_a_script_without_a_guard_may_use_processes(tmp_path):
    for shard in range(5):
        write_tar(tmp_path / "posts" / f"{shard}.tar", post(f"{shard}", shard))
    script = tmp_path / "script.py"
    script.write_text(
        "import curate, curate.engines.local\n"
        "curate.engines.local._THREADS_S = 0.0\n"
        f"workspace = curate.open({str(tmp_path / 'w')!r}, create=True)\n"
        f"print(workspace.run('ingest', sources=[{str(tmp_path / 'posts')!r}], n_workers=2).n_rows['images'])\n"
    )
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert ran.stdout == "5\n"
