"""Joining the components of blocks across the seams between them, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled
from slideconcord.geometry import Box
from slideconcord.segmentation.components import BorderComponents
from slideconcord.segmentation.mask import BLOCK_PX, block_boxes
from slideconcord.segmentation.sharing import in_order
from slideconcord.segmentation.sharing import workers as default_workers

Bools = NDArray[np.bool_]
Facts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FinishedBlock:
    """A step of making a mask: a block is looked at twice, and has its mask the second time."""

    done: int
    total: int
    box: Box
    mask: Bools | None


@dataclass(frozen=True, slots=True)
class Blocks:
    """How the work is cut up."""

    shape: tuple[int, int]
    block_px: int = BLOCK_PX
    threads: int = field(default_factory=default_workers)

    def boxes(self) -> list[Box]:
        return block_boxes(self.shape, self.block_px)


class SeamTable:
    """Components at the borders of all blocks, joined across seams."""

    def __init__(self) -> None:
        self._facts: list[Facts] = []
        self._pairs: list[Facts] = []
        self._offsets = [0]

    def add(self, components: BorderComponents) -> int:
        """Take in one block; return the number its component 0 has in the whole table."""
        self._facts.append(components.facts)
        self._offsets.append(self._offsets[-1] + len(components.facts))
        return self._offsets[-2]

    def join(
        self, edge: NDArray[np.int32], offset: int, other_edge: NDArray[np.int32], other_offset: int
    ) -> None:
        """Join what two blocks have on both sides of one seam."""
        both = (edge >= 0) & (other_edge >= 0)
        pairs = np.stack([edge[both] + np.int64(offset), other_edge[both] + np.int64(other_offset)])
        fresh = np.ones(pairs.shape[1], bool)
        fresh[1:] = (pairs[:, 1:] != pairs[:, :-1]).any(0)
        self._pairs.append(pairs[:, fresh])

    def add_up(self) -> list[Facts]:
        """Return per block the facts of its border components, each added up over all blocks."""
        facts = np.concatenate(self._facts)
        pairs = np.concatenate([*self._pairs, np.zeros((2, 0), np.int64)], axis=1)
        roots = _join_pairs(pairs, len(facts))
        whole = np.zeros_like(facts)
        np.add.at(whole, roots, facts)
        return np.split(whole[roots], self._offsets[1:-1])


def walk_seams(
    boxes: list[Box],
    look: Callable[[Box], BorderComponents],
    threads: int,
    total: int,
    done: int = 0,
) -> Generator[FinishedBlock, None, list[Facts]]:
    """Look at all blocks, given row by row; return what `SeamTable.add_up` returns.

    ``total`` and ``done`` are steps of all the work and those before.
    """
    table, offsets = SeamTable(), list[int]()
    columns = sum(box.y == boxes[0].y for box in boxes)
    row: list[BorderComponents] = []
    for index, (box, found) in enumerate(in_order(look, boxes, threads)):
        offsets.append(table.add(found))
        if index % columns:
            table.join(row[-1].right, offsets[-2], found.left, offsets[-1])
        if index >= columns:
            table.join(row[-columns].bottom, offsets[-1 - columns], found.top, offsets[-1])
        row = [*row[-columns:], found]
        yield FinishedBlock(done + index + 1, total, box, None)
    return table.add_up()


def paint_blocks(
    boxes: list[Box], paint: Callable[[Box], Bools], out: Any, threads: int, total: int
) -> Generator[FinishedBlock, None, None]:
    """Paint all blocks into ``out``, which holds 0; the last of ``total`` steps."""
    for index, (box, mask) in enumerate(in_order(paint, boxes, threads)):
        if mask.any():
            out[box.slices] = mask
        yield FinishedBlock(total - len(boxes) + index + 1, total, box, mask)


@compiled
def _find(parent: Any, i: Any) -> Any:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@compiled
def _join_pairs(pairs: Any, count: Any) -> Any:
    parent = np.arange(count)
    for k in range(pairs.shape[1]):
        a, b = _find(parent, pairs[0, k]), _find(parent, pairs[1, k])
        parent[max(a, b)] = min(a, b)
    for i in range(count):
        parent[i] = parent[parent[i]]
    return parent
