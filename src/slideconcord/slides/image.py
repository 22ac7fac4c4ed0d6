"""Plain pictures (PNG, JPEG, BMP): one level, and never a pixel size to trust."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile
from PIL.Image import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from slideconcord.errors import SlideError, UnsupportedSlideError
from slideconcord.geometry import Box
from slideconcord.slides.openslide import composite
from slideconcord.slides.reader import WHITE, NativeLevel, Rgb, SlideInfo

# The classes themselves, because Image.open refuses pictures the size of a slide.
_KINDS: dict[bytes, Callable[[Path], Image]] = {
    b"\x89PNG": PngImageFile,
    b"\xff\xd8": JpegImageFile,
    b"BM": BmpImageFile,
}
# 8 bits a channel: a wider one cannot be turned into them without a guess.
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
# A picture is decoded whole; more pixels than this belong into a tiled format.
_MOST_PIXELS = 400_000_000
_TILE_PX = 512


class ImageReader:
    """Read a plain picture. Its dots per inch speak of paper, so it claims no mpp."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with _opened(path) as image:
                _check(image, path)
                profile, kind = image.info.get("icc_profile"), str(image.format).lower()
                self._rgb = _decoded(image)
        except UnsupportedSlideError:
            raise
        except (OSError, SyntaxError, ValueError) as error:
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


def _opened(path: Path) -> Image:
    if path.is_dir():
        raise UnsupportedSlideError("a folder, not a picture", path)
    with path.open("rb") as file:
        start = file.read(8)
    for magic, kind in _KINDS.items():
        if start.startswith(magic):
            return kind(path)
    raise UnsupportedSlideError("not a PNG, JPEG or BMP picture", path)


def _check(image: Image, path: Path) -> None:
    if image.width * image.height > _MOST_PIXELS:
        raise UnsupportedSlideError(
            f"a picture of {image.height} x {image.width} pixels: convert it to tiled TIFF", path
        )
    if image.mode not in _MODES:
        raise UnsupportedSlideError(
            f"pixels of kind {image.mode}: save it with 8 bits a channel", path
        )


def _decoded(image: Image) -> Rgb:
    if image.has_transparency_data:
        return composite(np.asarray(image.convert("RGBA")), WHITE)
    return np.array(image.convert("RGB"))
