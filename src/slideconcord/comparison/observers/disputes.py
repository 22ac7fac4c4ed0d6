"""The connected places on which readings differ: how large, where, and who marked them.

The pixels are walked in bands of rows, so memory holds a band and a few numbers per place.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.labelling import joined
from slideconcord.comparison.observers.votes import ReadingStack
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box, Frame, Mpp

Ints = NDArray[np.int64]
_BAND_PX = 1 << 22
# 40 million pixels show any place worth a visit, and take seconds.
_MOST_PX = 40_000_000
_MOSTLY = 0.5


@dataclass(frozen=True, slots=True)
class Dispute:
    """One connected place (8 neighbours) that some readings mark and others do not."""

    area_um2: float
    weight_um2: float
    """Its area, each pixel weighted by how evenly the readings split: 1 at half and half."""
    centre: tuple[float, float]
    """A pixel inside (y, x): the middle of its longest row. Level-0 pixel centres."""
    box: Box
    """The level-0 pixels around it."""
    marked_um2: Mapping[str, float]
    """How much of it each reading marks."""

    @property
    def marked_by(self) -> tuple[str, ...]:
        """The readings that mark at least half of it."""
        least = _MOSTLY * self.area_um2
        return tuple(name for name, area in self.marked_um2.items() if area >= least)


def find_disputes(
    readings: ReadingStack,
    names: Sequence[str] | None = None,
    *,
    step: int | None = None,
    min_area_um2: float = 0.0,
    most: int = 500,
) -> list[Dispute]:
    """Return where readings differ, the heaviest place first.

    Parameters
    ----------
    readings
        What was marked.
    names
        Two readings or more; all when None.
    step
        Look at pixels this many times as large; None: as few doublings as leave 40 million.
    min_area_um2
        Smaller places are left out.
    most
        How many to return.

    Returns
    -------
    list of Dispute
        By weight, which between two readings is the area; equals from top to bottom.

    Raises
    ------
    ParameterError
        When there are fewer than two readings, or one has no such name.
    """
    steps = dispute_steps(readings, names, step=step, min_area_um2=min_area_um2, most=most)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: list[Dispute] = end.value
            return found


def dispute_steps(
    readings: ReadingStack,
    names: Sequence[str] | None = None,
    *,
    step: int | None = None,
    min_area_um2: float = 0.0,
    most: int = 500,
) -> Generator[float, None, list[Dispute]]:
    """Do as `find_disputes`; yield the share that is done after every band."""
    chosen = tuple(readings.names if names is None else names)
    if len(set(chosen)) < 2:
        raise ParameterError("One reading disagrees with nobody: give two or more.")
    step = looking_step(readings) if step is None else step
    places = _Places(len(chosen))
    height, width = readings.shape_at(step)
    rows = max(_BAND_PX // max(width, 1), 1)
    for y in range(0, height, rows):
        band = Box(y, 0, min(rows, height - y), width)
        places.add(np.stack([readings.read(name, band, step) for name in chosen]), y)
        yield band.stop_y / height
    return places.found(readings, chosen, step, min_area_um2, most)


def looking_step(readings: ReadingStack, most_px: int = _MOST_PX) -> int:
    """Return the smallest power of two at which readings have ``most_px`` pixels at most."""
    step = 1
    while np.prod(readings.shape_at(step), dtype=float) > most_px:
        step *= 2
    return step


class _Places:
    """Collects the parts of places band by band, and joins what meets between bands."""

    def __init__(self, count: int) -> None:
        self._count = 0
        self._facts: list[Ints] = []
        """Per part: area, weight, y0, x0, y1, x1, longest row, its y and x, then the readings."""
        self._seams: list[Ints] = []
        self._last_row: Ints | None = None
        self._readings = count

    def add(self, marked: NDArray[np.bool_], top: int) -> None:
        """Take the next rows of all readings, (reading, y, x)."""
        votes = marked.sum(0, dtype=np.int64)
        differs = ((votes > 0) & (votes < self._readings)).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(differs, connectivity=8)
        flat, places = labels.ravel(), np.flatnonzero(differs)
        own = flat[places] - 1
        weight = np.minimum(votes, self._readings - votes).ravel()[places]
        x, y, width, height, area = stats[1:].T.astype(np.int64)
        columns = [area, _sums(own, weight, count - 1), y + top, x, y + height + top, x + width]
        columns += _longest_rows(labels, count - 1, top)
        columns += [_sums(own, each.ravel()[places], count - 1) for each in marked]
        self._facts.append(np.stack(columns, axis=1))
        self._meet(np.where(labels > 0, labels.astype(np.int64) + self._count, 0))
        self._count += count - 1

    def found(
        self,
        readings: ReadingStack,
        names: Sequence[str],
        step: int,
        min_area_um2: float,
        most: int,
    ) -> list[Dispute]:
        facts = self._joined()
        frame = readings.frame.coarser(step)
        mpp = Mpp(*frame.scale_um(readings.slide_mpp))
        facts = facts[facts[:, 0] * mpp.y * mpp.x >= min_area_um2]
        order = np.lexsort((facts[:, 3], facts[:, 2], -facts[:, 1]))[:most]
        return [_dispute(row, frame, mpp, names) for row in facts[order]]

    def _meet(self, labels: Ints) -> None:
        """Note which labels of the last band touch this one's, at corners, too."""
        if self._last_row is not None:
            above, below = self._last_row, labels[0]
            for shift in (-1, 0, 1):
                a = above[max(shift, 0) : len(above) + min(shift, 0)]
                b = below[max(-shift, 0) : len(below) + min(-shift, 0)]
                both = (a > 0) & (b > 0)
                self._seams.append(np.unique(np.stack([a[both], b[both]]), axis=1))
        self._last_row = labels[-1].copy()

    def _joined(self) -> Ints:
        parts = np.concatenate([np.empty((0, 9 + self._readings), np.int64), *self._facts])
        number = joined(self._count, self._seams)[1:]
        whole = np.zeros((int(number.max(initial=-1)) + 1, parts.shape[1]), np.int64)
        whole[:, 2:4] = np.iinfo(np.int64).max
        for column in (2, 3):
            np.minimum.at(whole[:, column], number, parts[:, column])
        for column in (4, 5):
            np.maximum.at(whole[:, column], number, parts[:, column])
        for column in (0, 1, *range(9, parts.shape[1])):
            np.add.at(whole[:, column], number, parts[:, column])
        order = np.lexsort((-np.arange(len(parts)), parts[:, 6]))
        # the longest row of all parts comes last, the first of equals, and stays
        whole[number[order], 6:9] = parts[order, 6:9]
        return whole


