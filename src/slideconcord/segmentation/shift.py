"""How much a result depends on where tiles happen to lie.

A network that pools over the whole tile (ECA attention, ASPP) answers a little differently when
the tile's frame moves. The check moves tiles by half a stride and compares both answers on the
part that they share, where either would decide a map.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ParameterError
from slideconcord.geometry import Box
from slideconcord.segmentation.model import Model
from slideconcord.segmentation.options import PredictOptions
from slideconcord.segmentation.plan import Plan, plan_run
from slideconcord.segmentation.reading import TileReader

if TYPE_CHECKING:
    from slideconcord.slides import Slide

PLACES = 4
_OVERVIEW_PX = 1024


@dataclass(frozen=True, slots=True)
class ShiftCheck:
    """Differences |p - p shifted| of the target class, on the scale 0 to 1."""

    p99: float
    """99 % of the pixels differ by this or less."""
    mean: float
    largest: float
    pixels: int
    """How many pixels were compared."""
    places: int
    """How many pairs of tiles."""
    shift_px: tuple[int, int]
    """How far tiles were moved (y, x): half a stride, or less where the map is too small."""
    tile_px: int

    def facts(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {
            "p99": self.p99,
            "mean": self.mean,
            "largest": self.largest,
            "pixels": self.pixels,
            "places": self.places,
            "shift_px": list(self.shift_px),
            "tile_px": self.tile_px,
        }


def check_shift(
    slide: Slide, model: Model, options: PredictOptions | None = None, *, places: int = PLACES
) -> ShiftCheck:
    """Compare predictions with those of tiles moved by half a stride, at a few places.

    Parameters
    ----------
    slide, model, options
        As for `predict_tiles`.
    places
        How many tiles to try: those whose part of the slide is darkest. Each costs two tiles.

    Raises
    ------
    ParameterError
        When the part to predict is no larger than one tile, which cannot be moved, or as
        `predict_tiles` does.
    """
    steps = shift_steps(slide, model, options, places=places)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            check: ShiftCheck = end.value
            return check


def shift_steps(
    slide: Slide, model: Model, options: PredictOptions | None = None, *, places: int = PLACES
) -> Generator[tuple[int, int], None, ShiftCheck]:
    """Do as `check_shift`, yielding (places done, places); closing the generator cancels."""
    plan = plan_run(slide, model, options or PredictOptions())
    shift = _shift(plan)
    indices = _darkest(plan, places)
    reader = TileReader(plan)
    try:
        counts = np.zeros(256, np.int64)
        for done, index in enumerate(indices, 1):
            counts += _differences(plan, reader, plan.grid.box(index), shift)
            yield done, len(indices)
    finally:
        reader.close()
    return _summed(counts, len(indices), shift, plan.grid.tile_px)


def _shift(plan: Plan) -> tuple[int, int]:
    """Return half a stride, or as much of it as the map leaves room for, a side."""
    half = (plan.grid.tile_px - plan.grid.overlap_px) // 2
    room = [whole - tile for whole, tile in zip(plan.grid.shape, plan.grid.tile_shape, strict=True)]
    shift = min(half, room[0]), min(half, room[1])
    if shift == (0, 0):
        height, width = plan.grid.shape
        raise ParameterError(
            f"The part to predict has {height} x {width} px and is one tile: nothing can be "
            "moved. Check a larger part, or another slide."
        )
    return shift


def _darkest(plan: Plan, places: int) -> list[int]:
    """Return the tiles with the least light, which hold the most tissue; ties in reading order."""
    grey = plan.slide.overview(_OVERVIEW_PX).mean(axis=2)
    down, across = (side / seen for side, seen in zip(plan.slide.shape, grey.shape, strict=True))
    light = []
    for index in range(len(plan.grid)):
        box = plan.grid.box(index)
        y, x = plan.frame.to_level0(box.y, box.x)
        stop_y, stop_x = plan.frame.to_level0(box.stop_y, box.stop_x)
        rows = slice(int(y / down), max(int(stop_y / down), int(y / down) + 1))
        columns = slice(int(x / across), max(int(stop_x / across), int(x / across) + 1))
        light.append(grey[rows, columns].mean())
    return [int(index) for index in np.argsort(light, kind="stable")[: max(places, 1)]]


def _differences(
    plan: Plan, reader: TileReader, box: Box, shift: tuple[int, int]
) -> NDArray[np.int64]:
    """Return how many pixels differ by each number of grey levels."""
    height, width = plan.grid.shape
    # Away from the border that is nearer, so that the moved tile is whole as well.
    dy = shift[0] if box.stop_y + shift[0] <= height else -shift[0]
    dx = shift[1] if box.stop_x + shift[1] <= width else -shift[1]
    dy, dx = max(dy, -box.y), max(dx, -box.x)
    moved = box.shift(dy, dx)
    # Nearer to a tile's edge than half the overlap, its neighbour weighs more.
    trim = plan.grid.overlap_px // 2
    common = _trimmed(box, trim, plan).intersect(_trimmed(moved, trim, plan))
    first, second = (_target(plan, reader, tile, common) for tile in (box, moved))
    off = np.abs(first.astype(np.int16) - second)
    return np.bincount(off.ravel(), minlength=256)


def _trimmed(box: Box, trim: int, plan: Plan) -> Box:
    """Take ``trim`` off the sides that have a neighbour."""
    height, width = plan.grid.shape
    y, x = box.y + trim * (box.y > 0), box.x + trim * (box.x > 0)
    stop_y = box.stop_y - trim * (box.stop_y < height)
    stop_x = box.stop_x - trim * (box.stop_x < width)
    return Box(y, x, stop_y - y, stop_x - x)


def _target(plan: Plan, reader: TileReader, tile: Box, part: Box) -> NDArray[np.uint8]:
    spec = plan.model.spec
    scores = plan.model.quantise_batch(reader.read_box(tile)[None])[0]
    channel = spec.classes.index(spec.target_class)
    return scores[channel][part.shift(-tile.y, -tile.x).slices]


def _summed(
    counts: NDArray[np.int64], places: int, shift: tuple[int, int], tile_px: int
) -> ShiftCheck:
    levels, pixels = np.arange(256), int(counts.sum())
    least = int(np.searchsorted(counts.cumsum(), 0.99 * pixels))
    return ShiftCheck(
        p99=least / 255,
        mean=float(levels @ counts) / pixels / 255,
        largest=int(np.flatnonzero(counts)[-1]) / 255,
        pixels=pixels,
        places=places,
        shift_px=shift,
        tile_px=tile_px,
    )
