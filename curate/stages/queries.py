"""The queries of the stages, one file each in the folder sql."""

from pathlib import Path

_SQL = Path(__file__).parent / "sql"


def sql_of(name: str) -> str:
    """The text of a query in the folder sql."""
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")
