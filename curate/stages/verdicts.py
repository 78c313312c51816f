"""Verdicts that stand: of all rows of audits those that count now."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

Row = dict[str, Any]
"""A row of audits."""

Standing = dict[tuple[str, str], dict[str, Row]]
"""By image_id and class_key, and by auditor in the order in which they spoke: what each said last."""


def named_verdict(row: Mapping[str, Any]) -> Row:
    """A row of audits with its verdict_id, given all other columns."""
    return {**row, "verdict_id": sha256(repr(sorted(row.items())).encode()).hexdigest()[:32]}


def standing_verdicts(rows: Iterable[Row], samples: Mapping[str, tuple[str, str]], sums: Mapping[str, str]) -> Standing:
    """The verdicts that count, by the rules of resolved_verdicts.sql; those that took one back included.

    Args:
        rows: Rows of audits, in any order.
        samples: image_id and class_key of each sample_id.
        sums: SHA-256 of each image's bytes, by image_id.
    """
    unique = {row["verdict_id"]: row for row in rows}
    replaced = {row["supersedes"] for row in unique.values()}
    found: Standing = {}
    for row in sorted(unique.values(), key=lambda row: (row["audited_at"], row["verdict_id"])):
        pair = (row["image_id"], row["class_key"])
        if (
            row["verdict_id"] not in replaced
            and samples.get(row["sample_id"]) == pair
            and sums.get(row["image_id"]) == row["image_sha256"]
        ):
            said = found.setdefault(pair, {})
            said.pop(row["auditor"], None)
            said[row["auditor"]] = row
    return found


def said(of_pair: Mapping[str, Row]) -> list[str]:
    """What each auditor says of a pair, but for those who took it back."""
    return [row["verdict"] for row in of_pair.values() if row["verdict"] != "withdrawn"]
