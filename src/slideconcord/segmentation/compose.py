"""Finished tiles in, a growing map out: what is written when, so that a crash costs little.

A chunk of the map is a pure function of the uint8 tiles that touch it. It is written when the
last of them is done. Until then the parts that a tile contributes to unfinished chunks are kept
beside the map (the *spool*), and the chunk may be shown with the tiles there are. Tiles that are
skipped take no part: where they overlap others, the others alone count, and elsewhere the map is 0.

Order for one tile: chunks it completes, its spool, then its line in the journal. A crash before
the line costs that tile; whatever it wrote already is written again, the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.geometry import Box
from slideconcord.segmentation.blend import Blend
from slideconcord.segmentation.chunks import Bytes, ChunkedArray
from slideconcord.segmentation.journal import Journal, NativeTile
from slideconcord.segmentation.pyramid import CoarserLevels
from slideconcord.segmentation.tiles import TileGrid

Chunk = tuple[int, int]
"""(chunk row, chunk column) of the finest level."""


class Spool:
    """Parts of finished tiles that unfinished chunks still need: one file a tile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)
        for cut_short in folder.glob("*.partial"):
            cut_short.unlink()

    def write(self, index: int, parts: Mapping[Chunk, Bytes]) -> None:
        """Keep a tile's parts, safely on disk before the call returns."""
        path = self._path(index)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            named: dict[str, Any] = {_key(chunk): part for chunk, part in parts.items()}
            np.savez(file, **named)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def open(self, index: int) -> Any:
        """Return a context manager that gives parts by `_key`."""
        return np.load(self._path(index), allow_pickle=False)

    def drop(self, index: int) -> None:
        self._path(index).unlink(missing_ok=True)

    def _path(self, index: int) -> Path:
        return self._folder / f"{index}.npz"


class Composer:
    """Writes the map of one run. Belongs to one thread."""

    def __init__(
        self,
        arrays: list[ChunkedArray],
        grid: TileGrid,
        folder: Path,
        journal: Journal,
        writers: int = 1,
        *,
        skipped: Iterable[int] = (),
    ) -> None:
        self._fine = arrays[0]
        self._levels = CoarserLevels(arrays)
        self._grid = grid
        self._blend = Blend(grid)
        self._spool = Spool(folder / "spool")
        self._journal = journal
        self._done = set(journal.done)
        self._skipped = frozenset(skipped)
        self._pixels = arrays[0].chunk_px
        self._writers = writers
        self._pool = ThreadPoolExecutor(writers, thread_name_prefix="slideconcord-write")
        self._waiting = self._count_waiting()
        self._unshown: set[Chunk] = set()
        self._restore()

    def add(self, index: int, tile: Bytes, damaged: Iterable[NativeTile] = ()) -> None:
        """Take in a finished tile (class, y, x); when this returns a crash cannot lose it."""
        box = self._grid.box(index)
        parts: dict[Chunk, Bytes] = {}
        whole: dict[Chunk, dict[int, Bytes]] = {}
        with ExitStack() as opened:
            files: dict[int, Any] = {}
            for chunk in self._chunks(box):
                part = self._cut(tile, box, chunk)
                if self._waiting[chunk] > 1:
                    parts[chunk] = part
                else:
                    whole[chunk] = {index: part, **self._others(chunk, files, opened)}
        self._write(whole)
        if parts:
            self._spool.write(index, parts)
        self._journal.tile(index, damaged)
        self._settle(index, box)
        self._unshown.update(parts)

    def show(self) -> None:
        """Write what can be seen so far: unfinished chunks, and the coarser levels."""
        with ExitStack() as opened:
            files: dict[int, Any] = {}
            parts = {chunk: self._others(chunk, files, opened) for chunk in sorted(self._unshown)}
        self._write(parts)
        self._levels.flush()
        self._journal.levels()

    def close(self) -> None:
        self._pool.shutdown()

    def _settle(self, index: int, box: Box) -> None:
        """Count a tile as done, and drop the spools that nothing waits for any more."""
        self._done.add(index)
        self._waiting[self._range(box)] -= 1
        for neighbour in self._grid.touching(self._chunk_box(box)):
            if neighbour in self._done and not self._waiting[self._range_of(neighbour)].any():
                self._spool.drop(neighbour)

    def _restore(self) -> None:
        """Bring the coarser levels and what is shown up to what the journal says is done."""
        for index in self._journal.done:
            if not self._waiting[self._range_of(index)].any():
                self._spool.drop(index)
        for index in self._journal.done[self._journal.levels_hold :]:
            for chunk in self._chunks(self._grid.box(index)):
                if self._waiting[chunk]:
                    self._unshown.add(chunk)
                else:
                    self._levels.push(0, *chunk, self._fine.read(*chunk))

    def _write(self, parts: Mapping[Chunk, Mapping[int, Bytes]]) -> None:
        """Blend and write chunks, several at a time, each by one thread."""

        def write(chunk: Chunk) -> Bytes:
            block = self._blend(self._box_of(chunk), parts[chunk])
            self._fine.write(*chunk, block)
            return block

        each = map if self._writers == 1 else self._pool.map
        for chunk, block in zip(parts, each(write, parts), strict=True):
            self._levels.push(0, *chunk, block)
            self._unshown.discard(chunk)

    def _others(self, chunk: Chunk, files: dict[int, Any], opened: ExitStack) -> dict[int, Bytes]:
        """Return the spooled parts of a chunk; ``files`` holds the spools opened so far."""
        found = {}
        for index in self._grid.touching(self._box_of(chunk)):
            if index in self._done:
                if index not in files:
                    files[index] = opened.enter_context(self._spool.open(index))
                found[index] = files[index][_key(chunk)]
        return found

    def _cut(self, tile: Bytes, box: Box, chunk: Chunk) -> Bytes:
        inside = box.intersect(self._box_of(chunk)).shift(-box.y, -box.x)
        return tile[:, *inside.slices]

    def _count_waiting(self) -> NDArray[np.int32]:
        """Return how many unfinished tiles touch each chunk."""
        waiting = np.zeros(self._fine.chunk_shape, np.int32)
        for index in range(len(self._grid)):
            if index not in self._done and index not in self._skipped:
                waiting[self._range_of(index)] += 1
        return waiting

    def _box_of(self, chunk: Chunk) -> Box:
        whole = Box(chunk[0] * self._pixels, chunk[1] * self._pixels, self._pixels, self._pixels)
        return whole.intersect(Box(0, 0, *self._grid.shape))

    def _range(self, box: Box) -> tuple[slice, slice]:
        pixels = self._pixels
        return (
            slice(box.y // pixels, -(-box.stop_y // pixels)),
            slice(box.x // pixels, -(-box.stop_x // pixels)),
        )

    def _range_of(self, index: int) -> tuple[slice, slice]:
        return self._range(self._grid.box(index))

    def _chunks(self, box: Box) -> list[Chunk]:
        rows, columns = self._range(box)
        return [
            (row, column)
            for row in range(rows.start, rows.stop)
            for column in range(columns.start, columns.stop)
        ]

    def _chunk_box(self, box: Box) -> Box:
        """Return ``box`` grown to whole chunks."""
        rows, columns = self._range(box)
        y, x = rows.start * self._pixels, columns.start * self._pixels
        return Box(y, x, rows.stop * self._pixels - y, columns.stop * self._pixels - x)


def _key(chunk: Chunk) -> str:
    return f"{chunk[0]}_{chunk[1]}"
