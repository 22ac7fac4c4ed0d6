"""What a caller knows that a file may not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from slideconcord.geometry import Frame, Mpp


@dataclass(frozen=True, slots=True)
class Hints:
    """Facts that some formats need and others ignore."""

    mpp: Mpp | None = None
    """Pixel size of the slide's level 0 in µm."""
    shape: tuple[int, int] | None = None
    """(height, width) of the slide's level 0."""
    frame: Frame | None = None
    """Where the pixels of a label mask lie on the slide."""
    classes: Mapping[int, str] | None = None
    """Names of the values of a label mask."""
    version: str = "0.4"
    """OME-Zarr version to write."""
