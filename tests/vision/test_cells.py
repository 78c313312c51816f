from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import MissingInputError
from curate.vision import cells
from curate.vision.cells import cell_uri
from curate.vision.decode import decode, read_range

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
DATA = [bytes([i]) * (100 + i) for i in range(20)]


@pytest.fixture
def path(tmp_path):
    images = pa.array([{"bytes": data, "path": None} if data else None for data in [*DATA, None]], IMAGE)
    plain = pa.array([data[::-1] for data in DATA] + [None], pa.large_binary())
    pq.write_table(pa.table({"an image": images, "plain": plain}), tmp_path / "a.parquet", row_group_size=3)
    return str(tmp_path / "a.parquet")


@pytest.fixture
def reads(monkeypatch):
    """Row groups that were read."""
    seen = []

    class Counted(pq.ParquetFile):
        def read_row_group(self, group, **options):
            seen.append(group)
            return super().read_row_group(group, **options)

    monkeypatch.setattr(cells.pq, "ParquetFile", Counted)
    cells._groups.clear()
    return seen


def test_any_row_of_either_kind_of_column(path):
    for row in np.random.default_rng(0).permutation(len(DATA)):
        assert read_range(cell_uri(path, row, "an image"), 0, len(DATA[row])) == DATA[row]
        assert read_range(cell_uri(path, row, "plain"), 0, len(DATA[row])) == DATA[row][::-1]
    assert read_range(cell_uri(path, 7, "plain"), 2, 5) == DATA[7][::-1][2:7]


def test_rows_in_their_order_cost_each_row_group_once(path, reads):
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda row: read_range(cell_uri(path, row, "plain"), 0, 100 + row), range(20)))
    assert sorted(reads) == list(range(7))


def test_few_row_groups_are_kept(path, reads, monkeypatch):
    monkeypatch.setattr(cells, "_CACHE_BYTES", 1)
    for row in (0, 1, 3, 0):
        read_range(cell_uri(path, row, "plain"), 0, 100)
    assert reads == [0, 1, 0] and len(cells._groups) == 1


def test_a_file_that_changed_is_read_again(path):
    assert read_range(cell_uri(path, 0, "plain"), 0, 100) == DATA[0]
    pq.write_table(pa.table({"plain": pa.array([b"other"])}), path)
    assert read_range(cell_uri(path, 0, "plain"), 0, 5) == b"other"
    with pytest.raises(MissingInputError, match="ends at byte 5, 100 were expected"):
        read_range(cell_uri(path, 0, "plain"), 0, 100)


@pytest.mark.parametrize(
    ("row", "column"), [(20, "plain"), (20, "an image"), (21, "plain"), (10**30, "plain"), (0, "none")]
)
def test_cells_that_hold_nothing(path, row, column):
    with pytest.raises(MissingInputError, match=r"a\.parquet#row="):
        read_range(cell_uri(path, row, column), 0, 1)


def test_what_is_no_cell(tmp_path):
    (tmp_path / "b.parquet").write_bytes(b"no parquet")
    for name in ("a.parquet#row=0&column=x", "b.parquet#row=0&column=x", "b.parquet#row=x&column=x", "none.jpg"):
        with pytest.raises(MissingInputError):
            read_range(tmp_path / name, 0, 1)
    # A file may be called like a cell.
    (tmp_path / "b.parquet#row=0&column=x").write_bytes(b"a file")
    assert read_range(tmp_path / "b.parquet#row=0&column=x", 2, 4) == b"file"


def test_records_are_images_of_their_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    for n_labels in (1, 2):
        content = b"".join(bytes([9] * n_labels) + image.transpose(2, 0, 1).tobytes() for image in pixels)
        (tmp_path / f"{n_labels}.bin").write_bytes(content)
        for number in range(3):
            uri = cells.record_uri(str(tmp_path / f"{n_labels}.bin"), number, n_labels)
            assert np.array_equal(decode(read_range(uri, 0, 3085)).pixels, pixels[number])
            assert read_range(uri, 13, 3) == pixels[number, 0, 0].tobytes()


@pytest.mark.parametrize("number", [1, 10**30])
def test_records_that_are_not_there(tmp_path, number):
    (tmp_path / "a.bin").write_bytes(b"x" * 3075)
    with pytest.raises(MissingInputError, match=r"a\.bin#record=\d+&labels=1: no such record"):
        read_range(cells.record_uri(str(tmp_path / "a.bin"), number, 1), 0, 1)
    with pytest.raises(MissingInputError, match="No such file"):
        read_range(tmp_path / "b.bin#record=0&labels=1", 0, 1)
