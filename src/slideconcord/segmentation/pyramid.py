"""The coarser levels of a growing map: every pixel the mean of the four below it.

Chunks that change are kept in memory and written together; what is kept is bounded.
"""

from __future__ import annotations

import numpy as np

from slideconcord.segmentation.chunks import Bytes, ChunkedArray

Place = tuple[int, int, int]
"""(level, chunk row, chunk column)."""

_KEPT_BYTES = 8 << 20


def halve(block: Bytes) -> Bytes:
    """Return the 2 x 2 means of (class, y, x), halves rounded up; an odd last row stands alone."""
    odd = [(0, 0), (0, block.shape[1] % 2), (0, block.shape[2] % 2)]
    wide = np.pad(block, odd, mode="edge").astype(np.uint16)
    rows = wide[:, ::2] + wide[:, 1::2]
    return ((rows[:, :, ::2] + rows[:, :, 1::2] + 2) >> 2).astype(np.uint8)


class CoarserLevels:
    """Levels 1 and up of a pyramid of arrays (class, y, x) that share one chunk size."""

    def __init__(self, arrays: list[ChunkedArray], kept_bytes: int = _KEPT_BYTES) -> None:
        self._arrays = arrays
        self._chunk = arrays[0].chunk_px
        self._kept: dict[Place, Bytes] = {}
        self._changed: set[Place] = set()
        self._most = max(kept_bytes // (self._chunk**2 * arrays[0].classes), 32)

    def push(self, level: int, row: int, column: int, chunk: Bytes) -> None:
        """Take in a chunk (class, y, x) of ``level``; its parent changes in memory."""
        if level + 1 == len(self._arrays):
            return
        place = (level + 1, row // 2, column // 2)
        parent = self._get(place)
        small = halve(chunk)
        y, x = row % 2 * self._chunk // 2, column % 2 * self._chunk // 2
        parent[:, y : y + small.shape[1], x : x + small.shape[2]] = small
        self._changed.add(place)

    def flush(self) -> None:
        """Write everything that changed."""
        for level in range(1, len(self._arrays)):
            # Writing a level changes the next one only, but may push others of it out.
            for place in sorted(place for place in self._changed if place[0] == level):
                if place in self._changed:
                    self._write(place)

    def _write(self, place: Place) -> None:
        level, row, column = place
        self._arrays[level].write(row, column, self._kept[place])
        self._changed.discard(place)
        self.push(level, row, column, self._kept[place])

    def _get(self, place: Place) -> Bytes:
        if place in self._kept:
            self._kept[place] = self._kept.pop(place)
            return self._kept[place]
        while len(self._kept) >= self._most:
            oldest = next(iter(self._kept))
            if oldest in self._changed:
                self._write(oldest)
            self._kept.pop(oldest, None)
        self._kept[place] = self._arrays[place[0]].read(*place[1:])
        return self._kept[place]
