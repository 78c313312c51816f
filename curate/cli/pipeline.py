"""run and plan, and what a finished manifest is called."""

from collections.abc import Sequence

from curate.api import Session
from curate.cli.show import notes, outcome_line, print_table, results, watch


def run_pipeline(
    session: Session, pipeline: str, until: str | None, settings: Sequence[str], engine: str, workers: int | None
) -> None:
    """Run a pipeline, a line per stage; the manifest's folder is the result on stdout."""
    steps = session.read_pipeline(pipeline, settings)
    for outcome in session.run_steps(steps, until=until, engine=engine, n_workers=workers, watch=watch):
        notes.print(outcome_line(outcome))
        if outcome.stage == "build-manifest":
            results.print(export_manifest(session, None))


def show_plan(session: Session, pipeline: str, until: str | None, settings: Sequence[str]) -> None:
    """Print for each stage reuse or run, and why."""
    verdicts = session.plan(session.read_pipeline(pipeline, settings), until)
    rows = [
        (step.stage.name, verdict.action, f"{verdict.n_parts[0]} of {verdict.n_parts[1]}" if verdict.n_parts else "",
         verdict.why)
        for step, verdict in verdicts
    ]  # fmt: skip
    print_table(("stage", "action", "parts to run", "why"), rows)


def export_manifest(session: Session, out: str | None) -> str:
    """Write the newest manifest as a folder of its own, and return the folder's name."""
    return str(session.export_manifest(out))
