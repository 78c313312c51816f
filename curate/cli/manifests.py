"""diff and datasheet: what is known about manifests."""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import typer

from curate.api import Session, one_line
from curate.cli.query import FORMATS
from curate.cli.show import print_relation, print_table, results
from curate.errors import FormatError, MissingInputError, ParameterError
from curate.stages.manifest_diff import Side, changed_labels, compare, differences, folder_side, stored_side

_TITLES = {
    "parameter": ("parameters that differ", ("item", "old", "new")),
    "input": ("inputs that differ, by digest", ("item", "old", "new")),
    "rule": ("direct labels, by what became of them", ("old", "new", "n_labels")),
    "class": (
        "classes that differ",
        ("item", "name", "old", "new", "n_old", "n_dropped", "n_same", "n_added", "n_new"),
    ),
    "threshold": ("thresholds that differ", ("item", "name", "old", "new")),
}
_SHEETS = {"markdown": "DATASHEET.md", "json": "datasheet.json"}


def show_diff(find: Callable[[], Session], old: str, new: str, labels: bool, form: str) -> None:
    """Print how two manifests differ.

    Args:
        find: Opens the workspace; not called where both are folders.
        old: Id of a manifest, or how it begins, or a folder.
        new: Likewise.
        labels: Each label that became something else, in place of counts.
        form: table, csv or json.

    Raises:
        ParameterError: Unknown format.
        MissingInputError: There is no such manifest.
        FormatError: A folder's files cannot be read.
    """
    if form not in FORMATS[:3]:
        raise ParameterError(f"unknown format '{form}'", fix=f"Known: {', '.join(FORMATS[:3])}.")
    folders = [_is_folder(name) for name in (old, new)]
    session = None if all(folders) else find()
    with TemporaryDirectory() as spill:  # what does not fit into memory goes there, not into the current folder
        con = session.connect() if session else duckdb.connect(config={"temp_directory": spill})
        with con:
            sides = [_side(con, session, name) for name in (old, new)]
            try:
                compare(con, *sides)
                if labels:
                    print_relation(changed_labels(con), form)
                elif form == "table":
                    _print_parts(differences(con), *sides)
                else:
                    print_relation(differences(con), form)
            except duckdb.IOException as error:
                if session:
                    raise
                raise FormatError(one_line(error)) from error


def show_datasheet(find: Callable[[], Session], manifest: str | None, form: str) -> None:
    """Print the datasheet of a manifest.

    Args:
        find: Opens the workspace; not called for a folder.
        manifest: Id, or how it begins, or a folder; None = the newest.
        form: markdown or json.

    Raises:
        ParameterError: Unknown format.
        MissingInputError: There is no such manifest.
    """
    if form not in _SHEETS:
        raise ParameterError(f"unknown format '{form}'", fix=f"Known: {', '.join(_SHEETS)}.")
    if manifest and _is_folder(manifest):
        file = Path(manifest) / _SHEETS[form]
        if not file.is_file():
            fix = "Give the folder that build-manifest --out wrote, or the id of a manifest."
            raise MissingInputError(f"no datasheet in '{manifest}': {file.name} is missing", fix=fix)
        sys.stdout.write(file.read_text(encoding="utf-8"))
        return
    from curate.stages.datasheet_text import render
    from curate.stages.manifest_folder import to_json

    session = find()
    facts = session.datasheet(manifest)
    sys.stdout.write(render(facts) if form == "markdown" else to_json(facts))


def _is_folder(name: str) -> bool:
    return "/" in name or Path(name).is_dir()


def _side(con: duckdb.DuckDBPyConnection, session: Session | None, name: str) -> Side:
    if session is None or _is_folder(name):
        return folder_side(Path(name))
    return stored_side(con, session.find_manifest(name))


def _print_parts(found: duckdb.DuckDBPyRelation, old: Side, new: Side) -> None:
    rows = found.to_arrow_table().to_pylist()
    typer.echo(f"old {old.manifest_id}, new {new.manifest_id}")
    results.print()
    counts = ("n_old", "n_dropped", "n_same", "n_added", "n_new")
    summary = [(row["item"], *(row[name] for name in counts)) for row in rows if row["part"] == "summary"]
    print_table(("", "old", "dropped", "in both", "added", "new"), summary)
    for part, (title, columns) in _TITLES.items():
        listed = [[row[name] for name in columns] for row in rows if row["part"] == part]
        if listed:
            results.print()
            print_table([name.removeprefix("n_") for name in columns], listed, title)
