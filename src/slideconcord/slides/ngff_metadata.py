"""What an OME-Zarr folder says of itself, checked before anything believes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import zarr

from slideconcord.errors import UnsupportedSlideError
from slideconcord.slides.units import micrometres

NgffVersion = Literal["0.4", "0.5"]
_MOST_LEVELS = 64
_MOST_AXES = 5


@dataclass(frozen=True, slots=True)
class Multiscale:
    """A pyramid opened for reading: one array per level, finest first."""

    arrays: tuple[zarr.Array[Any], ...]
    axes: tuple[str, ...]
    """Names of the arrays' axes, such as ("c", "y", "x")."""
    units: tuple[str | None, ...]
    """Per axis."""
    scales: tuple[tuple[float, ...], ...]
    """Per level and axis, in the axis' unit."""
    translates: tuple[tuple[float, ...], ...]
    """Per level and axis: where the centre of the first pixel lies."""
    version: NgffVersion
    name: str
    channels: tuple[str, ...]
    """Names from ``omero``; empty when the file names none."""
    colours: tuple[str, ...]
    """Colours of the channels from ``omero``, as upper-case hex."""
    attributes: Mapping[str, Any]
    """All attributes of the group, as stored."""

    def pixel_um(self, level: int = 0) -> tuple[float, float] | None:
        """Return the pixel's (height, width) in µm, or None when its unit is no length."""
        return self._um(self.scales[level])

    def translate_um(self, level: int = 0) -> tuple[float, float] | None:
        """Return (y, x) of the first pixel's centre in µm, or None when its unit is no length."""
        return self._um(self.translates[level])

    def _um(self, values: tuple[float, ...]) -> tuple[float, float] | None:
        y, x = self.axes.index("y"), self.axes.index("x")
        unit_y, unit_x = micrometres(self.units[y]), micrometres(self.units[x])
        return (
            None if unit_y is None or unit_x is None else (values[y] * unit_y, values[x] * unit_x)
        )


def read_multiscale(path: Path) -> Multiscale:
    """Open the pyramid in ``path``: an OME-Zarr image or label image, 0.4 or 0.5.

    Raises
    ------
    UnsupportedSlideError
        When the folder is no OME-Zarr pyramid, or its metadata cannot be meant.
    """
    if not (path / ".zattrs").is_file() and not (path / "zarr.json").is_file():
        raise _refuse(path, "is no OME-Zarr folder: it holds neither .zattrs nor zarr.json")
    try:
        group = zarr.open_group(path, mode="r")
        attributes = dict(group.attrs)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _refuse(path, f"has Zarr metadata that cannot be read ({_short(error)})") from error
    # 0.5 keeps everything under "ome".
    metadata = attributes.get("ome", attributes) if group.metadata.zarr_format == 3 else attributes
    if not isinstance(metadata, Mapping) or not metadata.get("multiscales"):
        raise _refuse(path, _why_no_pyramid(attributes))
    try:
        return _parse(group, attributes, metadata)
    except _MalformedError as error:
        raise _refuse(path, f"has OME-Zarr metadata that {error}") from error
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        reason = f"has OME-Zarr metadata that is malformed ({_short(error)})"
        raise _refuse(path, reason) from error


class _MalformedError(ValueError):
    """Metadata that cannot be meant; its text completes "OME-Zarr metadata that ..."."""


