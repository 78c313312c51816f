"""One command per stage, built from the stage's parameters."""

import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin

import click
import typer

from curate.api import Session, stage_named
from curate.cli.main import find_workspace
from curate.cli.show import notes, outcome_line, watch


def stage_command(name: str) -> click.Command:
    """The command of a stage: an option per parameter, and what all stages have."""
    stage = stage_named(name)
    hints = typing.get_type_hints(stage.params)
    options: list[click.Parameter] = []
    build = _plain
    for f in fields(stage.params):
        item = _item_type(hints[f.name])
        if is_dataclass(item):
            options += _source_options(item)
            build = _with_sources(f.name)
        else:
            options.append(_option(f, hints[f.name]))
    if name == "build-manifest":
        options.append(click.Option(["--out"], metavar="DIR", help="Folder for the manifest [WORKSPACE/manifests/ID]."))
    options += [
        click.Option(["--workers"], type=click.IntRange(min=1), help="Parts that run at once [one per processor]."),
        click.Option(
            ["-w", "--workspace"], metavar="DIR", help="Workspace folder [CURATE_WORKSPACE, else ./workspace]."
        ),
    ]

    @click.pass_context
    def callback(context: click.Context, /, workspace: str | None, workers: int | None, **given: Any) -> None:
        out = given.pop("out", None)
        session = find_workspace(context, workspace, create=name == "ingest")
        run_stage(session, name, build(given), workers, out)

    settings = {"help_option_names": ["-h", "--help"]}
    return typer.core.TyperCommand(
        name, callback=callback, params=options, help=stage.doc, context_settings=settings, rich_markup_mode=None
    )


def run_stage(session: Session, name: str, params: dict[str, Any], workers: int | None, out: str | None = None) -> None:
    """Run one stage and print what became of it."""
    outcome = session.run(name, watch=watch, n_workers=workers, **params)
    notes.print(outcome_line(outcome))
    finish(session, name, out)


def finish(session: Session, stage: str, out: str | None = None) -> None:
    """What a person wants to see, or have as a file, once a stage has ended."""
    if stage == "build-manifest":
        from curate.cli.pipeline import export_manifest

        typer.echo(export_manifest(session, out))


def _plain(given: dict[str, Any]) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in given.items() if v is not None and v != ()}


def _with_sources(parameter: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Turns SOURCE arguments and the options that go with them into one entry per source."""

    def build(given: dict[str, Any]) -> dict[str, Any]:
        own = {name[8:]: value for name, value in given.items() if name.startswith("source__") and value is not None}
        paths = own.pop("path")
        rest = _plain({name: value for name, value in given.items() if not name.startswith("source__")})
        if own.get("name") and len(paths) > 1:
            raise click.UsageError("--source-name goes with one SOURCE")
        return {parameter: [{"path": path, **own} for path in paths], **rest}

    return build


def _source_options(spec: Any) -> list[click.Parameter]:
    hints = typing.get_type_hints(spec)
    options: list[click.Parameter] = [click.Argument(["source__path"], metavar="SOURCE...", nargs=-1, required=True)]
    for f in fields(spec):
        if f.name != "path":
            flag = "--source-name" if f.name == "name" else _flag(f.name)
            options.append(_option(f, hints[f.name], [f"source__{f.name}", flag]))
    return options


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _item_type(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is tuple else hint


def _option(f: Field[Any], hint: Any, declared: list[str] | None = None) -> click.Option:
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(a for a in get_args(hint) if a is not type(None))
    item = _item_type(hint)
    default = None if f.default is MISSING else f.default
    shown = (
        "" if default in (None, (), False) else f" [{', '.join(default) if isinstance(default, tuple) else default}]"
    )
    if hint is bool:
        flags = [f"{_flag(f.name)}/--no-{f.name.replace('_', '-')}" if default else _flag(f.name)]
        return click.Option([*(declared or flags)], is_flag=True, default=None, help=f.metadata.get("help", "") + shown)
    return click.Option(
        declared or [_flag(f.name)],
        type=click.Choice([str(a) for a in get_args(item)]) if get_origin(item) is Literal else item,
        multiple=get_origin(hint) is tuple,
        required=f.default is MISSING and f.default_factory is MISSING,
        default=None,
        metavar="FILE" if f.metadata.get("file") else None,
        help=f.metadata.get("help", "") + shown,
    )
