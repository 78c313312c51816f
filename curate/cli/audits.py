"""audit sample, serve, status, calibration, export and import."""

import getpass
import secrets
import sys
import webbrowser
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
from pyarrow import csv

from curate.api import Session
from curate.cli.query import need_tables
from curate.cli.show import notes, print_table, results
from curate.errors import LockedError, MissingInputError, ParameterError
from curate.runner import append
from curate.stages.audits import OPTIONAL, READS, SampleAudits, import_verdicts, sample
from curate.stages.audits import export as open_samples
from curate.store import write_atomically


def draw(session: Session, params: SampleAudits) -> None:
    """Draw samples and keep them in audit_frames and audit_samples."""
    need_tables(session, READS)
    frames, samples = sample(session.store.tables(READS, OPTIONAL), params)
    append(session.store, "audit-frame", "audit_frames", frames)
    n_new = append(session.store, "audit-sample", "audit_samples", samples)
    n_open = open_samples(session.store.tables(READS, OPTIONAL)).num_rows
    how = "'curate audit serve' shows them on a page, 'curate audit export FILE' writes them out"
    notes.print(f"{n_new:,} labels drawn, {n_open:,} wait for a verdict; {how}")


@dataclass(frozen=True)
class Serving:
    """Parameters of the audit page.

    Attributes:
        auditor: Who judges; None = the user of this machine.
        port: Port; 0 = any that is free.
        second_share: Share of the labels that two people judge, in [0, 1].
        min_precision: Precision that is aimed at; None = that of the last manifest.
        open_browser: Open the page at once.
    """

    auditor: str | None
    port: int
    second_share: float
    min_precision: float | None
    open_browser: bool


def serve(session: Session, params: Serving) -> None:
    """Show the page until Ctrl-C.

    Raises:
        ParameterError: A share or a precision out of range, a name that is none, a port that is taken.
        MissingInputError: Nothing was drawn.
    """
    from curate.review.audit.desk import Desk
    from curate.review.audit.journal import Journal
    from curate.review.audit.server import HOST, listen, make_app
    from curate.review.audit.server import serve as run_server

    auditor = _auditor_name(params.auditor)
    if not 0 <= params.second_share <= 1 or not (params.min_precision is None or 0 < params.min_precision <= 1):
        raise ParameterError("second-share must be in [0, 1] and min-precision in (0, 1]")
    _need_samples(session)
    manifest = session.store.commit_of("build-manifest")
    target = params.min_precision or (manifest.params.get("min_precision") if manifest else None)
    socket = listen(params.port)
    journal = Journal(session.folder)
    try:
        desk = Desk(session.store, journal, auditor, params.second_share)
        port, token = socket.getsockname()[1], secrets.token_urlsafe(24)
        url = f"http://{HOST}:{port}/?token={token}"
        results.print(url, markup=False)
        sys.stdout.flush()
        notes.print(f"judging as {auditor}; each verdict is saved at once, Ctrl-C ends", markup=False)
        if params.open_browser:
            webbrowser.open(url)
        run_server(make_app(desk, token=token, port=port, target=target), socket)
    finally:
        journal.close()
        socket.close()
        _take_in(session)
    notes.print(f"{journal.n_rows:,} verdicts saved; 'curate estimate-noise' uses them")


def _auditor_name(given: str | None) -> str:
    name = (getpass.getuser() if given is None else given).strip()
    if not name or len(name) > 80 or not name.isprintable():
        raise ParameterError(f"auditor {name!r} is no name", fix="Give one with --auditor NAME.")
    return name


def _need_samples(session: Session) -> None:
    need_tables(session, READS)
    if not session.store.tables((), ("audit_samples",)).arrow("audit_samples", ["sample_id"]).num_rows:
        raise MissingInputError("no labels were drawn to be judged", fix="Run 'curate audit sample' first.")


def _take_in(session: Session) -> None:
    try:
        session.take_in_verdicts()
    except LockedError as error:
        notes.print(f"the next command puts the verdicts into table audits, as {error}", markup=False)


