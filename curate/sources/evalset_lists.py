"""Evaluation sets that come with plain lists of images and classes: CUB-200-2011 and Places365.

CUB_200_2011/images.txt               number and path below images/
CUB_200_2011/train_test_split.txt     number, and 1 = train, 0 = test
CUB_200_2011/image_class_labels.txt   number and class
CUB_200_2011/classes.txt              class and its name

val_256/Places365_val_00000001.jpg
places365_val.txt                     image and class, from 0
categories_places365.txt              name and class
"""

from functools import partial
from pathlib import Path

from curate.errors import FormatError
from curate.sources.corpus import Piece
from curate.sources.evalset_pieces import (
    Layout,
    Truth,
    Wanted,
    choose_split,
    image_pieces,
    images_and_rejects,
    listed_image,
    text_lines,
)

_CUB_FILES = ("images.txt", "train_test_split.txt")
_CUB_SPLITS = {"train": "1", "test": "0"}
_PLACES_FOLDERS = ("val_256", "val_large", "val")
_PLACES_FILES = ("places365_val.txt", "categories_places365.txt")


def find_cub(path: Path, wanted: Wanted) -> Layout | None:
    """CUB-200-2011 at a path; None where it is something else.

    Args:
        path: CUB_200_2011, or the folder above it.
        wanted: Split test or train; test is the usual one.

    Raises:
        MissingInputError: There is no such split.
    """
    homes = (home for home in (path, path / "CUB_200_2011") if all((home / name).is_file() for name in _CUB_FILES))
    home = next(homes, None)
    if home is None:
        return None
    split = choose_split(wanted, sorted(_CUB_SPLITS), ("test",), f"CUB in '{home}'")
    of_classes = (home / "image_class_labels.txt", home / "classes.txt")
    files = (home / "images.txt", home / "train_test_split.txt", *of_classes)
    return Layout("cub", home, partial(_cut_cub, home, split), partial(_cub_truth, home, split), files)


def _cut_cub(home: Path, split: str) -> list[Piece]:
    listed = [
        listed_image(home, f"images/{name}", name, f"images.txt: {name}") for name in _cub_images(home, split).values()
    ]
    return image_pieces(home, *images_and_rejects(listed))


def _cub_images(home: Path, split: str) -> dict[str, str]:
    """Path by number."""
    names, parts = _pairs(home / "images.txt"), _pairs(home / "train_test_split.txt")
    return {number: name for number, name in names.items() if parts.get(number) == _CUB_SPLITS[split]}


def _cub_truth(home: Path, split: str) -> Truth:
    images = _cub_images(home, split)
    missing = [name for name in ("image_class_labels.txt", "classes.txt") if not (home / name).is_file()]
    if missing:
        return Truth({}, len(images), why_none=f"{missing[0]} is not there")
    labels, names = _pairs(home / "image_class_labels.txt"), _pairs(home / "classes.txt")
    known = {images[number]: names[c] for number, c in labels.items() if number in images and c in names}
    return Truth(known, len(images), why_none="classes.txt names none of those in image_class_labels.txt")


def find_places(path: Path, wanted: Wanted) -> Layout | None:
    """The validation images of Places365 at a path; None where it is something else.

    Args:
        path: The folder of the images (val_256), or the one above it.
        wanted: The split can only be val.
    """
    home = next((path / name for name in ("", *_PLACES_FOLDERS) if _holds_places(path / name)), None)
    if home is None:
        return None
    choose_split(wanted, ("val",), ("val",), f"Places365 in '{home}'")
    beside = (home, home.parent, *sorted(home.parent.glob("filelist_places365*")))
    found = [next((place / name for place in beside if (place / name).is_file()), None) for name in _PLACES_FILES]
    files = tuple(file for file in found if file)
    return Layout("places365", home, partial(_cut_places, home), partial(_places_truth, files), files)


def _holds_places(folder: Path) -> bool:
    return next(folder.glob("Places365_val_????????.*"), None) is not None


def _cut_places(home: Path) -> list[Piece]:
    return image_pieces(home, [(file.stem, file.name, "") for file in home.glob("Places365_val_????????.*")])


def _places_truth(files: tuple[Path, ...]) -> Truth:
    by_name = {file.name: file for file in files}
    missing = [name for name in _PLACES_FILES if name not in by_name]
    if missing:
        return Truth({}, why_none=f"{' and '.join(missing)} not found near the images")
    labels, categories = (_pairs(by_name[name]) for name in _PLACES_FILES)
    names = {number: _category(name) for name, number in categories.items()}
    known = {Path(image).stem: names[number] for image, number in labels.items() if number in names}
    return Truth(known, len(labels), why_none="places365_val.txt has no class of categories_places365.txt")


def _category(name: str) -> str:
    """A category without the letter that files it: /a/airfield, /a/apartment_building/outdoor."""
    return name[3:] if name[:1] == "/" and name[2:3] == "/" else name


def _pairs(path: Path) -> dict[str, str]:
    """First word and rest of each line.

    Raises:
        FormatError: A line has only one word.
    """
    found = {}
    for number, line in enumerate(text_lines(path), 1):
        first, *rest = line.split(maxsplit=1)
        if not rest:
            raise FormatError(f"line {number} has one word, two were expected", where=str(path))
        found[first] = rest[0]
    return found
