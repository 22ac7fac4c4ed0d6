"""OME-Zarr: the reader of slides, and the door to the pyramids that results are kept in."""

from __future__ import annotations

import json
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from slideconcord.errors import DamagedSlideError, SlideError, UnsupportedSlideError
from slideconcord.geometry import Box, Mpp
from slideconcord.slides.ngff_metadata import Multiscale, NgffVersion, read_multiscale
from slideconcord.slides.ngff_pyramid import create_pyramid, level_shapes
from slideconcord.slides.reader import NativeLevel, Rgb, SlideInfo

__all__ = [
    "Multiscale",
    "NgffReader",
    "NgffVersion",
    "create_pyramid",
    "level_shapes",
    "read_multiscale",
]

_MOST_CHUNK_BYTES = 1 << 30
_RGB_NAMES = ({"r", "red"}, {"g", "green"}, {"b", "blue"})
_RGB_COLOURS = ("FF0000", "00FF00", "0000FF")
# What zarr and its codecs raise over chunks that make no sense; blosc even raises SystemError.
_BROKEN = (OSError, ValueError, TypeError, LookupError, RuntimeError, ArithmeticError, MemoryError,
           EOFError, SystemError)  # fmt: skip


class NgffReader:
    """Read a brightfield image kept as OME-Zarr 0.4 or 0.5."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._image = read_multiscale(_image_folder(path))
        refusal = _refusal(self._image)
        if refusal:
            raise UnsupportedSlideError(refusal, path)
        self.info = _describe(self._image, path)

    def read(self, level: int, box: Box) -> Rgb:
        try:
            return self._pixels(level, box)
        except _BROKEN as error:
            raise self._damaged(level, box, error) from error

    def associated_image(self, name: str) -> Rgb:
        raise SlideError(f"{self._path.name} has no image {name!r}.", self._path)

    def close(self) -> None:
        """Do nothing: chunks are opened one by one."""

    def _pixels(self, level: int, box: Box) -> Rgb:
        wanted: dict[str, Any] = dict(zip("yx", box.slices, strict=True)) | {"c": slice(None)}
        # Times and focus positions are single here, so 0 takes their axis away.
        array = self._image.arrays[level]
        pixels = np.asarray(array[tuple(wanted.get(axis, 0) for axis in self._image.axes)])
        kept = [axis for axis in self._image.axes if axis in wanted]
        if "c" not in kept:
            pixels, kept = pixels[..., None], [*kept, "c"]
        pixels = pixels.transpose([kept.index(axis) for axis in "yxc"])
        if pixels.shape[-1] == 1:
            return np.repeat(pixels, 3, axis=-1)
        return np.ascontiguousarray(pixels)

    def _damaged(self, level: int, box: Box, error: BaseException) -> DamagedSlideError:
        height, width = self.info.levels[level].tile_shape
        whole = Box(0, 0, *self.info.levels[level].shape)
        tiles = []
        for row in range(box.y // height, ceil(box.stop_y / height)):
            for column in range(box.x // width, ceil(box.stop_x / width)):
                tile = Box(row * height, column * width, height, width).intersect(whole)
                try:
                    self._pixels(level, tile)
                except _BROKEN:
                    tiles.append((level, row, column))
        first = "level {}, row {}, column {}".format(*tiles[0]) if tiles else f"level {level}"
        return DamagedSlideError(
            f"{self._path.name}: tile ({first}) cannot be decoded: {error or type(error).__name__}",
            self._path,
            tiles,
        )


def _image_folder(path: Path) -> Path:
    """Return the first image of a bioformats2raw folder, or the folder itself."""
    if not path.is_dir():
        raise UnsupportedSlideError("not an OME-Zarr folder", path)
    first = path / "0"
    return first if _is_group(first) else path


def _is_group(folder: Path) -> bool:
    if (folder / ".zgroup").is_file():
        return True
    try:
        return bool(json.loads((folder / "zarr.json").read_text())["node_type"] == "group")
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _refusal(image: Multiscale) -> str | None:
    """Say why an image is no slide; None when it is one."""
    array = image.arrays[0]
    metadata = image.attributes.get("ome", image.attributes)
    if isinstance(metadata, dict) and "image-label" in metadata:
        return "an OME-Zarr label image, not a slide"
    if any(level.dtype != np.uint8 for level in image.arrays):
        return f"an OME-Zarr image of {array.dtype}; a slide has 8-bit colour or grey"
    sizes = dict(zip(image.axes, array.shape, strict=True))
    if any(size > 1 for axis, size in sizes.items() if axis not in "cyx"):
        return f"an OME-Zarr stack of the shape {sizes}; extract one plane"
    if sizes.get("c", 1) not in (1, 3):
        return f"an OME-Zarr image of {sizes['c']} channels; a slide has 3 (red, green, blue)"
    if sizes.get("c") == 3 and not _is_rgb(image):
        names = ", ".join(image.channels)
        return f"an OME-Zarr image of the channels {names}, which are not red, green, blue"
    if any(np.prod(level.chunks) > _MOST_CHUNK_BYTES for level in image.arrays):
        return "an OME-Zarr image with chunks above 1 GiB; write it again with chunks of 512 px"
    return _inconsistency(image)


def _is_rgb(image: Multiscale) -> bool:
    """Whether three channels are colours of light, as far as the file says."""
    if not image.channels or image.colours == _RGB_COLOURS:
        return True
    names = [name.strip().lower() for name in image.channels]
    return len(names) == 3 and all(n in known for n, known in zip(names, _RGB_NAMES, strict=True))


def _inconsistency(image: Multiscale) -> str | None:
    for level in range(1, len(image.arrays)):
        for axis in "yx":
            at = image.axes.index(axis)
            factor = image.scales[level][at] / image.scales[0][at]
            full, small = image.arrays[0].shape[at], image.arrays[level].shape[at]
            if small >= image.arrays[level - 1].shape[at] or factor <= 1:
                return f"an OME-Zarr pyramid whose level {level} is not coarser than the one before"
            # One pixel more or less at each halving is rounding; more is another picture.
            if abs(small - full / factor) > max(2, 0.02 * small):
                return (
                    f"an OME-Zarr pyramid whose level {level} claims a factor of {factor:g} "
                    f"along {axis}, but has {small} of {full} pixels"
                )
    return None


def _describe(image: Multiscale, path: Path) -> SlideInfo:
    y, x = image.axes.index("y"), image.axes.index("x")
    pixel_um = image.pixel_um()
    return SlideInfo(
        format=f"ome-zarr-{image.version}",
        levels=tuple(
            NativeLevel(
                shape=(array.shape[y], array.shape[x]),
                downsample=(scale[y] / image.scales[0][y], scale[x] / image.scales[0][x]),
                tile_shape=(array.chunks[y], array.chunks[x]),
            )
            for array, scale in zip(image.arrays, image.scales, strict=True)
        ),
        mpp=None if pixel_um is None else Mpp(*pixel_um),
        properties={"ngff.name": image.name} if image.name else {},
    )
