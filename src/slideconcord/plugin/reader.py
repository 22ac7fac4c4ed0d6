"""What napari calls to open a path: a slide becomes one streaming image layer in µm."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from slideconcord.errors import MissingMppError, UnsupportedSlideError
from slideconcord.geometry import Mpp
from slideconcord.slides import Slide, open_slide

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
LayerDataList = list[tuple[Any, ...]]
TIFF_ENDINGS = (".tif", ".tiff", ".btf")
NOTHING: LayerDataList = [(None,)]
"""What npe2 understands as: read well, no layer to add."""


def get_reader(path: Paths) -> Callable[[Paths], LayerDataList] | None:
    """Return the reader of a path, or None, at once, for what cannot be a slide."""
    return read_slides if all(may_be_slide(one) for one in as_paths(path)) else None


def read_slides(path: Paths) -> LayerDataList:
    """Return the layer data of one or more slides.

    In a napari window a missing pixel size is asked for; without one it raises.

    Raises
    ------
    SlideError
        What `open_slide` raises.
    """
    from slideconcord.plugin.layers import slide_layer
    from slideconcord.plugin.session import session_of

    viewer = current_viewer()
    if viewer is not None:
        session_of(viewer)
    slides = [open_or_ask(one, can_ask=viewer is not None) for one in as_paths(path)]
    return [slide_layer(slide) for slide in slides if slide is not None] or NOTHING


def open_or_ask(path: Path, *, can_ask: bool = True) -> Slide | None:
    """Open a slide; when its pixel size is missing, ask for it. None when nobody answers."""
    try:
        return open_slide(path)
    except MissingMppError as error:
        if not can_ask:
            raise
        mpp = _ask(path, str(error))
    return None if mpp is None else open_slide(path, mpp=mpp)


def as_paths(path: Paths) -> list[Path]:
    """Return one path or many as a list."""
    many = [path] if isinstance(path, str | os.PathLike) else path
    return [Path(one) for one in many]


def may_be_slide(path: Path) -> bool:
    """Tell at a glance whether a folder or file can be a slide; the manifest knows the endings."""
    if path.is_file():
        return path.suffix.lower() not in TIFF_ENDINGS or _has_bytes(path)
    if not path.is_dir():
        return False
    if any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zattrs")):
        return True
    with os.scandir(path) as entries:
        return any(
            e.name.lower().endswith((".dcm", ".dicom")) or e.name == "DICOMDIR" for e in entries
        )


def _has_bytes(path: Path) -> bool:
    """Tell whether the first image of a TIFF is uint8; stacks of measurements are not."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            return bool(tiff.pages.first.dtype == np.uint8)
    except (tifffile.TiffFileError, OSError, ValueError):
        return True  # opening it will say what is wrong with it


def current_viewer() -> Any:
    """Return the napari window in use; None in a script without one."""
    import napari

    return napari.current_viewer()


def _ask(path: Path, error: str) -> Mpp | None:
    from slideconcord.plugin.mpp_dialog import ask_mpp

    # Any pixel size will do to learn the slide's shape, which helps to judge the answer.
    try:
        with open_slide(path, mpp=1.0) as probe:
            shape: tuple[int, int] | None = probe.shape
    except UnsupportedSlideError:
        shape = None
    reason = error.partition(" Pass mpp")[0]
    return ask_mpp(path, reason, shape)
