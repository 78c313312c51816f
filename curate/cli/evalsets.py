"""evalset add, list, remove and export."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from curate.api import Session
from curate.cli.show import notes, outcome_line, print_table, watch
from curate.errors import MissingInputError, nearest


def add(session: Session, spec: Mapping[str, Any]) -> None:
    """Add a set, and compute its descriptors with the encoders that the corpus already has.

    Args:
        session: The workspace.
        spec: An entry of add-evalset's parameter sets.
    """
    notes.print(outcome_line(session.run("add-evalset", sets=[spec], watch=watch)))
    if session.store.commit_of("embed"):
        notes.print(outcome_line(session.run("embed", encoder=[], watch=watch)))


def show(session: Session) -> None:
    """Print the sets."""
    names = ("eval_set", "n_images", "n_expected", "format", "root")
    rows = session.table("eval_sets").select(", ".join(names)).order("eval_set").fetchall()
    print_table(names, rows)


def remove(session: Session, name: str) -> None:
    """Forget a set."""
    known(session, name)
    notes.print(outcome_line(session.drop("add-evalset", name, watch=watch)))


def known(session: Session, name: str) -> str:
    """The name, if there is such a set.

    Raises:
        MissingInputError: There is none.
    """
    names = [row[0] for row in session.table("eval_sets").select("eval_set").fetchall()]
    if name not in names:
        raise MissingInputError(
            f"no eval set '{name}'", fix=f"{nearest(name, names)} Add one with 'curate evalset add'."
        )
    return name


def export(session: Session, name: str, out: Path) -> None:
    """Write id, class, size and hashes of a set's images as Parquet."""
    rows = session.sql(
        f"SELECT eval_set, eval_image_id, sha256, phash, width, height, class_key FROM eval_images "
        f"WHERE eval_set = '{known(session, name).replace(chr(39), chr(39) * 2)}' ORDER BY eval_image_id"
    )
    pq.write_table(rows.to_arrow_table(), out)
    notes.print(f"eval set {name} in {out}")
