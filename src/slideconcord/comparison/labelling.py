"""Numbers for the 4-connected regions of a mask that is read band by band, top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison._runs import label_rows, paint_row

if TYPE_CHECKING:
    from slideconcord.comparison.operands import Bools

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """The regions of a whole mask."""

    number: Ints
    """By label, as given band by band, the region's final number from 0; -1 for label 0."""
    areas: Ints
    """Pixels by final number, in the order in which the regions begin."""


class Seams:
    """Joins the regions of bands of one mask that go on in the next band."""

    def __init__(self) -> None:
        self._areas: list[Ints] = [np.zeros(1, np.int64)]
        self.count = 0
        self._meet: list[Ints] = []
        self._last_row: Ints | None = None

    def add(self, areas: Ints, first_row: Ints, last_row: Ints) -> None:
        """Take the areas of the next band's regions, and its first and last row of labels (x,)."""
        self._areas.append(areas)
        self.count += len(areas)
        if self._last_row is not None:
            meet = (self._last_row > 0) & (first_row > 0)
            self._meet.append(np.unique(np.stack([self._last_row[meet], first_row[meet]]), axis=1))
        self._last_row = last_row

    def finish(self) -> Labelled:
        """Join what met."""
        number = joined(self.count, self._meet)
        areas = np.zeros(int(number.max(initial=-1)) + 1, np.int64)
        np.add.at(areas, number[1:], np.concatenate(self._areas)[1:])
        return Labelled(number, areas)


class BandLabels:
    """Labels bands of one mask, pixel by pixel."""

    def __init__(self) -> None:
        self._seams = Seams()

    def add(self, band: Bools) -> Ints:
        """Return the labels of the next rows, from 1, distinct from those of earlier bands."""
        pixels = np.ascontiguousarray(band).view(np.uint8)
        count, found = cv2.connectedComponents(pixels, connectivity=4)
        areas = np.bincount(found.ravel(), minlength=count)[1:]
        labels = found.astype(np.int64)
        np.add(labels, self._seams.count, out=labels, where=band)
        self._seams.add(areas.astype(np.int64), labels[0], labels[-1].copy())
        return labels

    def finish(self) -> Labelled:
        """Join what met at the seams."""
        return self._seams.finish()


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Some rows of a mask as runs of pixels."""

    bounds: NDArray[np.int32]
    """(run, 2): the first pixel of each, and the one after its last."""
    firsts: NDArray[np.int32]
    """(y + 1,): the first run of each row, and at last their number."""
    labels: NDArray[np.int32]
    """(run,): the region of each, from 1."""


class RunLabels:
    """Labels bands of one mask, run by run: much faster where outlines are few."""

    def __init__(self) -> None:
        self._seams = Seams()

    def add(self, band: Bools) -> Runs:
        """Return the next rows as runs, with labels distinct from those of earlier bands."""
        rows = np.ascontiguousarray(band).view(np.uint8)
        bounds, firsts, labels, areas = label_rows(rows)
        labels += self._seams.count
        ends = slice(0, firsts[1]), slice(firsts[-2], firsts[-1])
        self._seams.add(areas, *(paint_row(bounds[e], labels[e], band.shape[1]) for e in ends))
        return Runs(bounds, firsts, labels)

    def finish(self) -> Labelled:
        """Join what met at the seams."""
        return self._seams.finish()


def joined(count: int, seams: Sequence[Ints]) -> Ints:
    """Return the final number, from 0, of each label from 0 to ``count``; -1 for label 0.

    Parameters
    ----------
    count
        How many labels there are, label 0 (the background) left out.
    seams
        Pairs of labels (2, pair) that are parts of one region.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    total = count + 1
    upper, lower = np.concatenate([np.empty((2, 0), np.int64), *seams], axis=1)
    meet = coo_array((np.ones(len(upper), np.bool_), (upper, lower)), shape=(total, total))
    _, component = connected_components(meet, directed=False)
    # label 0 meets nothing; final numbers follow the first label of each
    _, first, inverse = np.unique(component[1:], return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return np.concatenate([[-1], order[inverse]]).astype(np.int64)
