"""A level of a slide, read like an array."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.slides.plan import LevelPlan
from slideconcord.slides.reader import Rgb

if TYPE_CHECKING:
    import zarr

    from slideconcord.slides.slide import Slide


def split_index(index: Any, shape: tuple[int, int, int]) -> tuple[Box, tuple[Any, ...]]:
    """Return the box a numpy index needs and the index that is left to apply to that box."""
    index = index if isinstance(index, tuple) else (index,)
    if Ellipsis in index:
        at = index.index(Ellipsis)
        index = index[:at] + (slice(None),) * (4 - len(index)) + index[at + 1 :]
    if len(index) > 3:
        raise IndexError(f"a level has 3 axes (y, x, channel), not {len(index)}")
    index += (slice(None),) * (3 - len(index))
    (y, height, rest_y), (x, width, rest_x) = (
        _split_axis(i, n) for i, n in zip(index[:2], shape[:2], strict=True)
    )
    return Box(y, x, height, width), (rest_y, rest_x, index[2])


def _split_axis(index: Any, length: int) -> tuple[int, int, Any]:
    if not isinstance(index, slice):
        at = range(length)[index]
        return at, 1, 0
    wanted = range(length)[index]
    if not wanted:
        return 0, 0, slice(None)
    first = min(wanted[0], wanted[-1])
    size = abs(wanted[-1] - wanted[0]) + 1
    return first, size, slice(None, None, wanted.step)


class Level:
    """One level as an array (y, x, 3) uint8 that decodes what is asked for.

    Damaged tiles are hatched here and listed in ``slide.damaged``; `Slide.read_region` raises.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, slide: Slide, index: int, plan: LevelPlan) -> None:
        self._slide = slide
        self.index = index
        self.plan = plan
        self.native = plan.native
        self.downsample = plan.downsample
        self.tile_shape = plan.chunk
        self.shape = (*plan.shape, 3)
        self.chunks = (*plan.chunk, 3)

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1] * 3

    @property
    def nbytes(self) -> int:
        return self.size

    @property
    def mpp(self) -> Mpp:
        return Mpp(self._slide.mpp.y * self.downsample[0], self._slide.mpp.x * self.downsample[1])

    @property
    def frame(self) -> Frame:
        """Where the level's pixels lie in level 0."""
        return Frame(0.0, 0.0, *self.downsample)

    @property
    def box(self) -> Box:
        """All of the level, in its own pixels."""
        return Box(0, 0, *self.plan.shape)

    @property
    def grid(self) -> tuple[int, int]:
        """How many rows and columns of tiles there are."""
        (height, width), (tile_y, tile_x) = self.plan.shape, self.tile_shape
        return ceil(height / tile_y), ceil(width / tile_x)

    def tile(self, row: int, column: int) -> Rgb:
        """Return one tile, cut at the level's edge, read-only; damaged parts are hatched."""
        return self._slide.pyramid.shown(self.index, row, column)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Rgb:
        box, rest = split_index(index, self.shape)
        return self._slide.pyramid.read_shown(self.index, box)[rest]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self[:], dtype=dtype)

    @property
    def zarr(self) -> zarr.Array[Any]:
        """The level as a read-only zarr v3 array whose chunks are the tiles."""
        import zarr

        return zarr.open_array(self._slide.store, path=str(self.index), mode="r")

    @property
    def dask(self) -> Any:
        """The level as a dask array, one chunk a tile.

        It reads the level itself: the way through `zarr` gives the same pixels at half the speed.
        """
        import dask.array

        name = f"slideconcord-{self._slide.pyramid.owner}-{self.index}"
        return dask.array.from_array(self, chunks=self.chunks, name=name, asarray=False)

    def __repr__(self) -> str:
        kind = "averaged" if self.native is None else "native"
        return (
            f"<Level {self.index} of {self._slide.name}: {self.shape[0]} x {self.shape[1]}, {kind}>"
        )
