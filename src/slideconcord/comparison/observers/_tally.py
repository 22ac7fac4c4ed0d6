"""Compiled counting of the distinct columns of stacked planes, run by run along the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled

Ints = NDArray[np.int64]
_FREE = -1
# Beyond the end of any row.
_END = 2**31 - 1


@compiled
def tally_planes(
    planes: NDArray[Any], counted: NDArray[np.uint8]
) -> tuple[NDArray[np.int32], Ints]:
    """Return the distinct columns of (plane, y, x) where ``counted``, and their pixels.

    Neighbours mostly look alike, so a table is asked once for each run of equal pixels.
    """
    number, height, width = planes.shape
    rows = np.empty((64, number), np.int32)
    counts = np.zeros(64, np.int64)
    slots = np.full(256, _FREE, np.int64)
    used = 0
    begins = np.empty(width + 1, np.uint8)
    for y in range(height):
        _mark_begins(planes, counted, y, begins)
        x = 0
        while x < width:
            stop = x + 1
            while not begins[stop]:
                stop += 1
            if counted[y, x]:
                slot = _find(planes, y, x, rows, slots)
                if slots[slot] == _FREE:
                    if used == len(rows):
                        rows, counts = _longer(rows, counts)
                    for plane in range(number):
                        rows[used, plane] = planes[plane, y, x]
                    slots[slot] = used
                    used += 1
                counts[slots[slot]] += stop - x
                if 3 * used > len(slots):
                    slots = _wider(rows[:used], 4 * len(slots))
            x = stop
    return rows[:used].copy(), counts[:used].copy()


@compiled
def tally_runs(
    bounds: NDArray[np.int32], labels: NDArray[np.int32], firsts: Ints
) -> tuple[NDArray[np.int32], Ints]:
    """Return the distinct columns of labels where any plane has a run, and their pixels.

    ``firsts`` (plane, y + 1) are the first runs of each plane's rows among all ``bounds``
    (run, 2) and ``labels`` (run,); 0 is the label between runs.
    """
    number, height = len(firsts), firsts.shape[1] - 1
    rows = np.empty((64, number), np.int32)
    counts = np.zeros(64, np.int64)
    slots = np.full(256, _FREE, np.int64)
    used = 0
    runs = np.empty(number, np.int64)
    column = np.empty((number, 1, 1), np.int32)
    for y in range(height):
        runs[:] = firsts[:, y]
        x = 0
        while x < _END:
            stop = _next_column(bounds, labels, firsts, y, runs, x, column)
            if np.any(column):
                slot = _find(column, 0, 0, rows, slots)
                if slots[slot] == _FREE:
                    if used == len(rows):
                        rows, counts = _longer(rows, counts)
                    rows[used] = column[:, 0, 0]
                    slots[slot] = used
                    used += 1
                counts[slots[slot]] += stop - x
                if 3 * used > len(slots):
                    slots = _wider(rows[:used], 4 * len(slots))
            x = stop
    return rows[:used].copy(), counts[:used].copy()


@compiled
def _next_column(
    bounds: NDArray[np.int32],
    labels: NDArray[np.int32],
    firsts: Ints,
    y: int,
    runs: Ints,
    x: int,
    column: NDArray[np.int32],
) -> int:
    """Write the labels at ``x`` of a row, move ``runs`` on to it, and return where they change."""
    stop = _END
    for plane in range(len(runs)):
        run, last = runs[plane], firsts[plane, y + 1]
        while run < last and bounds[run, 1] <= x:
            run += 1
        runs[plane] = run
        column[plane, 0, 0] = 0
        if run < last:
            if bounds[run, 0] <= x:
                column[plane, 0, 0] = labels[run]
                stop = min(stop, bounds[run, 1])
            else:
                stop = min(stop, bounds[run, 0])
    return stop


@compiled
def _mark_begins(
    planes: NDArray[Any], counted: NDArray[np.uint8], y: int, begins: NDArray[np.uint8]
) -> None:
    """Mark where a pixel differs from the one before it; the end of the row is marked, too."""
    width = counted.shape[1]
    begins[:] = 0
    begins[0] = begins[width] = 1
    for x in range(1, width):
        begins[x] = counted[y, x] != counted[y, x - 1]
    for plane in range(planes.shape[0]):
        for x in range(1, width):
            begins[x] |= planes[plane, y, x] != planes[plane, y, x - 1]


@compiled
def _mixed(key: int, value: int) -> int:
    """Fold one more number into a hash of 62 bits."""
    key = (key ^ value) * 0x9E3779B1
    return (key ^ (key >> 29)) & 0x3FFFFFFFFFFFFFFF


@compiled
def _find(planes: NDArray[Any], y: int, x: int, rows: NDArray[np.int32], slots: Ints) -> int:
    """Return the slot that holds this column, or the free one where it belongs."""
    key = 0
    for plane in range(planes.shape[0]):
        key = _mixed(key, int(planes[plane, y, x]))
    slot = key & (len(slots) - 1)
    while slots[slot] != _FREE:
        same = True
        for plane in range(planes.shape[0]):
            if rows[slots[slot], plane] != planes[plane, y, x]:
                same = False
                break
        if same:
            return slot
        slot = (slot + 1) & (len(slots) - 1)
    return slot


@compiled
def _longer(rows: NDArray[np.int32], counts: Ints) -> tuple[NDArray[np.int32], Ints]:
    more_rows = np.empty((2 * len(rows), rows.shape[1]), np.int32)
    more_counts = np.zeros(2 * len(counts), np.int64)
    more_rows[: len(rows)], more_counts[: len(counts)] = rows, counts
    return more_rows, more_counts


@compiled
def _wider(rows: NDArray[np.int32], size: int) -> Ints:
    """Return a table of more slots for the same columns."""
    slots = np.full(size, _FREE, np.int64)
    for row in range(len(rows)):
        key = 0
        for plane in range(rows.shape[1]):
            key = _mixed(key, int(rows[row, plane]))
        slot = key & (size - 1)
        while slots[slot] != _FREE:
            slot = (slot + 1) & (size - 1)
        slots[slot] = row
    return slots
