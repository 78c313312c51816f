"""How concrete words are, from ratings that users bring (Brysbaert, Warriner & Kuperman, Behav. Res. Methods 2014)."""

import csv
from pathlib import Path

from curate.errors import FormatError, MissingInputError
from curate.wordnet.normalize import squash

_GIVE = "Give a tab-separated table with the columns Word and Conc.M, as Brysbaert et al. (2014) publish it."


def read_concreteness(path: Path | str) -> dict[str, float]:
    """Mean rating of each word or phrase of two words.

    Args:
        path: Tab-separated text in UTF-8 with a header; of its columns, Word and Conc.M are read.

    Returns:
        Squashed word → rating from 1 (abstract) to 5 (can be seen or touched). Of two words that squash to one (ice
        cream, icecream), the mean.

    Raises:
        MissingInputError: There is no such file.
        FormatError: It is not such a table, or a rating is not a number from 1 to 5.
    """
    file = Path(path)
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise MissingInputError(f"no file '{file}'", where="concreteness", fix=_GIVE) from None
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot be read: {error}", where=str(file), fix=_GIVE) from error
    rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    header = next(rows, [])
    if not {"Word", "Conc.M"} <= set(header):
        raise FormatError(f"has the columns {', '.join(header) or 'none'}", where=str(file), fix=_GIVE)
    word, mean = header.index("Word"), header.index("Conc.M")
    ratings: dict[str, list[float]] = {}
    for number, row in enumerate(rows, 2):
        if row:
            where = f"{file}, line {number}"
            cell = row[mean] if max(word, mean) < len(row) else ""
            ratings.setdefault(squash(row[word] if word < len(row) else ""), []).append(_rating(cell, where))
    ratings.pop("", None)
    if not ratings:
        raise FormatError("has no rated word", where=str(file), fix=_GIVE)
    return {squashed: sum(means) / len(means) for squashed, means in ratings.items()}


def _rating(cell: str, where: str) -> float:
    try:
        rating = float(cell)
    except ValueError:
        rating = 0.0
    if not 1.0 <= rating <= 5.0:
        raise FormatError(f"Conc.M is '{cell}'", where=where, fix="A rating is a number from 1 to 5.")
    return rating
