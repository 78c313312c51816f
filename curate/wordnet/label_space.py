"""The user's label space: a file of wnids."""

import csv
import re
from collections.abc import Container
from pathlib import Path

from curate.errors import FormatError, MissingInputError, WordNetVersionError

_WNID = re.compile(r"n[0-9]{8}")


def read_label_space(path: Path, known: Container[str]) -> list[str]:
    """Wnids of a CSV file with a wnid column, or of a plain list (first word of each line).

    Args:
        path: The file, UTF-8.
        known: The wnids of WordNet 3.0's nouns.

    Returns:
        Distinct wnids, in file order.

    Raises:
        MissingInputError: There is no such file.
        FormatError: It holds no wnid, or something that is none.
        WordNetVersionError: Most of its wnids are unknown, as offsets of another version are.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise MissingInputError(f"no file '{path}'", where="--classes", fix="Give a CSV with a wnid column.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot be read: {error}", where=str(path), fix="Give a CSV with a wnid column.") from error
    cells = _wnid_cells(text)
    for line, cell in cells:
        if not _WNID.fullmatch(cell):
            raise FormatError(
                f"'{cell[:40]}' is no wnid",
                where=f"{path}, line {line}",
                fix="A wnid is 'n' and 8 digits, as n02084071.",
            )
    if not cells:
        raise FormatError("no wnid in it", where=str(path), fix="Give a CSV with a wnid column, or one wnid a line.")
    unknown = [(line, cell) for line, cell in cells if cell not in known]
    if 2 * len(unknown) > len(cells):
        raise WordNetVersionError(
            f"{len(unknown)} of its {len(cells)} wnids are no nouns of WordNet 3.0",
            where=str(path),
            fix="Offsets of another WordNet version name other synsets; convert the file to version 3.0.",
        )
    if unknown:
        line, cell = unknown[0]
        raise FormatError(
            f"'{cell}' is no noun of WordNet 3.0", where=f"{path}, line {line}", fix="Correct or remove it."
        )
    return list(dict.fromkeys(cell for _, cell in cells))


def _wnid_cells(text: str) -> list[tuple[int, str]]:
    """Line number and wnid cell of each row that is not blank."""
    rows = [(i, row) for i, row in enumerate(csv.reader(text.splitlines()), 1) if any(cell.strip() for cell in row)]
    header = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    if "wnid" in header:
        column = header.index("wnid")
        return [(i, row[column].strip() if column < len(row) else "") for i, row in rows[1:]]
    return [(i, row[0].split()[0] if row[0].strip() else "") for i, row in rows if not row[0].lstrip().startswith("#")]
