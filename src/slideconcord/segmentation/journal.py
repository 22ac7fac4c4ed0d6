"""The record of which tiles are done; what it does not say did not happen."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

NativeTile = tuple[int, int, int]


class Journal:
    """One JSON object a line, each on disk before the call returns.

    A line cut short by a crash is dropped when the journal is opened again.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.done: list[int] = []
        """Tiles in the order they were finished."""
        self.damaged: set[NativeTile] = set()
        """Native tiles (level, row, column) of the slide that could not be decoded."""
        self.levels_hold = 0
        """How many of the done tiles the coarser levels of the map hold for certain."""
        self.key: str | None = None
        kept = self._read(path)
        self._file = path.open("ab")
        self._file.truncate(kept)
        if self.key is None:
            self._append({"key": key})
            self.key = key

    def tile(self, index: int, damaged: Iterable[NativeTile] = ()) -> None:
        """Record that a tile is safe, and what of the slide was found damaged on the way."""
        new = sorted(set(damaged) - self.damaged)
        self._append({"tile": index, **({"damaged": new} if new else {})})
        self.done.append(index)
        self.damaged.update(new)

    def levels(self) -> None:
        """Record that the coarser levels hold every tile done so far."""
        if self.levels_hold < len(self.done):
            self.levels_hold = len(self.done)
            self._append({"levels": self.levels_hold})

    def close(self) -> None:
        self._file.close()

    def _append(self, entry: dict[str, Any]) -> None:
        self._file.write(json.dumps(entry).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self, path: Path) -> int:
        """Take in what is there; return how many bytes of it are whole lines."""
        kept = 0
        for line in path.read_bytes().splitlines(keepends=True) if path.is_file() else []:
            try:
                entry = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n") or not isinstance(entry, dict):
                break
            self._take(entry)
            kept += len(line)
        return kept

    def _take(self, entry: dict[str, Any]) -> None:
        self.key = entry.get("key", self.key)
        if "tile" in entry:
            self.done.append(entry["tile"])
            for level, row, column in entry.get("damaged", []):
                self.damaged.add((level, row, column))
        self.levels_hold = entry.get("levels", self.levels_hold)
