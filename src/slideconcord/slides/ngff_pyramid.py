"""Making OME-Zarr pyramids: 0.4 (Zarr v2) and 0.5 (Zarr v3).

Numbers that are not label images are plain multiscale images; label images carry
``image-label``, whose ``version`` key exists in 0.4 only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import DTypeLike
from zarr.codecs import BloscCodec

from slideconcord.errors import OutputError, ParameterError
from slideconcord.slides.ngff_metadata import NgffVersion

COARSEST_PX = 1024
# Higher zstd levels cost writing time and save next to nothing on probability maps.
_ZSTD_LEVEL = 3
_BLOSC_V2: Any = {"id": "blosc", "cname": "zstd", "clevel": _ZSTD_LEVEL, "shuffle": 1}
_COLOURS = ("FF00FF", "00FFFF", "FFFF00", "FF0000", "00FF00", "0000FF")
_RGB = {"red": "FF0000", "green": "00FF00", "blue": "0000FF"}
_LABEL_RGBA = [230, 60, 50, 255]


def level_shapes(shape: tuple[int, int], coarsest_px: int = COARSEST_PX) -> list[tuple[int, int]]:
    """Return (y, x) of every level: each half the one before, rounded up."""
    shapes = [shape]
    while max(shapes[-1]) > coarsest_px:
        height, width = shapes[-1]
        shapes.append(((height + 1) // 2, (width + 1) // 2))
    return shapes


def create_pyramid(
    path: Path,
    shape_yx: tuple[int, int],
    *,
    channels: Sequence[str] | None,
    dtype: DTypeLike,
    frame_scale_um: tuple[float, float],
    translate_um: tuple[float, float] = (0.0, 0.0),
    chunk_px: int = 512,
    coarsest_px: int = COARSEST_PX,
    ngff: NgffVersion = "0.4",
    image_label: bool = False,
    name: str = "",
    attributes: Mapping[str, Any] | None = None,
) -> list[zarr.Array[Any]]:
    """Make an empty OME-Zarr pyramid and return its levels, finest first.

    Parameters
    ----------
    path
        The folder to make; it must not exist, or be empty.
    shape_yx
        Height and width of the finest level in pixels. Levels halve (rounded up) until no side
        exceeds ``coarsest_px``.
    channels
        Names of the channels, giving arrays (c, y, x); None gives arrays (y, x).
    dtype
        Of the stored values; absent chunks read as 0.
    frame_scale_um, translate_um
        (y, x) pixel size of level 0 and the centre of its first pixel, in µm. Coarser levels get
        their own, half-pixel offset included.
    image_label
        Whether the values are labels (an integer dtype) rather than intensities.
    attributes
        Further attributes of the group, beside those of OME-Zarr.

    Raises
    ------
    ParameterError
        When the values make no pyramid.
    OutputError
        When the folder holds something or cannot be written.
    """
    _check(shape_yx, chunk_px, frame_scale_um, ngff)
    if image_label and (channels is not None or not np.issubdtype(np.dtype(dtype), np.integer)):
        raise ParameterError(
            f"Labels are one integer per pixel: dtype {np.dtype(dtype)} and channels {channels!r} "
            "are not. Pass an integer dtype and channels=None, or image_label=False."
        )
    shapes = level_shapes(shape_yx, max(coarsest_px, 1))
    axes = ("y", "x") if channels is None else ("c", "y", "x")
    pyramid = _multiscales(len(shapes), axes, frame_scale_um, translate_um, name)
    metadata: dict[str, Any] = {"multiscales": [pyramid]}
    if channels is not None:
        metadata["omero"] = _omero(channels, np.dtype(dtype), name)
    if image_label:
        metadata["image-label"] = _image_label(name)
    try:
        if path.is_dir() and any(path.iterdir()):
            raise OutputError(f"{path} is not empty. Choose another place or remove it.", path)
        group = zarr.create_group(
            path,
            zarr_format=2 if ngff == "0.4" else 3,
            attributes={**_versioned(metadata, ngff), **(attributes or {})},
        )
        planes = [shape if channels is None else (len(channels), *shape) for shape in shapes]
        return [
            _create_level(group, str(index), plane, dtype, chunk_px, axes, ngff)
            for index, plane in enumerate(planes)
        ]
    except (OSError, ValueError) as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{path} cannot be written: {error}.", path) from error


def _check(shape: tuple[int, int], chunk_px: int, scale_um: tuple[float, float], ngff: str) -> None:
    if ngff not in ("0.4", "0.5"):
        raise ParameterError(f"ngff={ngff!r} is not known. Choose '0.4' or '0.5'.")
    if min(shape) < 1 or chunk_px < 1:
        raise ParameterError(f"shape {shape} with chunks of {chunk_px} px: both must be positive.")
    if not all(np.isfinite(scale_um)) or min(scale_um) <= 0:
        raise ParameterError(f"frame_scale_um={scale_um} is no pixel size. Give µm per pixel.")


def _multiscales(
    count: int,
    axes: tuple[str, ...],
    scale_um: tuple[float, float],
    translate_um: tuple[float, float],
    name: str,
) -> dict[str, Any]:
    lead = len(axes) - 2
    datasets = []
    for level in range(count):
        factor = 2**level
        scale = [float(value) * factor for value in scale_um]
        # The first pixel of a coarser level has its centre further in.
        start = [
            float(place + (factor - 1) / 2 * size)
            for place, size in zip(translate_um, scale_um, strict=True)
        ]
        datasets.append(
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1.0] * lead + scale},
                    {"type": "translation", "translation": [0.0] * lead + start},
                ],
            }
        )
    space = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    channel = [{"name": "c", "type": "channel"}] * lead
    return {"name": name, "axes": [*channel, *space], "datasets": datasets}


def _omero(channels: Sequence[str], dtype: np.dtype[Any], name: str) -> dict[str, Any]:
    top = 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0
    is_rgb = [channel.lower() for channel in channels] == list(_RGB)
    colours = list(_RGB.values()) if is_rgb else _COLOURS
    return {
        "name": name,
        "channels": [
            {
                "label": channel,
                "active": True,
                "color": colours[index % len(colours)],
                "window": {"min": 0.0, "max": top, "start": 0.0, "end": top},
            }
            for index, channel in enumerate(channels)
        ],
    }


def _image_label(name: str) -> dict[str, Any]:
    return {
        "colors": [{"label-value": 1, "rgba": _LABEL_RGBA}],
        "properties": [{"label-value": 1, "class": name}],
    }


def _versioned(metadata: dict[str, Any], ngff: NgffVersion) -> dict[str, Any]:
    """Put the version where each edition of OME-Zarr keeps it."""
    if ngff == "0.5":
        return {"ome": {"version": "0.5", **metadata}}
    for part in (*metadata["multiscales"], metadata.get("image-label"), metadata.get("omero")):
        if part is not None:
            part["version"] = "0.4"
    return metadata


def _create_level(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    chunk_px: int,
    axes: tuple[str, ...],
    ngff: NgffVersion,
) -> zarr.Array[Any]:
    chunks = (1,) * (len(shape) - 2) + (chunk_px, chunk_px)
    if ngff == "0.4":
        return group.create_array(
            name,
            shape=shape,
            dtype=dtype,
            chunks=chunks,
            compressors=_BLOSC_V2,
            chunk_key_encoding={"name": "v2", "separator": "/"},
            fill_value=0,
        )
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        compressors=BloscCodec(cname="zstd", clevel=_ZSTD_LEVEL, shuffle="shuffle"),
        fill_value=0,
        dimension_names=axes,
    )
