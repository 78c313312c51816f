import json
import os
from dataclasses import replace

import pytest

from curate.errors import FormatError, MissingInputError
from curate.sources import line_blocks
from curate.sources.corpus import open_source, pieces, read
from curate.sources.records import Record
from tests.sources.layouts import POSTS, TABBY, TENCH, webvision, write

LIST, META = "info/train_filelist_google.txt", "info/train_meta_list_google.txt"
PUBLISHED_BASES = "The list must count classes from 0, and info/queries_synsets_map.txt from 1."


def read_all(path):
    found = [entry for piece in pieces(open_source(str(path), None, "auto", None)) for entry in read(piece.load())]
    records = {entry.key: entry for entry in found if isinstance(entry, Record)}
    return records, {(entry.locator, entry.rule) for entry in found if not isinstance(entry, Record)}


def edit(root, name, change):
    lines = (root / name).read_text().splitlines(keepends=True)
    (root / name).write_text("".join(change(lines)))


def fields(record):
    return [label.field for label in record.labels]


def test_what_is_wrong_with_a_line_has_its_number(tmp_path):
    root = webvision(tmp_path / "v")
    bad = [
        "google/q0002/none.jpg 0\n",
        "../../secret.jpg 1\n",
        "\n",
        "google/q0003/k2.jpg 7\n",
        "google/q0003/k3.jpg\n",
    ]
    edit(root, LIST, lambda lines: [*lines[:1], *bad])
    (root / LIST).write_bytes((root / LIST).read_bytes() + b"\xff.jpg 1\n")
    records, rejects = read_all(root)
    assert rejects == {(f"{LIST}:line 2", "missing_image"), (f"{LIST}:line 3", "outside_root"),
                       (f"{LIST}:line 7", "not_utf8")}  # fmt: skip
    assert records["google/q0002/k1.jpg"].remarks == []
    odd = records["google/q0003/k2.jpg"]
    assert "class 7 is not in synsets.txt" in odd.remarks and "wnid" not in fields(odd)
    assert "wnid" not in fields(records["google/q0003/k3.jpg"])
    assert any("no metadata: line 5" in remark for remark in odd.remarks)


def test_metadata_that_is_not_there(tmp_path):
    root = webvision(tmp_path / "v")
    (root / "google_json/q0002.json").unlink()
    (root / "google_json/q0003.json").write_text("[{")
    records, rejects = read_all(root)
    assert rejects == {(f"{LIST}:line 1: google/q0002.json", "missing_metadata"),
                       (f"{LIST}:line 2: google/q0003.json", "broken_json")}  # fmt: skip
    assert len(records) == len(POSTS)
    for record in records.values():
        assert fields(record) == ["wnid", "query"] and record.remarks[0].startswith("no metadata: google/q000")
    (root / META).unlink()
    records, rejects = read_all(root)
    assert rejects == {(META, "missing_metadata")}
    assert [record.remarks for record in records.values()] == [[]] * len(POSTS)


@pytest.mark.parametrize("shift", [-1, 0, 1, 50])
def test_the_id_decides_which_row_is_an_images_own(tmp_path, shift):
    root = webvision(tmp_path / "v")
    edit(root, META, lambda lines: [f"{line.split()[0]} {int(line.split()[1]) + shift}\n" for line in lines])
    records, _ = read_all(root)
    titles = [label.text for record in records.values() for label in record.labels if label.field == "title"]
    assert titles == [post.title for post in POSTS]


def test_without_ids_rows_count_from_one_and_another_id_is_never_taken(tmp_path):
    root = webvision(tmp_path / "v")
    for number, ids in ((2, {}), (3, {"id": "someone else"})):
        path = root / f"google_json/q{number:04d}.json"
        entries = [{"title": entry["title"], **ids} for entry in json.loads(path.read_text())]
        path.write_text(json.dumps(entries))
    records, _ = read_all(root)
    assert [label.text for label in records["google/q0002/k1.jpg"].labels if label.field == "title"] == ["A fish"]
    assert records["google/q0003/k2.jpg"].remarks == ["no metadata: row 2 of google/q0003.json is of another image"]
    assert "title" not in fields(records["google/q0003/k2.jpg"])


