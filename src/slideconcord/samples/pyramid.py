"""Encode a picture that comes in rows of tiles, and every coarser level, in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import IO

import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]


def encode(tile: Rgb, quality: int) -> bytes:
    """Return one JPEG stream, 4:2:0, of a (y, x, 3) uint8 tile."""
    import imagecodecs

    return bytes(
        imagecodecs.jpeg8_encode(
            tile, level=quality, colorspace="RGB", outcolorspace="YCbCr", subsampling="420"
        )
    )


def halve(rgb: Rgb) -> Rgb:
    """Return the mean of every 2 x 2 pixels, rounded half up; sides must be even."""
    four = rgb[::2, ::2].astype(np.uint16)
    for part in (rgb[::2, 1::2], rgb[1::2, ::2], rgb[1::2, 1::2]):
        four += part
    four += 2
    four >>= 2
    return four.astype(np.uint8)


class TileSpool:
    """Encoded tiles of one level, kept on disk in the order in which TIFF wants them."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._sizes: list[int] = []

    def add(self, data: bytes) -> None:
        self._file.write(data)
        self._sizes.append(len(data))

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        for size in self._sizes:
            yield self._file.read(size)

    def close(self) -> None:
        self._file.close()


class PyramidSpool:
    """Takes level 0 in bands one tile high, top to bottom, and makes every coarser level.

    Parameters
    ----------
    shape
        (height, width) of level 0, divisible by 2 ** (levels - 1).
    """

    def __init__(self, shape: tuple[int, int], levels: int, tile_px: int, quality: int) -> None:
        self.shape, self.levels, self.tile_px, self.quality = shape, levels, tile_px, quality
        self.spools = [TileSpool() for _ in range(levels)]
        self._pending: list[Rgb | None] = [None] * levels

    def __enter__(self) -> PyramidSpool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for spool in self.spools:
            spool.close()

    def shape_of(self, level: int) -> tuple[int, int]:
        return self.shape[0] >> level, self.shape[1] >> level

    def add(self, band: Rgb, level: int = 0, encoded: list[bytes] | None = None) -> None:
        """Take the next band (at most tile_px, width, 3); its tiles may come already encoded."""
        if encoded is None:
            encoded = [encode(tile, self.quality) for tile in tiles_of(band, self.tile_px)]
        for data in encoded:
            self.spools[level].add(data)
        if level + 1 < self.levels:
            self._gather(halve(band), level + 1)

    def _gather(self, half: Rgb, level: int) -> None:
        before = self._pending[level]
        rows = half if before is None else np.concatenate([before, half])
        done = self.spools[level]._sizes
        columns = -(-self.shape_of(level)[1] // self.tile_px)
        left = self.shape_of(level)[0] - len(done) // columns * self.tile_px
        if len(rows) < min(self.tile_px, left):
            self._pending[level] = rows
            return
        self._pending[level] = None
        self.add(rows, level)


def tiles_of(band: Rgb, tile_px: int) -> Iterator[Rgb]:
    """Cut a band into whole tiles; the last ones repeat their edge, as JPEG likes it."""
    for x in range(0, band.shape[1], tile_px):
        tile = band[:tile_px, x : x + tile_px]
        missing = ((0, tile_px - tile.shape[0]), (0, tile_px - tile.shape[1]), (0, 0))
        yield np.ascontiguousarray(np.pad(tile, missing, mode="edge"))
