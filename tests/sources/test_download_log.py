import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.sources.corpus import open_source, pieces, read
from curate.sources.records import Label, Record
from tests.sources.layouts import jpeg, write, write_tar


def read_all(folder):
    found = [entry for piece in pieces(open_source(str(folder), None, "auto", None)) for entry in read(piece.load())]
    records = {entry.key: entry for entry in found if isinstance(entry, Record)}
    return records, [(e.locator, e.rule, e.detail) for e in found if not isinstance(e, Record)]


def log(path, *rows):
    columns = {name: [row.get(name) for row in rows] for name in dict.fromkeys(n for row in rows for n in row)}
    pq.write_table(pa.table(columns), path)


def row(key, status="success", **more):
    return {"key": key, "status": status, "error_message": None, "url": f"http://x/{key}", **more}


def test_json_of_the_tar_wins_and_the_log_fills_in(tmp_path):
    members = [
        ("1.jpg", jpeg(1)), ("1.json", json.dumps({"caption": "from json", "url": "http://json"}).encode()),
        ("2.jpg", jpeg(2)), ("2.txt", b"from txt"),
        ("3.jpg", jpeg(3)), ("3.txt", b"from log\n"),
        ("4.jpg", jpeg(4)), ("4.json", b"{broken"),
        ("5.jpg", jpeg(5)),
    ]  # fmt: skip
    write_tar(tmp_path / "00000.tar", members)
    log(tmp_path / "00000.parquet", *(row(str(n), caption="from log", tags=["#a"]) for n in range(1, 5)))
    records, rejects = read_all(tmp_path)
    assert {key: [label[:2] for label in record.labels] for key, record in records.items()} == {
        "1": [("caption", "from json")], "2": [("hashtag", "#a"), ("caption", "from log"), ("caption", "from txt")],
        "3": [("hashtag", "#a"), ("caption", "from log")], "4": [("hashtag", "#a"), ("caption", "from log")], "5": [],
    }  # fmt: skip
    assert [record.url for record in records.values()] == ["http://json", *(f"http://x/{n}" for n in "234"), None]
    assert records["2"].remarks == [] and records["4"].remarks[0].startswith("json member unusable")
    assert [reject[:2] for reject in rejects] == [("00000.tar/4.json", "broken_json")]


def test_every_row_is_an_image_or_a_reject(tmp_path):
    write_tar(tmp_path / "a" / "00000.tar", [("1.jpg", jpeg(1)), ("1.json", b"{}")])
    rows = [row("1"), row("2", "failed_to_download", error_message="HTTP 404"), row("3", "failed_to_resize"), row("4"),
            row("2"), row(None)]  # fmt: skip
    log(tmp_path / "a" / "00000.parquet", *rows)
    records, rejects = read_all(tmp_path)
    assert list(records) == ["1"]
    assert sorted(rejects) == [
        ("a/00000.parquet:row 2", "not_downloaded", "HTTP 404"),
        ("a/00000.parquet:row 3", "not_downloaded", "failed_to_resize"),
        ("a/00000.parquet:row 4", "missing_image", "key '4' was downloaded and is not in the tar"),
        ("a/00000.parquet:row 5", "repeated_key", "key '2'"), ("a/00000.parquet:row 6", "no_key", "key 'None'"),
    ]  # fmt: skip


@pytest.mark.parametrize(("content", "rule"), [(None, "unknown_side_file"), (b"no parquet", "unreadable_side_file")])
def test_other_files_beside_a_tar(tmp_path, content, rule):
    write_tar(tmp_path / "00000.tar", [("1.jpg", jpeg(1)), ("1.txt", b"a cat")])
    if content is None:
        log(tmp_path / "00000.parquet", {"key": "1", "vector": 0.5})
    else:
        write(tmp_path / "00000.parquet", content)
    records, [reject] = read_all(tmp_path)
    assert records["1"].labels == [Label("caption", "a cat")]
    assert reject[:2] == ("00000.parquet", rule)


def test_a_changed_log_is_read_again(tmp_path):
    write_tar(tmp_path / "00000.tar", [("1.jpg", jpeg(1))])

    def state():
        [piece] = pieces(open_source(str(tmp_path), None, "auto", None))
        return piece.depends

    states = [state()]
    for caption in ("a", "a longer one"):
        log(tmp_path / "00000.parquet", row("1", caption=caption))
        states.append(state())
    assert len({json.dumps(s) for s in states}) == 3
