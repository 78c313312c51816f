"""Verdicts on the disk the moment they are given: files of a workspace that only grow.

A server writes each verdict as one line of JSON to a file of its own, journal/*.jsonl, and syncs it to the disk before
it says that the verdict is saved. Whoever opens the workspace next takes the lines into table `audits`, see
`curate.api.Session.take_in_verdicts`, and removes the files whose server has ended. A line that a kill cut off was
never said to be saved; it is left out. The server holds a lock on its file, which the kernel drops with the process.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from curate.errors import WorkspaceError
from curate.schema import table_schema
from curate.store import sync

FOLDER = "journal"


class Journal:
    """A new file of verdicts, of this process alone.

    Args:
        workspace: The workspace folder.

    Attributes:
        path: The file.
        n_rows: Rows that were added.

    Raises:
        WorkspaceError: No file can be made there.
    """

    def __init__(self, workspace: Path) -> None:
        folder = workspace / FOLDER
        self.path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        # Under another name until it is locked: an unlocked journal is one whose server has ended.
        hidden = self.path.with_name(f".{self.path.name}")
        try:
            folder.mkdir(exist_ok=True)
            self._file = os.open(hidden, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.rename(self.path)
            sync(folder)
        except OSError as error:
            raise _not_saved(self.path, error) from error
        self._size = 0
        self.n_rows = 0

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row of `audits`; it is on the disk when this returns.

        Raises:
            WorkspaceError: It cannot be written; the file is as it was before.
        """
        line = json.dumps({**row, "audited_at": row["audited_at"].isoformat()}, ensure_ascii=False).encode() + b"\n"
        try:
            if os.fstat(self._file).st_size != self._size:  # what an append that failed left behind
                os.ftruncate(self._file, self._size)
            written = os.write(self._file, line)
            if written < len(line):
                raise OSError(f"{written} of {len(line)} bytes were written")
            os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise _not_saved(self.path, error) from error
        self._size += len(line)
        self.n_rows += 1

    def close(self) -> None:
        """Let the next who looks take the file away."""
        os.close(self._file)


@dataclass(frozen=True)
class Found:
    """A journal as it was found.

    Attributes:
        path: The file.
        rows: Rows of `audits`, in the order in which they were given.
        size: Bytes that were read.
    """

    path: Path
    rows: list[dict[str, Any]]
    size: int


def read_journals(workspace: Path) -> list[Found]:
    """The journals of a workspace, those of running servers too.

    Raises:
        WorkspaceError: A line before the last one cannot be read.
    """
    found = []
    for path in sorted((workspace / FOLDER).glob("[!.]*.jsonl")):
        try:
            data = path.read_bytes()
        except FileNotFoundError:  # taken in by another process a moment ago
            continue
        found.append(Found(path, _rows(path, data), len(data)))
    return found


def signature(workspace: Path) -> list[tuple[str, int]]:
    """Names and sizes of the journals; changes with every verdict."""
    found = []
    for path in sorted((workspace / FOLDER).glob("[!.]*.jsonl")):
        try:
            found.append((path.name, path.stat().st_size))
        except FileNotFoundError:
            continue
    return found


def retire(journal: Found) -> None:
    """Remove a journal whose rows are in the table, unless its server still runs or it has grown since."""
    try:
        with journal.path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if journal.path.stat().st_size == journal.size:
                journal.path.unlink()
    except (BlockingIOError, FileNotFoundError):
        return


def _rows(path: Path, data: bytes) -> list[dict[str, Any]]:
    found = []
    columns = set(table_schema("audits").arrow.names)
    for number, line in enumerate(data.split(b"\n")[:-1], 1):  # what stands after the last line's end was cut off
        try:
            row = json.loads(line)
            if set(row) != columns:
                raise ValueError(f"columns {sorted(columns ^ set(row))}")
            found.append({**row, "audited_at": datetime.fromisoformat(row["audited_at"])})
        except (ValueError, TypeError, KeyError) as error:
            raise WorkspaceError(
                f"no verdict: {error}",
                where=f"{path}, line {number}",
                fix="Mend the line or move the file out of the workspace.",
            ) from error
    return found


def _not_saved(path: Path, error: OSError) -> WorkspaceError:
    return WorkspaceError(
        f"the verdict cannot be saved: {error.strerror or error}", where=str(path), fix="Make room, then judge again."
    )
