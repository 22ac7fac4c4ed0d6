"""Colours as stored, or through the slide's ICC profile into sRGB."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

from slideconcord.errors import ParameterError, SlideError
from slideconcord.slides.reader import Rgb

Colour = Literal["raw", "srgb"]


def colour_transform(profile: bytes | None, colour: Colour, path: Path) -> Callable[[Rgb], Rgb]:
    """Return the function that turns stored pixels (y, x, 3) into those shown and segmented.

    Without a profile, ``"srgb"`` is ``"raw"``.

    Raises
    ------
    ParameterError
        When ``colour`` is neither.
    SlideError
        When the profile cannot be used.
    """
    if colour not in ("raw", "srgb"):
        raise ParameterError(f'colour={colour!r} is unknown: choose "raw" or "srgb".')
    if colour == "raw" or profile is None:
        return lambda rgb: rgb
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        to_srgb = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "RGB", "RGB")
    except (OSError, ImageCms.PyCMSError) as error:
        raise SlideError(
            f'the colour profile of {path.name} cannot be used: {error}. Pass colour="raw".', path
        ) from error

    def apply(rgb: Rgb) -> Rgb:
        image = ImageCms.applyTransform(Image.fromarray(rgb), to_srgb)
        return np.array(image, np.uint8)

    return apply
