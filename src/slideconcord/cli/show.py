"""What a command prints: tables for people, JSON for programs, progress for a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

# Wide enough that nothing is cut or folded where a file or a pipe takes the text.
_PIPE_WIDTH = 400
Result = TypeVar("Result")


def _console() -> Console:
    return Console(
        width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False, markup=False
    )


def _print(renderable: RenderableType) -> None:
    console = _console()
    with console.capture() as captured:
        console.print(renderable)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def as_json(value: Any) -> None:
    """Print the one JSON value of a command; non-ASCII is escaped, so that any pipe carries it."""
    print(json.dumps(value, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    return value.item() if hasattr(value, "item") else str(value)


def text(line: str) -> None:
    """Print one line for a person."""
    print(line)


def facts(values: Mapping[str, Any]) -> None:
    """Print names and values in two columns; an empty value is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in values.items():
        if value not in (None, "", (), [], {}):
            grid.add_row(Text(name.replace("_", " ")), Text(_readable(value)))
    _print(grid)


def _readable(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_readable(v)}" for name, v in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        separator = "\n" if value and isinstance(value[0], Mapping) else ", "
        return separator.join(map(_readable, value))
    return str(value)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under column names."""
    grid = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    _print(grid)


class Advance(Protocol):
    """Tell a progress bar how many of how many pieces are done."""

    def __call__(self, done: int, total: int) -> None: ...


@contextmanager
def progress(label: str) -> Iterator[Advance]:
    """Show a bar on stderr while a terminal is there to see it."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance


class Step(Protocol):
    """A finished piece of long work."""

    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...


def finish(label: str, steps: Generator[Step, None, Result]) -> Result:
    """Go through long work with a bar; return its result."""
    with progress(label) as advance:
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            advance(step.done, step.total)
