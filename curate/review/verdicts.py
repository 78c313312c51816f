"""People's verdicts on pairs, from the file that they filled in."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from curate.errors import FormatError, MissingInputError
from curate.review import queries
from curate.review.sample import token
from curate.schema import table_schema
from curate.vision.verdicts import review_order

_NEEDED = ("image_id", "eval_set", "eval_image_id", "verdict")
_VERDICTS = {"copy": "copy", "c": "copy", "different": "different", "d": "different", "unsure": "unsure", "u": "unsure"}


@dataclass(frozen=True)
class Verdicts:
    """What a file of verdicts holds.

    Attributes:
        rows: Of duplicate_reviews; verdicts that are there already are left out.
        n_judged: Rows of the file that have a verdict.
        n_after_gap: Judged rows of a sample that come after one without a verdict, and prove nothing yet.
        n_apart: Judged pairs that dedup did not compare: they change nothing.
    """

    rows: pa.Table
    n_judged: int
    n_after_gap: int
    n_apart: int


def read_verdicts(
    con: duckdb.DuckDBPyConnection, file: Path, *, reviewer: str | None, reviewed_at: datetime
) -> Verdicts:
    """Read verdicts from a CSV file.

    Args:
        con: A prepared connection.
        file: With columns image_id, eval_set, eval_image_id and verdict (copy, different or unsure, or their first
            letters; empty = not judged); with sample as drawn, a verdict counts for the bounds; optionally reviewer.
        reviewer: Who judged, where the file does not say; by default the file's name.
        reviewed_at: When, in UTC.

    Raises:
        FormatError: A line that cannot be used, with its number.
        MissingInputError: No such file.
    """
    lines = [(where, row) for where, row in _lines(file)]
    known, standing = _Known.read(con, [row for _, row in lines]), _standing(con)
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for where, row in lines:
        pair = known.pair(row, where)
        verdict = _verdict(row, where)
        if verdict is None:
            continue
        if pair in found and found[pair]["verdict"] != verdict:
            raise FormatError(
                "another verdict on this pair stands above", where=where, fix="Leave the one that counts."
            )
        is_drawn, earlier = known.is_drawn(row, pair, where), standing.get(pair)
        found[pair] = {
            **dict(zip(_NEEDED, pair, strict=False)),
            "image_sha256": known.sha256[pair[0]],
            "verdict": verdict,
            # What a sample once asked for stays asked for, whoever judges it again.
            "is_sampled": is_drawn or bool(earlier and earlier["is_sampled"]),
            "reviewer": row.get("reviewer") or reviewer or file.name,
            "reviewed_at": reviewed_at,
        }
    new = [row for pair, row in found.items() if not _is_same(row, standing.get(pair))]
    for row in new:
        row["review_id"] = sha256(repr(sorted(row.items())).encode()).hexdigest()[:32]
    return Verdicts(
        pa.Table.from_pylist(new, schema=table_schema("duplicate_reviews").arrow),
        len(found),
        _after_gap(lines, standing),
        sum(pair not in known.compared for pair in found),
    )


@dataclass(frozen=True)
class _Known:
    """What a file of verdicts may refer to."""

    sha256: Mapping[str, str]
    evals: frozenset[tuple[str, str]]
    compared: frozenset[tuple[str, str, str]]

    @classmethod
    def read(cls, con: duckdb.DuckDBPyConnection, rows: list[dict[str, str]]) -> "_Known":
        """Looks up only what the rows name, as there may be many millions of images."""
        named = pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in _NEEDED[:3]})
        con.register("named", named)
        sums = con.execute(
            "SELECT DISTINCT image_id, coalesce(sha256, '') FROM images SEMI JOIN named USING (image_id)"
        )
        digests = dict(sums.fetchall())
        evals = con.execute(queries.NAMED.format(columns="eval_set, eval_image_id", table="eval_images")).fetchall()
        columns = ", ".join(_NEEDED[:3])
        pairs = con.execute(queries.NAMED.format(columns=columns, table="duplicate_candidates")).fetchall()
        con.unregister("named")
        return cls(digests, frozenset(evals), frozenset(pairs))

    def pair(self, row: Mapping[str, str], where: str) -> tuple[str, str, str]:
        """image_id, eval_set and eval_image_id of a line, if there are such images."""
        image_id, eval_set, eval_image_id = (row[name] for name in _NEEDED[:3])
        if image_id not in self.sha256:
            raise FormatError(f"image_id '{image_id}' is no image", where=where)
        if (eval_set, eval_image_id) not in self.evals:
            raise FormatError(f"'{eval_image_id}' is no image of eval set '{eval_set}'", where=where)
        return image_id, eval_set, eval_image_id

    def is_drawn(self, row: Mapping[str, str], pair: tuple[str, str, str], where: str) -> bool:
        """Whether 'leaks sample' wrote the line."""
        if not row.get("sample"):
            return False
        if row["sample"] != token(*pair, self.sha256[pair[0]]):
            what = "the image's bytes, or the names in this line, are not those that were drawn"
            raise FormatError(what, where=where, fix="Remove the line, and draw the pair again.")
        return True


def _standing(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The verdict that counts, by pair."""
    found = con.execute(
        "SELECT image_id, eval_set, eval_image_id, image_sha256, verdict, is_sampled, reviewer FROM reviews "
        "WHERE NOT is_stale"
    )
    names = [column[0] for column in found.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return {(row["image_id"], row["eval_set"], row["eval_image_id"]): row for row in rows}


def _is_same(row: Mapping[str, Any], earlier: Mapping[str, Any] | None) -> bool:
    return earlier is not None and all(row[name] == earlier[name] for name in ("verdict", "is_sampled", "reviewer"))


def _after_gap(lines: list[tuple[str, dict[str, str]]], standing: Mapping[tuple[str, str, str], Any]) -> int:
    """Judged lines of a sample that come, in the order of review, after one without a verdict."""
    drawn = [row for _, row in lines if row.get("sample")]
    order = review_order([row["image_id"] for row in drawn]).argsort(kind="stable")
    judged = [
        bool(row["verdict"]) or (row["image_id"], row["eval_set"], row["eval_image_id"]) in standing
        for row in (drawn[place] for place in order)
    ]
    return sum(judged[judged.index(False) :]) if False in judged else 0


def _verdict(row: Mapping[str, str], where: str) -> str | None:
    said = row["verdict"].lower()
    if said and said not in _VERDICTS:
        raise FormatError(f"verdict '{row['verdict']}'", where=where, fix="Use copy, different or unsure (c, d, u).")
    return _VERDICTS.get(said)


def _lines(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows as text with where they stand: file and line."""
    if not file.is_file():
        raise MissingInputError(f"no file {file}")
    with file.open(encoding="utf-8-sig", newline="") as stream:
        number = 1
        try:
            head = stream.readline()
            stream.seek(0)
            # Some spreadsheets put semicolons.
            reader = csv.DictReader(stream, delimiter=";" if head.count(";") > head.count(",") else ",")
            missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
            if missing:
                found = f"Found: {', '.join(reader.fieldnames or ()) or 'nothing'}."
                raise FormatError(f"no column '{missing[0]}'", where=f"{file}, line 1", fix=found)
            for row in reader:
                number = reader.line_num
                if None in row or None in row.values():
                    raise FormatError("another number of fields than the header", where=f"{file}, line {number}")
                yield f"{file}, line {number}", _stripped(row)
        except (UnicodeDecodeError, csv.Error) as error:
            raise FormatError(str(error), where=f"{file}, after line {number}") from error


def _stripped(row: Mapping[str, str]) -> dict[str, str]:
    """A line without blanks around what people type; names of images may begin or end with one."""
    return {name: value if name in _NEEDED[:3] else value.strip() for name, value in row.items()}
