import gc
import json
from hashlib import md5

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.sources import buckets, table_files
from curate.sources.buckets import Buckets, n_buckets
from curate.sources.corpus import open_source, pieces
from curate.sources.lists import _normal, cut_side_labels, read_side_bucket, read_side_labels
from curate.sources.table import path_below

ODD = ["./img/{}.jpg", "img//{}.jpg", "a/../img/{}.jpg", "img\\{}.jpg", "img/{}.jpg"]


@pytest.fixture
def long(monkeypatch):
    """All lists are long ones, cut into small buckets."""
    monkeypatch.setattr(buckets, "SHORT_BYTES", 0)
    monkeypatch.setattr(buckets, "SHORT_ROWS", 0)
    monkeypatch.setattr(buckets, "_BUCKET_BYTES", 512)
    monkeypatch.setattr(buckets, "_BUCKET_ROWS", 16)
    monkeypatch.setattr(table_files, "_JSON_BATCH_ROWS", 7)
    monkeypatch.setattr(table_files, "_BATCH_ROWS", 7)


def rows_of_list(n=300):
    """Every image comes three times, far apart and with its path written in several ways."""
    for i in range(n):
        yield {"path": ODD[i % len(ODD)].format(i % (n // 3)), "label": f"/m/{i}", "score": i / n}


def save(path):
    rows = list(rows_of_list())
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=50)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_text("path,label,score\n" + "".join(f"{r['path']},{r['label']},{r['score']}\n" for r in rows))


def all_rows(path, scratch=None):
    found = pieces(open_source(str(path), "list", "auto", None), scratch)
    loaded = [piece.load().to_pylist() for piece in found]
    return found, sorted((row for rows in loaded for row in rows if row["kind"] == "file"), key=lambda r: r["key"])


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_long_list_gives_what_a_short_one_gives(tmp_path, suffix, request):
    path = tmp_path / f"list.{suffix}"
    save(path)
    _, short = all_rows(path)
    request.getfixturevalue("long")
    found, cut = all_rows(path, tmp_path / "scratch")
    assert cut == short and len(cut) == 100
    assert len(found) == n_buckets(path) >= 16
    assert {piece.name.partition("-of-")[2] for piece in found} == {f"{len(found):05d}"}


def test_rejects_keep_their_row(tmp_path, long):
    path = tmp_path / "list.csv"
    lines = [f"{i}.jpg,x" for i in range(40)]
    lines[3], lines[20], lines[30] = "3.jpg,x,y", "/etc/passwd,x", ",x"
    path.write_bytes("\n".join(["path,label", *lines, ""]).encode() + b"\xff.jpg,x\n")
    found = pieces(open_source(str(path), None, "auto", None), tmp_path / "scratch")
    rows = [row for piece in found for row in piece.load().to_pylist() if row["kind"] != "nothing"]
    rejects = sorted((row["key"], json.loads(row["payload"])[0]) for row in rows if row["kind"] == "reject")
    assert rejects == [("list.csv:row 21", "outside_root"), ("list.csv:row 31", "no_path"),
                       ("list.csv:row 4", "broken_row"), ("list.csv:row 41", "not_utf8")]  # fmt: skip
    places = {row["uri"]: json.loads(row["payload"])["where"] for row in rows if row["kind"] == "file"}
    assert places == {f"{i}.jpg": f"list.csv:row {i + 1}" for i in range(40) if i not in (3, 20, 30)}


def test_no_more_than_a_bucket_is_in_memory(tmp_path, long):
    save(tmp_path / "list.csv")
    found, rows = all_rows(tmp_path / "list.csv")
    assert max(piece.load().num_rows for piece in found) <= 4 * len(rows) / len(found) + 8


def test_files_go_with_their_pieces(tmp_path, long):
    save(tmp_path / "list.csv")
    found, _ = all_rows(tmp_path / "list.csv", tmp_path / "scratch")
    assert [p.suffix for p in (tmp_path / "scratch").glob("*/*")] == [".arrow"]
    del found
    gc.collect()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_pieces_of_a_long_list_depend_on_the_file(tmp_path, long):
    save(tmp_path / "list.csv")
    states = [[piece.depends for piece in pieces(open_source(str(tmp_path / "list.csv"), None, "auto", None))]]
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "0.jpg").write_bytes(b"x")
    states.append([piece.depends for piece in pieces(open_source(str(tmp_path / "list.csv"), None, "auto", None))])
    assert states[0] == states[1]
    with (tmp_path / "list.csv").open("a") as file:
        file.write("img/1.jpg,x,1\n")
    states.append([piece.depends for piece in pieces(open_source(str(tmp_path / "list.csv"), None, "auto", None))])
    assert not {str(d) for d in states[0]} & {str(d) for d in states[2]}


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_long_tables_of_labels(tmp_path, suffix, long):
    path = tmp_path / f"labels.{suffix}"
    save(path)
    cut, n = cut_side_labels(path, (), None)
    assert n > 1
    parts = [read_side_bucket(cut, number, path)[0] for number in range(n)]
    assert sorted(pair for part in parts for pair in part) == sorted(read_side_labels(path, ())[0])
    keys = [{key for key, _ in part} for part in parts]
    assert sum(map(len, keys)) == len(set().union(*keys)), "labels of a key come together"


def test_a_bucket_is_what_its_documentation_says(tmp_path, long):
    keys = [f"k{i}" for i in range(40)]
    (tmp_path / "a.csv").write_text("key,label\n" + "".join(f"{key},x\n" for key in keys))
    cut = Buckets(tmp_path / "a.csv", (), (), lambda batch: batch["key"].combine_chunks(), 8, None)
    for number in range(8):
        expected = [key for key in keys if int.from_bytes(md5(key.encode()).digest()[8:], "little") % 8 == number]
        assert [row["key"] for row in cut.read(number)[0].to_pylist()] == expected


@settings(max_examples=200)
@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "..", ".", "/", "\\", "\0", " ", "é", ".x"]), max_size=6), max_size=4)
)
def test_paths_that_look_ordinary_are_what_they_will_be(parts):
    texts = ["".join(part) for part in parts]
    normal = _normal(pa.array(texts, pa.string()), lambda text: path_below("/root", text) or text)
    assert normal.to_pylist() == [path_below("/root", text) or text if text else text for text in texts]


def test_any_other_suffix_is_a_list_with_commas(tmp_path):
    (tmp_path / "list.txt").write_text("path,label\na.jpg,cat\n")
    assert n_buckets(tmp_path / "list.txt") == 1
    [piece] = pieces(open_source(str(tmp_path / "list.txt"), None, "table", None))
    assert piece.load()["uri"].to_pylist() == ["a.jpg"]


@pytest.mark.parametrize(("rows", "text", "n"), [(100, "x", 1), (3 << 17, "x", 32), (1000, "x" * 40_000, 64)])
def test_parquet_counts_by_rows_and_by_its_unpacked_bytes(tmp_path, rows, text, n):
    texts = [f"{number} {text}" for number in range(rows)]
    pq.write_table(pa.table({"path": texts}), tmp_path / "a.parquet", compression="zstd", use_dictionary=False)
    assert n_buckets(tmp_path / "a.parquet") == n
