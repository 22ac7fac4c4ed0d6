"""Which levels a slide has: those in the file, and our own where steps are too large."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from slideconcord.geometry import Box
from slideconcord.slides.reader import NativeLevel

COARSEST_PX = 1024
_CHUNK_PX = 512
_LARGEST_CHUNK_PX = 1024
# A step from one level to the next above this is filled with levels of our own.
_LARGEST_STEP = 2.5


@dataclass(frozen=True, slots=True)
class LevelPlan:
    """One level: stored in the file (``native``), or averaged from the next finer one."""

    shape: tuple[int, int]
    downsample: tuple[float, float]
    chunk: tuple[int, int]
    native: int | None = None


def plan_levels(native: tuple[NativeLevel, ...]) -> tuple[LevelPlan, ...]:
    """Return the native levels, with levels of our own where steps are too large."""
    plans: list[LevelPlan] = []
    for i, level in enumerate(native):
        while plans and min(_step(plans[-1].downsample, level.downsample)) > _LARGEST_STEP:
            plans.append(_halved(plans[-1]))
        chunk = chunk_side(level.tile_shape[0]), chunk_side(level.tile_shape[1])
        plans.append(LevelPlan(level.shape, level.downsample, chunk, i))
    while max(plans[-1].shape) > COARSEST_PX:
        plans.append(_halved(plans[-1]))
    return tuple(plans)


def _step(fine: tuple[float, float], coarse: tuple[float, float]) -> tuple[float, float]:
    return coarse[0] / fine[0], coarse[1] / fine[1]


def _halved(plan: LevelPlan) -> LevelPlan:
    (height, width), (dy, dx) = plan.shape, plan.downsample
    return LevelPlan((ceil(height / 2), ceil(width / 2)), (2 * dy, 2 * dx), plan.chunk)


def chunk_side(tile_px: int) -> int:
    """Return the multiple of a native tile's side closest to 512 px, never above 1024 px."""
    if tile_px > _LARGEST_CHUNK_PX:
        return _LARGEST_CHUNK_PX
    return tile_px * max(round(_CHUNK_PX / tile_px), 1)


def chunks_of(
    shape: tuple[int, int], chunk: tuple[int, int], box: Box
) -> Iterator[tuple[int, int]]:
    """Yield (row, column) of every chunk that a box inside the level touches."""
    inside = box.intersect(Box(0, 0, *shape))
    if inside.area == 0:
        return
    for row in range(inside.y // chunk[0], ceil(inside.stop_y / chunk[0])):
        for column in range(inside.x // chunk[1], ceil(inside.stop_x / chunk[1])):
            yield row, column
