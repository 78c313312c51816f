"""What --help says, how quickly, and that the README says the same."""

import subprocess
import time
from dataclasses import fields, is_dataclass
from typing import get_args, get_type_hints

import pytest

from curate.api import stage_named
from curate.cli.docs import command_lines, renewed
from curate.cli.main import STAGE_COMMANDS
from curate.schema import table_schemas
from curate.stages.catalog import STAGES
from tests.cli.shared import COMMAND, PYTHON, ROOT, Commands, environment

# Stages that are other commands, as they add one set, or work without a workspace.
OTHERWISE = {"add-evalset", "train", "evaluate"}


def test_a_stage_has_one_description():
    assert {stage.name: stage.doc for stage in STAGES if stage.name not in OTHERWISE} == STAGE_COMMANDS


@pytest.mark.parametrize("name", [name for name, _ in command_lines()])
def test_every_command_explains_itself(cli: Commands, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "200")
    shown = cli(*name.split(), "--help")
    assert f"Usage: curate {name}" in shown
    # Typer reads [square brackets] as markup and swallows them, which would leave an empty default.
    assert "(default: )" not in shown and "default:  " not in shown
    if name != "init":
        assert dict(command_lines())[name] in shown


def parameters(params: type) -> set[str]:
    """Names of a stage's parameters, those of its sources included."""
    found = set()
    for field in fields(params):
        item = (get_args(get_type_hints(params)[field.name]) or (None,))[0]
        found |= parameters(item) - {"path", "name"} if is_dataclass(item) else {field.name}
    return found


@pytest.mark.parametrize("name", STAGE_COMMANDS)
def test_every_parameter_is_an_option_of_the_same_name(cli: Commands, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "200")
    shown = cli(name, "--help")
    for parameter in parameters(stage_named(name).params):
        assert f"--{parameter.replace('_', '-')} " in shown


def test_help_is_quick():
    """0.15 s on a quiet machine; DuckDB, Arrow or torch alone would take more than all of it."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run((*COMMAND, "--help"), env=environment(), check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.5 + 1.0  # a second for busy machines


@pytest.mark.parametrize("command", ["--help", "sql --help", "evalset add --help", "frobnicate"])
def test_help_imports_nothing_heavy(command):
    code = f"import sys; from curate.cli.main import run_command; run_command({command.split()}); print(*sys.modules)"
    done = subprocess.run((*PYTHON, "-c", code), env=environment(), check=True, capture_output=True, text=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "curate.cli.main" in loaded
    assert loaded & {"duckdb", "pyarrow", "torch", "numpy", "faiss", "sklearn", "scipy", "PIL", "nltk", "yaml"} == set()


def test_no_command_is_help(cli: Commands):
    for group in ("evalset", "audit"):
        code, out, err = cli.try_(group)
        assert (code, err) == (2, "") and "Commands" in out


def test_the_readme_is_up_to_date():
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("there is no README.md yet")
    text = readme.read_text(encoding="utf-8")
    assert renewed(text) == text, "run: python -m curate.cli.docs README.md"
    for name, _ in command_lines():
        assert f"| `curate {name}` |" in text
    for name in table_schemas():
        assert f"| `{name}` |" in text


def test_only_the_generated_sections_are_renewed():
    text = renewed(
        "a\n<!-- tables: begin -->\nStale\n<!-- tables: end -->\nb\n<!-- commands: begin -->\n<!-- commands: end -->\n"
    )
    assert text.startswith("a\n<!-- tables: begin -->\n| table |") and "\nb\n" in text and "Stale" not in text
    assert renewed(text) == text and "| `curate audit import` |" in text
