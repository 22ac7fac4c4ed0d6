"""The one door for slide formats: what a reader gives, and nothing about pyramids or caches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slideconcord.geometry import Box, Mpp

Rgb = NDArray[np.uint8]
"""An image (y, x, 3), uint8, red green blue."""

WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class NativeLevel:
    """One level as the file stores it."""

    shape: tuple[int, int]
    """Height and width in pixels."""
    downsample: tuple[float, float]
    """Level-0 pixels per pixel (y, x): the real factor, never rounded."""
    tile_shape: tuple[int, int]
    """The tile (or strip) that decodes at once, (height, width) in pixels."""


@dataclass(frozen=True, slots=True)
class SlideInfo:
    """What a file says of itself. ``mpp`` is as claimed, plausible or not; None when absent."""

    format: str
    levels: tuple[NativeLevel, ...]
    mpp: Mpp | None = None
    vendor: str | None = None
    scanner: str | None = None
    """Make and model of the scanner, as far as the file tells."""
    objective_power: float | None = None
    background: tuple[int, int, int] = WHITE
    """What transparent and absent areas are shown as."""
    bounds: Box | None = None
    """The scanned part in level-0 pixels (``openslide.bounds-*``), when the file names one."""
    icc_profile: bytes | None = None
    associated: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    """The file's own properties. May name a patient: never exported, never logged."""


class SlideReader(Protocol):
    """A file opened for reading. Reads may come from many threads at once.

    Raises ``UnsupportedSlideError`` from its constructor when the file is of another kind.
    """

    info: SlideInfo

    def __init__(self, path: Path) -> None: ...

    def read(self, level: int, box: Box) -> Rgb:
        """Return the pixels of ``box`` (pixels of native level ``level``, inside the level).

        Transparent pixels are already composited onto ``info.background``.

        Raises
        ------
        DamagedSlideError
            When a tile of the box cannot be decoded. The reader stays usable for other boxes.
        """
        ...

    def associated_image(self, name: str) -> Rgb:
        """Return one of ``info.associated``."""
        ...

    def close(self) -> None: ...
