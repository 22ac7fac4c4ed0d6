"""Tiles to learn from: what is known of each, and the protocol of where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import MismatchError
from slideconcord.segmentation.context import Context

if TYPE_CHECKING:
    from slideconcord.segmentation.model import Model
    from slideconcord.segmentation.spec import ModelSpec

Rgb = NDArray[np.uint8]
Mask = NDArray[np.uint8]

IGNORE = 255
"""The value of mask pixels that no loss and no score counts."""
PADDING = 254
"""The value of mask pixels around a tile that is smaller than its batch, while it is augmented."""


@dataclass(frozen=True, slots=True)
class Grid:
    """How slides are cut into tiles, by the rule of `segmentation.tiles`."""

    mpp: float
    """Pixel size of the tiles, µm."""
    tile_px: int
    """Side of a tile, and of what a smaller one is padded to."""
    overlap_px: int = 0
    """Least overlap of neighbours."""
    context: Context | None = None
    """The wider picture that is read with each tile."""


@dataclass(frozen=True, slots=True)
class TileRecord:
    """What is known of a tile without reading its pixels."""

    name: str
    """Names it in messages; unique in its source."""
    patient: str
    slide: str
    """The glass slide: the same for its scans on several scanners."""
    scanner: str
    group: str = ""
    """What balancing may go by, such as the cancer type or the diagnosis."""
    split: str = ""
    """"train", "val" or "test" where the data say so; empty where they leave it open."""
    shares: tuple[float, ...] = ()
    """The share of each class among the tile's pixels that count."""
    scan: str = ""
    """`Slide.fingerprint` of the scan that it was cut from; empty where it is not known."""


class TileSource(Protocol):
    """Where tiles come from. `read` is called from several threads."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def records(self) -> tuple[TileRecord, ...]: ...
    @property
    def fingerprint(self) -> str:
        """SHA-256 that changes with the data; no name and no place enters."""
        ...

    def read(self, index: int) -> tuple[Rgb, Mask]:
        """Return image (y, x, 3) uint8 and mask (y, x) uint8: class numbers, or `IGNORE`.

        With context (level, y, x, 3) and (level, y, x): the tile, its context.
        """
        ...


def shares_of(mask: Mask, classes: int) -> tuple[float, ...]:
    """Return the share of each class among the pixels that count; all 0 where none does."""
    counts = np.bincount(mask.ravel(), minlength=256)[:classes]
    return tuple((counts / max(int(counts.sum()), 1)).tolist())


def own_mask(mask: Mask) -> Mask:
    """Return the mask (y, x) of a tile itself, without that of its context."""
    return mask if mask.ndim == 2 else mask[0]


def shown_to(model: Model, rgb: Rgb) -> Rgb:
    """Return what a model takes of a tile: with its context, or alone where it sees none.

    Raises
    ------
    MismatchError
        When the model sees a context, and there is none.
    """
    if model.spec.context is None:
        return rgb if rgb.ndim == 3 else rgb[0]
    if rgb.ndim == 3:
        raise MismatchError(
            f"The model {model.name} sees each tile with what is around it "
            f"(downsample {model.spec.context.downsample}), and these data show tiles alone: give "
            "them the data.context that it was trained with."
        )
    return rgb


def refuse_other_tiles(spec: ModelSpec, grid: Grid) -> None:
    """Refuse tiles that show other than what a model learnt to see.

    Raises
    ------
    MismatchError
        When their pixels are of another size, or model and tiles both have a context, and these
        differ.
    """
    if spec.mpp != grid.mpp:
        raise MismatchError(
            f"The model {spec.name} sees {spec.mpp} µm per pixel, and the recipe reads tiles of "
            f"{grid.mpp}: set data.mpp: {spec.mpp} in the recipe."
        )
    sees, shown = spec.context, grid.context
    if sees is not None and shown is not None and sees != shown:
        raise MismatchError(
            f"The model {spec.name} sees a context of downsample {sees.downsample}, and the recipe "
            f"reads one of {shown.downsample}: give the data.context that it was trained with."
        )
