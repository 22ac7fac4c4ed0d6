"""Compiled labelling of a mask's rows as runs: what costs follows the outlines, not the pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
_WORD = 8


@compiled
def _mark_changes(row: Bytes, changes: Bytes) -> None:
    """Mark where a pixel differs from the one before it; beyond both ends nothing is marked."""
    width = len(row)
    changes[0] = row[0]
    for x in range(1, width):
        changes[x] = row[x] ^ row[x - 1]
    changes[width] = row[width - 1]


@compiled
def _root(parent: Ints, run: int) -> int:
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


@compiled
def _join_row(bounds: Ints, parent: Ints, above: int, first: int, stop: int) -> None:
    """Join the runs of one row, ``first`` to ``stop``, with those above that share an edge."""
    below = first
    while above < first and below < stop:
        if bounds[2 * above + 1] > bounds[2 * below] and bounds[2 * below + 1] > bounds[2 * above]:
            a, b = _root(parent, above), _root(parent, below)
            parent[max(a, b)] = min(a, b)
        if bounds[2 * above + 1] <= bounds[2 * below + 1]:
            above += 1
        else:
            below += 1


@compiled
def label_rows(rows: Bytes) -> tuple[Ints, Ints, Ints, Longs]:
    """Return the runs of a mask (y, x) of 0 and 1, and which of them are one 4-connected region.

    Returns
    -------
    bounds
        (run, 2) first pixel of each run, and the one after its last.
    firsts
        (y + 1,) the first run of each row, and at last their number.
    labels
        (run,) its region, from 1, in the order in which regions begin.
    areas
        (region,) pixels.
    """
    height, width = rows.shape
    # whole words, of which most are zero
    changes = np.zeros((width // _WORD + 1) * _WORD, np.uint8)
    words = changes.view(np.uint64)
    bounds, firsts = np.empty(512, np.int32), np.zeros(height + 1, np.int32)
    parent = np.empty(256, np.int32)
    used = 0
    for y in range(height if width else 0):
        _mark_changes(rows[y], changes)
        for word in range(len(words)):
            if not words[word]:
                continue
            for x in range(word * _WORD, (word + 1) * _WORD):
                if not changes[x]:
                    continue
                if used == len(bounds):
                    more = np.empty(2 * used, np.int32)
                    more[:used] = bounds
                    bounds = more
                bounds[used] = x
                used += 1
        firsts[y + 1] = used // 2
        if len(parent) < used // 2:
            wider = np.empty(len(bounds) // 2, np.int32)
            wider[: firsts[y]] = parent[: firsts[y]]
            parent = wider
        for run in range(firsts[y], firsts[y + 1]):
            parent[run] = run
        if y:
            _join_row(bounds, parent, firsts[y - 1], firsts[y], firsts[y + 1])
    labels, areas = np.empty(used // 2, np.int32), np.zeros(used // 2, np.int64)
    regions = 0
    for run in range(used // 2):
        root = _root(parent, run)
        if root == run:
            regions += 1
            labels[run] = regions
        labels[run] = labels[root]
        areas[labels[run] - 1] += bounds[2 * run + 1] - bounds[2 * run]
    return bounds[:used].copy().reshape(-1, 2), firsts, labels, areas[:regions].copy()


@compiled
def paint_row(bounds: Ints, labels: Ints, width: int) -> Longs:
    """Return (x,) the labels of the pixels of one row; 0 between its runs."""
    row = np.zeros(width, np.int64)
    for run in range(len(labels)):
        row[bounds[run, 0] : bounds[run, 1]] = labels[run]
    return row
