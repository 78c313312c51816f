"""evalset add, list, remove and export."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curate.api import Session
from curate.cli.show import notes, outcome_line, print_table, watch
from curate.errors import MissingInputError, ParameterError, nearest

_SHOWN = """
    SELECT s.eval_set, s.n_images, s.n_expected, coalesce(i.n_classed, 0), s.format, left(s.fingerprint, 12), s.root
    FROM eval_sets AS s LEFT JOIN (
        SELECT eval_set, count(class_key) AS n_classed FROM eval_images GROUP BY eval_set
    ) AS i USING (eval_set) ORDER BY eval_set
"""
_EXPORTED = """
    SELECT i.eval_image_id, i.sha256, phash, width, height, class_key, status, error, $encoder AS encoder,
           straight.vector AS vector, mirrored.vector AS vector_hflip
    FROM eval_images AS i
    LEFT JOIN eval_embeddings AS straight ON straight.encoder = $encoder AND straight.view = ''
        AND (straight.eval_set, straight.eval_image_id) = (i.eval_set, i.eval_image_id)
    LEFT JOIN eval_embeddings AS mirrored ON mirrored.encoder = $encoder AND mirrored.view = 'hflip'
        AND (mirrored.eval_set, mirrored.eval_image_id) = (i.eval_set, i.eval_image_id)
    WHERE i.eval_set = $name ORDER BY i.eval_image_id
"""


def add(session: Session, spec: Mapping[str, Any]) -> None:
    """Add a set, and compute its descriptors with the encoders that the corpus already has.

    Args:
        session: The workspace.
        spec: An entry of add-evalset's parameter sets.
    """
    notes.print(outcome_line(session.run("add-evalset", sets=[spec], watch=watch)))
    if embedded := session.store.commit_of("embed"):
        # Other sets keep the copies that were planted of them.
        plants = {"plants": embedded.params["plants"]} if "plants" in embedded.params else {}
        notes.print(outcome_line(session.run("embed", encoder=[], watch=watch, **plants)))


def show(session: Session) -> None:
    """Print the sets: images found (of those expected), and with a class; layout, fingerprint and place."""
    session.table("eval_sets")
    rows = [
        (name, f"{n:,}" if expected is None else f"{n:,} of {expected:,}", f"{n_classed:,}", *rest)
        for name, n, expected, n_classed, *rest in session.connect().execute(_SHOWN).fetchall()
    ]
    print_table(("eval_set", "images", "with_class", "format", "fingerprint", "root"), rows)


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


def export(session: Session, name: str, out: Path, encoder: str | None = None) -> None:
    """Write hashes, classes and vectors of a set's images as Parquet, so that others need not have the images.

    Args:
        session: The workspace.
        name: The set.
        out: File to write, .parquet.
        encoder: Encoder of the vectors, or how its name begins; None = the only one, or none where nothing is embedded.

    Raises:
        MissingInputError: There is no such set, or nothing is embedded with that encoder.
        ParameterError: Several encoders, and none is named; or a file of another suffix.
    """
    from curate.sources.evalset_export import write_export

    known(session, name)
    if out.suffix.lower() != ".parquet":
        raise ParameterError(f"'{out}' does not end in .parquet", fix="An eval set is shared as Parquet.")
    if not out.absolute().parent.is_dir():
        raise MissingInputError(f"no folder '{out.parent}'", where=str(out), fix="Make it first.")
    with session.connect() as con:
        full = _encoder_of(con, name, encoder)
        rows = con.sql(_EXPORTED, params={"name": name, "encoder": full}).to_arrow_table()
        found = con.execute("SELECT fingerprint, n_expected FROM eval_sets WHERE eval_set = ?", [name]).fetchall()[0]
    if not full:
        rows = rows.drop_columns(["vector", "vector_hflip"])
    write_export(out, rows, {"eval_set": name, "fingerprint": found[0], "n_expected": found[1], "encoder": full})
    n_vectors = rows.num_rows - rows["vector"].null_count if full else 0
    vectors = f"{n_vectors:,} with vectors of {full}" if full else "without vectors, as nothing is embedded"
    notes.print(f"eval set {name} in {out}: {rows.num_rows:,} images, {vectors}")


def _encoder_of(con: Any, name: str, wanted: str | None) -> str:
    """Full name of the encoder; '' where nothing is embedded."""
    query = "SELECT DISTINCT encoder FROM eval_embeddings WHERE eval_set = ? ORDER BY encoder"
    there = [row[0] for row in con.execute(query, [name]).fetchall()]
    fitting = [encoder for encoder in there if encoder.startswith(wanted or "")]
    if wanted and not fitting:
        fix = f"{nearest(wanted, there)} Run 'curate embed' with it first."
        raise MissingInputError(f"no vectors of encoder '{wanted}'", where=f"eval set {name}", fix=fix)
    if len(fitting) > 1:
        fix = f"Name one with --encoder: {', '.join(fitting)}."
        raise ParameterError("vectors of several encoders", where=f"eval set {name}", fix=fix)
    return fitting[0] if fitting else ""
