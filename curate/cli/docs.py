"""The generated parts of the README. `python -m curate.cli.docs README.md` renews them."""

import re
import sys
from pathlib import Path

import typer

from curate.cli.main import STAGE_COMMANDS, app
from curate.plan import produces
from curate.schema import table_schemas
from curate.stages.catalog import STAGES


def command_lines() -> list[tuple[str, str]]:
    """Every command as typed, with its line of help."""
    root = typer.main.get_command(app)
    found = []
    for name, command in sorted(root.commands.items(), key=lambda item: item[0]):  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            found += [(f"{name} {sub}", c.get_short_help_str(200)) for sub, c in command.commands.items()]
        else:
            found.append((name, STAGE_COMMANDS.get(name) or command.get_short_help_str(200)))
    return found


def commands_section() -> str:
    """The commands as a Markdown table."""
    rows = [f"| `curate {name}` | {doc} |" for name, doc in command_lines()]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def tables_section() -> str:
    """The tables as a Markdown table, each with the stage that writes it and its key."""
    producers = {table: stage.name for stage in STAGES for table in produces(stage)}
    people = {"audits": "audit serve, audit import", "audit_frames": "audit sample", "audit_samples": "audit sample",
              "duplicate_reviews": "leaks import", "tombstones": "-"}  # fmt: skip
    rows = []
    for schema in table_schemas().values():
        producer = "a view" if schema.view_sql else producers.get(schema.name) or people[schema.name]
        rows.append(f"| `{schema.name}` | {producer} | {', '.join(schema.key)} | {schema.comment} |")
    return "\n".join(["| table | written by | key | what a row is |", "|---|---|---|---|", *rows])


def renewed(text: str) -> str:
    """A README with its generated sections as they should be."""
    for name, section in (("commands", commands_section()), ("tables", tables_section())):
        pattern = rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)"
        found = re.search(pattern, text, flags=re.DOTALL)
        if found:
            text = f"{text[: found.start()]}{found[1]}{section}\n{found[2]}{text[found.end() :]}"
    return text


if __name__ == "__main__":
    readme = Path(sys.argv[1])
    readme.write_text(renewed(readme.read_text(encoding="utf-8")), encoding="utf-8")
