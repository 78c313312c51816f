"""The `curate` command. Each command imports what it needs when it runs, so that --help is quick."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from curate.cli.explain import explain

# The workspace of the running command, to be looked through when its files cannot be read.
_opened: list[Any] = []

app = typer.Typer(
    name="curate",
    help="Turn noisy web images into training data whose label precision is known.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

WorkspaceOption = Annotated[
    str | None,
    typer.Option(
        "-w", "--workspace", metavar="DIR", help="Workspace folder (default: CURATE_WORKSPACE, else ./workspace)."
    ),
]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Parts that run at once (default: one per processor).")]

# Commands that are a stage, with their one line of help; the rest of their help is built from the stage's parameters.
STAGE_COMMANDS = {
    "load-wordnet": "Load the noun synsets of WordNet 3.0.",
    "ingest": "Read images and labels from tars, folders and lists.",
    "map-labels": "Map hashtags, captions, queries and class names to WordNet synsets.",
    "build-hierarchy": "Build the class hierarchy above the mapped labels and count images.",
    "embed": "Compute descriptors of images and eval sets.",
    "dedup": "Find near-duplicates of eval sets, and copies within the corpus.",
    "score-labels": "Score how well each label fits its image, out of fold.",
    "estimate-noise": "Estimate each class's label precision with an interval.",
    "build-manifest": "Select labels that meet a precision and write the training manifest.",
}


@app.callback()
def _root(
    context: typer.Context,
    workspace: WorkspaceOption = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Also show debug messages.")] = False,
) -> None:
    context.obj = workspace
    # Threads of OpenMP that spin while they wait take the processor from decoding; must be set before torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from curate.cli.show import set_up_logging

    set_up_logging(verbose)


@app.command()
def init(folder: Annotated[str, typer.Argument(metavar="DIR", help="New or empty folder.")]) -> None:
    """Make a workspace."""
    from curate.store import Workspace

    Workspace(folder, create=True)
    typer.echo(f"workspace {folder}")


def _add_stage_command(name: str, doc: str) -> None:
    # Parameters are read from the stage only when the command is called: importing all stages takes half a second.
    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

    @app.command(name, help=doc, context_settings=settings, add_help_option=False)
    def command(context: typer.Context) -> Any:
        from curate.cli.stages import stage_app

        return stage_app(name, context.obj)(context.args, prog_name=f"curate {name}", standalone_mode=False)


for _name, _doc in STAGE_COMMANDS.items():
    _add_stage_command(_name, _doc)


@app.command()
def run(
    context: typer.Context,
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE.yaml", help="Pipeline file, or a shipped one's name.")],
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Last stage to run.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="STAGE.PARAM=VALUE", help="Override a parameter (YAML value).")
    ] = None,
    engine: Annotated[str, typer.Option(help="Where parts run: local or ray.")] = "local",
    workers: WorkersOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Run a pipeline; what is up to date is reused."""
    from curate.cli.pipeline import run_pipeline

    run_pipeline(
        find_workspace(workspace or context.obj, create=True), pipeline, until, settings or [], engine, workers
    )


