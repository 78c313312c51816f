"""audit sample, export and import."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
from pyarrow import csv

from curate.api import Session
from curate.cli.query import need_tables
from curate.cli.show import notes
from curate.errors import ParameterError
from curate.runner import append
from curate.stages.audits import OPTIONAL, READS, SampleAudits, import_verdicts, sample
from curate.stages.audits import export as open_samples


def draw(session: Session, params: SampleAudits) -> None:
    """Draw samples and keep them in audit_frames and audit_samples."""
    need_tables(session, READS)
    frames, samples = sample(session.store.tables(READS, OPTIONAL), params)
    append(session.store, "audit-frame", "audit_frames", frames)
    n_new = append(session.store, "audit-sample", "audit_samples", samples)
    n_open = open_samples(session.store.tables(READS, OPTIONAL)).num_rows
    notes.print(f"{n_new:,} labels drawn, {n_open:,} wait for a verdict; 'curate audit export FILE' writes them out")


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
