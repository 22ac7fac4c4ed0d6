"""OME-Zarr label images, 0.4 and 0.5."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from slideconcord.annotations.annotation import Annotation, Annotations
from slideconcord.annotations.hints import Hints
from slideconcord.annotations.labels import (
    KEY,
    MOST_PX,
    LabelPlan,
    Legend,
    annotations_from,
    plan,
)
from slideconcord.annotations.limits import one_line
from slideconcord.errors import AnnotationError, ParameterError, SlideError
from slideconcord.geometry import Box, Frame
from slideconcord.slides.ngff import Multiscale, create_pyramid, read_multiscale

_CHUNK_PX = 512
_BAND_PX = 2048
# what zarr and its codecs raise over chunks that make no sense; blosc even SystemError
_BROKEN = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
    SystemError,
)


def read(path: Path, hints: Hints) -> Annotations:
    """Read a label image, or all label images of an OME-Zarr image.

    Raises
    ------
    AnnotationError
        When there are no labels, they are damaged, too large, or say not where they lie.
    """
    found: list[Annotation] = []
    metadata: dict[str, Any] = {}
    for folder in _label_folders(path):
        pyramid = _open(folder)
        legend = _legend(pyramid, folder, path, hints)
        labels = _pixels(pyramid, folder)
        found.extend(annotations_from(labels, legend, folder))
        metadata.update(legend.metadata)
    return Annotations.of(found, metadata)


def _label_folders(path: Path) -> list[Path]:
    """Return the label images at or under ``path``."""
    for folder in (path / "labels", path):
        names = _attributes(folder).get("labels")
        if isinstance(names, list):
            # a name with ".." would leave the folder that the user chose
            safe = [n for n in names if isinstance(n, str) and ".." not in n and n[:1] not in "/\\"]
            return [folder / name for name in safe]
    return [path]


def _attributes(folder: Path) -> dict[str, Any]:
    if not any((folder / name).is_file() for name in (".zgroup", "zarr.json")):
        return {}
    try:
        attributes = dict(zarr.open_group(folder, mode="r").attrs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AnnotationError(
            f"{folder} has damaged Zarr metadata: {one_line(error)}.", folder
        ) from error
    inner = attributes.get("ome", attributes)
    return dict(inner) if isinstance(inner, Mapping) else {}


def _open(folder: Path) -> Multiscale:
    try:
        return read_multiscale(folder)
    except SlideError as error:
        raise AnnotationError(f"{folder}: {one_line(error)}", folder) from error


def _pixels(pyramid: Multiscale, folder: Path) -> Any:
    array = pyramid.arrays[0]
    sizes = dict(zip(pyramid.axes, array.shape, strict=True))
    if any(size > 1 for axis, size in sizes.items() if axis not in "yx"):
        raise AnnotationError(f"{folder} is a stack {sizes}; labels of one plane are read.", folder)
    if sizes["y"] * sizes["x"] > MOST_PX:
        raise AnnotationError(
            f"{folder} has {sizes['y']} x {sizes['x']} px, over the {MOST_PX >> 20} Mpx that are "
            "held at once: give a coarser label image.",
            folder,
        )
    index = tuple(slice(None) if axis in "yx" else 0 for axis in pyramid.axes)
    try:
        labels = np.asarray(array[index])
    except _BROKEN as error:
        raise AnnotationError(f"{folder} has damaged pixels: {one_line(error)}.", folder) from error
    return labels if pyramid.axes.index("y") < pyramid.axes.index("x") else labels.T


def _legend(pyramid: Multiscale, folder: Path, path: Path, hints: Hints) -> Legend:
    record = pyramid.attributes.get(KEY)
    record = dict(record) if isinstance(record, Mapping) else {}
    described = pyramid.attributes.get("ome", pyramid.attributes).get("image-label", {})
    record.setdefault("classes", _names(described, folder.name if folder != path else "label"))
    record.setdefault("colours", _colours(described))
    if "frame" not in record and hints.frame is None:
        record["frame"] = _frame_from_scales(pyramid, folder, hints)
    return Legend.of(record, hints, folder)


def _names(described: Any, label: str) -> dict[str, str]:
    """Return the classes that ``properties`` names; a lone value is named like its image."""
    names = {"1": label}
    entries = described.get("properties") if isinstance(described, Mapping) else None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, Mapping) and "label-value" in entry:
            texts = [entry.get(key) for key in ("class", "name", "label", "class_name")]
            texts += [v for v in entry.values() if isinstance(v, str)]
            name = next((text for text in texts if isinstance(text, str) and text), None)
            names[str(entry["label-value"])] = name or f"{label} {entry['label-value']}"
    return names


def _colours(described: Any) -> dict[str, list[int]]:
    entries = described.get("colors") if isinstance(described, Mapping) else None
    return {
        str(entry["label-value"]): entry["rgba"][:3]
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, Mapping) and isinstance(entry.get("rgba"), list)
        and "label-value" in entry and len(entry["rgba"]) >= 3
    }  # fmt: skip


def _frame_from_scales(pyramid: Multiscale, folder: Path, hints: Hints) -> list[float] | None:
    """Compare the labels' pixels with those of the image they belong to, or of the slide."""
    own, start = pyramid.pixel_um(), pyramid.translate_um()
    image = folder.parent.parent
    if folder.parent.name == "labels" and _attributes(image).get("multiscales"):
        parent = _open(image)
        y, x = parent.axes.index("y"), parent.axes.index("x")
        pixel = parent.pixel_um() or (parent.scales[0][y], parent.scales[0][x])
        corner = parent.translate_um() or (parent.translates[0][y], parent.translates[0][x])
        if own is None or start is None:
            y, x = pyramid.axes.index("y"), pyramid.axes.index("x")
            own = pyramid.scales[0][y], pyramid.scales[0][x]
            start = pyramid.translates[0][y], pyramid.translates[0][x]
    elif hints.mpp is not None and own is not None and start is not None:
        pixel, corner = hints.mpp, (0.0, 0.0)
    else:
        return None
    steps = [a / b for a, b in zip(own, pixel, strict=True)]
    # translations name pixel centres, frames name corners
    origins = [
        (a - c) / p - (step - 1) / 2
        for a, c, p, step in zip(start, corner, pixel, steps, strict=True)
    ]
    return [*origins, *steps]


