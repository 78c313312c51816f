"""ImageNet's validation images, flat, in folders by wnid or in tars, and the files that name their classes.

Two orders of classes are about, and they differ. Lists for Caffe and most of what came after count from 0 in the
alphabetical order of wnids; a file with one wnid a line says which. The development kit's ground truth counts from 1
in an order of its own, which only its meta.mat (or map_clsloc.txt) tells.
"""

import json
import re
from collections.abc import Mapping
from functools import partial
from itertools import islice
from pathlib import Path

import pyarrow as pa

from curate.errors import FormatError
from curate.sources.corpus import Piece, Source, pieces
from curate.sources.evalset_pieces import (
    Layout,
    Truth,
    Wanted,
    choose_split,
    image_pieces,
    piece_row,
    read_text,
    rows_of_piece,
    text_lines,
)
from curate.sources.folder import WNID, list_folder
from curate.sources.records import Reject
from curate.sources.webdataset import Member, TarError, read_members

_NAME = re.compile(r"(ILSVRC2012_val_\d{8})(?:_(n\d{8}))?(?:\.[A-Za-z]+)?")
_FOLDERS = ("", "val", "validation", "ILSVRC2012_img_val", "Data/CLS-LOC/val", "ILSVRC/Data/CLS-LOC/val", "CLS-LOC/val")
_LOOKED_AT, _MANY_TARS = 256, 256
_BESIDE = ("", "data", "devkit/data", "ILSVRC/devkit/data", "ILSVRC2012_devkit_t12/data", "ILSVRC2012_devkit_t12")
_LEVELS = 4  # from Kaggle's ILSVRC/Data/CLS-LOC/val up to the folder of its lists

_SOLUTION = "LOC_val_solution.csv"
_LIST = "val.txt"
_WNIDS = "imagenet_2012_validation_synset_labels.txt"
_GROUND_TRUTH = ("ILSVRC2012_validation_ground_truth.txt", "ILSVRC2014_clsloc_validation_ground_truth.txt",
                 "ILSVRC2015_clsloc_validation_ground_truth.txt")  # fmt: skip
_ORDERS = ("synset_words.txt", "LOC_synset_mapping.txt", "synsets.txt", "imagenet_class_index.json",
           "imagenet_lsvrc_2015_synsets.txt")  # fmt: skip
_OWN_ORDERS = ("map_clsloc.txt", "meta.mat")
_MAT_BYTES = 16 << 20


def find_imagenet(path: Path, wanted: Wanted) -> Layout | None:
    """ImageNet's validation images at a path; None where it is something else.

    Args:
        path: The folder of the images, one above it, or a tar of them; what names their classes lies there, or up to
            four folders above.
        wanted: The split can only be val.
    """
    home = next((path / name for name in _FOLDERS if _holds_images(path / name)), None)
    tars = [] if home else _tars(path)
    if home is None and not tars:
        return None
    choose_split(wanted, ("val",), ("val",), f"ImageNet in '{path}'")
    root = home or (path if path.is_dir() else path.parent)
    files = _label_files(root)
    cut = partial(_cut_tars, tars, root) if tars else partial(_cut_folder, root)
    return Layout("imagenet", root, cut, partial(_truth, files), tuple(files.values()))


def name_by_set(path: str) -> tuple[str, str]:
    """The set's own name of an image, and the wnid that its path tells.

    Args:
        path: With or without folders and suffix.

    Returns:
        Name and wnid, '' where it tells none; the path as it is and '' where it names no image of the set.
    """
    *folders, name = path.split("/")
    found = _NAME.fullmatch(name)
    if not found:
        return path, ""
    return found[1], found[2] or next((folder for folder in reversed(folders) if WNID.fullmatch(folder)), "")


def _is_of_the_set(path: str) -> bool:
    return name_by_set(path)[0] != path or _NAME.fullmatch(path) is not None


def _holds_images(folder: Path) -> bool:
    """Whether images of the set lie in a folder, or in one of its first folders by wnid."""
    if not folder.is_dir():
        return False
    entries = list(islice(folder.iterdir(), _LOOKED_AT))
    inside = [entry for entry in entries if WNID.fullmatch(entry.name) and entry.is_dir()]
    names = [entry.name for entry in entries]
    names += [entry.name for sub in inside[:4] for entry in islice(sub.iterdir(), 4)]
    return any(_NAME.fullmatch(name) and "." in name for name in names)


def _tars(path: Path) -> list[Path]:
    found = [path] if path.suffix == ".tar" and path.is_file() else sorted(path.glob("*.tar")) if path.is_dir() else []
    return [tar for tar in found if len(found) <= _MANY_TARS and _first_is_of_the_set(tar)]


def _first_is_of_the_set(tar: Path) -> bool:
    try:
        with tar.open("rb") as file:
            first = next((m for m in read_members(file) if isinstance(m, Member)), None)
    except (OSError, TarError):
        return False
    return first is not None and _is_of_the_set(first.name)


def _cut_folder(root: Path) -> list[Piece]:
    listing = list_folder(root)
    named = [(name_by_set(file.uri), file.uri) for file in listing.files]
    images = [(key, uri, wnid) for (key, wnid), uri in named if key != uri]
    others = [Reject(uri, "not_of_the_set", "no name of a validation image") for (key, _), uri in named if key == uri]
    return image_pieces(root, images, [*others, *(r for r in listing.rejects if r.rule != "not_an_image")])


def _cut_tars(tars: list[Path], root: Path) -> list[Piece]:
    """A piece per tar; its records are renamed when they are read."""
    found = [piece for tar in tars for piece in pieces(Source("", "webdataset", tar, root))]
    return [Piece(piece.name, piece.depends, partial(_renamed, piece)) for piece in found]


