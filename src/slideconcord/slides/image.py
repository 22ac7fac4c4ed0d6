"""Plain pictures (PNG, JPEG, BMP): one level, and never a pixel size to trust."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from slideconcord.errors import SlideError, UnsupportedSlideError
from slideconcord.geometry import Box
from slideconcord.slides.openslide import composite
from slideconcord.slides.reader import WHITE, NativeLevel, Rgb, SlideInfo

_FORMATS = ("PNG", "JPEG", "BMP")
# A picture is decoded whole; more pixels than this belong into a tiled format.
_MOST_PIXELS = 400_000_000
_TILE_PX = 512


class ImageReader:
    """Read a plain picture. Its dots per inch speak of paper, so it claims no mpp."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._rgb, profile, kind = _decoded(path)
        except UnidentifiedImageError as error:
            raise UnsupportedSlideError("not a PNG, JPEG or BMP picture", path) from error
        except (OSError, SyntaxError, ValueError) as error:
            if isinstance(error, UnsupportedSlideError):
                raise
            raise SlideError(f"damaged picture: {error}", path) from error
        level = NativeLevel(
            (self._rgb.shape[0], self._rgb.shape[1]), (1.0, 1.0), (_TILE_PX, _TILE_PX)
        )
        self.info = SlideInfo(format=kind, levels=(level,), icc_profile=profile)

    def read(self, level: int, box: Box) -> Rgb:
        return np.ascontiguousarray(self._rgb[box.slices])

    def associated_image(self, name: str) -> Rgb:
        raise SlideError(f"{self._path.name} has no image {name!r}.", self._path)

    def close(self) -> None:
        self._rgb = np.empty((0, 0, 3), np.uint8)


def _decoded(path: Path) -> tuple[Rgb, bytes | None, str]:
    if path.is_dir():
        raise UnsupportedSlideError("a folder, not a picture", path)
    # The decompression-bomb warning is about web pages; our own limit is below.
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise UnsupportedSlideError(
                    f"a picture of {image.width} x {image.height} pixels; convert it to tiled TIFF",
                    path,
                )
            profile, kind = image.info.get("icc_profile"), str(image.format).lower()
            if image.has_transparency_data:
                return composite(np.asarray(image.convert("RGBA")), WHITE), profile, kind
            return np.array(image.convert("RGB")), profile, kind
    finally:
        Image.MAX_IMAGE_PIXELS = limit