def write(annotations: Annotations, path: Path, hints: Hints) -> list[str]:
    """Write a label image; memory holds a band of chunks.

    Raises
    ------
    AnnotationError
        When the slide's shape or pixel size is not known.
    """
    if hints.mpp is None:
        raise AnnotationError(
            "OME-Zarr labels need to know the slide's pixel size: pass mpp=, in µm per pixel."
        )
    if hints.version not in ("0.4", "0.5"):
        raise ParameterError(f"version={hints.version!r} is no OME-Zarr version: 0.4 or 0.5.")
    planned = plan(annotations, hints)
    frame = planned.legend.frame
    levels = create_pyramid(
        path,
        planned.shape,
        channels=None,
        dtype=planned.dtype,
        frame_scale_um=frame.scale_um(hints.mpp),
        translate_um=frame.translate_um(hints.mpp),
        chunk_px=_CHUNK_PX,
        ngff="0.5" if hints.version == "0.5" else "0.4",
        image_label=True,
        name="labels",
        attributes={KEY: planned.legend.record()},
    )
    for i, level in enumerate(levels):
        _fill(level, planned, frame.coarser(2**i))
    _describe(path, planned, hints.version)
    return planned.finished()


def _fill(level: Any, planned: LabelPlan, frame: Frame) -> None:
    """Rasterise every level from the polygons: labels cannot be averaged."""
    rasteriser = planned.rasteriser.in_frame(frame)
    height, width = level.shape
    for y in range(0, height, _BAND_PX):
        for x in range(0, width, _BAND_PX):
            box = Box(y, x, min(_BAND_PX, height - y), min(_BAND_PX, width - x))
            level[box.slices] = rasteriser.fill(box, planned.dtype)


def _describe(path: Path, planned: LabelPlan, version: str) -> None:
    legend = planned.legend
    label: dict[str, Any] = {
        "colors": [
            {"label-value": value, "rgba": [*colour, 255]}
            for value, colour in legend.colours.items()
        ],
        "properties": [
            {"label-value": value, "class": name} for value, name in legend.classes.items()
        ],
    }
    group = zarr.open_group(path, mode="r+")
    if version == "0.5":
        described: Any = group.attrs["ome"]
        group.attrs["ome"] = {**described, "image-label": label}
    else:
        group.attrs["image-label"] = {"version": "0.4", **label}