@app.command()
def plan(
    context: typer.Context,
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE.yaml", help="Pipeline file, or a shipped one's name.")],
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Last stage to plan.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="STAGE.PARAM=VALUE", help="Override a parameter (YAML value).")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Say for each stage of a pipeline whether it would run or be reused, and why."""
    from curate.cli.pipeline import show_plan

    show_plan(find_workspace(workspace or context.obj), pipeline, until, settings or [])


@app.command()
def demo(
    tiny: Annotated[bool, typer.Option("--tiny", help="A few hundred images: a check that all is installed.")] = False,
    folder: Annotated[str, typer.Option("--out", metavar="DIR", help="Folder for corpus, workspace and report.")] = (
        "curate-demo"
    ),
    seed: Annotated[int, typer.Option(help="Seed of the generated corpus.")] = 0,
) -> None:
    """Run the whole road on a generated corpus whose truth is known; no download."""
    from curate.cli.demo import run_demo

    run_demo(Path(folder), tiny=tiny, seed=seed)


@app.command()
def sql(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="A DuckDB query over the tables.")],
    form: Annotated[str, typer.Option("--format", help="table, csv, json (one object per line) or parquet.")] = "table",
    workspace: WorkspaceOption = None,
) -> None:
    """Ask the tables; they can be read, not changed.

    Of the hierarchy, with a wnid or class_key: FROM descendants('n02084071'), FROM ancestors('n02084071'),
    FROM lca('n02084071', 'n02121620'), SELECT path('n02084071'). Of an image: FROM unknown_classes('IMAGE_ID').
    How labels are spread over classes: FROM long_tail.
    """
    from curate.cli.query import run_sql

    run_sql(find_workspace(workspace or context.obj), query, form)


@app.command()
def tables(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[TABLE]", help="Show this table's columns.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """List the tables with their rows, or the columns of one."""
    from curate.cli.query import show_tables

    show_tables(find_workspace(workspace or context.obj), name)


@app.command()
def why(
    context: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="image_id (or its beginning), key or url.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Say what became of an image and each of its labels, and why."""
    from curate.cli.query import show_why

    show_why(find_workspace(workspace or context.obj), image)


@app.command()
def diff(
    context: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Id of a manifest (or its beginning), or its folder.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The one to compare with it.")],
    labels: Annotated[bool, typer.Option("--labels", help="List each label that became something else.")] = False,
    form: Annotated[str, typer.Option("--format", help="table, csv or json (one object per line).")] = "table",
    workspace: WorkspaceOption = None,
) -> None:
    """Say how two manifests differ: parameters, inputs, classes, and what became of each label."""
    from curate.cli.manifests import show_diff

    show_diff(lambda: find_workspace(workspace or context.obj), old, new, labels, form)


@app.command()
def datasheet(
    context: typer.Context,
    manifest: Annotated[
        str | None, typer.Argument(metavar="[MANIFEST]", help="Its id or folder (default: the newest).")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="markdown or json.")] = "markdown",
    workspace: WorkspaceOption = None,
) -> None:
    """Say what a manifest holds, how precise its labels are and how one knows."""
    from curate.cli.manifests import show_datasheet

    show_datasheet(lambda: find_workspace(workspace or context.obj), manifest, form)


@app.command()
def train(
    manifest: Annotated[str, typer.Argument(metavar="MANIFEST", help="Folder that build-manifest wrote.")],
    recipe: Annotated[str, typer.Option(metavar="NAME|FILE", help="Training recipe.")] = "quickstart",
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder for checkpoints and metrics.")] = "checkpoint",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Override a value of the recipe.")
    ] = None,
    root: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE=DIR", help="Where a source lies now, if it has moved.")
    ] = None,
    where: Annotated[str | None, typer.Option(metavar="SQL", help="Train on rows of the manifest that match.")] = None,
) -> None:
    """Train a model on a manifest; continues where it was stopped."""
    from curate.cli.training import train_model

    train_model(Path(manifest), recipe, Path(out), settings or [], root or [], where)


