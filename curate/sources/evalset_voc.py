"""Pascal VOC: the split's list says which images, and the lists of each class (or the annotations) what they show.

VOCdevkit/VOC2007/JPEGImages/000001.jpg
VOCdevkit/VOC2007/ImageSets/Main/test.txt       one image a line
VOCdevkit/VOC2007/ImageSets/Main/cat_test.txt   image, and 1 = shown, -1 = not, 0 = shown but hard to see
VOCdevkit/VOC2007/Annotations/000001.xml
"""

import logging
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from xml.parsers import expat

from curate.errors import FormatError, MissingInputError
from curate.sources.corpus import Piece
from curate.sources.evalset_pieces import (
    Layout,
    Truth,
    Wanted,
    choose_split,
    image_pieces,
    images_and_rejects,
    listed_image,
    single_classes,
    text_lines,
)

log = logging.getLogger(__name__)

_YEAR = re.compile(r"VOC(\d{4})", re.IGNORECASE)
_XML_BYTES = 1 << 20


def find_voc(path: Path, wanted: Wanted) -> Layout | None:
    """Pascal VOC at a path; None where it is something else.

    Args:
        path: The folder of a year, of several years (VOCdevkit), or the one above.
        wanted: A split with a list in ImageSets/Main, usually test, else val; a year in the set's name chooses one.

    Raises:
        MissingInputError: There is no such year, split, or no folder of images.
        FormatError: Several years, and none is asked for.
    """
    home = _home(path, wanted)
    if home is None:
        return None
    lists = home / "ImageSets" / "Main"
    splits = sorted(file.stem for file in lists.glob("*.txt") if "_" not in file.stem)
    split = choose_split(wanted, splits, ("test", "val"), f"Pascal VOC in '{home}'")
    if not (home / "JPEGImages").is_dir():
        raise MissingInputError("no folder JPEGImages", where=str(home), fix="Unpack the images beside ImageSets.")
    listed, of_classes = lists / f"{split}.txt", tuple(sorted(lists.glob(f"*_{split}.txt")))
    return Layout("voc", home, partial(_cut, home, listed), partial(_truth, home, listed), (listed, *of_classes))


def _home(path: Path, wanted: Wanted) -> Path | None:
    """The folder of a year."""
    if _has_lists(path):
        return path
    years = [
        folder for base in (path, path / "VOCdevkit") for folder in sorted(base.glob("VOC*")) if _has_lists(folder)
    ]
    if not years:
        return None
    if year := _YEAR.search(wanted.name):
        named = [folder for folder in years if folder.name == f"VOC{year[1]}"]
        if not named:
            there = ", ".join(folder.name for folder in years)
            raise MissingInputError(
                f"no VOC{year[1]}, as the name {wanted.name} says; there is {there}", where=str(path)
            )
        return named[0]
    if len(years) > 1:
        there = ", ".join(folder.name for folder in years)
        raise FormatError(f"several years: {there}", where=str(path), fix="Name the folder of one.")
    return years[0]


def _has_lists(folder: Path) -> bool:
    return (folder / "ImageSets" / "Main").is_dir()


def _cut(home: Path, listed: Path) -> list[Piece]:
    named = [listed_image(home, f"JPEGImages/{name}.jpg", name, f"{listed.name}: {name}") for name in _names(listed)]
    return image_pieces(home, *images_and_rejects(named))


def _names(listed: Path) -> list[str]:
    return [line.split()[0] for line in text_lines(listed)]


def _truth(home: Path, listed: Path) -> Truth:
    names = _names(listed)
    seen: dict[str, set[str]] = {}
    for file in sorted(listed.parent.glob(f"*_{listed.stem}.txt")):
        for line in text_lines(file):
            image, *shown = line.split()
            if shown and shown[0] in ("1", "0"):
                seen.setdefault(image, set()).add(file.stem.removesuffix(f"_{listed.stem}"))
    if not seen and (home / "Annotations").is_dir():
        seen = _annotated(home / "Annotations", names)
    wanted = {name: seen[name] for name in names if name in seen}
    return single_classes(
        wanted, len(names), f"neither ImageSets/Main/CLASS_{listed.stem}.txt nor Annotations is there"
    )


def _annotated(folder: Path, names: Sequence[str]) -> dict[str, set[str]]:
    """Classes out of the annotations; one that cannot be read is reported and says nothing."""
    seen, broken = {}, []
    for name in names:
        file = folder / f"{Path(name).name}.xml"
        try:
            seen[name] = object_names(file.read_bytes()) if file.stat().st_size <= _XML_BYTES else set()
        except (OSError, expat.ExpatError, ValueError) as error:
            broken.append(f"{file.name}: {error}")
    if broken:
        log.warning("%s: %d annotations cannot be read, such as %s", folder, len(broken), broken[0])
    return seen


def object_names(data: bytes) -> set[str]:
    """Classes of the objects of an annotation; their parts (head, hand) are none.

    Args:
        data: XML, as VOC has it.

    Raises:
        ValueError: It declares a document type: entities are never expanded.
        xml.parsers.expat.ExpatError: It is no XML.
    """
    path: list[str] = []
    names: set[str] = set()
    texts: list[str] = []

    def start(tag: str, _: dict[str, str]) -> None:
        path.append(tag)
        texts.clear()

    def end(_: str) -> None:
        if path == ["annotation", "object", "name"] and (name := "".join(texts).strip()):
            names.add(name)
        path.pop()

    def refuse(*_: object) -> None:
        raise ValueError("declares a document type")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = texts.append, refuse
    parser.Parse(data, True)
    return names
