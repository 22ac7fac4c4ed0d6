"""TIFF files that OpenSlide refuses: OME-TIFF, and plain ones, tiled or in strips."""

from __future__ import annotations

import logging
from pathlib import Path

import tifffile

from slideconcord.errors import SlideError, UnsupportedSlideError
from slideconcord.geometry import Box
from slideconcord.slides.positional import PositionalFile
from slideconcord.slides.reader import WHITE, NativeLevel, Rgb, SlideInfo
from slideconcord.slides.tiff_layout import TiffLayout, find_layout
from slideconcord.slides.tiff_page import PageReader, open_page
from slideconcord.slides.tiff_places import BROKEN
from slideconcord.slides.tiff_tiles import TiffTiles

# Its warnings of odd files would reach the user's terminal beside our own one line.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


class TiffReader:
    """Read 8-bit colour or grey TIFF, whatever its compression, layout and byte order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if path.is_dir():
            raise UnsupportedSlideError("a folder, not a TIFF file", path)
        try:
            file = PositionalFile(path)
        except OSError as error:
            raise SlideError(f"cannot be read: {error.strerror or error}", path) from error
        try:
            with tifffile.TiffFile(path) as tiff:
                layout = find_layout(tiff, path)
                pages = [open_page(page, file, WHITE) for page in layout.levels]
                self._associated = _open_associated(layout, file)
                self.info = _describe(layout, pages, tuple(self._associated))
        except SlideError:
            file.close()
            raise
        except BROKEN as error:
            file.close()
            raise _refusal(path, error) from error
        self._tiles = TiffTiles(path, file, pages)

    def read(self, level: int, box: Box) -> Rgb:
        return self._tiles.read(level, box)

    def associated_image(self, name: str) -> Rgb:
        if name not in self._associated:
            raise SlideError(f"{self._path.name} has no image {name!r}.", self._path)
        page = self._associated[name]
        return TiffTiles(self._path, self._tiles.file, [page]).read(0, Box(0, 0, *page.shape))

    def close(self) -> None:
        self._tiles.close()


def _refusal(path: Path, error: BaseException) -> SlideError:
    with path.open("rb") as file:
        magic = file.read(4)
    if magic[:2] not in (b"II", b"MM") or (b"*" not in magic and b"+" not in magic):
        return UnsupportedSlideError("not a TIFF file", path)
    return SlideError(f"a damaged TIFF file ({error or type(error).__name__})", path)


def _open_associated(layout: TiffLayout, file: PositionalFile) -> dict[str, PageReader]:
    found = {}
    for name, page in layout.associated.items():
        try:
            found[name] = open_page(page, file, WHITE)
        except UnsupportedSlideError:
            # A side picture of an odd kind is no reason to refuse the slide.
            continue
    return found


def _describe(
    layout: TiffLayout, pages: list[PageReader], associated: tuple[str, ...]
) -> SlideInfo:
    height, width = pages[0].shape
    profile = layout.levels[0].iccprofile
    return SlideInfo(
        format=layout.format,
        levels=tuple(
            NativeLevel(p.shape, (height / p.shape[0], width / p.shape[1]), p.tile_shape)
            for p in pages
        ),
        mpp=layout.mpp,
        scanner=layout.scanner,
        objective_power=layout.objective_power,
        background=WHITE,
        icc_profile=profile or None,
        associated=associated,
        properties=layout.properties,
    )
