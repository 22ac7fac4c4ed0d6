"""What the samples of a TIFF page mean, turned into RGB."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from slideconcord.errors import UnsupportedSlideError
from slideconcord.slides.reader import Rgb

Converter = Callable[[NDArray[np.uint8]], Rgb]

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_PREMULTIPLIED, _ALPHA = 1, 2
# Codecs that give RGB whatever the page calls its colours.
_TO_RGB = (7, 50001)


def rgb_converter(page: tifffile.TiffPage, background: tuple[int, int, int]) -> Converter:
    """Return the function that turns samples (y, x, sample) of a page into RGB (y, x, 3).

    Raises
    ------
    UnsupportedSlideError
        When the page is no 8-bit colour or grey picture; the text says what it is.
    """
    refuse = _refusal(page)
    if refuse:
        raise UnsupportedSlideError(refuse, Path(page.parent.filehandle.path))
    samples, extra = int(page.samplesperpixel), tuple(int(kind) for kind in page.extrasamples)
    if page.photometric == _PALETTE:
        return _through(_palette(page))
    inverted = page.photometric == _WHITE_IS_ZERO
    colours = 1 if page.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) else 3
    alpha = extra[0] if extra and samples > colours else 0
    backdrop = np.array(background, np.uint8)

    def convert(pixels: NDArray[np.uint8]) -> Rgb:
        rgb = pixels[..., :colours]
        rgb = 255 - rgb if inverted else rgb
        if alpha in (_PREMULTIPLIED, _ALPHA):
            rgb = _composite(rgb, pixels[..., colours], backdrop, alpha == _PREMULTIPLIED)
        return rgb if rgb.shape[-1] == 3 else np.repeat(rgb, 3, axis=-1)

    return convert


def _refusal(page: tifffile.TiffPage) -> str | None:
    """Say why a page cannot be shown as 8-bit RGB; None when it can."""
    samples = int(page.samplesperpixel)
    if page.sampleformat == 3:
        return f"{page.bitspersample}-bit floating-point values; a slide has 8-bit colour or grey"
    if page.bitspersample != 8:
        return f"{page.bitspersample} bits per sample; convert it to 8-bit RGB"
    if page.dtype != np.uint8:
        return f"samples of the kind {page.dtype}; convert it to 8-bit RGB"
    if page.imagedepth > 1:
        return f"a volume of {page.imagedepth} planes; extract one plane"
    if page.photometric == _PALETTE:
        return None if samples == 1 and page.colormap is not None else "a palette that is missing"
    if page.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO):
        channels = samples - len(page.extrasamples)
        if channels == 1 and (samples == 1 or page.extrasamples[0] in (_PREMULTIPLIED, _ALPHA)):
            return None
        return f"{samples} channels that are not red, green, blue (fluorescence?); convert to RGB"
    if page.photometric == _YCBCR and page.compression not in _TO_RGB:
        return "YCbCr colours without JPEG; convert it to RGB"
    if page.photometric not in (_RGB, _YCBCR):
        name = getattr(page.photometric, "name", page.photometric)
        return f"{name} colours; convert it to RGB"
    return None if samples >= 3 else f"{samples} samples per pixel where RGB has 3"


def _palette(page: tifffile.TiffPage) -> NDArray[np.uint8]:
    table = np.zeros((256, 3), np.uint16)
    stored = np.asarray(page.colormap)[:, :256].T
    table[: len(stored)] = stored
    # The standard has 16 bits per colour; some writers store 8.
    return (table // 257 if table.max(initial=0) > 255 else table).astype(np.uint8)


def _through(palette: NDArray[np.uint8]) -> Converter:
    return lambda pixels: palette[pixels[..., 0]]


def _composite(
    colour: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    backdrop: NDArray[np.uint8],
    is_premultiplied: bool,
) -> Rgb:
    """Lay colour (y, x, 1 or 3) on the backdrop; return (y, x, 3)."""
    share = alpha[..., None].astype(np.float32) / 255
    front = colour.astype(np.float32) * (1 if is_premultiplied else share)
    return np.minimum(front + backdrop * (1 - share) + 0.5, 255).astype(np.uint8)
