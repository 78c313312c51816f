import logging

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import FormatError
from curate.schema import table_schema
from curate.sources.evalset_export import (
    export_metadata,
    find_export,
    look_up_exported,
    read_exported_images,
    write_export,
)
from curate.sources.evalset_pieces import Wanted

IDS = ["a", "b", "c"]
ABOUT = {"eval_set": "val", "fingerprint": "f" * 64, "encoder": "net", "n_expected": 4}


def rows(vectors=True, **changes):
    columns = {
        "eval_image_id": IDS, "sha256": [f"{i}" * 64 for i in range(3)], "phash": pa.array([1, 2, None], pa.uint64()),
        "width": pa.array([5, 6, None], pa.int32()), "height": pa.array([7, 8, None], pa.int32()),
        "class_key": ["n01440764", None, None], "status": ["ok", "ok", "damaged"], "error": [None, None, "cut off"],
        "encoder": ["net"] * 3,
    }  # fmt: skip
    if vectors:
        columns["vector"] = pa.array([[1.0, 0.0], [0.6, 0.8], None], pa.list_(pa.float32()))
        columns["vector_hflip"] = pa.array([[0.0, 1.0], None, None], pa.list_(pa.float32()))
    return pa.table(columns | changes)


@pytest.fixture
def file(tmp_path):
    write_export(tmp_path / "val.parquet", rows(), ABOUT)
    return tmp_path / "val.parquet"


def test_images_come_back_without_a_place(file):
    layout = find_export(file, Wanted("mine"))
    assert (layout.format, layout.root, layout.truth().n_listed) == ("export", file, 4)
    found = read_exported_images(file, "mine")
    assert found.schema.equals(table_schema("eval_images").arrow)
    assert set(found["uri"].to_pylist()) == {""} and set(found["byte_length"].to_pylist()) == {0}
    same = [name for name in rows(False).column_names if name != "encoder"]
    assert found.select(same).to_pylist() == rows(False).select(same).to_pylist()


def test_vectors_are_found_by_image_and_view(file):
    index_N, vectors_ND = look_up_exported(
        file, "net", ["b", "x", "a", "a", "b", "c"], ["", "", "", "hflip", "hflip", ""]
    )
    assert index_N.tolist() == [0, 2, 3]
    np.testing.assert_allclose(vectors_ND, [[0.6, 0.8], [1, 0], [0, 1]], atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(vectors_ND, axis=1), 1, atol=1e-6)


def test_vectors_of_another_encoder_are_none(file, caplog):
    with caplog.at_level(logging.WARNING):
        index_N, vectors_ND = look_up_exported(file, "other", IDS, [""] * 3)
    assert not len(index_N) and not len(vectors_ND)
    assert "val.parquet has vectors of net, none of other" in caplog.text


def test_hashes_alone(tmp_path):
    write_export(tmp_path / "h.parquet", rows(False), ABOUT | {"encoder": ""})
    assert read_exported_images(tmp_path / "h.parquet", "v").num_rows == 3
    assert not len(look_up_exported(tmp_path / "h.parquet", "net", IDS, [""] * 3)[0])


def test_a_changed_file_is_read_again(file):
    assert look_up_exported(file, "net", ["a"], [""])[1].tolist() == [[1.0, 0.0]]
    others = pa.array([[0.0, 1.0, 0.0]] * 3, pa.list_(pa.float32()))
    write_export(file, rows(vector=others, vector_hflip=others), ABOUT)
    assert look_up_exported(file, "net", ["a"], [""])[1].tolist() == [[0.0, 1.0, 0.0]]


def test_one_view_alone(tmp_path):
    unseen = pa.nulls(3, pa.list_(pa.float32()))
    write_export(tmp_path / "v.parquet", rows(vector_hflip=unseen), ABOUT)
    assert look_up_exported(tmp_path / "v.parquet", "net", ["a", "a"], ["", "hflip"])[0].tolist() == [0]


def test_what_is_no_export(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"no Parquet")
    pq.write_table(rows(), tmp_path / "b.parquet")
    for text in (b"{", b"[]", b'{"eval_set": 1}', b"\xff"):
        pq.write_table(rows().replace_schema_metadata({b"curate_eval_set": text}), tmp_path / "c.parquet")
        assert export_metadata(tmp_path / "c.parquet") is None
    for name in ("a.parquet", "b.parquet", "none.parquet", ""):
        assert find_export(tmp_path / name, Wanted("v")) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"sha256": ["0", "1", "2"]}, "length"), ({"eval_image_id": ["a", "a", "b"]}, "two rows with key"),
     ({"width": ["wide"] * 3}, "Failed to parse"), ({"status": ["fine"] * 3}, "status")],
)  # fmt: skip
def test_rows_that_do_not_fit_are_named(tmp_path, changes, words):
    write_export(tmp_path / "v.parquet", rows(**changes), ABOUT)
    with pytest.raises(FormatError, match=rf"v\.parquet: no export of an eval set: .*{words}"):
        read_exported_images(tmp_path / "v.parquet", "v")
    write_export(tmp_path / "w.parquet", rows().drop_columns(["phash"]), ABOUT)
    with pytest.raises(FormatError, match="no export"):
        read_exported_images(tmp_path / "w.parquet", "v")


@pytest.mark.parametrize(
    ("vector", "words"),
    [([[1.0], [1.0, 2.0], None], "vectors of 1 and of 2 numbers"), ([[0.0, 0.0], None, None], "no direction"),
     ([[float("nan"), 0.0], None, None], "no direction")],
)  # fmt: skip
def test_vectors_that_cannot_be_used_are_named(tmp_path, vector, words):
    broken = rows(vector=pa.array(vector, pa.list_(pa.float32()))).drop_columns(["vector_hflip"])
    write_export(tmp_path / "v.parquet", broken, ABOUT)
    with pytest.raises(FormatError, match=rf"v\.parquet: no vectors: .*{words}"):
        look_up_exported(tmp_path / "v.parquet", "net", IDS, [""] * 3)
