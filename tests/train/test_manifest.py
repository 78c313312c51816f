import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import CurateError, FormatError, MissingInputError, ParameterError, SchemaError
from curate.train.manifest import from_tables, open_manifest
from tests.train.corpus import class_rows, export, manifest_rows


def test_a_manifest_opens_sorted_with_its_kept_classes(manifest):
    ids = manifest.rows.column("image_id").to_pylist()
    assert ids == sorted(ids)
    assert len(manifest) == 60
    assert manifest.class_keys == ["u:0", "u:1", "u:2", "u:3"]
    assert manifest.class_names[0] == "class 0"


def test_rows_and_digest_do_not_depend_on_row_order_shards_or_place(tmp_path):
    rows, classes = manifest_rows(tmp_path / "a"), class_rows()
    one = open_manifest(export(tmp_path / "m1", rows, classes, {"posts": str(tmp_path / "a")}))
    (tmp_path / "b").mkdir()
    shuffled = rows.take(list(reversed(range(rows.num_rows))))
    other = open_manifest(export(tmp_path / "m2", shuffled, classes, {"posts": str(tmp_path / "b")}, n_shards=3))
    assert one.digest() == other.digest()
    assert one.rows.to_pylist() == other.rows.to_pylist()
    assert one.digest() != one.where("image_id > '2'").digest()


def test_where_filters_with_sql(manifest):
    some = manifest.where("list_contains(class_keys, 'u:1') AND p_correct > 0.5")
    assert len(some) == 15
    assert some.class_keys == manifest.class_keys
    with pytest.raises(ParameterError, match="p_corect"):
        manifest.where("p_corect > 0.5")
    with pytest.raises(ParameterError, match="no row"):
        manifest.where("p_correct > 0.95")
    with pytest.raises(ParameterError):
        manifest.where("image_id IN (SELECT content FROM read_text('/etc/hostname'))")


def test_roots_can_be_given_anew(exported, tmp_path):
    (tmp_path / "moved").mkdir()
    assert open_manifest(exported, {"posts": tmp_path / "moved"}).roots["posts"] == tmp_path / "moved"
    with pytest.raises(MissingInputError, match="--root posts=DIR"):
        open_manifest(exported, {"posts": tmp_path / "nowhere"})


@pytest.mark.parametrize("uri", ["../secret.jpg", "/etc/passwd", "a/../../b.jpg", "", "a\0b"])
def test_a_uri_must_stay_below_its_root(tmp_path, uri):
    rows = manifest_rows(tmp_path / "posts", n=3, uri=["pack.bin", uri, "pack.bin"])
    with pytest.raises(FormatError, match="leads out of"):
        from_tables("m1", rows, class_rows(), {"posts": tmp_path / "posts"})


def spoil(folder, how):
    first = folder / "manifest-00000-of-00002.parquet"
    rows = pq.read_table(first)
    if how == "shard missing":
        first.unlink()
    elif how == "two exports":
        first.rename(folder / "manifest-00000-of-00001.parquet")
    elif how == "not parquet":
        first.write_bytes(b"PAR1 no")
    elif how == "column missing":
        pq.write_table(rows.drop_columns(["uri"]), first)
    elif how == "bad value":
        pq.write_table(rows.set_column(10, "repeat_factor", pa.array([0.5] * rows.num_rows)), first)
    elif how == "other manifest":
        (folder / "provenance.json").write_text(json.dumps({"manifest_id": "m2", "sources": {}}))
    elif how == "provenance":
        (folder / "provenance.json").write_text("[]")
    elif how == "classes missing":
        (folder / "classes.parquet").unlink()
    elif how == "too few classes":
        pq.write_table(class_rows(2), folder / "classes.parquet")
    elif how == "image twice":
        pq.write_table(rows, folder / "manifest-00001-of-00002.parquet")


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ("shard missing", MissingInputError, "manifest-00000-of-00002"),
        ("two exports", FormatError, "one export"),
        ("not parquet", FormatError, "Parquet"),
        ("column missing", SchemaError, "uri"),
        ("bad value", SchemaError, "repeat_factor"),
        ("other manifest", FormatError, "m1"),
        ("provenance", FormatError, "manifest_id"),
        ("classes missing", MissingInputError, "classes.parquet"),
        ("too few classes", FormatError, "class_id 3"),
        ("image twice", FormatError, "twice"),
    ],
)
def test_a_broken_export_gives_one_clear_line(exported, how, error, says):
    spoil(exported, how)
    with pytest.raises(error, match=says) as caught:
        open_manifest(exported)
    assert "\n" not in str(caught.value)


def test_lost_rows_are_noticed(exported):
    provenance = json.loads((exported / "provenance.json").read_text())
    (exported / "provenance.json").write_text(json.dumps({**provenance, "n_rows": {"manifest": 61}}))
    with pytest.raises(FormatError, match=r"60 rows, provenance\.json says 61"):
        open_manifest(exported)


def test_a_folder_without_a_manifest_is_named(tmp_path):
    with pytest.raises(CurateError, match=r"provenance\.json is missing"):
        open_manifest(tmp_path)
