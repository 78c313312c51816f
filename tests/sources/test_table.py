import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import FormatError
from curate.sources import table_files
from curate.sources.table import path_below, read_table, rows_of
from curate.sources.table_files import is_bare_list


def read(path, *columns, needed=("key",)):
    table, rejects = read_table(path, columns, *needed)
    return list(rows_of(table)), [(r.locator, r.rule) for r in rejects]


def test_csv_values_stay_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('\ufeffKey,label,note\n007,NA,x\n"1,2","a ""b""",\n"two\nlines",1e3,null\n', encoding="utf-8")
    assert read(path) == (
        [
            {"row": 1, "class": "NA", "key": "007"},
            {"row": 2, "class": 'a "b"', "key": "1,2"},
            {"row": 3, "class": "1e3", "key": "two\nlines"},
        ],
        [],
    )


def test_bad_csv_rows_become_rejects(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(b"key\tlabel\na\t1\nb\nc\t\xff\nd\t4\te\nf\t6\n")
    rows, rejects = read(path)
    assert [(row["row"], row["key"]) for row in rows] == [(1, "a"), (5, "f")]
    assert rejects == [("a.tsv:row 2", "broken_row"), ("a.tsv:row 4", "broken_row"), ("a.tsv:row 3", "not_utf8")]


def test_jsonl(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        b'{"key": 7, "tags": ["a", 1], "label": "\\ud800"}\n\n'
        b'{"key": "8", "tags": "x"}\n{"cut\n[]\n\xff\n{"key": true}\n'
    )
    rows, rejects = read(path)
    assert rows == [
        {"row": 1, "hashtag": ["a", "1"], "class": "\\ud800", "key": "7"},
        {"row": 3, "hashtag": ["x"], "key": "8"},
        {"row": 7},
    ]
    assert rejects == [
        ("a.jsonl:row 4", "broken_json"), ("a.jsonl:row 5", "broken_json"), ("a.jsonl:row 6", "not_utf8"),
    ]  # fmt: skip


def test_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    columns = {
        "id": [1, 2],
        "tags": [["a"], None],
        "label": pa.array(["x", "y"]).dictionary_encode(),
        "pixels": [b"", b""],
    }
    pq.write_table(pa.table(columns), path)
    assert read(path) == (
        [{"row": 1, "hashtag": ["a"], "class": "x", "key": "1"}, {"row": 2, "class": "y", "key": "2"}],
        [],
    )


def test_columns_by_hand(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("image,label,random1\na,b,c\n")
    assert read(path, "key=image", "class=random1")[0] == [{"row": 1, "key": "a", "class": "c"}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"x,y\n1,2\n", "no column for key; columns are x, y"),
        ("a.csv", b"", "the first line is empty"),
        ("a.csv", b"key,key\n", "two columns are called 'key'"),
        ("a.jsonl", b'{"x": 1}\n', "no column for key; columns are x"),
        ("a.parquet", b"no parquet", "a.parquet"),
    ],
)
def test_what_is_no_such_table(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("a/b.jpg", "a/b.jpg"), ("./a//b.jpg", "a/b.jpg"), ("a/../b.jpg", "b.jpg"), ("/data/set/b.jpg", "b.jpg"),
        ("a\\b.jpg", "a/b.jpg"), ("../b.jpg", None), ("/etc/passwd", None), ("/data/set2/b.jpg", None),
        ("a/../../set/b.jpg", "b.jpg"), (".", None), ("/data/set", None),
    ],
)  # fmt: skip
def test_paths_below_a_root(path, below):
    assert path_below("/data/set", path) == below


@pytest.mark.parametrize(
    ("fields", "bare"),
    [
        (["a.jpg", "cat"], True), (["a.jpg", "cat", "0.5"], True), (["a.jpg", "cat", "-1e-3"], True),
        (["d/1", "/m/01yrx", "1"], True), (["d/1", "n02123045"], True), (["a.jpg", "cat", "x"], False),
        (["path", "label"], False), (["a.jpg", "Label"], False), (["x", "y"], False), (["a.jpg"], False), ([], False),
        (["a.jpg", "cat", "1", "2"], False),
    ],
)  # fmt: skip
def test_lists_without_a_header(fields, bare):
    assert is_bare_list(fields) == bare


def test_rows_of_a_list_without_a_header(tmp_path):
    (tmp_path / "a.tsv").write_text("a.jpg\tn02123045\t0.5\nb.jpg\t/m/01yrx\nc.jpg\tcat\t1\n")
    assert read(tmp_path / "a.tsv", needed=("path",)) == (
        [
            {"row": 1, "class": "n02123045", "score": "0.5", "path": "a.jpg"},
            {"row": 3, "class": "cat", "score": "1", "path": "c.jpg"},
        ],
        [("a.tsv:row 2", "broken_row")],
    )


@pytest.mark.parametrize("seed", range(8))
def test_row_numbers_do_not_depend_on_blocks(tmp_path, monkeypatch, seed):
    rng = random.Random(seed)
    lines = rng.choices(["k,v", '"two\nlines",v', "k,v,w", "k"], k=40)
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["key,label", *lines, ""]))
    monkeypatch.setattr(table_files, "_CSV_BLOCK_BYTES", rng.randint(32, 200))
    rows, rejects = read(path)
    good = [number for number, line in enumerate(lines, 1) if line.endswith(",v")]
    assert [row["row"] for row in rows] == good
    bad = [number for number in range(1, len(lines) + 1) if number not in good]
    assert rejects == [(f"a.csv:row {number}", "broken_row") for number in bad]


def test_a_column_that_is_a_list_far_down(tmp_path, monkeypatch):
    monkeypatch.setattr(table_files, "_JSON_BATCH_ROWS", 2)
    (tmp_path / "a.jsonl").write_text('{"key": "a", "tags": "x"}\n' * 5 + '{"key": "b", "tags": ["y"], "label": 1}\n')
    rows, _ = read(tmp_path / "a.jsonl")
    assert rows[0] == {"row": 1, "hashtag": ["x"], "key": "a"}
    assert rows[5] == {"row": 6, "hashtag": ["y"], "class": "1", "key": "b"}
