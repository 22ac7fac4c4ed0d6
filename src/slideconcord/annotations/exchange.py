"""Reading and writing annotations in any known format."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from slideconcord.annotations.annotation import Annotation, Annotations, bounds_record
from slideconcord.annotations.formats import find_format, format_for
from slideconcord.annotations.hints import Hints
from slideconcord.errors import AnnotationError, MismatchError, OutputError
from slideconcord.geometry import Box, Frame, Mpp


def read_annotations(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    bounds: Box | None = None,
    frame: Frame | None = None,
    classes: Mapping[int, str] | None = None,
    mpp: float | Sequence[float] | None = None,
) -> Annotations:
    """Read annotations; what was repaired or left out is in ``.report``.

    Parameters
    ----------
    path : file, or folder of OME-Zarr labels
    format : name in ``FORMATS``; by default the content decides
    bounds : the slide's ``openslide.bounds-*`` in level-0 pixels, from whose corner QuPath counts
        by default; other programs' formats ignore it. What slideconcord wrote says so itself.
    frame : where the pixels of a label mask lie on the slide, when the mask does not say
    classes : names of the values of a label mask, when the mask does not say
    mpp : pixel size of the slide's level 0 in µm, to place OME-Zarr labels of another pixel size

    Returns
    -------
    Annotations in level-0 pixels of the whole slide, (x, y), corner convention.

    Raises
    ------
    AnnotationError
        When the file is missing, damaged, or in no known format.
    MismatchError
        When the file was written for other bounds.
    """
    path = Path(path)
    hints = Hints(mpp=None if mpp is None else Mpp.of(mpp), frame=frame, classes=classes)
    if not path.exists():
        raise AnnotationError(f"{path} does not exist.", path)
    try:
        chosen = find_format(path, format)
        annotations = chosen.read(path, hints)
    except AnnotationError:
        raise
    except OSError as error:
        raise AnnotationError(f"{path} cannot be read: {error.strerror or error}.", path) from error
    if not chosen.from_bounds:
        return annotations
    offset = _recorded_bounds(annotations, path) or bounds
    if bounds is not None and offset != bounds:
        raise MismatchError(
            f"{path} was written for the slide bounds {offset}, not {bounds}: "
            "choose the slide it belongs to, or leave bounds out."
        )
    return annotations.shifted(offset.x, offset.y) if offset else annotations


def write_annotations(
    annotations: Iterable[Annotation],
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    metadata: Mapping[str, Any] | None = None,
    mpp: float | Sequence[float] | None = None,
    shape: tuple[int, int] | None = None,
    frame: Frame | None = None,
    bounds: Box | None = None,
    version: str = "0.4",
) -> list[str]:
    """Write annotations; the file appears whole or not at all.

    Parameters
    ----------
    annotations : in level-0 pixels of the whole slide
    path : file to make or replace; its ending names the format
    format : name in ``FORMATS``, where the ending is not enough (.xml)
    metadata : what to note about all annotations, where the format has room for it
    mpp : pixel size of the slide's level 0 in µm
    shape : (height, width) of the slide's level 0, for label masks
    frame : where the pixels of a label mask lie; by default they are level-0 pixels
    bounds : the slide's ``openslide.bounds-*``, to count from their corner as QuPath does; formats
        of programs that count from the slide's corner ignore it
    version : of OME-Zarr, "0.4" or "0.5"

    Returns
    -------
    One line for everything that was repaired, left out, or that the format cannot hold.

    Raises
    ------
    AnnotationError
        When no format fits, or an annotation cannot be written.
    OutputError
        When the place cannot be written.
    """
    path = Path(path)
    chosen = format_for(path, format)
    hints = Hints(
        mpp=None if mpp is None else Mpp.of(mpp), shape=shape, frame=frame, version=version
    )
    prepared = _prepared(annotations, metadata, bounds if chosen.from_bounds else None)
    with atomic(path) as partial:
        return chosen.write(prepared, partial, hints)


def _prepared(
    annotations: Iterable[Annotation], metadata: Mapping[str, Any] | None, bounds: Box | None
) -> Annotations:
    if not isinstance(annotations, Annotations):
        annotations = Annotations.of(annotations)
    # an earlier file's bounds are not this one's
    noted = {k: v for k, v in annotations.metadata.items() if k != "bounds"}
    noted.update(metadata or {})
    if bounds is None:
        return replace(annotations, metadata=noted)
    noted["bounds"] = bounds_record(bounds)
    return replace(annotations.shifted(-bounds.x, -bounds.y), metadata=noted)


def _recorded_bounds(annotations: Annotations, path: Path) -> Box | None:
    record = annotations.metadata.get("bounds")
    if record is None:
        return None
    try:
        return Box(*(int(record[side]) for side in ("y", "x", "height", "width")))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise AnnotationError(
            f"{path}: metadata.bounds is {str(record)[:80]}, not y, x, height and width.",
            path,
            "metadata",
        ) from error


def make_folder(folder: Path) -> None:
    """Make a folder and those it lies in, unless they are there.

    Raises
    ------
    OutputError
        When it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be made: {error.strerror or error}. Choose another place.", folder
        ) from error


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a place beside ``path`` that replaces it when all went well.

    Raises
    ------
    OutputError
        When the place cannot be written.
    """
    if not path.parent.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {path.parent}.", path)
    # the ending stays, since it may choose the compression
    partial = path.with_name(f".{uuid4().hex[:12]}.partial{''.join(path.suffixes[-2:])}")
    try:
        yield partial
        _replace(partial, path)
    except OSError as error:
        if isinstance(error, OutputError):
            # the place beside it is nobody's business
            raise OutputError(str(error).replace(str(partial), str(path)), path) from error
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.", path) from error
    finally:
        _remove(partial)


def _replace(partial: Path, path: Path) -> None:
    if path.is_dir() and partial.is_dir():
        old = partial.with_suffix(".old")
        path.rename(old)
        partial.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    else:
        partial.replace(path)


def _remove(partial: Path) -> None:
    if partial.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
    else:
        partial.unlink(missing_ok=True)
