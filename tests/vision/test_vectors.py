import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from curate.errors import FormatError, MissingInputError
from curate.vision import vectors
from curate.vision.encoders import encoder_id
from curate.vision.vectors import column_vectors, open_vectors, vectors_digest

VECTORS = np.array([[3.0, 4.0], [0.0, 1e-30]], np.float32)
KEYS = ["a", "b\u00e9"]


def parquet(folder):
    pq.write_table(pa.table({"key": KEYS, "vector": list(VECTORS)}), folder / "v.parquet", row_group_size=1)
    return folder / "v.parquet"


def npy(folder, keys=".keys.txt"):
    np.save(folder / "v.npy", VECTORS.astype(np.float64))
    if keys == ".keys.txt":
        (folder / "v.keys.txt").write_text("\n".join(KEYS) + "\n", encoding="utf-8")
    elif keys == ".keys.csv":
        pyarrow.csv.write_csv(pa.table({"n": [1, 2], "key": KEYS}), folder / "v.keys.csv")
    else:
        pq.write_table(pa.table({"key": KEYS}), folder / "v.keys.parquet")
    return folder / "v.npy"


def clip_retrieval(folder, n_files=2, column="image_path"):
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir()
    for n in range(n_files):
        np.save(folder / "img_emb" / f"img_emb_{n}.npy", VECTORS[n::n_files])
        table = pa.table({"caption": ["x"] * len(KEYS[n::n_files]), column: KEYS[n::n_files]})
        pq.write_table(table, folder / "metadata" / f"metadata_{n}.parquet")
    return folder


@pytest.mark.parametrize(
    "write",
    [parquet, npy, lambda folder: npy(folder, ".keys.csv"), lambda folder: npy(folder, ".keys.parquet")],
)
def test_layouts(tmp_path, write):
    path = write(tmp_path)
    places, found = open_vectors(path).look_up(["x", "b\u00e9", None, "a", "b\u00e9"])
    assert places.tolist() == [1, 3, 4]
    np.testing.assert_allclose(found, [[0, 1], [0.6, 0.8], [0, 1]], atol=1e-6)
    assert found.dtype == np.float32
    assert encoder_id(f"vectors:{path}").startswith(f"vectors:{path.name}#")


@pytest.mark.parametrize("column", ["image_path", "key"])
def test_a_folder_of_clip_retrieval(tmp_path, column):
    for n in range(11):  # file 10 comes after file 9
        (tmp_path / "img_emb").mkdir(exist_ok=True)
        (tmp_path / "metadata").mkdir(exist_ok=True)
        np.save(tmp_path / "img_emb" / f"img_emb_{n}.npy", np.eye(16, dtype=np.float16)[[n, n + 1]])
        keys = pa.table({"image_path": [f"{n:05d}0", f"{n:05d}1"], "key": [f"{n:05d}0", f"{n:05d}1"]}).select([column])
        pq.write_table(keys, tmp_path / "metadata" / f"metadata_{n}.parquet")
    places, found = open_vectors(tmp_path).look_up(["000101", "000100", "nowhere", "000000"])
    assert places.tolist() == [0, 1, 3]
    assert found.argmax(axis=1).tolist() == [11, 10, 0]
    (tmp_path / "metadata" / "metadata_3.parquet").unlink()
    with pytest.raises(MissingInputError, match="keys of img_emb_3.npy are missing"):
        open_vectors(tmp_path)


def test_a_folder_that_holds_no_vectors(tmp_path):
    with pytest.raises(FormatError, match="no img_emb/img_emb_N.npy.*clip-retrieval"):
        open_vectors(tmp_path)


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"key": ["a", "a"], "vector": [[1.0], [2.0]]}, "'a' occurs twice"),
        ({"key": ["a", "b"], "vector": [[1.0], [0.0]]}, "'b' has no direction: all zeros"),
        ({"key": ["a", "b"], "vector": [[1.0], [float("nan")]]}, "NaN"),
        ({"key": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}, "different lengths"),
        ({"key": ["a", "b"], "vector": [[1.0], None]}, "NULL"),
        ({"key": ["a", "b"], "vector": [[1.0], [None]]}, "NULL"),
        ({"key": ["a", None], "vector": [[1.0], [1.0]]}, "column key has NULLs"),
        ({"name": ["a"], "vector": [[1.0]]}, "no column key"),
        ({"key": ["a"], "vector": ["x"]}, "not a list"),
    ],
)
@pytest.mark.parametrize("rows", [1, 100])
def test_unusable_vectors(tmp_path, columns, what, rows):
    pq.write_table(pa.table(columns), tmp_path / "v.parquet", row_group_size=rows)
    with pytest.raises(FormatError, match=what):
        open_vectors(tmp_path / "v.parquet").look_up(["a", "b"])


