"""COCO: a folder of images per split, and one JSON file that says what they show.

    val2017/000000000139.jpg
    annotations/instances_val2017.json   {"images": [{id, file_name, …}], "annotations": [{image_id, category_id, …}],
                                          "categories": [{id, name}]}

The JSON file (160 MB for val2014) is read object by object: outlines of objects are thrown away as they come.
"""

import codecs
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from curate.errors import FormatError
from curate.sources.corpus import Piece
from curate.sources.evalset_pieces import Layout, Truth, Wanted, choose_split, image_pieces, single_classes
from curate.sources.folder import list_folder
from curate.sources.records import clean_text

_SPLIT = re.compile(r"(?:train|val|test|minival)\d{4}")
_CHUNK, _OBJECT_MAX = 1 << 20, 1 << 26
_BLANK = " \t\r\n"


def find_coco(path: Path, wanted: Wanted) -> Layout | None:
    """COCO at a path; None where it is something else.

    Args:
        path: The folder above the splits, which has annotations/; or the folder of a split beside annotations/.
        wanted: The split, such as val2017; usually the only one that begins with val.

    Raises:
        MissingInputError: There is no such split.
        ParameterError: None is asked for, and several may be meant.
    """
    root = path.parent if _SPLIT.fullmatch(path.name) and path.is_dir() else path
    if not any((root / "annotations").glob("instances_*.json")):
        return None
    there = [path.name] if root != path else _splits(root)
    if not there:
        return None
    vals = [name for name in there if name.startswith("val")]
    split = choose_split(wanted, there, vals if len(vals) == 1 else (), f"COCO in '{root}'")
    listed = root / "annotations" / f"instances_{split}.json"
    return Layout("coco", root, partial(_cut, root, split), partial(_truth, listed), (listed,))


def _splits(root: Path) -> list[str]:
    return sorted(folder.name for folder in root.iterdir() if folder.is_dir() and _SPLIT.fullmatch(folder.name))


def _cut(root: Path, split: str) -> list[Piece]:
    listing = list_folder(root / split)
    images = [(Path(file.uri).stem, f"{split}/{file.uri}", "") for file in listing.files]
    return image_pieces(root, images, listing.rejects)


def _truth(listed: Path) -> Truth:
    """Classes of images whose objects are all of one."""
    if not listed.is_file():
        return Truth({}, why_none=f"{listed.name} is not there")
    keys: dict[Any, str] = {}
    names: dict[Any, str] = {}
    shown: dict[Any, set[Any]] = {}
    for array, entry in stream_objects(listed):
        number, name = entry.get("id"), entry.get("file_name" if array == "images" else "name")
        if array == "images" and isinstance(name, str):
            keys[number] = clean_text(Path(name).stem)[0]
        elif array == "categories" and isinstance(name, str):
            names[number] = clean_text(name)[0]
        elif array == "annotations":
            shown.setdefault(entry.get("image_id"), set()).add(entry.get("category_id"))
    seen = {keys[n]: {names[c] for c in found if c in names} for n, found in shown.items() if n in keys}
    return single_classes(seen, len(keys), f"{listed.name} names none")


def stream_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects in the lists of a JSON object, one in memory at a time.

    Args:
        path: A file with one JSON object, whose values may be lists of objects.

    Yields:
        Name of the list and object; what is no object in a list, and values that are no lists, are passed over.

    Raises:
        FormatError: It is no such JSON, or one object is longer than 64 MiB.
    """
    with path.open("rb") as file:
        text = _Text(file, str(path))
        text.expect("{")
        while text.next_is('"'):
            name = text.value()
            text.expect(":")
            if text.next_is("["):
                text.expect("[")
                while not text.next_is("]"):
                    entry = text.value()
                    if isinstance(entry, dict):
                        yield name, entry
                    text.pass_over(",")
                text.expect("]")
            else:
                text.value()
            text.pass_over(",")
        text.expect("}")


class _Text:
    """JSON text, read as far as it is needed."""

    def __init__(self, file: Any, where: str) -> None:
        self._file, self._where = file, where
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._scan = json.JSONDecoder().raw_decode
        self._text, self._at, self._is_whole = "", 0, False

    def next_is(self, sign: str) -> bool:
        """Whether the next sign that is no blank is this one."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANK:
                self._at += 1
            if self._at < len(self._text) or self._is_whole:
                return self._text[self._at : self._at + 1] == sign
            self._more(_CHUNK)

    def expect(self, sign: str) -> None:
        """Pass over a sign that has to come."""
        if not self.next_is(sign):
            raise FormatError(f"broken JSON: '{sign}' is missing", where=self._where)
        self._at += 1

    def pass_over(self, sign: str) -> None:
        """Pass over a sign if it comes."""
        if self.next_is(sign):
            self._at += 1

    def value(self) -> Any:
        """The next value."""
        size = _CHUNK
        self.next_is("")
        while True:
            try:
                value, end = self._scan(self._text, self._at)
                if end < len(self._text) or self._is_whole:  # a number might go on
                    self._at = end
                    return value
            except (ValueError, RecursionError) as error:
                if self._is_whole or size > _OBJECT_MAX:
                    raise FormatError(f"broken JSON: {error}", where=self._where) from error
            self._more(size)
            size *= 2

    def _more(self, size: int) -> None:
        try:
            data = self._file.read(size)
            self._is_whole = not data
            self._text, self._at = self._text[self._at :] + self._decode(data, not data), 0
        except (OSError, UnicodeDecodeError) as error:
            raise FormatError(f"cannot be read: {error}", where=self._where) from error
