"""Building the index of a map, strip by strip, in memory or beside it on disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import OutputError
from slideconcord.segmentation.block_tree import BLOCK_PX, BlockTree
from slideconcord.segmentation.component_tree import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Scratch,
    grow_block,
)
from slideconcord.segmentation.joined_tree import join
from slideconcord.segmentation.sharing import in_order
from slideconcord.segmentation.sharing import workers as default_workers
from slideconcord.segmentation.threshold_index import Level, Place, ThresholdIndex
from slideconcord.segmentation.thresholds import check_fractions, check_map
from slideconcord.segmentation.tree_query import Forest

_COARSEST_PX = 512
_MOST_LEVELS = 7
_STRIP_PX = 2 * BLOCK_PX  # the rows of one chunk, as maps are stored
_LARGEST_IN_MEMORY_PX = 1 << 28


@dataclass(frozen=True, slots=True)
class IndexedStrip:
    """A step of building an index."""

    done: int
    total: int


def index_thresholds(
    probability: Any,
    *,
    class_name: str | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> ThresholdIndex:
    """Build the index that answers every pair of thresholds on a map.

    Parameters
    ----------
    probability
        A ProbabilityMap, or a plain map (y, x): uint8, or float 0 to 1, which is stored as
        ``floor(255 * p)`` like the maps of `predict`.
    class_name
        Which class of a ProbabilityMap; its target class when None.
    folder
        Where a map of more than 268 million pixels has its temporary files, 4 bytes per pixel;
        they vanish with the index. The system's folder for temporary files when None.

    Raises
    ------
    ParameterError
        When the map is no probability map.
    OutputError
        When the folder cannot hold the temporary files.
    """
    steps = index_blocks(probability, class_name=class_name, folder=folder)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def index_blocks(
    probability: Any,
    *,
    class_name: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    workers: int | None = None,
) -> Generator[IndexedStrip, None, ThresholdIndex]:
    """Do as `index_thresholds` in steps that can show progress; its return value is the index."""
    if isinstance(probability, np.ndarray):
        values, place = probability, Place()
    else:
        values, place = probability.level(0, class_name), _place(probability, class_name)
    check_map(values)
    height, width = values.shape
    levels = _allocate((height, width), folder)
    rows, columns = -(-height // BLOCK_PX), -(-width // BLOCK_PX)
    trees: list[BlockTree | None] = [None] * (rows * columns)
    extremes = np.zeros((2, rows * columns), np.uint8)

    def grow(top: int) -> None:
        strip = _strip(values, top, levels)
        scratch = Scratch.new()
        for y in range(top, min(top + _STRIP_PX, height), BLOCK_PX):
            for x in range(0, width, BLOCK_PX):
                block = (y // BLOCK_PX) * columns + x // BLOCK_PX
                part = strip[y - top : y - top + BLOCK_PX, x : x + BLOCK_PX]
                branches = levels[0].branches[y : y + BLOCK_PX, x : x + BLOCK_PX]
                trees[block] = grow_block(part, _seams(y, x, height, width), branches, scratch)
                extremes[:, block] = part.min(), part.max()
        _thin(levels, top)

    tops = range(0, height, _STRIP_PX)
    strips = in_order(grow, tops, workers or default_workers())
    for done, _ in enumerate(strips):
        yield IndexedStrip(done + 1, len(tops))
    whole = [block for block in trees if block is not None]
    trees.clear()
    joined = join(whole, columns)
    return ThresholdIndex(levels, _plant(whole, *extremes), joined, place)


def _place(probability: Any, class_name: str | None) -> Place:
    return Place(
        probability.frame,
        probability.slide_mpp,
        probability.slide_fingerprint,
        probability.slide_bounds,
        class_name or probability.target,
        probability.complete,
        getattr(probability, "smoothing_um", 0.0),
    )


def _allocate(shape: tuple[int, int], folder: str | os.PathLike[str] | None) -> tuple[Level, ...]:
    on_disk = shape[0] * shape[1] > _LARGEST_IN_MEMORY_PX

    def level(size: tuple[int, int]) -> Level:
        if on_disk:
            return Level(_on_disk(size, np.uint8, folder), _on_disk(size, np.uint16, folder))
        return Level(np.empty(size, np.uint8), np.empty(size, np.uint16))

    levels = [level(shape)]
    while max(shape) > _COARSEST_PX and len(levels) < _MOST_LEVELS:
        shape = -(-shape[0] // 2), -(-shape[1] // 2)
        levels.append(level(shape))
    return tuple(levels)


def _on_disk(
    shape: tuple[int, int], dtype: type[np.generic], folder: str | os.PathLike[str] | None
) -> NDArray[Any]:
    """Return an array in a file without a name, which vanishes with it."""
    size = shape[0] * shape[1] * np.dtype(dtype).itemsize
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            # Reserved now: a disk that fills up later would end the process without a word.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype, "r+", shape=shape)
    except OSError as error:
        place = os.fspath(folder or tempfile.gettempdir())
        raise OutputError(
            f"{place} has no room for the index of this map, {size / 1e9:.1f} GB ({error.strerror})"
            ": pass folder= with one on a disk that has.",
            place,
        ) from error


def _strip(values: Any, top: int, levels: tuple[Level, ...]) -> NDArray[np.uint8]:
    """Read a strip of the map and keep it."""
    strip = np.asarray(values[top : top + _STRIP_PX])
    if strip.dtype != np.uint8:
        check_fractions(strip)
        strip = np.floor(strip * 255).astype(np.uint8)
    kept = levels[0].values[top : top + _STRIP_PX]
    kept[:] = strip
    return kept


def _thin(levels: tuple[Level, ...], top: int) -> None:
    """Fill the coarser levels below a finished strip."""
    for k in range(1, len(levels)):
        from_rows = slice(top >> (k - 1), (top + _STRIP_PX) >> (k - 1))
        to_rows = slice(top >> k, (top + _STRIP_PX) >> k)
        finer, coarser = levels[k - 1], levels[k]
        coarser.values[to_rows] = finer.values[from_rows][::2, ::2]
        coarser.branches[to_rows] = finer.branches[from_rows][::2, ::2]


def _seams(y: int, x: int, height: int, width: int) -> int:
    """Tell on which sides of a block another one follows."""
    return (
        TOP * (y > 0)
        + BOTTOM * (y + BLOCK_PX < height)
        + LEFT * (x > 0)
        + RIGHT * (x + BLOCK_PX < width)
    )


def _plant(trees: list[BlockTree], lowest: NDArray[np.uint8], highest: NDArray[np.uint8]) -> Forest:
    """Lay the trees end to end, freeing each part as it is laid."""
    names = ("peak", "saddle", "parent", "node_count", "node_level", "node_area", "border_branch")
    parts = {name: [getattr(block, name) for block in trees] for name in names}
    trees.clear()
    laid: dict[str, Any] = {
        "start": _starts(parts["peak"]),
        "node_start": _starts(parts["node_level"]),
        "border_start": _starts(parts["border_branch"]),
    }
    for name in names:
        laid[name] = np.concatenate(parts.pop(name))
    return Forest(**laid, lowest=lowest, highest=highest)


def _starts(parts: list[NDArray[Any]]) -> NDArray[np.int64]:
    starts = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=starts[1:])
    return starts
