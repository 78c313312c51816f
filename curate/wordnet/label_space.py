"""The user's label space: a named list of synsets, a file of wnids, or a vocabulary and tree of the user's own."""

import csv
import io
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa

from curate.errors import FormatError, MissingInputError, WordNetVersionError, nearest

BUILT_IN = {
    "imagenet-1k": "imagenet_synsets.txt",
    "imagenet-12k": "imagenet12k_synsets.txt",
    "imagenet-21k": "imagenet22k_synsets.txt",
}
"""Label spaces by name, as lists that timm ships: the 1,000 classes of ILSVRC 2012, all 21,841 of ImageNet's release
of autumn 2011, and the 11,821 of these that timm keeps as large enough. Every wnid in them is a noun of WordNet 3.0. Of
the 1,000, the teddy n04399382 is in neither of the others, and six breeds of dogs are not in the 11,821."""

_COLUMNS = ("name", "parent", "wnid", "synonyms")
_WNID = re.compile(r"n[0-9]{8}")
_GIVE = f"Give a CSV with a wnid column or with name and parent, a list of wnids, or {', '.join(BUILT_IN)}."


@dataclass(frozen=True)
class OwnClass:
    """A class of the user's own vocabulary.

    Attributes:
        name: Its name, unlike all others of the vocabulary whatever the case.
        parents: What lies right above it: names of the vocabulary, or wnids. Empty = a root.
        wnid: Synset that the name stands for; None where WordNet has none.
        synonyms: Further words for it.
    """

    name: str
    parents: tuple[str, ...]
    wnid: str | None
    synonyms: tuple[str, ...]

    @property
    def class_key(self) -> str:
        """The synset that the name stands for, else 'u:' and the name."""
        return self.wnid or f"u:{self.name}"


@dataclass(frozen=True)
class LabelSpace:
    """The classes that labels may be mapped to.

    Attributes:
        wnids: Distinct synsets that are listed, in file order; those that own classes stand for among them.
        own: Classes of the user's own vocabulary, in file order.
    """

    wnids: list[str]
    own: list[OwnClass]

    @property
    def beside_wordnet(self) -> bool:
        """Whether all nouns are classes too: own classes lie below synsets, and no synset is listed as a class."""
        return not self.wnids and any(_WNID.fullmatch(parent) for each in self.own for parent in each.parents)


def open_label_space(path_or_name: str, known: Container[str]) -> LabelSpace:
    """Read a label space.

    A CSV with a column `name` and without `wnid`, or with `parent` or `synonyms` beside it, is a vocabulary: a row is a
    class, `parent` a name of the file or a wnid, `wnid` the synset that the name stands for; parents and synonyms are
    parted by '|' or ';'. A CSV with a column `wnid`, or a plain text with a wnid at the beginning of each line, is a
    list of synsets.

    Args:
        path_or_name: A file, UTF-8, or a name of `BUILT_IN`.
        known: The wnids of WordNet 3.0's nouns.

    Raises:
        MissingInputError: There is no such file.
        FormatError: It holds no class, a row is wrong, or parents run in a circle; with the line.
        WordNetVersionError: Most of its wnids are unknown, as offsets of another version are.
    """
    if path_or_name in BUILT_IN:
        wnids = _built_in(path_or_name)
        _check_wnids([(path_or_name, wnid) for wnid in wnids], known, path_or_name)
        return LabelSpace(wnids, [])
    rows = _csv_rows(path_or_name)
    header = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    if "name" in header and ("wnid" not in header or {"parent", "synonyms"} & set(header)):
        own = _read_vocabulary(rows, header, path_or_name, known)
        return LabelSpace([each.wnid for each in own if each.wnid], own)
    cells = [(f"{path_or_name}, line {line}", cell) for line, cell in _wnid_cells(rows, header)]
    if not cells:
        raise FormatError("no wnid in it", where=path_or_name, fix=_GIVE)
    _check_wnids(cells, known, path_or_name)
    return LabelSpace(list(dict.fromkeys(wnid for _, wnid in cells)), [])


def vocabulary_rows(space: LabelSpace, synset_names: Mapping[str, str]) -> pa.Table:
    """A label space as rows of the table `vocabulary`.

    Args:
        space: The label space.
        synset_names: Name of each synset, for those that the user gave no name.

    Returns:
        class_key, name and parent_key ('' = none given), one row per class and parent.
    """
    keys = {each.name.casefold(): each.class_key for each in space.own}
    rows = [
        (each.class_key, each.name, keys.get(parent.casefold(), parent))
        for each in space.own
        for parent in each.parents or ("",)
    ]
    named = {each.wnid for each in space.own}
    rows += [(wnid, synset_names[wnid], "") for wnid in space.wnids if wnid not in named]
    columns = [pa.array([row[i] for row in rows], pa.string()) for i in range(3)]
    return pa.table(columns, names=["class_key", "name", "parent_key"])


def _built_in(name: str) -> list[str]:
    # The package is found, not imported: that would load torch.
    spec = find_spec("timm")
    folder = Path((spec.submodule_search_locations or [""])[0]) if spec else Path()
    file = folder / "data" / "_info" / BUILT_IN[name]
    if not spec or not file.is_file():
        raise MissingInputError(f"no list for '{name}'", where="timm", fix="Install timm 1.0.15 or newer.")
    return file.read_text(encoding="utf-8").split()


