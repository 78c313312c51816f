"""Errors that a user can act on: each says what is wrong, where, and what to do.

CurateError
├── UsageError             the call itself is wrong (exit code 2)
│   ├── ParameterError     unknown or ill-typed stage parameter
│   └── RecipeError        a pipeline file that cannot be read
├── InputError             something given does not fit (exit code 1)
│   ├── MissingInputError  no such file, folder, eval set, encoder, image
│   ├── FormatError        a file is not in the format that it should be
│   └── UntrustedFileError a foreign file would have to be executed
├── SchemaError            a table does not match schemas/*.sql
├── WorkspaceError         no workspace, or one that cannot be used
│   ├── LockedError        another run holds it
│   └── MissingTableError  a stage that has not run yet
├── MissingExtraError      an optional package is not installed
├── WordNetVersionError    not WordNet 3.0
└── TrainingError          a loss that is no number, a checkpoint that does not fit
"""

import difflib
from collections.abc import Iterable


class CurateError(Exception):
    """Base of all stated errors; its text is one line for the user.

    Args:
        what: What is wrong, with the offending value.
        where: File, line, column, stage or table; empty if there is none.
        fix: What to do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        text = f"{where}: {what}" if where else what
        super().__init__(f"{text}. {fix}" if fix else text)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword arguments would be lost when a worker process hands the error back.
        return _rebuild, (type(self), self.what, self.where, self.fix)


def _rebuild(kind: type[CurateError], what: str, where: str, fix: str) -> CurateError:
    return kind(what, where=where, fix=fix)


class UsageError(CurateError):
    """The call itself is wrong."""

    exit_code = 2


class ParameterError(UsageError):
    """A stage parameter that does not exist or has a wrong type."""


class RecipeError(UsageError):
    """A pipeline file that cannot be read."""


class InputError(CurateError):
    """Something that was given does not fit."""


class MissingInputError(InputError):
    """A file, folder, eval set, encoder or image that is not there."""


class FormatError(InputError):
    """A file is not in the format that it should be."""


class UntrustedFileError(InputError):
    """A foreign file would have to be executed to be used."""


class SchemaError(CurateError):
    """A table does not match its definition in schemas/."""


class WorkspaceError(CurateError):
    """There is no workspace, or it cannot be used."""


class LockedError(WorkspaceError):
    """Another run holds the workspace."""


class MissingTableError(WorkspaceError):
    """A table whose stage has not run yet."""


class MissingExtraError(CurateError):
    """An optional package is not installed."""


class WordNetVersionError(CurateError):
    """The WordNet that was found is not version 3.0."""


class TrainingError(CurateError):
    """Training cannot go on."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that names the known word closest to a mistyped one.

    Args:
        name: The word that is not known.
        known: The words that are.

    Returns:
        "Did you mean 'x'?" where one is close, else the list of known words.
    """
    words = sorted(known)
    close = difflib.get_close_matches(name, words, n=1)
    return f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(words) or 'none'}."
