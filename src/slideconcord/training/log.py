"""Tables of a run's curves: rows are on disk once written; a resumed run writes none twice."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from slideconcord.annotations.exchange import atomic
from slideconcord.errors import OutputError

Value = float | int | None


class Log(Protocol):
    """A table with a row for some of the steps."""

    def write(self, step: int, values: Mapping[str, Value]) -> None:
        """Add a row; the file has it when this returns."""


class CsvLog:
    """A table as CSV, which a resumed run reads back.

    Parameters
    ----------
    path
        The CSV file; what is in it up to ``step`` is kept, the rest is dropped.
    columns
        Besides ``step``, which comes first.
    step
        How far the run had come whose file this is.
    """

    def __init__(self, path: Path, columns: Sequence[str], step: int) -> None:
        self._path, self._columns = path, ("step", *columns)
        self.kept = [row for row in read_log(path) if (row["step"] or 0) <= step]
        """The rows of the steps before."""
        with atomic(path) as partial:
            lines = [self._line(row) for row in self.kept]
            partial.write_text(",".join(self._columns) + "\n" + "".join(lines), encoding="utf-8")

    def write(self, step: int, values: Mapping[str, Value]) -> None:
        append(self._path, self._line({"step": step, **values}).encode())

    def _line(self, row: Mapping[str, Value]) -> str:
        text = io.StringIO()
        cells = ["" if row.get(name) is None else repr(row[name]) for name in self._columns]
        csv.writer(text, lineterminator="\n").writerow(cells)
        return text.getvalue()


def append(path: Path, data: bytes) -> None:
    """Add to the end of a file.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    try:
        with path.open("ab") as file:
            file.write(data)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}. Make room and run the same again to "
            "go on.",
            path,
        ) from error


def read_log(path: Path) -> list[dict[str, Value]]:
    """Return the rows of a log, in the order of their steps; none when there is no file.

    A last line that a crash cut short is left out.
    """
    if not path.is_file():
        return []
    whole = path.read_text(encoding="utf-8")
    whole = whole[: whole.rfind("\n") + 1]
    return [
        {name: None if cell == "" else _number(cell) for name, cell in row.items()}
        for row in csv.DictReader(io.StringIO(whole))
    ]


def _number(cell: str) -> Value:
    return int(cell) if cell.lstrip("-").isdigit() else float(cell)
