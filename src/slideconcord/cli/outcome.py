"""How a command ends: its exit status and its one line on stderr."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from slideconcord.errors import SlideconcordError

DONE, SOME_FAILED, BAD_INPUT, STOPPED = 0, 1, 2, 130

debugging: ContextVar[bool] = ContextVar("debugging", default=False)
"""Whether the user asked for tracebacks with ``--debug``."""


class StoppedError(Exception):
    """Ctrl-C, with a line that says how to go on."""


def line_of(error: BaseException) -> str:
    """Return what, where and what to do in one line."""
    if isinstance(error, OSError) and not isinstance(error, SlideconcordError):
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"{where}{error.strerror or error}. Check the path, its permissions and free space."
    if isinstance(error, MemoryError):
        return "not enough memory. Close other programs, or give a smaller --box or --batch."
    return " ".join(str(error).split())


def complain(error: BaseException, about: Path | None = None) -> str:
    """Print one line on stderr (after a traceback when debugging) and return it."""
    line = line_of(error)
    if about is not None and about.name not in line:
        line = f"{about}: {line}"
    if debugging.get():
        traceback.print_exception(error)
    print(f"slideconcord: {line}", file=sys.stderr)
    return line


@dataclass(slots=True)
class Inputs:
    """Several inputs of one command: a bad one is named and the others go on."""

    total: int
    failed: list[dict[str, str]] = field(default_factory=list)

    @contextmanager
    def guard(self, path: Path) -> Iterator[None]:
        """Note the failure of one input instead of ending the command."""
        try:
            yield
        except (SlideconcordError, OSError, MemoryError) as error:
            self.failed.append({"input": str(path), "error": complain(error, path)})

    @property
    def status(self) -> int:
        if not self.failed:
            return DONE
        return BAD_INPUT if len(self.failed) == self.total else SOME_FAILED