@app.command()
def evaluate(
    context: typer.Context,
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="Folder that train wrote.")],
    on: Annotated[str, typer.Option(metavar="NAME", help="Eval set, see evalset add.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Measure a trained model on an eval set."""
    from curate.cli.training import evaluate_model

    evaluate_model(find_workspace(workspace or context.obj), Path(checkpoint), on)


evalset = typer.Typer(help="Register evaluation sets that training data must stay clear of.", no_args_is_help=True)
app.add_typer(evalset, name="evalset")


@evalset.command("add")
def evalset_add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name, as used by --against and --on.")],
    path: Annotated[
        str, typer.Argument(help="A published set as it is unpacked, a folder of class folders, tars, or an export.")
    ],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="auto, imagenet, voc, coco, cub, places365, cifar, webvision, export, folder, webdataset, table or "
            "hf-parquet.",
        ),
    ] = "auto",
    split: Annotated[str | None, typer.Option(help="Split, where the layout has several.")] = None,
    labels: Annotated[str | None, typer.Option(metavar="FILE", help="Table of true classes, joined by key.")] = None,
    columns: Annotated[
        list[str] | None, typer.Option(metavar="ROLE=COLUMN", help="Columns (of the labels, else of the list).")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Add an evaluation set, or read a changed one again."""
    from curate.cli.evalsets import add

    spec = {
        "name": name, "path": path, "format": form, "split": split, "labels": labels, "columns": columns or [],
    }  # fmt: skip
    add(find_workspace(workspace or context.obj, create=True), spec)


@evalset.command("list")
def evalset_list(context: typer.Context, workspace: WorkspaceOption = None) -> None:
    """List the evaluation sets."""
    from curate.cli.evalsets import show

    show(find_workspace(workspace or context.obj))


@evalset.command("remove")
def evalset_remove(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Forget an evaluation set; its files stay."""
    from curate.cli.evalsets import remove

    remove(find_workspace(workspace or context.obj), name)


@evalset.command("export")
def evalset_export(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name.")],
    out: Annotated[str, typer.Option(metavar="FILE", help="Parquet file to write.")],
    encoder: Annotated[
        str | None, typer.Option(help="Encoder of the descriptors, or how its name begins (default: the only one).")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write an evaluation set's hashes and descriptors, so that others can check against it without its images."""
    from curate.cli.evalsets import export

    export(find_workspace(workspace or context.obj), name, Path(out), encoder)


audit = typer.Typer(help="Have people judge samples of labels, and use their verdicts.", no_args_is_help=True)
app.add_typer(audit, name="audit")


@audit.command("sample")
def audit_sample(
    context: typer.Context,
    per_class: Annotated[int, typer.Option(min=1, help="Labels to draw per class.")] = 40,
    budget: Annotated[int | None, typer.Option(min=1, help="Labels to draw in all, spread evenly.")] = None,
    class_key: Annotated[list[str] | None, typer.Option("--class", help="Only these classes.")] = None,
    more: Annotated[bool, typer.Option("--more", help="Double the samples that are judged.")] = False,
    afresh: Annotated[bool, typer.Option("--afresh", help="New samples, as the labels have changed.")] = False,
    min_precision: Annotated[
        float | None, typer.Option(help="Ask what a manifest of this precision may keep, not about all labels.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Confidence of that manifest.")] = 0.95,
    final: Annotated[bool, typer.Option("--final", help="Tighter bounds, but no later sample counts.")] = False,
    uniform: Annotated[bool, typer.Option("--uniform", help="Draw without regard to p_correct.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    workspace: WorkspaceOption = None,
) -> None:
    """Draw labels to judge, with known probabilities."""
    from curate.cli.audits import draw
    from curate.stages.audits import SampleAudits

    params = SampleAudits(
        per_class=per_class, budget=budget, classes=tuple(class_key or ()), more=more, afresh=afresh,
        min_precision=min_precision, confidence=confidence, final=final, uniform=uniform, seed=seed,
    )  # fmt: skip
    draw(find_workspace(workspace or context.obj), params)


@audit.command("serve")
def audit_serve(
    context: typer.Context,
    auditor: Annotated[str | None, typer.Option(metavar="NAME", help="Who judges (default: your user name).")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 = any that is free.")] = 8765,
    second_share: Annotated[float, typer.Option(help="Share of the labels that two people judge.")] = 0.1,
    min_precision: Annotated[
        float | None, typer.Option(help="Precision to mark beside the intervals (default: the last manifest's).")
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show the drawn labels on a local page to be judged with the keyboard; each verdict is saved at once."""
    from curate.cli.audits import Serving, serve

    params = Serving(auditor, port, second_share, min_precision, open_browser)
    serve(find_workspace(workspace or context.obj), params)


@audit.command("status")
def audit_status(context: typer.Context, workspace: WorkspaceOption = None) -> None:
    """Say how far the audit of each class is, what it shows so far, and how far auditors agree."""
    from curate.cli.audits import status

    status(find_workspace(workspace or context.obj))


@audit.command("calibration")
def audit_calibration(
    context: typer.Context,
    plot: Annotated[str | None, typer.Option(metavar="FILE", help="SVG or PNG file to draw it in.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Say how far p_correct agrees with verdicts, by score, and how far it is off in all."""
    from curate.cli.audits import calibration

    calibration(find_workspace(workspace or context.obj), Path(plot) if plot else None)


@audit.command("export")
def audit_export(
    context: typer.Context,
    out: Annotated[str, typer.Argument(metavar="FILE", help="CSV or Parquet file to write.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Write the drawn labels that have no verdict yet, to be filled in."""
    from curate.cli.audits import export

    export(find_workspace(workspace or context.obj), Path(out))


@audit.command("import")
def audit_import(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV or Parquet with verdicts.")],
    auditor: Annotated[
        str | None, typer.Option(help="Who judged, where the file does not say (default: the file's name).")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Read verdicts; the same file may be read twice."""
    from curate.cli.audits import read

    read(find_workspace(workspace or context.obj), Path(file), auditor)


leaks = typer.Typer(help="Copies of evaluation images: list, judge and report them.", no_args_is_help=True)
app.add_typer(leaks, name="leaks")


@leaks.command("list")
def leaks_list(
    context: typer.Context,
    against: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this eval set.")] = None,
    eval_ids: Annotated[bool, typer.Option("--eval-ids", help="Only the leaked eval images, one a line.")] = False,
    form: Annotated[str, typer.Option("--format", help="table, csv or json (one object per line).")] = "table",
    workspace: WorkspaceOption = None,
) -> None:
    """List the corpus images that are copies of eval images."""
    from curate.cli.leaks import show

    show(find_workspace(workspace or context.obj), against, eval_ids, form)


@leaks.command("sample")
def leaks_sample(
    context: typer.Context,
    against: Annotated[str, typer.Option(metavar="NAME", help="Eval set.")],
    out: Annotated[str, typer.Option(metavar="FILE", help="CSV file to write.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Pairs to draw.")] = 350,
    pictures: Annotated[
        str | None, typer.Option(metavar="DIR", help="Also write pages that show the pairs side by side.")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Draw pairs to judge, at random, from the copies and from what nearly is one."""
    from curate.cli.leaks import sample

    folder = Path(pictures) if pictures else None
    sample(find_workspace(workspace or context.obj), against, n, Path(out), folder)


@leaks.command("import")
def leaks_import(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV with verdicts.")],
    reviewer: Annotated[
        str | None, typer.Option(help="Who judged, where the file does not say (default: the file's name).")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Read verdicts on pairs; the same file may be read twice."""
    from curate.cli.leaks import read

    read(find_workspace(workspace or context.obj), Path(file), reviewer)


@leaks.command("report")
def leaks_report(
    context: typer.Context,
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder for report.html, report.json and figures.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Write the decontamination report: what leaked, how sure that is, what the search misses, with pictures."""
    from curate.cli.leaks import report

    report(find_workspace(workspace or context.obj), Path(out))


def find_workspace(given: str | None, create: bool = False) -> Any:
    """The session of the named workspace, of CURATE_WORKSPACE, or of ./workspace."""
    from curate.api import open as open_workspace

    session = open_workspace(given or os.environ.get("CURATE_WORKSPACE") or "workspace", create=create)
    _opened[:] = [session]
    return session


def main() -> None:
    """Entry point: runs a command and turns errors into one line and an exit code."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command line.

    Returns:
        0 done, 1 a stated error, 2 wrong usage, 130 interrupted.
    """
    try:
        result = app(arguments, prog_name="curate", standalone_mode=False)
        if result == 130:  # Typer has turned Ctrl-C into this
            raise KeyboardInterrupt
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        said = explain(error, _opened)
        if said is None:
            raise
        message, code = said
        if message:
            typer.echo(f"curate: {' '.join(message.split())}", err=True)
        return code