def _csv_rows(path: str) -> list[tuple[int, list[str]]]:
    """Line number and cells of each row that is not blank."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        close = nearest(path, BUILT_IN) if "." not in path and "/" not in path else _GIVE
        raise MissingInputError(f"no file '{path}'", where="--classes", fix=close) from None
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot be read: {error}", where=path, fix=_GIVE) from error
    reader = csv.reader(io.StringIO(text))
    try:
        return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise FormatError(f"no CSV: {error}", where=f"{path}, line {reader.line_num}", fix=_GIVE) from error


def _wnid_cells(rows: Sequence[tuple[int, list[str]]], header: list[str]) -> list[tuple[int, str]]:
    """Line number and wnid cell of each row."""
    if "wnid" in header:
        column = header.index("wnid")
        return [(i, row[column].strip() if column < len(row) else "") for i, row in rows[1:]]
    return [(i, row[0].split()[0] if row[0].strip() else "") for i, row in rows if not row[0].lstrip().startswith("#")]


def _check_wnids(cells: Sequence[tuple[str, str]], known: Container[str], name: str) -> None:
    """Refuse what is no noun of WordNet 3.0; cells are pairs of a place and a wnid."""
    for where, cell in cells:
        if not _WNID.fullmatch(cell):
            raise FormatError(
                f"'{cell[:40]}' is no wnid",
                where=where,
                fix="A wnid is 'n' and 8 digits, as n02084071; a vocabulary begins with a line 'name,parent'.",
            )
    unknown = [(where, cell) for where, cell in cells if cell not in known]
    if len(unknown) > 1 and 2 * len(unknown) > len(cells):
        raise WordNetVersionError(
            f"{len(unknown)} of its {len(cells)} wnids are no nouns of WordNet 3.0",
            where=name,
            fix="Offsets of another WordNet version name other synsets; convert the file to version 3.0.",
        )
    if unknown:
        where, cell = unknown[0]
        raise FormatError(f"'{cell}' is no noun of WordNet 3.0", where=where, fix="Correct or remove it.")


def _read_vocabulary(
    rows: Sequence[tuple[int, list[str]]], header: list[str], path: str, known: Container[str]
) -> list[OwnClass]:
    _check_columns(header, path)
    own: dict[str, tuple[str, OwnClass]] = {}
    bound: dict[str, str] = {}
    for line, cells in rows[1:]:
        where, row = f"{path}, line {line}", dict(zip(header, map(str.strip, cells), strict=False))
        if any(cell.strip() for cell in cells[len(header) :]):
            raise FormatError("more cells than the header has", where=where, fix="Quote cells with a comma in them.")
        each = OwnClass(
            " ".join(row.get("name", "").split()),
            _split(row.get("parent", "")),
            row.get("wnid") or None,
            _split(row.get("synonyms", "")),
        )
        _check_name(each.name, where)
        if each.name.casefold() in own:
            raise FormatError(f"'{each.name}' is there twice", where=where, fix="Give all its parents in one row.")
        if each.wnid in bound:
            raise FormatError(f"{each.wnid} is '{bound[each.wnid]}' already", where=where, fix="Use synonyms.")
        own[each.name.casefold()] = where, each
        bound |= {each.wnid: each.name} if each.wnid else {}
    if not own:
        raise FormatError("no class in it", where=path, fix=_GIVE)
    given = [(where, each.wnid) for where, each in own.values() if each.wnid]
    given += [(where, parent) for where, each in own.values() for parent in each.parents if _WNID.fullmatch(parent)]
    _check_wnids(given, known, path)
    _check_parents(own)
    return [each for _, each in own.values()]


def _check_columns(header: list[str], path: str) -> None:
    for i, column in enumerate(header):
        if column not in _COLUMNS or column in header[:i]:
            what = f"column '{column}' is there twice" if column in _COLUMNS else f"unknown column '{column}'"
            raise FormatError(what, where=f"{path}, line 1", fix=nearest(column, _COLUMNS))


def _split(cell: str) -> tuple[str, ...]:
    words = (" ".join(word.split()) for word in re.split(r"[|;]", cell))
    return tuple(dict.fromkeys(word for word in words if word))


def _check_name(name: str, where: str) -> None:
    if not name or not name.isprintable():
        raise FormatError("a class needs a name of printable characters", where=where, fix="Fill the column name.")
    if _WNID.fullmatch(name) or re.search(r"[|;]", name):
        raise FormatError(
            f"'{name}' cannot be a name", where=where, fix="Names hold no '|' and no ';', and wnids have their column."
        )


def _check_parents(own: Mapping[str, tuple[str, OwnClass]]) -> None:
    """Refuse parents that are not there, and circles, a parent that is the class itself among them."""
    above: dict[str, list[str]] = {}
    for key, (where, each) in own.items():
        above[key] = [parent.casefold() for parent in each.parents if not _WNID.fullmatch(parent)]
        missing = [parent for parent in each.parents if not _WNID.fullmatch(parent) and parent.casefold() not in own]
        if missing:
            raise FormatError(f"no class '{missing[0]}' to be a parent", where=where, fix="Give it a row of its own.")
    left = {key: set(parents) for key, parents in above.items()}
    while free := [key for key, parents in left.items() if not parents & left.keys()]:
        for key in free:
            del left[key]
    # What cannot be taken away lies on a circle, or below one: going up leads onto it.
    met: list[str] = []
    name: str | None = next(iter(left), None)
    while name is not None and name not in met:
        met.append(name)
        name = next(parent for parent in above[name] if parent in left)
    if name is not None:
        where, each = own[name]
        circle = " > ".join(own[one][1].name for one in [*met[met.index(name) :], name])
        raise FormatError(f"its parents run in a circle: {circle}", where=where, fix=f"Correct those of '{each.name}'.")
