"""Reading the tiles of a run, the first of them before it begins where that helps."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from slideconcord.geometry import Box, Frame
from slideconcord.segmentation.context import padded_shape, read_context
from slideconcord.segmentation.plan import Plan
from slideconcord.segmentation.tile_jpeg import through_jpeg
from slideconcord.segmentation.tiles import TileQueue

if TYPE_CHECKING:
    from slideconcord.slides.cache import NativeTile

# Decoded tiles of the slide, which neighbouring tiles of the run share.
_CACHE_BYTES = 48 << 20
# One tile may be as large as hundreds of MB.
_EARLY_TILES = 2


class TileReader:
    """Reads the tiles of one run; several threads may."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        # What is on the screen stays in the shared cache, and memory does not depend on the slide.
        self._slide = plan.slide.apart(_CACHE_BYTES)
        self._early: dict[int, NDArray[np.uint8]] = {}

    @property
    def damaged(self) -> frozenset[NativeTile]:
        """Native tiles that could not be decoded so far."""
        return self._slide.damaged

    def read_early(self) -> None:
        """Read the tiles that a new run begins with, and keep them until it asks for them."""
        queue = TileQueue(self.plan.grid, self.plan.skipped)
        for _ in range(_EARLY_TILES):
            index = queue.take()
            if index is not None:
                self._early[index] = self.read(index)

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return a tile (y, x, 3), or with its context (level, y, x, 3).

        What is damaged in it is background, and listed.
        """
        early = self._early.pop(index, None)
        if early is not None:
            return early
        tile = self.read_box(self.plan.grid.box(index))
        return through_jpeg(tile) if self.plan.options.jpeg_tiles else tile

    def read_box(self, box: Box) -> NDArray[np.uint8]:
        """Return any box of the map, as `read` does a tile."""
        plan, context = self.plan, self.plan.model.spec.context
        place = box.shift(plan.box_px.y, plan.box_px.x)
        tile = self._slide.read_grid(plan.mpp, place, on_damage="mark")
        if context is None:
            return tile
        whole = padded_shape(box.shape, plan.model.spec.input_multiple)
        where = context.frame(Frame(0.0, 0.0, *self._slide.grid_step(plan.mpp)), place, whole)
        return np.stack([tile, read_context(self._slide, where, box.shape)])

    def close(self) -> None:
        self._early.clear()
        self._slide.pyramid.close()


class Closes(Protocol):
    """What has to be closed when it is not needed any more."""

    def close(self) -> None: ...


Item = TypeVar("Item")
Ready = TypeVar("Ready", bound=Closes)


def one_ahead(
    items: Sequence[Item], prepare: Callable[[Item, bool], Ready]
) -> Generator[Future[Ready], None, None]:
    """Yield each item made ready, the next one in a thread while the caller works on this one.

    ``prepare(item, is_ahead)`` is called once an item. What it raises is raised by the future's
    ``result()``, in its turn; what the caller never took is closed.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="slideconcord-ahead") as pool:
        waiting: list[Future[Ready]] = []
        try:
            for number, item in enumerate(items):
                current = waiting.pop() if waiting else pool.submit(prepare, item, False)
                if number + 1 < len(items):
                    waiting.append(pool.submit(prepare, items[number + 1], True))
                yield current
        finally:
            for future in waiting:
                if not future.cancel() and future.exception() is None:
                    future.result().close()
