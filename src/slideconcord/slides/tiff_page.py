"""Pages of a TIFF file: how their tiles or strips lie in it and decode to RGB."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock, local
from typing import Protocol

import numpy as np
import tifffile
from numpy.typing import NDArray

from slideconcord.geometry import Box
from slideconcord.slides.jpeg import decode_jpeg
from slideconcord.slides.positional import PositionalFile
from slideconcord.slides.reader import Rgb
from slideconcord.slides.tiff_colour import rgb_converter
from slideconcord.slides.tiff_places import CONTIG, RAW, EncodedTiles, Place

_JPEG = 7
_YCBCR, _RGB = 6, 2
_KEPT_BYTES = 128 << 20
_RAW_ROWS = 256
_LARGE_PX = 1024


class PageReader(Protocol):
    """One page; reads come from many threads."""

    shape: tuple[int, int]
    tile_shape: tuple[int, int]

    def paste(self, place: Place, part: Box, out: Rgb) -> None:
        """Write ``part`` (page pixels, inside the tile at ``place``) into ``out``.

        Raises one of `BROKEN` when the tile cannot be decoded.
        """
        ...


def open_page(
    page: tifffile.TiffPage, file: PositionalFile, background: tuple[int, int, int]
) -> PageReader:
    """Return the fastest way to read a page.

    Raises
    ------
    UnsupportedSlideError
        When the page holds something else than 8-bit colour or grey, or is damaged.
    """
    if is_jpeg_rgb(page):
        return JpegPage(page, file, background)
    to_rgb = rgb_converter(page, background)
    if not page.is_tiled and page.compression == RAW and page.planarconfig == CONTIG:
        return RawPage(page, file, background, to_rgb)
    return CodedPage(page, file, background, to_rgb)


def is_jpeg_rgb(page: tifffile.TiffPage) -> bool:
    """Whether the tiles are JPEG streams of three 8-bit components, Aperio's RGB included."""
    return bool(
        page.is_tiled
        and page.compression == _JPEG
        and page.photometric in (_YCBCR, _RGB)
        and page.planarconfig == CONTIG
        and page.samplesperpixel == 3
        and page.bitspersample == 8
        and page.imagedepth == 1
        # Bio-Formats writes YCbCr in JFIF and calls it RGB; tifffile's decoder knows that.
        and not (page.photometric == _RGB and page.is_jfif)
    )


class JpegPage(EncodedTiles):
    """Tiles of 3-component JPEG: decoded without a detour."""

    def __init__(
        self,
        page: tifffile.TiffPage,
        file: PositionalFile,
        background: tuple[int, int, int],
    ) -> None:
        super().__init__(page, file)
        self._tables = page.jpegtables
        self._is_rgb = page.photometric == _RGB
        self._buffers = local()
        self._background = background

    def paste(self, place: Place, part: Box, out: Rgb) -> None:
        data = self.encoded(place)
        if data is None:
            out[:] = self._background
            return
        tile = self.box(place)
        # A whole tile may go where it belongs without a copy.
        is_direct = part == tile and out.flags.c_contiguous
        rgb = decode_jpeg(
            data,
            self.tile_shape,
            tables=self._tables,
            is_rgb=self._is_rgb,
            out=out if is_direct else self._buffer(),
        )
        if not is_direct:
            out[:] = rgb[part.shift(-tile.y, -tile.x).slices]

    def _buffer(self) -> Rgb | None:
        """Return this thread's tile to decode into: fresh memory costs more than the copy."""
        if max(self.tile_shape) > _LARGE_PX:
            return None
        if not hasattr(self._buffers, "rgb"):
            self._buffers.rgb = np.empty((*self.tile_shape, 3), np.uint8)
        rgb: Rgb = self._buffers.rgb
        return rgb


