"""leaks list, sample, import and report."""

import sys
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import duckdb

from curate import __version__
from curate.api import Session
from curate.cli.query import FORMATS, need_tables
from curate.cli.show import notes, print_relation, results
from curate.errors import MissingInputError, ParameterError, nearest
from curate.review import queries
from curate.runner import append
from curate.store import write_atomically

_LIST = (
    "SELECT eval_set, eval_image_id, h.image_id, i.key, method, score, p_duplicate, verdict, transform "
    "FROM near_duplicates AS h LEFT JOIN images AS i USING (image_id) WHERE eval_set IN (SELECT unnest($1)) "
    "ORDER BY eval_set, eval_image_id, h.image_id"
)
_LIBRARIES = ("duckdb", "faiss-cpu", "numpy", "opencv-python-headless", "pillow", "scipy", "torch")


def show(session: Session, against: str | None, eval_ids: bool, form: str) -> None:
    """Print the copies, or the names of the eval images that they are copies of.

    Raises:
        ParameterError: Unknown format, or names of several sets at once.
        MissingInputError: No such eval set, or one that was not searched for.
    """
    if form not in FORMATS[:3]:
        raise ParameterError(f"unknown format '{form}'", fix=f"Known: {', '.join(FORMATS[:3])}.")
    with _tables(session) as con:
        searched = _searched(con, against)
        if not eval_ids:
            print_relation(con.sql(_LIST, params=[searched]), form)
            return
        if len(searched) > 1:
            raise ParameterError(f"{len(searched)} eval sets were searched for", fix="Name one with --against.")
        found = con.execute(
            "SELECT DISTINCT eval_image_id FROM near_duplicates WHERE eval_set IN (SELECT unnest($1)) ORDER BY 1",
            [searched],
        ).fetchall()
    sys.stdout.writelines(f"{eval_image_id}\n" for (eval_image_id,) in found)
    notes.print(f"{len(found):,} eval images are leaked")


def sample(session: Session, against: str, n: int, out: Path, pictures: Path | None) -> None:
    """Write pairs to be judged, and on wish pages that show them."""
    from curate.review.leaks import prepare
    from curate.review.sample import draw, write_pairs
    from curate.review.sheet import render_sheets

    with _tables(session) as con:
        _searched(con, against)
        prepare(con)
        found = con.execute("SELECT threshold FROM duplicate_thresholds WHERE eval_set = $1", [against]).fetchall()
        drawn = draw(con, against, n, found[0][0])
    if not drawn.pairs:
        notes.print("no pair waits for a verdict")
        return
    write_pairs(drawn.pairs, out)
    of = f"{drawn.n_open:,} of score {drawn.least:.4g} and more"
    notes.print(f"{len(drawn.pairs):,} pairs to judge in {out}, drawn from {of}")
    if pictures:
        _write(pictures, render_sheets(drawn.pairs, against))
        notes.print(f"pictures in {pictures / 'index.html'}")
    notes.print(f"fill in column verdict with copy, different or unsure, from the top; then: curate leaks import {out}")


def read(session: Session, file: Path, reviewer: str | None) -> None:
    """Add verdicts to duplicate_reviews."""
    from curate.review.leaks import prepare
    from curate.review.verdicts import read_verdicts

    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    with _tables(session) as con:
        prepare(con)
        verdicts = read_verdicts(con, file, reviewer=reviewer, reviewed_at=now)
    n_new = append(session.store, "leaks-import", "duplicate_reviews", verdicts.rows)
    notes.print(f"{n_new:,} new verdicts, {verdicts.n_judged:,} in the file")
    if verdicts.n_apart:
        notes.print(f"{verdicts.n_apart:,} of them are about pairs that dedup did not compare: they change nothing")
    if verdicts.n_after_gap:
        notes.print(
            f"{verdicts.n_after_gap:,} come after a drawn pair without a verdict, and bound nothing until it has one"
        )
    if n_new:
        notes.print("run 'curate dedup' again, with the options that it had, to decide with them")


def report(session: Session, out: Path) -> None:
    """Write the report and print what it says first."""
    from curate.review.leaks import FORMAT, LeakReport, collect_sets, prepare
    from curate.review.pairs import shown_pairs
    from curate.review.report import render
    from curate.review.sentences import evidence, headline

    with _tables(session) as con:
        prepare(con)
        dedup, *later = (session.store.commit_of(name) for name in ("dedup", "build-manifest", "evaluate"))
        manifest_id, run_id = (commit.latest if commit else None for commit in later)
        sets = collect_sets(con, manifest_id=manifest_id, run_id=run_id)
        pairs = {leaks.eval_set: shown_pairs(con, leaks.eval_set) for leaks in sets}
    digests = session.digests()
    found = LeakReport(
        format=FORMAT,
        versions=_versions(),
        parameters=dict(dedup.params) if dedup else {},
        tables={name: digests[name] for name in (*queries.TABLES, *queries.OPTIONAL) if name in digests},
        manifest_id=manifest_id,
        run_id=run_id,
        sets=sets,
    )
    _write(out, render(found, pairs))
    for leaks in sets:
        results.print(f"{leaks.eval_set}: {headline(leaks)} {evidence(leaks)}", markup=False)
    notes.print(f"report in {out / 'report.html'}")


def _tables(session: Session) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    need_tables(session, queries.TABLES)
    return session.store.tables(queries.TABLES, queries.OPTIONAL).connect()


def _searched(con: duckdb.DuckDBPyConnection, against: str | None) -> list[str]:
    """The named eval set, or all that were searched for."""
    searched = [row[0] for row in con.execute("SELECT eval_set FROM duplicate_thresholds ORDER BY 1").fetchall()]
    if against is None:
        return searched
    if against not in searched:
        known = [row[0] for row in con.execute("SELECT eval_set FROM eval_sets").fetchall()]
        fix = f"Run 'curate dedup --against {against}' first." if against in known else nearest(against, searched)
        raise MissingInputError(f"eval set '{against}' was not searched for", fix=fix)
    return [against]


def _write(folder: Path, content: dict[str, bytes]) -> None:
    if folder.exists() and not folder.is_dir():
        raise ParameterError(f"'{folder}' is a file", fix="Name a folder.")
    for name, data in content.items():
        write_atomically(folder / name, data)


def _versions() -> dict[str, str]:
    found = {"curate": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
