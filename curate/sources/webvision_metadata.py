"""Metadata of WebVision: a JSON list per query, with one object per image."""

import json
from pathlib import Path
from typing import Any

from curate.sources.labels import by_role, read_metadata
from curate.sources.records import Record, Reject, clean_text
from curate.sources.table import path_below

_ENDINGS = ("", "_json", "_meta", "_metadata")
_NOT_OF_AN_IMAGE = ("key", "path", "query", "class", "wnid", "mid")


def metadata_file(root: Path, listed: str) -> Path:
    """Where a listed JSON file lies: google/q0001.json is unpacked to google_json/ by some, to google/ by others."""
    top, slash, rest = listed.partition("/")
    places = (root / f"{top}{ending}{slash}{rest}" for ending in _ENDINGS)
    return next((path for path in places if path.is_file()), root / listed)


class QueryMetadata:
    """Gives images their metadata; holds one JSON file at a time.

    Args:
        root: The WebVision folder.
        listed: The list of images, for rejects.

    Attributes:
        rejects: Files of metadata that could not be read; each names the first line that needed it.
    """

    def __init__(self, root: Path, listed: str) -> None:
        self.rejects: list[Reject] = []
        self._root, self._listed = root, listed
        self._name, self._entries = "", []  # type: str, list[Any]
        self._row_of: dict[str, int] = {}
        self._problem = ""

    def describe(self, record: Record, line: bytes, number: int) -> None:
        """Add what the metadata of an image says; a remark where there is none.

        The row of the list counts from 1 as published, and the image's own id decides: an object of another id is
        never taken.

        Args:
            record: The image; the stem of its name is its id.
            line: JSON file and row.
            number: Of the line.
        """
        name, _, row = line.decode("utf-8", "replace").strip().rpartition(" ")
        if not name or not row.isdecimal():
            record.remarks.append(f"no metadata: line {number} of the list names none")
            return
        if name != self._name:
            self._open(name, number)
        if self._problem:
            record.remarks.append(f"no metadata: {self._problem}")
            return
        entry = self._entry(Path(record.uri).stem, int(row))
        if entry is None:
            record.remarks.append(f"no metadata: row {row} of {clean_text(name)[0]} is of another image")
            return
        values = {role: value for role, value in by_role(entry).items() if role not in _NOT_OF_AN_IMAGE}
        values["caption"] = entry.get("description", values.get("caption"))
        values["url"] = values.get("url") or entry.get("page_url")
        found = read_metadata(values)
        record.labels += found.labels
        record.remarks += found.remarks
        record.url, record.owner = found.url, found.owner

    def _entry(self, image: str, row: int) -> dict[str, Any] | None:
        """The object of an image: at its row, else wherever its id stands; without ids the row decides."""
        place = self._row_of.get(image) if self._row_of else row - 1
        entry = self._entries[place] if place is not None and 0 <= place < len(self._entries) else None
        return entry if isinstance(entry, dict) else None

    def _open(self, name: str, number: int) -> None:
        self._name, self._entries, self._row_of, self._problem = name, [], {}, ""
        shown = clean_text(name)[0]
        rule = "missing_metadata"
        try:
            below = path_below(str(self._root), name)
            if below is None:
                raise ValueError("leads out of the folder")
            data = metadata_file(self._root, below).read_bytes()
            rule = "broken_json"
            entries = json.loads(data)
            if not isinstance(entries, list):
                raise ValueError("no JSON list")
        except (OSError, ValueError, RecursionError) as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else str(error).splitlines()[0]
            self._problem = f"{shown}: {reason}"
            self.rejects.append(Reject(f"{self._listed}:line {number}: {shown}", rule, reason))
            return
        self._entries = entries
        for place, entry in reversed(list(enumerate(entries))):
            if isinstance(entry, dict) and isinstance(entry.get("id"), str | int):
                self._row_of[str(entry["id"])] = place