def _parse(
    group: zarr.Group, attributes: Mapping[str, Any], metadata: Mapping[str, Any]
) -> Multiscale:
    pyramid = metadata["multiscales"][0]
    axes, units = _axes(pyramid["axes"])
    datasets = pyramid["datasets"]
    if not isinstance(datasets, list) or not 1 <= len(datasets) <= _MOST_LEVELS:
        raise _MalformedError(f"lists no levels, or more than {_MOST_LEVELS}")
    outer = _transform(pyramid.get("coordinateTransformations", []), len(axes))
    scales, translates = [], []
    for dataset in datasets:
        scale, start = _transform(dataset["coordinateTransformations"], len(axes))
        # The transformations of the whole pyramid come after each level's own.
        scales.append(tuple(a * b for a, b in zip(scale, outer[0], strict=True)))
        moved = zip(start, outer[0], outer[1], strict=True)
        translates.append(tuple(a * b + c for a, b, c in moved))
    arrays = tuple(_array(group, dataset["path"], len(axes)) for dataset in datasets)
    channels = metadata.get("omero", {}).get("channels", [])
    return Multiscale(
        arrays=arrays,
        axes=axes,
        units=units,
        scales=tuple(scales),
        translates=tuple(translates),
        version="0.5" if group.metadata.zarr_format == 3 else "0.4",
        name=str(pyramid.get("name") or ""),
        channels=tuple(str(channel.get("label", "")) for channel in channels),
        colours=tuple(str(channel.get("color", "")).upper() for channel in channels),
        attributes=attributes,
    )


def _axes(axes: Any) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    names = tuple(str(axis["name"]) for axis in axes)
    if not 2 <= len(names) <= _MOST_AXES or len(set(names)) != len(names) or {"y", "x"} - {*names}:
        raise _MalformedError(f"has the axes {names}, where y and x and at most t, c, z belong")
    units = tuple(axis.get("unit") for axis in axes)
    if not all(unit is None or isinstance(unit, str) for unit in units):
        raise _MalformedError("has units that are no names")
    return names, units


def _transform(transforms: Any, count: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return (scale, translation) of a list of coordinateTransformations."""
    scale, start = (1.0,) * count, (0.0,) * count
    for transform in transforms:
        kind = transform["type"]
        if kind == "identity":
            continue
        if kind not in ("scale", "translation") or kind not in transform:
            raise _MalformedError(f"uses a coordinate transformation of the type {kind!r}")
        values = tuple(float(value) for value in transform[kind])
        if len(values) != count or not all(math.isfinite(value) for value in values):
            raise _MalformedError(f"has a {kind} that is not {count} finite numbers: {values}")
        if kind == "scale":
            if min(values) <= 0:
                raise _MalformedError(f"has a scale that is not positive: {values}")
            scale = values
        else:
            start = values
    return scale, start


def _array(group: zarr.Group, path: Any, ndim: int) -> zarr.Array[Any]:
    # A path with ".." would leave the folder that the user opened.
    if not isinstance(path, str) or {"", ".", ".."} & set(path.split("/")):
        raise _MalformedError(f"names a level {path!r}, which is no path inside the folder")
    try:
        array = group[path]
    except KeyError as error:
        raise _MalformedError(f"names the level {path!r}, which is missing") from error
    if not isinstance(array, zarr.Array) or array.ndim != ndim:
        raise _MalformedError(f"names the level {path!r}, which is no array of {ndim} axes")
    if min(array.shape) < 1 or min(array.chunks) < 1:
        sizes = f"shape {array.shape}, chunks {array.chunks}"
        raise _MalformedError(f"names the level {path!r}, which is empty: {sizes}")
    return array


def _why_no_pyramid(attributes: Mapping[str, Any]) -> str:
    inside = attributes.get("ome", attributes)
    keys = inside if isinstance(inside, Mapping) else {}
    if "plate" in keys or "well" in keys:
        return "is an OME-Zarr plate or well, not one image. Open one of the images inside it"
    if "bioformats2raw.layout" in keys:
        return "is a bioformats2raw folder of several images. Open one inside it, such as 0"
    if "labels" in keys:
        return "is a folder of OME-Zarr labels. Open one of those inside it"
    return "is a Zarr folder without 'multiscales': not an OME-Zarr image"


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:117] + "..."


def _refuse(path: Path, reason: str) -> UnsupportedSlideError:
    return UnsupportedSlideError(f"{path.name} {reason}.", path)
