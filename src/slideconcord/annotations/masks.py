"""Label masks as PNG and TIFF; what their values mean is kept in a comment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from slideconcord.annotations.annotation import Annotations
from slideconcord.annotations.hints import Hints
from slideconcord.annotations.labels import KEY, MOST_PX, Legend, annotations_from, parsed, plan
from slideconcord.annotations.limits import one_line
from slideconcord.errors import AnnotationError
from slideconcord.geometry import Box

_TILE_PX = 512
# what tifffile and its codecs raise over tags that make no sense
_BROKEN = (
    tifffile.TiffFileError,
    ValueError,
    TypeError,
    LookupError,
    RuntimeError,
    ArithmeticError,
    AttributeError,
    MemoryError,
    EOFError,
)
# modes of pictures whose pixels are numbers, not colours
_LABEL_MODES = {"1", "L", "P", "I", "I;16", "I;16B", "I;16L"}


def read_png(path: Path, hints: Hints) -> Annotations:
    """Read a label mask from a PNG of one channel.

    Raises
    ------
    AnnotationError
        When the picture is damaged, in colour, too large, or says not where it lies.
    """
    try:
        # the size is known before a pixel is decoded; Pillow's own limit would warn first
        with Image.open(path, formats=["PNG"]) as picture:
            _check_size((picture.height, picture.width), path)
            if picture.mode not in _LABEL_MODES:
                raise AnnotationError(
                    f"{path} is a picture in colour ({picture.mode}), not a label mask of one "
                    "channel. Convert its colours to labels first.",
                    path,
                )
            labels = np.asarray(picture)
            record = parsed(picture.info.get(KEY))
    except (UnidentifiedImageError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(f"{path} is a damaged PNG: {one_line(error)}.", path) from error
    return annotations_from(labels, Legend.of(record, hints, path), path)


def write_png(annotations: Annotations, path: Path, hints: Hints) -> list[str]:
    """Write a label mask as PNG.

    Raises
    ------
    AnnotationError
        When the mask is too large for a PNG.
    """
    planned = plan(annotations, hints)
    _check_size(planned.shape, "The mask")
    labels = planned.rasteriser.fill(Box(0, 0, *planned.shape), planned.dtype)
    info = PngInfo()
    info.add_text(KEY, json.dumps({KEY: planned.legend.record()}))
    Image.fromarray(labels).save(path, format="PNG", pnginfo=info)
    return planned.finished()


def read_tiff(path: Path, hints: Hints) -> Annotations:
    """Read a label mask from the first page of a TIFF.

    Raises
    ------
    AnnotationError
        When the picture is damaged, in colour, too large, or says not where it lies.
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            if len(page.shape) != 2:
                raise AnnotationError(
                    f"{path} has pixels of the shape {page.shape}: label masks have one channel. "
                    "Convert colours to labels first.",
                    path,
                )
            _check_size(page.shape, path)
            labels, record = page.asarray(), parsed(page.description)
    except _BROKEN as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(f"{path} is a damaged TIFF: {one_line(error)}.", path) from error
    return annotations_from(labels, Legend.of(record, hints, path), path)


def write_tiff(annotations: Annotations, path: Path, hints: Hints) -> list[str]:
    """Write a label mask as tiled TIFF; memory holds a row of tiles."""
    planned = plan(annotations, hints)
    height, width = planned.shape

    def tiles() -> Iterator[NDArray[Any]]:
        for y in range(0, height, _TILE_PX):
            for x in range(0, width, _TILE_PX):
                yield planned.rasteriser.fill(Box(y, x, _TILE_PX, _TILE_PX), planned.dtype)

    with tifffile.TiffWriter(path, bigtiff=height * width > 1 << 31) as tiff:
        tiff.write(
            tiles(),
            shape=planned.shape,
            dtype=planned.dtype,
            tile=(_TILE_PX, _TILE_PX),
            compression="deflate",
            description=json.dumps({KEY: planned.legend.record()}),
            metadata=None,
            maxworkers=1,
        )
    return planned.finished()


def _check_size(shape: tuple[int, ...], what: object) -> None:
    if shape[0] * shape[1] > MOST_PX:
        raise AnnotationError(
            f"{what} has {shape[0]} x {shape[1]} px, over the {MOST_PX >> 20} Mpx that are held at "
            "once: use coarser pixels (frame=), or OME-Zarr labels."
        )
