"""Which format lies at a path, told by what is there."""

import os
from pathlib import Path

from curate.errors import FormatError
from curate.sources.image_parquet import holds_images
from curate.sources.table_files import SUFFIXES
from curate.sources.webvision import is_webvision

_PACKED = (".gz", ".tgz", ".zip", ".xz", ".zst", ".bz2", ".7z", ".rar")
_UNPACK = "Unpack it first: images are read in place."


def guess_format(path: Path) -> str:
    """The format of a source.

    Args:
        path: A file or a folder.

    Returns:
        A folder with info/synsets.txt and lists of images is webvision, one with a tar anywhere webdataset, one with a
        Parquet file that holds images hf-parquet, any other one folder. A file goes by its suffix, Parquet by its
        columns.

    Raises:
        FormatError: It is a file of another kind, or a folder with nothing but packed tars.
    """
    if is_webvision(path):
        return "webvision"
    if path.is_dir():
        return _guess_folder(path)
    kind = path.suffix[1:].lower()
    if kind == "tar":
        return "webdataset"
    if kind == "parquet" and holds_images(path):
        return "hf-parquet"
    if kind in SUFFIXES:
        return "table"
    raise FormatError(
        f"'{path.name}' is neither a folder nor one of tar, {', '.join(SUFFIXES)}",
        fix=_UNPACK if path.suffix.lower() in _PACKED else "Convert it, or name a folder.",
    )


def _guess_folder(path: Path) -> str:
    """One walk through the folder, which ends at the first tar."""
    parquet, packed, has_other = [], "", False
    for folder, _, names in os.walk(path):
        for name in names:
            suffix = Path(name).suffix.lower()
            if suffix == ".tar":
                return "webdataset"
            if suffix == ".parquet":
                parquet.append(Path(folder, name))
            elif suffix == ".tgz" or (suffix in _PACKED and Path(name).stem.lower().endswith(".tar")):
                packed = name
            else:
                has_other = True
    if any(holds_images(file) for file in sorted(parquet)):
        return "hf-parquet"
    if packed and not has_other:
        raise FormatError(f"'{path.name}' holds packed tars, such as '{packed}'", fix=_UNPACK)
    return "folder"