def test_files_that_do_not_fit(tmp_path):
    np.save(tmp_path / "v.npy", VECTORS)
    with pytest.raises(MissingInputError, match="v.keys.txt"):
        open_vectors(tmp_path / "v.npy")
    (tmp_path / "v.keys.txt").write_text("a\nb\nc\n")
    with pytest.raises(FormatError, match="2 vectors but 3 keys"):
        open_vectors(tmp_path / "v.npy")
    (tmp_path / "v.keys.txt").write_bytes(b"a\n\xff\n")
    with pytest.raises(FormatError, match="cannot be read"):
        open_vectors(tmp_path / "v.npy")
    (tmp_path / "v.parquet").write_bytes(b"junk")
    with pytest.raises(FormatError, match="cannot be read"):
        open_vectors(tmp_path / "v.parquet")
    (tmp_path / "v.txt").write_text("junk")
    with pytest.raises(FormatError, match="parquet or .npy"):
        open_vectors(tmp_path / "v.txt")


def test_files_of_one_folder_agree(tmp_path):
    folder = clip_retrieval(tmp_path)
    np.save(folder / "img_emb" / "img_emb_1.npy", np.ones((1, 3), np.float16))
    with pytest.raises(FormatError, match="vectors of length 3, not 2 as before"):
        open_vectors(folder)
    np.save(folder / "img_emb" / "img_emb_1.npy", np.ones((1, 2), np.float16))
    pq.write_table(pa.table({"image_path": ["a"]}), folder / "metadata" / "metadata_1.parquet")
    with pytest.raises(FormatError, match="'a' occurs twice"):
        open_vectors(folder)


def test_no_pickle_is_read(tmp_path):
    np.save(tmp_path / "v.npy", np.array([{"a": 1}], object), allow_pickle=True)
    (tmp_path / "v.keys.txt").write_text("a\n")
    with pytest.raises(FormatError, match="cannot be read"):
        open_vectors(tmp_path / "v.npy")


def test_vectors_stay_on_disk(tmp_path):
    """A sparse file far larger than memory: only what is asked for is read, and its name comes without reading it."""
    rows, dim = 1 << 12, 1 << 22
    array = np.lib.format.open_memmap(tmp_path / "v.npy", "w+", np.float16, (rows, dim))
    array[1234, 3] = 1.0
    del array
    (tmp_path / "v.keys.txt").write_text("".join(f"{i}\n" for i in range(rows)))
    _, found = open_vectors(tmp_path / "v.npy").look_up(["1234"])
    assert found.shape == (1, dim)
    assert found[0].nonzero()[0].tolist() == [3]
    assert encoder_id(f"vectors:{tmp_path / 'v.npy'}").startswith("vectors:v.npy#")


def test_the_digest_tells_the_content(tmp_path, monkeypatch):
    path = npy(tmp_path)
    before = vectors_digest(path)
    (tmp_path / "v.keys.txt").write_text("a\nc\n")
    assert vectors_digest(path) != before
    monkeypatch.setattr(vectors, "_DIGEST_WHOLE", 0)
    large = vectors_digest(path)
    assert vectors_digest(path) == large
    (tmp_path / "v.keys.txt").write_text("a\nc\nd\n")
    assert vectors_digest(path) != large


def test_half_precision_lists_come_back_with_length_one():
    wide = np.random.default_rng(0).standard_normal((4, 100))
    halves = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float16)
    column = pa.array([None, *list(halves)], pa.list_(pa.float16()))
    rows, found = column_vectors(column)
    assert rows.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
