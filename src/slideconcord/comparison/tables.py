"""Rows of plain values, and the files they go into."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slideconcord.annotations.exchange import atomic

Rgb = tuple[int, int, int]
_FULL: Rgb = (49, 104, 142)
_BLACK: Rgb = (0, 0, 0)
_WHITE: Rgb = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows; NaN is an undefined value."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]], columns: Sequence[str] = ()) -> Table:
        """Return records as rows; columns are those of the first record unless given."""
        all_records = list(records)
        names = tuple(columns) or tuple(all_records[0] if all_records else ())
        return cls(names, tuple(tuple(each[name] for name in names) for each in all_records))

    def records(self) -> list[dict[str, Any]]:
        """Return one mapping per row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def column(self, name: str) -> list[Any]:
        """Return the values of one column."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the rows as CSV, UTF-8; an undefined value is an empty cell.

        Raises
        ------
        OutputError
            When the place cannot be written.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([["" if _is_nan(v) else v for v in row] for row in self.rows])
        _write(path, text.getvalue())

    def write_json(self, path: str | os.PathLike[str]) -> None:
        """Write a list of one object per row; an undefined value is null.

        Raises
        ------
        OutputError
            When the place cannot be written.
        """
        write_json(self.records(), path)


def shade(value: float) -> tuple[Rgb, Rgb]:
    """Return the ground and the ink of a cell of a matrix, white at 0 and dark blue at 1.

    Both always differ by a contrast of 4.5 or more, so that anyone can read the number.
    """
    share = min(max(value, 0.0), 1.0) ** 3
    red, green, blue = (round(255 - share * (255 - full)) for full in _FULL)
    return (red, green, blue), _WHITE if share > 0.884 else _BLACK


def write_json(value: Any, path: str | os.PathLike[str]) -> None:
    """Write JSON whole or not at all; NaN becomes null.

    Raises
    ------
    OutputError
        When the place cannot be written.
    """
    _write(path, json.dumps(without_nan(value), indent=2, allow_nan=False, default=str) + "\n")


def without_nan(value: Any) -> Any:
    """Return the same value with None for NaN, which JSON does not know."""
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if _is_nan(value) else value


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _write(path: str | os.PathLike[str], text: str) -> None:
    with atomic(Path(path)) as partial:
        partial.write_text(text, encoding="utf-8", newline="")
