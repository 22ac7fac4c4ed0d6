"""Points that lie on the maps of all registered scans, and what each index knows there."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import MismatchError, ParameterError
from slideconcord.geometry import Box
from slideconcord.segmentation.block_tree import BLOCK_PX
from slideconcord.segmentation.threshold_index import ThresholdIndex

if TYPE_CHECKING:
    from slideconcord.comparison.registration.value import Registration
    from slideconcord.slides import Slide

Points = NDArray[np.float64]
Pixels = NDArray[np.int64]
MOST_POINTS = 4_000_000
"""Enough that a ratio of areas no longer depends on which points they are."""
_ROWS = 512
# Straight enough between nodes: a residual field bends over hundreds of pixels.
_NODE = 16


@dataclass(frozen=True, slots=True)
class IndexedScan:
    """The index of one scan's map, and where the fixed frame's points lie on that map."""

    name: str
    index: ThresholdIndex
    to_map: Callable[[Points, Points], tuple[Points, Points]]
    """(y, x) in µm of the fixed frame to (y, x) in pixels of the map (corner convention), as a
    `geometry.Affine` does, or the way back of a registration. It is asked at every 16th point."""

    box_um: Box | None = None
    """What of the fixed frame its map reaches, whole µm; needed where no box is given."""
    mpp: float = float("nan")
    """Size of the map's pixels in µm, the larger one; needed where no grid is given."""

    @classmethod
    def of(
        cls,
        name: str,
        index: ThresholdIndex,
        slide: Slide,
        registration: Registration | None = None,
    ) -> IndexedScan:
        """Return a scan as its registration places it on the hub.

        Parameters
        ----------
        name
            What to call it: its scanner.
        index
            Of a probability map of this slide.
        slide
            The scan.
        registration
            Where it lies on the hub; None: it is the hub.

        Raises
        ------
        MismatchError
            When index or registration belong to another slide.
        RegistrationError
            When the registration failed.
        """
        from slideconcord.comparison.placed_map import PlacedMap
        from slideconcord.comparison.views.placed import PlacedScan

        place = index.place
        if place.frame is None or place.slide_fingerprint != slide.fingerprint:
            raise MismatchError(
                f"The index of {name} is not of a map of {slide.name}: index the probability map "
                "that was made on this scan."
            )
        if registration is not None and registration.moving.fingerprint != slide.fingerprint:
            raise MismatchError(
                f"The registration of {name} places {registration.moving.name}, and not "
                f"{slide.name}: give the one whose moving scan this is."
            )
        placed = PlacedMap(PlacedScan(slide, name, registration), place.frame)
        mpp = max(place.frame.scale_um(slide.mpp))
        return cls(name, index, placed.to_map, placed.box_um(index.shape), mpp)


def common_grid(scans: Sequence[IndexedScan], most_points: int = MOST_POINTS) -> tuple[Box, float]:
    """Return the box in µm that holds what all maps share, and how far apart points may lie.

    That is a pixel of the coarsest map, or more where there would be too many points.

    Raises
    ------
    ParameterError
        When a scan does not say what its map reaches.
    MismatchError
        When the maps have no place in common.
    """
    boxes = [scan.box_um for scan in scans if scan.box_um is not None]
    if len(boxes) < len(scans):
        raise ParameterError(
            "A scan does not say what its map reaches: make it with IndexedScan.of, "
            "or give box_um and grid_mpp."
        )
    common = reduce(Box.intersect, boxes)
    if not common.area:
        raise nothing_in_common()
    coarsest = max(scan.mpp for scan in scans)
    return common, max(coarsest, float(np.sqrt(common.area / most_points)))


def nothing_in_common() -> MismatchError:
    """Return the refusal of maps that do not meet."""
    return MismatchError(
        "The registered maps have no place in common: register scans of the same tissue, "
        "or segment the part that they share."
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """What the index of a map knows at the points of the grid."""

    values: NDArray[np.uint8]
    branches: NDArray[np.int32] | Pixels
    """Where in the forest; 4 bytes each where that is enough."""

    @classmethod
    def of(cls, index: ThresholdIndex, rows: Pixels, columns: Pixels) -> Sample:
        level = index.levels[0]
        block = rows // BLOCK_PX * index.chooser.columns + columns // BLOCK_PX
        values, branches = level.values[rows, columns], level.branches[rows, columns]
        return cls(values, _narrow(index.forest.start)[block] + branches)


def sample_all(
    scans: Sequence[IndexedScan], box_um: Box, grid_mpp: float
) -> Generator[float, None, list[Sample]]:
    """Sample all indexes at the points of a grid that lie on all maps; yields the share done.

    Raises
    ------
    MismatchError
        When there is no such point.
    """
    height, width = (int(side / grid_mpp) for side in box_um.shape)
    parts: list[list[Sample]] = [[] for _ in scans]
    for top in range(0, height if width else 0, _ROWS):
        end = min(top + _ROWS, height)
        inside, places = np.ones((end - top, width), np.bool_), []
        for scan in scans:
            at = places_between(scan, box_um, grid_mpp, (top, end), width)
            rows, columns = (np.floor(v).astype(np.int64) for v in at)
            tall, wide = scan.index.shape
            inside &= (rows >= 0) & (rows < tall) & (columns >= 0) & (columns < wide)
            places.append((rows, columns))
        for part, scan, (rows, columns) in zip(parts, scans, places, strict=True):
            part.append(Sample.of(scan.index, rows[inside], columns[inside]))
        yield end / height
    if not any(len(sample.values) for sample in parts[0]):
        raise nothing_in_common()
    return [
        Sample(np.concatenate([s.values for s in p]), np.concatenate([s.branches for s in p]))
        for p in parts
    ]


def _narrow(start: Pixels) -> NDArray[np.int32] | Pixels:
    return start.astype(np.int32) if start[-1] < np.iinfo(np.int32).max else start


def places_between(
    scan: IndexedScan, box_um: Box, grid_mpp: float, rows: tuple[int, int], width: int
) -> tuple[Points, Points]:
    """Return where each point of some rows of the grid lies on a map, linear between nodes."""
    down, along = _nodes(*rows), _nodes(0, width)
    y = box_um.y + (down + 0.5) * grid_mpp
    x = box_um.x + (along + 0.5) * grid_mpp
    ys, xs = (np.ascontiguousarray(v) for v in np.broadcast_arrays(y[:, None], x[None, :]))
    row, column = (_between(nodes, down, along, rows, width) for nodes in scan.to_map(ys, xs))
    return row, column


def _nodes(start: int, stop: int) -> Points:
    return np.linspace(start, stop - 1, max(-(-(stop - 1 - start) // _NODE), 1) + 1)


def _between(
    nodes: Points, down: Points, along: Points, rows: tuple[int, int], width: int
) -> Points:
    """Return what lies at every point between nodes, linear along both ways."""
    first, part = _weights(along, np.arange(width))
    wide = nodes[:, first] * (1 - part) + nodes[:, first + 1] * part
    first, part = _weights(down, np.arange(*rows))
    found: Points = wide[first] * (1 - part[:, None]) + wide[first + 1] * part[:, None]
    return found


def _weights(nodes: Points, at: Pixels) -> tuple[Pixels, Points]:
    """Return the node before each place, and how far it is to the next one."""
    where = (at - nodes[0]) / max(nodes[1] - nodes[0], 1)
    first = np.clip(where.astype(np.int64), 0, len(nodes) - 2)
    return first, where - first
