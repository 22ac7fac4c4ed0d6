"""4-connected components of a large map, block by block, in bounded memory.

Within a block, components are joined runs of a row. What does not touch the block's border is
decided there; the others are joined across seams by a second, small union-find, and a second
look at each block paints them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled

Bools = NDArray[np.bool_]
Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class BorderComponents:
    """The components of one block that touch its border, numbered from 0."""

    has_seed: NDArray[np.uint8]
    """Per component: whether it holds a pixel above high."""
    top: Ints
    """Number of the component at each pixel of the first row; -1 where there is none."""
    bottom: Ints
    left: Ints
    right: Ints


def find_border_components(above_low: Bools, above_high: Bools) -> BorderComponents:
    """Label one block, (y, x) bool, and describe what reaches its border."""
    starts, stops, first, root, seed = _label_runs(above_low, above_high)
    number, count = _number_border(starts, stops, first, root, above_low.shape[1])
    edges = _edges(starts, stops, first, root, number, *above_low.shape)
    has_seed = np.zeros(count, np.uint8)
    touching = number >= 0
    has_seed[number[touching]] = seed[touching]
    return BorderComponents(has_seed, *edges)


def paint_block(above_low: Bools, above_high: Bools, keep_border: NDArray[np.uint8]) -> Bools:
    """Return the block's kept components; ``keep_border`` decides those at its border."""
    starts, stops, first, root, seed = _label_runs(above_low, above_high)
    number, _ = _number_border(starts, stops, first, root, above_low.shape[1])
    out = np.zeros(above_low.shape, np.bool_)
    _paint(starts, stops, first, root, seed, number, keep_border, out)
    return out


class SeamTable:
    """Components at the borders of all blocks, joined across seams."""

    def __init__(self) -> None:
        self._seeds: list[NDArray[np.uint8]] = []
        self._pairs: list[NDArray[np.int64]] = []
        self._offsets = [0]

    def add(self, components: BorderComponents) -> int:
        """Take in one block; return the number its component 0 has in the whole table."""
        self._seeds.append(components.has_seed)
        self._offsets.append(self._offsets[-1] + len(components.has_seed))
        return self._offsets[-2]

    def join(self, edge: Ints, offset: int, other_edge: Ints, other_offset: int) -> None:
        """Join what two blocks have on both sides of one seam."""
        both = (edge >= 0) & (other_edge >= 0)
        pairs = np.stack([edge[both] + np.int64(offset), other_edge[both] + np.int64(other_offset)])
        fresh = np.ones(pairs.shape[1], bool)
        fresh[1:] = (pairs[:, 1:] != pairs[:, :-1]).any(0)
        self._pairs.append(pairs[:, fresh])

    def decide(self) -> list[NDArray[np.uint8]]:
        """Return per block which of its border components belong to one that holds a seed."""
        seeds = np.concatenate([*self._seeds, np.zeros(0, np.uint8)])
        pairs = np.concatenate([*self._pairs, np.zeros((2, 0), np.int64)], axis=1)
        keep = _join_pairs(pairs, seeds)
        return [keep[a:b] for a, b in zip(self._offsets[:-1], self._offsets[1:], strict=True)]


@compiled
def _find(parent: Any, i: Any) -> Any:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@compiled
def _label_runs(above_low: Any, above_high: Any) -> Any:
    """Return runs (start, stop), the first run of each row, each run's root, and its seed."""
    height, width = above_low.shape
    count = 0
    for y in range(height):
        previous = False
        for x in range(width):
            here = above_low[y, x]
            count += here & (not previous)
            previous = here
    starts, stops = np.empty(count, np.int32), np.empty(count, np.int32)
    parent, seed = np.empty(count, np.int32), np.zeros(count, np.uint8)
    first = np.empty(height + 1, np.int32)
    n = 0
    for y in range(height):
        first[y] = n
        x = 0
        above = first[y - 1] if y else 0
        while x < width:
            if not above_low[y, x]:
                x += 1
                continue
            start, seeded = x, False
            while x < width and above_low[y, x]:
                seeded |= above_high[y, x]
                x += 1
            starts[n], stops[n], parent[n], seed[n] = start, x, n, seeded
            if y:
                while above < first[y] and stops[above] <= start:
                    above += 1
                touching = above
                while touching < first[y] and starts[touching] < x:
                    a, b = _find(parent, touching), _find(parent, n)
                    low, high = min(a, b), max(a, b)
                    parent[high] = low
                    seed[low] |= seed[high]
                    touching += 1
            n += 1
    first[height] = n
    for i in range(n):
        parent[i] = parent[parent[i]]
        seed[i] = seed[parent[i]]
    return starts, stops, first, parent, seed


@compiled
def _number_border(starts: Any, stops: Any, first: Any, root: Any, width: Any) -> Any:
    """Number the components at the border in the order of their runs; -1 for the inner ones."""
    number = np.full(len(root), -1, np.int32)
    height = len(first) - 1
    for y in range(height):
        edge = y == 0 or y == height - 1
        for i in range(first[y], first[y + 1]):
            if edge or starts[i] == 0 or stops[i] == width:
                number[root[i]] = 0
    count = 0
    for i in range(len(root)):
        if root[i] == i and number[i] == 0:
            number[i] = count
            count += 1
        number[i] = number[root[i]]
    return number, count


@compiled
def _edges(
    starts: Any, stops: Any, first: Any, root: Any, number: Any, height: Any, width: Any
) -> Any:
    top, bottom = np.full(width, -1, np.int32), np.full(width, -1, np.int32)
    left, right = np.full(height, -1, np.int32), np.full(height, -1, np.int32)
    for y in range(height):
        for i in range(first[y], first[y + 1]):
            if y == 0:
                top[starts[i] : stops[i]] = number[i]
            if y == height - 1:
                bottom[starts[i] : stops[i]] = number[i]
            if starts[i] == 0:
                left[y] = number[i]
            if stops[i] == width:
                right[y] = number[i]
    return top, bottom, left, right


@compiled
def _paint(
    starts: Any, stops: Any, first: Any, root: Any, seed: Any, number: Any, keep: Any, out: Any
) -> None:
    for y in range(len(first) - 1):
        for i in range(first[y], first[y + 1]):
            kept = seed[i] if number[i] < 0 else keep[number[i]]
            if kept:
                out[y, starts[i] : stops[i]] = True


@compiled
def _join_pairs(pairs: Any, seeds: Any) -> Any:
    parent = np.arange(len(seeds))
    keep = seeds.copy()
    for k in range(pairs.shape[1]):
        a, b = _find(parent, pairs[0, k]), _find(parent, pairs[1, k])
        low, high = min(a, b), max(a, b)
        parent[high] = low
        keep[low] |= keep[high]
    for i in range(len(seeds)):
        keep[i] = keep[_find(parent, i)]
    return keep
