"""One command per stage, built from the stage's parameters."""

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer

from curate.api import Session, stage_named
from curate.cli.main import WorkersOption, WorkspaceOption, find_workspace
from curate.cli.show import notes, outcome_line, watch
from curate.errors import UsageError
from curate.stage import QueryStage, Stage


def stage_app(name: str, inherited: str | None) -> typer.Typer:
    """The command of a stage as an application of its own: an option per parameter, and what all stages have.

    Args:
        name: Name of the stage.
        inherited: Workspace that was named before the command.
    """
    stage = stage_named(name)
    options, build = _parameter_options(stage)
    if name == "build-manifest":
        help_out = "Folder for the manifest (default: manifests/ID in the workspace)."
        options.append(_argument("out", str | None, typer.Option(metavar="DIR", help=help_out)))
    shared = {"workers": WorkersOption, "workspace": WorkspaceOption}
    if isinstance(stage, QueryStage):
        del shared["workers"]  # it has no parts
    options += [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, annotation=a, default=None) for n, a in shared.items()
    ]

    def command(**given: Any) -> None:
        workspace, workers, out = given.pop("workspace"), given.pop("workers", None), given.pop("out", None)
        session = find_workspace(workspace or inherited, create=name == "ingest")
        run_stage(session, name, build(given), workers, out)

    # Typer reads a function's signature; this one is known only now.
    command.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    command.__annotations__ = {option.name: option.annotation for option in options}
    app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
    app.command(help=stage.doc)(command)
    return app


def run_stage(session: Session, name: str, params: dict[str, Any], workers: int | None, out: str | None = None) -> None:
    """Run one stage and print what became of it; a manifest is also written as a folder of its own."""
    outcome = session.run(name, watch=watch, n_workers=workers, **params)
    notes.print(outcome_line(outcome))
    if name == "build-manifest":
        from curate.cli.pipeline import export_manifest

        typer.echo(export_manifest(session, out))


def _parameter_options(stage: Stage) -> tuple[list[inspect.Parameter], Callable[[dict[str, Any]], dict[str, Any]]]:
    hints = typing.get_type_hints(stage.params)
    options: list[inspect.Parameter] = []
    build: Callable[[dict[str, Any]], dict[str, Any]] = _given
    for f in fields(stage.params):
        item = get_args(hints[f.name])[0] if get_origin(hints[f.name]) is tuple else hints[f.name]
        if is_dataclass(item):
            options += _source_options(item)
            build = _with_sources(f.name)
        else:
            options.append(_option(f, hints[f.name]))
    return options, build


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """The options that were given; the others keep the stage's defaults."""
    return {name: value for name, value in values.items() if value is not None and value != []}


def _with_sources(parameter: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Turns SOURCE arguments and the options that go with them into one entry per source."""

    def build(values: dict[str, Any]) -> dict[str, Any]:
        given = _given(values)
        own = {name[8:]: given.pop(name) for name in list(given) if name.startswith("source__")}
        paths = own.pop("path")
        if own.get("name") and len(paths) > 1:
            raise UsageError("--source-name goes with one SOURCE")
        return {parameter: [{"path": path, **own} for path in paths], **given}

    return build


def _source_options(spec: Any) -> list[inspect.Parameter]:
    hints = typing.get_type_hints(spec)
    shown = typer.Argument(metavar="SOURCE", help=spec.__dataclass_fields__["path"].metadata["help"])
    options = [_argument("source__path", list[str], shown, default=inspect.Parameter.empty)]
    for f in fields(spec):
        if f.name != "path":
            flag = "--source-name" if f.name == "name" else f"--{f.name.replace('_', '-')}"
            options.append(_option(f, hints[f.name], f"source__{f.name}", flag))
    return options


def _option(f: Field[Any], hint: Any, name: str = "", *flags: str) -> inspect.Parameter:
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(a for a in get_args(hint) if a is not type(None))
    required = f.default is MISSING and f.default_factory is MISSING
    default = None if f.default is MISSING else f.default
    shown = "" if default in (None, (), False) else ", ".join(default) if isinstance(default, tuple) else str(default)
    choices = [str(a) for a in get_args(hint)] if get_origin(hint) is Literal else []
    metavar = "|".join(choices) if choices else "FILE" if f.metadata.get("file") else None
    kind = list[get_args(hint)[0]] if get_origin(hint) is tuple else str if choices else hint  # type: ignore[misc]
    info = typer.Option(*flags, metavar=metavar, help=_help(f, shown), show_default=False)
    return _argument(
        name or f.name, kind if required else kind | None, info, inspect.Parameter.empty if required else None
    )


def _help(f: Field[Any], default: str) -> str:
    text = str(f.metadata.get("help", "")).rstrip(".")
    return f"{text} (default: {default})." if default else f"{text}."


def _argument(name: str, kind: Any, info: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[kind, info], default=default)