class RawPage(EncodedTiles):
    """Uncompressed rows: read as many as asked for, however long the strips are."""

    def __init__(
        self,
        page: tifffile.TiffPage,
        file: PositionalFile,
        background: tuple[int, int, int],
        to_rgb: Callable[[Rgb], Rgb],
    ) -> None:
        super().__init__(page, file)
        self._background = background
        if page.predictor != 1 or page.fillorder != 1:
            raise self.refuse("uncompressed pixels with a predictor or reversed bits")
        self._strip_rows = self.tile_shape[0]
        self._samples = int(page.samplesperpixel)
        self._to_rgb = to_rgb
        # Strips of the whole height are common, and so are strips of one row.
        self.tile_shape = (min(_RAW_ROWS, self.shape[0]), self.shape[1])

    def paste(self, place: Place, part: Box, out: Rgb) -> None:
        row = part.y
        while row < part.stop_y:
            strip, inside = divmod(row, self._strip_rows)
            rows = min(self._strip_rows - inside, part.stop_y - row)
            pixels = self._rows(strip, inside, rows)
            target = out[row - part.y : row - part.y + rows]
            if pixels is None:
                target[:] = self._background
            else:
                target[:] = self._to_rgb(pixels[:, part.x : part.stop_x])
            row += rows

    def _rows(self, strip: int, first: int, count: int) -> NDArray[np.uint8] | None:
        """Return rows of a strip as (y, x, sample); None when the file leaves it out."""
        row_bytes = self.shape[1] * self._samples
        if not self.counts[strip]:
            return None
        if self.counts[strip] < (first + count) * row_bytes:
            raise ValueError("a strip that is too short")
        data = self.file.read_at(int(self.offsets[strip]) + first * row_bytes, count * row_bytes)
        return np.frombuffer(data, np.uint8).reshape(count, self.shape[1], self._samples)


class CodedPage(EncodedTiles):
    """Tiles or strips of any compression that tifffile knows, in one or several planes."""

    def __init__(
        self,
        page: tifffile.TiffPage,
        file: PositionalFile,
        background: tuple[int, int, int],
        to_rgb: Callable[[Rgb], Rgb],
    ) -> None:
        super().__init__(page, file)
        if page.compression not in tifffile.TIFF.DECOMPRESSORS and page.compression != RAW:
            raise self.refuse(f"compression {int(page.compression)} is unknown")
        self._background = background
        self._to_rgb = to_rgb
        self._decode = page.decode
        # Only JPEG's decoder takes shared tables; the others take no such argument.
        self._tables = page.jpegtables
        self._kept = _Kept() if max(self.tile_shape) > _LARGE_PX else None

    def paste(self, place: Place, part: Box, out: Rgb) -> None:
        rgb = self._tile(place) if self._kept is None else self._kept.get(place, self._tile)
        tile = self.box(place)
        out[:] = self._background if rgb is None else rgb[part.shift(-tile.y, -tile.x).slices]

    def _tile(self, place: Place) -> Rgb | None:
        planes = [self._plane(place, plane) for plane in range(self.planes)]
        if any(plane is None for plane in planes):
            return None
        whole = np.concatenate([p for p in planes if p is not None], axis=-1)
        return self._to_rgb(whole)

    def _plane(self, place: Place, plane: int) -> NDArray[np.uint8] | None:
        data = self.encoded(place, plane)
        if data is None:
            return None
        index = (plane * self.grid[0] + place[0]) * self.grid[1] + place[1]
        pixels, _, _ = self._decode(data, index, jpegtables=self._tables)
        wanted = self.box(place).intersect(Box(0, 0, *self.shape)).shape
        if pixels.dtype != np.uint8 or any(
            n < w for n, w in zip(pixels[0].shape, wanted, strict=False)
        ):
            raise ValueError("a tile of another size or kind than the page says")
        return np.asarray(pixels[0])


class _Kept:
    """Long strips decoded last: a view reads each of them many times, a part at a time."""

    def __init__(self) -> None:
        self._strips: OrderedDict[Place, Rgb | None] = OrderedDict()
        self._lock = Lock()

    def get(self, place: Place, decode: Callable[[Place], Rgb | None]) -> Rgb | None:
        # One at a time: each may be large, and its neighbours wait for the same one.
        with self._lock:
            if place not in self._strips:
                self._strips[place] = decode(place)
            self._strips.move_to_end(place)
            while len(self._strips) > 1 and self._bytes() > _KEPT_BYTES:
                self._strips.popitem(last=False)
            return self._strips[place]

    def _bytes(self) -> int:
        return sum(strip.nbytes for strip in self._strips.values() if strip is not None)
