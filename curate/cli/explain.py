"""From an exception to the one line that the user reads, and the exit code."""

import logging
from collections.abc import Iterable
from typing import Any

import typer

from curate.errors import CurateError

# Base of what Typer raises for a wrong command line; Typer has carried Click inside itself since 0.20.
_WRONG_USAGE: Any = typer.BadParameter.__mro__[1]

# What DuckDB raises when it cannot read a file; the classes are told by name, as importing them would slow --help.
_UNREADABLE = ("Error", "IOException", "InvalidInputException", "InternalException")


def explain(error: BaseException, opened: Iterable[Any]) -> tuple[str, int] | None:
    """What to tell the user.

    Args:
        error: What a command raised.
        opened: Sessions whose files may be the reason.

    Returns:
        A message ('' where help has been printed already) and the exit code: 1 a stated error, 2 wrong usage, 130
        interrupted. None for an error that nobody foresaw, and for one of the system under --verbose.
    """
    if isinstance(error, _WRONG_USAGE):
        context, message = getattr(error, "ctx", None), error.format_message().rstrip(".")
        hint = f"Try '{context.command_path} --help'." if context else ""
        return (f"{message}. {hint}" if message else ""), 2
    if isinstance(error, (typer.Abort, KeyboardInterrupt)) or str(error) == "Query interrupted":  # DuckDB's Ctrl-C
        return "interrupted; the same command continues where it was", 130
    damage = _damage(error, opened)
    if damage:
        return damage, 1
    if isinstance(error, CurateError):
        return str(error), error.exit_code
    if isinstance(error, OSError) and not logging.getLogger("curate").isEnabledFor(logging.DEBUG):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}", 1
    return None


def _damage(error: BaseException, opened: Iterable[Any]) -> str:
    """The damaged file of a workspace that is behind an error of DuckDB or Arrow; '' where there is none."""
    if not any(_cannot_read(cause) for cause in (error, error.__cause__) if cause):
        return ""
    for session in opened:
        try:
            session.check_files()
        except CurateError as damage:
            return str(damage)
    return ""


def _cannot_read(error: BaseException) -> bool:
    module, name = type(error).__module__, type(error).__name__
    of_arrow = module == "pyarrow.lib" or (isinstance(error, OSError) and error.errno is None)
    return of_arrow or (module in ("duckdb", "_duckdb") and name in _UNREADABLE)
