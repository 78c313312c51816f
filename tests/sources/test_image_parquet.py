import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import FormatError
from curate.sources import image_parquet
from curate.sources.corpus import open_source, pieces, read
from curate.sources.image_parquet import cut_file, find_image_columns, holds_images
from curate.sources.records import Label, Record, Reject
from curate.vision.decode import read_range
from tests.sources.layouts import POSTS, write

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
DATA = [post.jpeg for post in POSTS]


def cell(data, path=None):
    return {"bytes": data, "path": path}


def save(path, columns, features=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({name: pa.array(v, IMAGE) if name == "image" else v for name, v in columns.items()})
    if features is not None:
        table = table.replace_schema_metadata({b"huggingface": json.dumps({"info": {"features": features}}).encode()})
    pq.write_table(table, path, **options)


def read_all(path, *columns):
    found = [e for p in pieces(open_source(str(path), None, "auto", None, columns)) for e in read(p.load())]
    return [e for e in found if isinstance(e, Record)], [e for e in found if isinstance(e, Reject)]


def test_numbers_of_classes_get_their_names(tmp_path):
    features = {
        "label": {"names": ["tench", "n02123045", "/m/01yrx"], "_type": "ClassLabel"},
        "tags": {"feature": {"names": ["red", "blue"], "_type": "ClassLabel"}, "_type": "Sequence"},
    }
    images = [cell(DATA[0])] * 6
    columns = {"image": images, "label": [0, 1, 2, -1, 3, None], "tags": [[0, 1], [], None, [1], [0], [0]]}
    save(tmp_path / "a.parquet", columns, features)
    records, _ = read_all(tmp_path / "a.parquet")
    assert [[label[:2] for label in record.labels if label.field != "hashtag"] for record in records] == [
        [("class", "tench")], [("wnid", "n02123045")], [("mid", "/m/01yrx")], [], [], [],
    ]  # fmt: skip
    assert [label.text for label in records[0].labels if label.field == "hashtag"] == ["red", "blue"]
    assert [record.remarks for record in records] == [[], [], [], [], ["class 3 has no name"], []]


@pytest.mark.parametrize("metadata", [b"{", b"[]", b'{"info": 1}', b'{"info": {"features": {"label": 3}}}'])
def test_other_metadata_does_no_harm(tmp_path, metadata):
    table = pa.table({"image": pa.array([cell(DATA[0])], IMAGE), "label": [4]})
    pq.write_table(table.replace_schema_metadata({b"huggingface": metadata}), tmp_path / "a.parquet")
    [record], _ = read_all(tmp_path / "a.parquet")
    assert record.labels == [Label("class", "4")]


def test_keys_and_rows_without_an_image(tmp_path):
    write(tmp_path / "d" / "beside.jpg", DATA[1])
    images = [cell(DATA[0], "a.jpg"), cell(None, "beside.jpg"), cell(None, "../../etc/passwd"), cell(None), None,
              cell(DATA[2]), cell(None, "nul\0")]  # fmt: skip
    save(tmp_path / "d" / "a.parquet", {"image": images, "caption": [f"row {i}" for i in range(7)]})
    records, rejects = read_all(tmp_path)
    assert [(r.key, r.uri.partition("#")[2], r.labels[0].text) for r in records] == [
        ("a.jpg", "row=0&column=image", "row 0"), ("beside.jpg", "", "row 1"),
        ("d/a.parquet/5", "row=5&column=image", "row 5"),
    ]  # fmt: skip
    assert records[1].uri == "d/beside.jpg"
    assert [(r.locator, r.rule) for r in rejects] == [(f"d/a.parquet:row {n}", "missing_image") for n in (3, 4, 5, 7)]
    for record in records:
        assert read_range(tmp_path / record.uri, 0, len(record.data)) == record.data


def test_plain_bytes_as_img2dataset_writes_them(tmp_path):
    rows = {
        "key": ["1", "2"], "jpg": [DATA[0], None], "caption": ["one", "two"], "url": ["u1", "u2"],
        "status": ["success", "failed"], "error_message": [None, "HTTP 404"],
    }  # fmt: skip
    save(tmp_path / "00000.parquet", rows)
    [record], [reject] = read_all(tmp_path / "00000.parquet")
    assert (record.key, record.url, record.labels) == ("1", "u1", [Label("caption", "one")])
    assert (reject.rule, reject.detail) == ("not_downloaded", "HTTP 404")


def test_any_name_of_the_image_column(tmp_path):
    photos = pa.array([cell(DATA[0])], IMAGE)
    pq.write_table(pa.table({"a photo/#&=": photos, "id": ["k"], "what": ["cat"]}), tmp_path / "a.parquet")
    [record], _ = read_all(tmp_path, "class=what")
    assert (record.key, record.labels) == ("k", [Label("class", "cat")])
    assert read_range(tmp_path / record.uri, 0, len(DATA[0])) == DATA[0]
    with pytest.raises(FormatError, match="no column 'wat'; columns are id, what"):
        read_all(tmp_path / "a.parquet", "class=wat")


def test_files_are_cut_at_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(image_parquet, "_ROWS_PER_PIECE", 3)
    save(tmp_path / "a.parquet", {"image": [cell(DATA[i % 3]) for i in range(7)]}, row_group_size=2)
    assert cut_file(tmp_path / "a.parquet") == [(0, 2), (2, 4)]
    records, _ = read_all(tmp_path)
    assert [r.key for r in records] == [f"a.parquet/{i}" for i in range(7)]


def test_damage_inside_a_file_costs_its_row_group(tmp_path):
    path = tmp_path / "a.parquet"
    save(path, {"image": [cell(DATA[i % 3]) for i in range(6)]}, row_group_size=2)
    start = pq.read_metadata(path).row_group(1).column(0).data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 200] = b"\xff" * 200
    path.write_bytes(bytes(data))
    records, [reject] = read_all(path)
    assert [r.key for r in records] == [f"a.parquet/{i}" for i in (0, 1, 4, 5)]
    assert (reject.locator, reject.rule) == ("a.parquet:row 3", "unreadable_rows")
    assert reject.detail.startswith("rows 3 to 4: ")


def test_files_that_hold_no_images(tmp_path):
    save(tmp_path / "d" / "a.parquet", {"image": [cell(DATA[0])]})
    save(tmp_path / "d" / "b.parquet", {"path": ["a.jpg"]})
    write(tmp_path / "d" / "c.parquet", b"no parquet")
    assert [holds_images(tmp_path / "d" / f"{name}.parquet") for name in "abc"] == [True, False, False]
    records, rejects = read_all(tmp_path / "d")
    assert len(records) == 1
    assert [(r.locator, r.rule) for r in rejects] == [("b.parquet", "no_images"), ("c.parquet", "no_images")]
    with pytest.raises(FormatError, match="no column of images .* columns are path"):
        find_image_columns(tmp_path / "d" / "b.parquet")
