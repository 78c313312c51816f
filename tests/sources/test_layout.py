import pytest

from curate.errors import FormatError
from curate.sources.layout import guess_format
from tests.sources.layouts import hf_parquet, parquet_list, webvision, write, write_tar


def test_what_lies_beside_does_not_mislead(tmp_path):
    # What each format may have beside it, most telling first.
    root = tmp_path / "corpus"
    write(root / "x" / "photo.jpg", b"")
    write(root / "old.tar.gz", b"")
    assert guess_format(root) == "folder"
    parquet_list(root / "lists")
    assert guess_format(root) == "folder"
    hf_parquet(root / "hub")
    assert guess_format(root) == "hf-parquet"
    write_tar(root / "z" / "0.tar", [])
    assert guess_format(root) == "webdataset"
    webvision(root)
    assert guess_format(root) == "webvision"


def test_files(tmp_path):
    hf_parquet(tmp_path)
    assert guess_format(next((tmp_path / "data").iterdir())) == "hf-parquet"
    assert guess_format(parquet_list(tmp_path)) == "table"
    write(tmp_path / "train_filelist.txt", b"a.jpg 1\n")  # without synsets.txt it is any text file
    with pytest.raises(FormatError, match=r"neither a folder nor one of tar, csv"):
        guess_format(tmp_path / "train_filelist.txt")


@pytest.mark.parametrize("name", ["0.tar.gz", "0.tgz", "0.tar.zst", "0.TAR.XZ"])
def test_packed_tars_are_refused(tmp_path, name):
    write(tmp_path / "posts" / name, b"")
    for path in (tmp_path / "posts", tmp_path / "posts" / name):
        with pytest.raises(FormatError, match="Unpack it first"):
            guess_format(path)
