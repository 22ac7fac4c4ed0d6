"""A mask and where it lies on its slide, in memory or as an OME-Zarr label pyramid."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import MismatchError, OutputError, SlideError, UnsupportedSlideError
from slideconcord.geometry import Box, Frame, Mpp

Bools = NDArray[np.bool_]
BLOCK_PX = 2048
_KEY = "slideconcord"
_STRIP_PX = 1024


class BoolArray(Protocol):
    """What a mask's pixels can be: a numpy array, or one on disk read box by box."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    def __getitem__(self, index: Any) -> Any: ...


class StoredBools:
    """A zarr array of 0 and 1 (labels cannot be bool in OME-Zarr), read as bool."""

    dtype = np.dtype(np.bool_)

    def __init__(self, array: Any) -> None:
        self.zarr = array
        self.shape: tuple[int, int] = array.shape
        self.chunks: tuple[int, int] = array.chunks
        self.ndim, self.size = 2, int(array.size)

    def __getitem__(self, index: Any) -> Any:
        return np.asarray(self.zarr[index]) != 0

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return cast(NDArray[Any], self[...]).astype(dtype or np.bool_, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """One class of one slide as bool pixels, (y, x)."""

    array: BoolArray
    frame: Frame
    """Where the pixels lie on the slide."""
    slide_mpp: Mpp
    """Pixel size of the slide's level 0 in µm."""
    slide_fingerprint: str = ""
    slide_bounds: Box | None = None
    """The slide's ``openslide.bounds-*``, where it has them."""
    class_name: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None
    levels: tuple[BoolArray, ...] = ()
    """The stored pyramid, finest first; empty for a mask in memory."""

    @property
    def shape(self) -> tuple[int, int]:
        height, width = self.array.shape
        return height, width

    @property
    def mpp(self) -> Mpp:
        """Size of the mask's pixels in µm, (y, x)."""
        return Mpp(*self.frame.scale_um(self.slide_mpp))

    @property
    def area_um2(self) -> float:
        """Area of all true pixels in µm²."""
        count = sum(int(np.count_nonzero(block)) for _, block in self.blocks())
        return count * self.mpp.y * self.mpp.x

    def blocks(self, block_px: int = BLOCK_PX) -> Iterator[tuple[Box, Bools]]:
        """Walk the mask row by row of blocks; at most ``block_px`` squared pixels at a time."""
        for box in block_boxes(self.shape, block_px):
            yield box, self.array[box.slices]

    def require_same_frame(self, other: Mask) -> None:
        """Refuse to go on with two masks whose pixels do not lie on one another.

        Raises
        ------
        MismatchError
            When slide, frame or shape differ.
        """
        if self.slide_fingerprint != other.slide_fingerprint:
            raise MismatchError(
                "The masks belong to different slides: register the slides first, "
                "or choose masks of one slide."
            )
        if (self.frame, self.shape) != (other.frame, other.shape):
            raise MismatchError(
                f"The masks lie in different frames ({_place(self)} and {_place(other)}): "
                "make both from maps of the same mpp and box."
            )

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Self:
        """Write the mask as an OME-Zarr label pyramid; it appears whole or not at all.

        Raises
        ------
        OutputError
            When the place holds something and ``overwrite`` is false, or cannot be written.
        """
        with writing(Path(path), self, overwrite=overwrite) as level0:
            for box, block in self.blocks():
                level0[box.slices] = block.astype(np.uint8)
        return self


def block_boxes(shape: tuple[int, int], block_px: int = BLOCK_PX) -> list[Box]:
    """Cut (y, x) into blocks, row by row; those at the end are smaller."""
    height, width = shape
    return [
        Box(y, x, min(block_px, height - y), min(block_px, width - x))
        for y in range(0, height, block_px)
        for x in range(0, width, block_px)
    ]


def open_mask(path: str | os.PathLike[str]) -> Mask:
    """Open what `Mask.save` wrote; pixels stay on disk.

    Raises
    ------
    SlideError
        When there is no such folder.
    UnsupportedSlideError
        When the folder is no mask of slideconcord.
    """
    from slideconcord.slides.ngff import read_multiscale

    path = Path(path)
    if not path.exists():
        raise SlideError(f"{path} does not exist: give the folder of a mask (mask.zarr).", path)
    pyramid = read_multiscale(path)
    facts = pyramid.attributes.get(_KEY)
    if not isinstance(facts, Mapping) or facts.get("kind") != "mask":
        raise UnsupportedSlideError(
            f"{path.name} is an OME-Zarr pyramid, but no mask of slideconcord: "
            "give the mask.zarr that `slideconcord threshold` wrote.",
            path,
        )
    levels = tuple(StoredBools(array) for array in pyramid.arrays)
    try:
        return Mask(array=levels[0], path=path, levels=levels, **_from_facts(facts))
    except (KeyError, TypeError, ValueError) as error:
        raise UnsupportedSlideError(
            f"{path.name} does not say where its mask lies ({error!r}): make it again.", path
        ) from error


@contextmanager
def writing(path: Path, described_by: Mask, *, overwrite: bool = False) -> Iterator[Any]:
    """Give a zarr array (y, x) uint8 to fill; the pyramid appears at ``path`` when it is full.

    ``described_by`` gives shape, frame and provenance; its pixels are not read.

    Raises
    ------
    OutputError
        When the place holds something and ``overwrite`` is false, or cannot be written.
    """
    from slideconcord.slides.ngff import create_pyramid

    if path.exists() and not overwrite:
        raise OutputError(f"{path} is already there: choose another place, or remove it.", path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        levels = create_pyramid(
            partial,
            described_by.shape,
            channels=None,
            dtype=np.uint8,
            frame_scale_um=described_by.mpp,
            translate_um=described_by.frame.translate_um(described_by.slide_mpp),
            image_label=True,
            name=described_by.class_name or "mask",
            attributes={_KEY: _to_facts(described_by)},
        )
        yield levels[0]
        for finer, coarser in pairwise(levels):
            _halve(finer, coarser)
        _put_in_place(partial, path)
    except OSError as error:
        if isinstance(error, SlideError | OutputError):
            raise
        raise OutputError(f"{path} cannot be written: {error}.", path) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _put_in_place(partial: Path, path: Path) -> None:
    old = partial.with_suffix(".old")
    if path.exists():
        path.rename(old)
    partial.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def _halve(finer: Any, coarser: Any) -> None:
    """Fill a level from the finer one: a pixel is true where at least half of its parts are."""
    height, width = coarser.shape
    for y in range(0, height, _STRIP_PX):
        strip = np.asarray(finer[2 * y : 2 * (y + _STRIP_PX)])
        # Parts beyond the edge repeat the last row and column.
        even = np.pad(strip, ((0, strip.shape[0] % 2), (0, strip.shape[1] % 2)), mode="edge")
        parts = even.reshape(even.shape[0] // 2, 2, width, 2)
        coarser[y : y + _STRIP_PX] = (parts.sum((1, 3), dtype=np.uint8) >= 2).astype(np.uint8)


def _to_facts(mask: Mask) -> dict[str, Any]:
    frame, bounds = mask.frame, mask.slide_bounds
    return {
        "kind": "mask",
        "frame": [frame.origin_y, frame.origin_x, frame.step_y, frame.step_x],
        "slide_mpp": list(mask.slide_mpp),
        "slide_fingerprint": mask.slide_fingerprint,
        "slide_bounds": bounds and [bounds.y, bounds.x, bounds.height, bounds.width],
        "class_name": mask.class_name,
        "provenance": dict(mask.provenance),
    }


def _from_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    frame = [float(value) for value in facts["frame"]]
    if not all(math.isfinite(value) for value in frame) or min(frame[2:]) <= 0:
        raise ValueError(f"frame {frame}")
    bounds = facts["slide_bounds"]
    return {
        "frame": Frame(*frame),
        "slide_mpp": Mpp.of(facts["slide_mpp"]),
        "slide_fingerprint": str(facts["slide_fingerprint"]),
        "slide_bounds": Box(*(int(value) for value in bounds)) if bounds else None,
        "class_name": str(facts["class_name"]),
        "provenance": dict(facts["provenance"]),
    }


def _place(mask: Mask) -> str:
    frame = mask.frame
    return (
        f"{mask.shape[0]} x {mask.shape[1]} px of {frame.step_y:g} x {frame.step_x:g} level-0 px "
        f"from ({frame.origin_y:g}, {frame.origin_x:g})"
    )
