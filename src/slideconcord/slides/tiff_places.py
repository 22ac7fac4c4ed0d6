"""Where the encoded tiles or strips of a TIFF page lie in their file."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import tifffile

from slideconcord.errors import UnsupportedSlideError
from slideconcord.geometry import Box
from slideconcord.slides.positional import PositionalFile

# What tifffile, imagecodecs and struct raise over bytes that make no sense.
BROKEN = (tifffile.TiffFileError, OSError, ValueError, TypeError, LookupError, AttributeError,
          ArithmeticError, RuntimeError, MemoryError, struct.error)  # fmt: skip
Place = tuple[int, int]
"""(row, column) of a tile in its page."""

RAW, CONTIG = 1, 1
"""Values of the tags Compression and PlanarConfiguration."""
_MOST_TILE_BYTES = 1 << 30


class EncodedTiles:
    """Where the encoded tiles (or strips) of a page lie."""

    def __init__(self, page: tifffile.TiffPage, file: PositionalFile) -> None:
        self.shape = (int(page.imagelength), int(page.imagewidth))
        self.tile_shape = (
            (int(page.tilelength), int(page.tilewidth))
            if page.is_tiled
            else (min(int(page.rowsperstrip), self.shape[0]), self.shape[1])
        )
        self.file = file
        self._path = Path(page.parent.filehandle.path)
        if min(*self.shape, *self.tile_shape) < 1:
            raise self.refuse(f"its size {self.shape} or tile size {self.tile_shape} is zero")
        self.grid = tuple(-(-n // t) for n, t in zip(self.shape, self.tile_shape, strict=True))
        self.planes = 1 if page.planarconfig == CONTIG else int(page.samplesperpixel)
        self.offsets = np.array(page.dataoffsets, np.int64)
        self.counts = np.array(page.databytecounts, np.int64)
        promised = self.grid[0] * self.grid[1] * self.planes
        if min(len(self.offsets), len(self.counts)) < promised:
            raise self.refuse(
                f"its {self.shape[1]} x {self.shape[0]} pixels need {promised} tiles or strips, "
                f"but it lists {len(self.offsets)}: the file is damaged"
            )
        tile_bytes = self.tile_shape[0] * self.tile_shape[1] * int(page.samplesperpixel)
        if tile_bytes > _MOST_TILE_BYTES and page.compression != RAW:
            raise self.refuse(
                f"it decodes {tile_bytes >> 20} MiB at once: convert it to tiles of 256 px"
            )

    def refuse(self, reason: str) -> UnsupportedSlideError:
        return UnsupportedSlideError(reason, self._path)

    def encoded(self, place: Place, plane: int = 0) -> bytes | None:
        """Return a tile's bytes; None for one that the file leaves out."""
        index = (plane * self.grid[0] + place[0]) * self.grid[1] + place[1]
        count = int(self.counts[index])
        return self.file.read_at(int(self.offsets[index]), count) if count else None

    def box(self, place: Place) -> Box:
        height, width = self.tile_shape
        return Box(place[0] * height, place[1] * width, height, width)