def _sums(labels: Ints, values: NDArray[np.generic], count: int) -> Ints:
    return np.bincount(labels, weights=values, minlength=count).astype(np.int64)


def _longest_rows(labels: NDArray[np.int32], count: int, top: int) -> list[Ints]:
    """Return per label the length of its longest run, and the run's middle (y, x)."""
    width = labels.shape[1]
    edges = np.pad(labels, ((0, 0), (0, 1))).ravel()
    starts = np.flatnonzero((edges != np.roll(edges, 1)) & (edges > 0))
    stops = np.flatnonzero((edges != np.roll(edges, -1)) & (edges > 0)) + 1
    lengths, of = stops - starts, edges[starts] - 1
    order = np.lexsort((-starts, lengths))
    best = np.zeros(count, np.int64)
    best[of[order]] = order
    middle = starts[best] + (lengths[best] - 1) // 2
    return [lengths[best], middle // (width + 1) + top, middle % (width + 1)]


def _dispute(row: Ints, frame: Frame, mpp: Mpp, names: Sequence[str]) -> Dispute:
    pixel_um2 = mpp.y * mpp.x
    area, weight, y0, x0, y1, x1, _, y, x = (int(value) for value in row[:9])
    top, left = frame.to_level0(y0, x0)
    bottom, right = frame.to_level0(y1, x1)
    centre_y, centre_x = frame.to_level0(y + 0.5, x + 0.5)
    low = int(np.floor(top)), int(np.floor(left))
    high = int(np.ceil(bottom)), int(np.ceil(right))
    marked = {name: int(n) * pixel_um2 for name, n in zip(names, row[9:], strict=True)}
    return Dispute(
        area * pixel_um2,
        weight * pixel_um2 / (len(names) // 2),
        (centre_y - 0.5, centre_x - 0.5),
        Box(*low, high[0] - low[0], high[1] - low[1]),
        marked,
    )
