"""Tiles of a TIFF pyramid, decoded directly: no canvas, no lock, no process-wide cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from slideconcord.errors import DamagedSlideError, ParameterError, UnsupportedSlideError
from slideconcord.geometry import Box
from slideconcord.slides.positional import PositionalFile
from slideconcord.slides.reader import WHITE, NativeLevel, Rgb
from slideconcord.slides.tiff_page import PageReader, is_jpeg_rgb, open_page
from slideconcord.slides.tiff_places import BROKEN

_APERIO_J2K_RGB = 33005
_CONTIG, _RGB = 1, 2


class TiffTiles:
    """The levels of a TIFF slide, read from many threads at once.

    Parameters
    ----------
    path
        Names the file in messages.
    file
        Closed with this object.
    levels
        Finest first.
    """

    def __init__(self, path: Path, file: PositionalFile, levels: Sequence[PageReader]) -> None:
        self._path = path
        self.file = file
        self._levels = tuple(levels)

    @classmethod
    def match(cls, path: Path, native_levels: tuple[NativeLevel, ...]) -> TiffTiles | None:
        """Return direct access to a file that OpenSlide opened, where both give the same pixels.

        Each level must be exactly one page of that size and tile, with JPEG (or Aperio's
        JPEG 2000) tiles of three 8-bit samples. None when one is not.
        """
        try:
            file = PositionalFile(path)
        except OSError:
            return None
        tiles = None
        try:
            with tifffile.TiffFile(path) as tiff:
                pages = _matching_pages(tiff, native_levels)
                if pages is not None:
                    tiles = cls(path, file, [open_page(page, file, WHITE) for page in pages])
        except (*BROKEN, UnsupportedSlideError):
            tiles = None
        if tiles is None:
            file.close()
        return tiles

    def read(self, level: int, box: Box) -> Rgb:
        """Return ``box`` (pixels of ``level``, inside it) as (y, x, 3) uint8.

        Raises
        ------
        DamagedSlideError
            When tiles of the box cannot be decoded; ``tiles`` names all of them.
        """
        page = self._levels[level]
        if not Box(0, 0, *page.shape).contains(box):
            raise ParameterError(f"{box} is not inside level {level} of {self._path.name}.")
        out = np.empty((*box.shape, 3), np.uint8)
        height, width = page.tile_shape
        damaged: dict[tuple[int, int, int], BaseException] = {}
        for row in range(box.y // height, -(-box.stop_y // height)):
            for column in range(box.x // width, -(-box.stop_x // width)):
                part = Box(row * height, column * width, height, width).intersect(box)
                target = out[part.shift(-box.y, -box.x).slices]
                try:
                    page.paste((row, column), part, target)
                except BROKEN as error:
                    damaged[level, row, column] = error
        if damaged:
            raise self._damaged(damaged)
        return out

    def close(self) -> None:
        self.file.close()

    def _damaged(self, damaged: dict[tuple[int, int, int], BaseException]) -> DamagedSlideError:
        (level, row, column), error = next(iter(damaged.items()))
        others = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
        return DamagedSlideError(
            f"{self._path.name}: tile (level {level}, row {row}, column {column}){others} "
            f"cannot be decoded: {error or type(error).__name__}",
            self._path,
            list(damaged),
        )


def _matching_pages(
    tiff: tifffile.TiffFile, native_levels: tuple[NativeLevel, ...]
) -> list[tifffile.TiffPage] | None:
    pages = list(tiff.pages)
    found = []
    for level in native_levels:
        same = [page for page in pages if _fits(page, level)]
        if len(same) != 1:
            return None
        found.append(same[0])
    # Where Aperio's encoder left tiles out, OpenSlide paints coarser ones from finer levels anew.
    is_aperio = pages[0].description.startswith("Aperio")
    if is_aperio and any(0 in page.databytecounts for page in found):
        return None
    return found


def _fits(page: tifffile.TiffPage, level: NativeLevel) -> bool:
    if not page.is_tiled or (page.imagelength, page.imagewidth) != level.shape:
        return False
    if (page.tilelength, page.tilewidth) != level.tile_shape:
        return False
    is_j2k = (page.compression, page.photometric, page.planarconfig, page.samplesperpixel) == (
        _APERIO_J2K_RGB,
        _RGB,
        _CONTIG,
        3,
    )
    return is_j2k or is_jpeg_rgb(page)