def status(session: Session) -> None:
    """Print how far the audit of each class is, and how far people agree."""
    from curate.stages.audit_progress import class_progress, overall_agreement, read_drawn, read_standing

    _need_samples(session)
    tables = session.store.tables(READS, OPTIONAL)
    with tables.connect() as con:
        drawn = read_drawn(con)
        names = dict(con.sql("SELECT class_key, name FROM classes").fetchall())
    standing = read_standing(tables, drawn)
    rows = []
    for key, each in drawn.items():
        found = class_progress(each, standing)
        unsure = found.n_unsure / found.n_verdicts if found.n_verdicts else None
        interval = (
            (found.estimate.precision, found.estimate.low, found.estimate.high) if found.n_judged else (None,) * 3
        )
        rows.append((key, names.get(key, key), found.n_drawn, found.n_judged, unsure, found.n_disputed, *interval))
    print_table(
        ("class_key", "name", "n_drawn", "n_judged", "unsure", "n_disputed", "precision", "ci_low", "ci_high"), rows
    )
    people = overall_agreement(drawn, standing)
    if people.share is not None:
        alpha = "not defined, as all verdicts are equal" if people.alpha is None else f"{people.alpha:.2f}"
        notes.print(
            f"two people agree on {people.share:.1%} of the {people.n_pairs:,} labels that two judged; "
            f"Krippendorff's alpha {alpha}"
        )


def calibration(session: Session, plot: Path | None) -> None:
    """Print, and draw, how far scores agree with verdicts.

    Raises:
        ParameterError: The figure's name has no ending that can be drawn.
        MissingInputError: Nothing was judged.
    """
    from curate.noise.calibrate import calibration_error, score_bins
    from curate.review.figures import draw_reliability
    from curate.stages.audit_progress import judged_scores, read_drawn

    kind = plot.suffix.lower().lstrip(".") if plot else "svg"
    if kind not in ("svg", "png"):
        raise ParameterError(f"'{plot}' ends in neither .svg nor .png", where="--plot")
    _need_samples(session)
    with session.store.tables(READS, OPTIONAL).connect() as con:
        p, correct, weight = judged_scores(read_drawn(con))
    if not len(p):
        raise MissingInputError("no label with a score was judged", where="audits", fix="Run curate audit serve.")
    bins = score_bins(p, correct, weight)
    names = ("low", "high", "n_judged", "share", "score", "right", "ci_low", "ci_high")
    print_table(names, [tuple(getattr(each, name) for name in names) for each in bins])
    error, chance = calibration_error(bins)
    notes.print(f"calibration error {error:.3f} on {len(p):,} verdicts; {chance:.3f} would be chance")
    if plot:
        write_atomically(plot, draw_reliability(bins, error)[kind])
        notes.print(f"drawn in {plot}", markup=False)


def export(session: Session, out: Path) -> None:
    """Write the samples that nobody has judged, to be filled in."""
    if out.suffix not in (".csv", ".parquet"):
        raise ParameterError(f"'{out}' is neither .csv nor .parquet")
    need_tables(session, READS)
    rows = open_samples(session.store.tables(READS, OPTIONAL))
    if not rows.num_rows:
        notes.print("no label waits for a verdict; draw some with 'curate audit sample'")
        return
    if out.suffix == ".csv":
        csv.write_csv(rows, out)
    else:
        pq.write_table(rows, out)
    notes.print(f"{rows.num_rows:,} labels to judge in {out}: fill in column verdict with yes, no or cannot_tell")


def read(session: Session, file: Path, auditor: str | None) -> None:
    """Add verdicts to audits."""
    need_tables(session, READS)
    tables = session.store.tables(READS, OPTIONAL)
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    rows = import_verdicts(tables, file, auditor=auditor, audited_at=now)
    n_new = append(session.store, "audit-import", "audits", rows)
    notes.print(f"{n_new:,} new verdicts")
