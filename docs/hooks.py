"""Fill in what the code says of itself while the site is built: commands and changes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer

from slideconcord.annotations import FORMATS
from slideconcord.cli.app import app
from slideconcord.comparison.metrics import METRICS

ROOT = Path(__file__).resolve().parents[1]
_MARKUP = re.compile(r"<[^>]+>")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the markers that stand for generated text."""
    if "<!-- commands -->" in markdown:
        markdown = markdown.replace("<!-- commands -->", "\n".join(command_pages()))
    if "<!-- annotation formats -->" in markdown:
        markdown = markdown.replace("<!-- annotation formats -->", "\n".join(format_rows()))
    if "<!-- metrics -->" in markdown:
        markdown = markdown.replace("<!-- metrics -->", "\n".join(metric_rows()))
    if "<!-- changes -->" in markdown:
        changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        markdown = markdown.replace("<!-- changes -->", changes.split("\n", 1)[1])
    return markdown


def format_rows() -> list[str]:
    """Return a table of the annotation formats."""
    rows = [
        f"| `{name}` | {f.description} | {', '.join(f'`{end}`' for end in f.suffixes)} |"
        for name, f in FORMATS.items()
    ]
    return ["| name | what | endings |", "|---|---|---|", *rows]


def metric_rows() -> list[str]:
    """Return a table of the statistics of a comparison."""
    rows = [
        f"| `{name}` | {m.symbol} | {m.label} | {m.source} | {m.undefined} |"
        for name, m in METRICS.items()
    ]
    head = ["| name | symbol | what | paper | undefined when |", "|---|---|---|---|---|"]
    return [*head, *rows]


def command_pages() -> list[str]:
    """Return one section per command, from what the command itself declares."""
    lines: list[str] = []
    group = typer.main.get_command(app)
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        subcommands = inner.items() if inner else [("", command)]
        for subname, subcommand in subcommands:
            lines += section(f"{name} {subname}".strip(), subcommand)
    return lines


def section(name: str, command: Any) -> list[str]:
    context = command.make_context(name, [], resilient_parsing=True)
    usage = re.sub("[{}]", "", " ".join(command.collect_usage_pieces(context)))
    lines = [f"## {name}", "", (command.help or "").strip(), ""]
    lines += [f"    slideconcord {name} {usage}", "", "| option | what it does |", "|---|---|"]
    for parameter in command.params:
        if parameter.name == "help" or getattr(parameter, "hidden", False):
            continue
        names = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
        if parameter.param_type_name == "argument":
            names = f"`{parameter.metavar or parameter.name.upper()}`"
        about = _MARKUP.sub("", parameter.help or "").replace("|", "\\|")
        lines.append(f"| {names} | {about}{_default(parameter)} |")
    return [*lines, ""]


def _default(parameter: Any) -> str:
    value = parameter.default
    if parameter.required:
        return " (needed)"
    if value in (None, False, ()) or callable(value):
        return ""
    return f" Default: {value}."