def one_more(line):
    path, label = line.split()
    return f"{path} {int(label) + 1}\n"


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        (LIST, lambda lines: map(one_more, lines), "3 of 3 lines .* the list seems to count from 1"),
        ("info/queries_synsets_map.txt", lambda lines: ["1 0\n", "2 0\n", "3 1\n"], "map.txt seems to count from 0"),
        (LIST, lambda lines: [line.split()[0] + " 40\n" for line in lines], "no common base"),
    ],
)
def test_bases_that_do_not_fit_are_refused(tmp_path, name, change, told):
    root = webvision(tmp_path / "v")
    edit(root, name, change)
    with pytest.raises(FormatError, match=told) as error:
        read_all(root)
    assert PUBLISHED_BASES in str(error.value)


def test_a_few_odd_classes_are_no_wrong_base(tmp_path):
    root = webvision(tmp_path / "v")
    edit(root, LIST, lambda lines: [one_more(lines[0]), *lines[1:]])
    records, _ = read_all(root)
    assert records["google/q0002/k1.jpg"].labels[0].text == TABBY


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [("synsets.txt", "tench\n", "'tench' is no wnid"), ("queries_google.txt", "first tench\n", "'first' is no number")],
)
def test_broken_info_is_refused(tmp_path, name, content, told):
    root = webvision(tmp_path / "v")
    write(root / "info" / name, content)
    with pytest.raises(FormatError, match=told):
        read_all(root)


def test_which_lists_are_read(tmp_path):
    root = webvision(tmp_path / "v")
    write(root / "info/train_filelist_all.txt", (root / LIST).read_text())
    assert open_source(str(root), None, "auto", None).lists == ("info/train_filelist_all.txt",)
    write(root / "flickr/q0002/f1.jpg", POSTS[0].jpeg)
    write(root / "info/train_filelist_flickr.txt", "flickr/q0002/f1.jpg 0\n")
    write(root / "info/queries_flickr.txt", "2 a tench on flickr\n")
    records, rejects = read_all(root)
    assert len(records) == len(POSTS) + 1 and rejects == {("info/train_meta_list_flickr.txt", "missing_metadata")}
    assert [label[:2] for label in records["flickr/q0002/f1.jpg"].labels] == [
        ("wnid", TENCH), ("query", "a tench on flickr"),
    ]  # fmt: skip


def test_a_list_alone_and_images_for_validation(tmp_path):
    root = webvision(tmp_path / "v")
    write(root / "info/val_filelist.txt", "val000001.jpg 1\n")
    write(root / "val_images_256/val000001.jpg", POSTS[0].jpeg)
    records, rejects = read_all(root / "info/val_filelist.txt")
    assert [(r.key, r.uri, r.labels[0].text) for r in records.values()] == [
        ("val000001.jpg", "val_images_256/val000001.jpg", TABBY)
    ]
    assert not rejects
    for name in ("train_filelist_google.txt", "train_meta_list_google.txt"):
        (root / "info" / name).unlink()
    with pytest.raises(MissingInputError, match="no train_filelist .* Name a list"):
        read_all(root)
    with pytest.raises(FormatError, match="no WebVision folder"):
        open_source(str(tmp_path), None, "webvision", None)


def test_blocks_of_lines_do_not_show(tmp_path, monkeypatch):
    posts = [replace(POSTS[i % 3], key=f"p{i}", title=f"title {i}", seed=i) for i in range(7)]
    root = webvision(tmp_path / "v", posts=posts)
    whole = read_all(root)
    monkeypatch.setattr(line_blocks, "LINES_PER_BLOCK", 2)
    line_blocks._cut.cache_clear()
    source = open_source(str(root), None, "auto", None)
    assert len(pieces(source)) == 4
    assert read_all(root) == whole
    line_blocks._cut.cache_clear()


def test_pieces_change_with_what_they_are_made_of(tmp_path):
    root = webvision(tmp_path / "v")

    def state():
        [piece] = pieces(open_source(str(root), None, "auto", None))
        return piece.depends

    os.utime(root / "google/q0003", ns=(1, 1))  # two changes within a tick of the clock look alike
    states = [state(), state()]
    write(root / "google/q0003/new.jpg", POSTS[0].jpeg)
    states.append(state())
    write(root / "google_json/q0003.json", "[]")
    states.append(state())
    write(root / "info/queries_google.txt", "2 changed\n")
    states.append(state())
    assert states[0] == states[1] and len({json.dumps(s) for s in states}) == 4