def _renamed(piece: Piece) -> pa.Table:
    return pa.concat_tables([piece.load(), rows_of_piece([piece_row("imagenet", Path())])])


def _label_files(root: Path) -> dict[str, Path]:
    """Files that tell classes, by name: the nearest of each."""
    found: dict[str, Path] = {}
    for base in (root, *list(root.parents)[:_LEVELS]):
        for folder in _BESIDE:
            for name in (_SOLUTION, _LIST, _WNIDS, *_GROUND_TRUTH, *_ORDERS, *_OWN_ORDERS):
                if name not in found and (base / folder / name).is_file():
                    found[name] = base / folder / name
    return found


def _truth(files: Mapping[str, Path]) -> Truth:
    """Classes out of the first file that gives them."""
    remarks = []
    for read in (_read_solution, _read_list, _read_wnids, _read_ground_truth):
        classes, remark = read(files)
        if classes:
            return Truth(classes)
        remarks += [remark] if remark else []
    nothing = f"no folders by wnid, and none of {_SOLUTION}, {_LIST} and {_GROUND_TRUTH[0]} near them"
    return Truth({}, why_none="; ".join(remarks) or nothing)


_Found = tuple[dict[str, str], str]
"""Class by key, and else why there are none ('' where the file is not there)."""


def _read_solution(files: Mapping[str, Path]) -> _Found:
    """Kaggle's list: image, then wnid and box of each object, all of one class."""
    found = {}
    for line in text_lines(files[_SOLUTION]) if _SOLUTION in files else []:
        key, _, rest = line.partition(",")
        if _is_of_the_set(key) and WNID.fullmatch(rest.strip('" ')[:9]):
            found[name_by_set(key)[0]] = rest.strip('" ')[:9]
    return found, "" if found or _SOLUTION not in files else f"{_SOLUTION} names no image with its wnid"


def _read_list(files: Mapping[str, Path]) -> _Found:
    """Image and class, which is a wnid, or a number from 0 in the order of wnids."""
    if _LIST not in files:
        return {}, ""
    rows = [line.rsplit(maxsplit=1) for line in text_lines(files[_LIST])]
    named = {name_by_set(row[0])[0]: row[1] for row in rows if len(row) == 2 and _is_of_the_set(row[0])}
    if not named:
        return {}, f"{_LIST} names no image of the set"
    if all(WNID.fullmatch(name) for name in named.values()):
        return named, ""
    order = next((name for name in _ORDERS if name in files), None)
    if order is None:
        return {}, f"{_LIST} numbers the classes, and none of {', '.join(_ORDERS[:4])} says which they are"
    wnids = _read_order(files[order])
    if not all(name.isdecimal() and int(name) < len(wnids) for name in named.values()):
        return {}, f"{_LIST} does not number the {len(wnids)} classes of {order} from 0"
    return {key: wnids[int(number)] for key, number in named.items()}, ""


def _read_order(path: Path) -> list[str]:
    """The wnids of a file, in the order that they are counted in.

    Raises:
        FormatError: It does not list wnids.
    """
    try:
        if path.suffix == ".json":
            entries = json.loads(read_text(path))
            wnids = [str(entries[str(number)][0]) for number in range(len(entries))]
        else:
            wnids = [line.split(maxsplit=1)[0] for line in text_lines(path)]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise FormatError("does not number wnids from 0", where=str(path)) from error
    if wrong := next((wnid for wnid in wnids if not WNID.fullmatch(wnid)), None):
        raise FormatError(f"'{wrong[:40]}' is no wnid", where=str(path))
    return wnids


def _read_wnids(files: Mapping[str, Path]) -> _Found:
    """One wnid a line, in the order of the images."""
    wnids = text_lines(files[_WNIDS]) if _WNIDS in files else []
    return {_key(number): wnid for number, wnid in enumerate(wnids, 1) if WNID.fullmatch(wnid)}, ""


def _read_ground_truth(files: Mapping[str, Path]) -> _Found:
    """One number a line, in the order of the images; a class by the development kit's own count."""
    name = next((name for name in _GROUND_TRUTH if name in files), None)
    if name is None:
        return {}, ""
    order = next((o for o in _OWN_ORDERS if o in files and files[o].parent == files[name].parent), None)
    if order is None:
        return {}, f"{name} counts classes as meta.mat or map_clsloc.txt do, neither of which lies beside it"
    wnids = _read_mat(files[order]) if order == "meta.mat" else _read_map(files[order])
    numbers = text_lines(files[name])
    if not all(number in wnids for number in numbers):
        return {}, f"{name} has numbers that {order} does not"
    return {_key(line): wnids[number] for line, number in enumerate(numbers, 1)}, ""


def _read_map(path: Path) -> dict[str, str]:
    rows = [line.split()[:2] for line in text_lines(path)]
    return {row[1]: row[0] for row in rows if len(row) == 2 and WNID.fullmatch(row[0])}


def _read_mat(path: Path) -> dict[str, str]:
    """Wnid by number out of meta.mat.

    Raises:
        FormatError: It is not the development kit's.
    """
    from scipy.io import loadmat

    if path.stat().st_size > _MAT_BYTES:
        raise FormatError(f"longer than {_MAT_BYTES >> 20} MiB", where=str(path))
    try:
        synsets = loadmat(path, squeeze_me=True, variable_names=["synsets"])["synsets"]
        return {str(int(n)): str(w) for n, w in zip(synsets["ILSVRC2012_ID"], synsets["WNID"], strict=True)}
    except Exception as error:  # the reader raises whatever foreign bytes lead it to
        raise FormatError("is not the meta.mat of ILSVRC2012's development kit", where=str(path)) from error


def _key(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}"
