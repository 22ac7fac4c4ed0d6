"""What can be laid on one another in the Agreement dock: layers, files, the mask that is tuned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord.annotations import Annotation, Annotations, read_annotations
from slideconcord.comparison.observers.readings import Reader
from slideconcord.errors import MismatchError
from slideconcord.geometry import Frame
from slideconcord.plugin.references import (
    Choice,
    affine_between,
    from_annotations,
    from_file,
    from_layer,
)
from slideconcord.plugin.tags import tag_of
from slideconcord.plugin.writer import class_names, ring_of
from slideconcord.segmentation.mask import Mask, open_mask

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.slides import Slide

Found = Mask | Annotations
Read = Callable[[], Generator[Any, None, Found]]
MODEL = "model"
_ANSWERS = ("mask", "area", "sketch", "votes", "pair", "outlines")
"""Kinds of our own layers that are no reading; the mask is offered by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One reading that can be chosen."""

    key: Any
    """A layer, a path or a name: what makes it the same source when it is listed anew."""
    reader: Reader
    read: Read
    """Read or make it, in steps, in any thread."""


def sources_of(viewer: ViewerModel, entry: SlideEntry, slide_layer: Layer) -> list[Source]:
    """Return the mask that is tuned and the layers of a slide, as they are now."""
    found = [] if entry.probability is None else [_tuned(entry)]
    return found + [
        _of_layer(layer, slide_layer, entry) for layer in viewer.layers if _is_reading(layer, entry)
    ]


def file_sources(paths: Iterable[Path], slide: Slide) -> list[Source]:
    """Return annotation files and saved masks as readings of a slide, named by their files."""
    given = list(paths)
    stems = Counter(_stem(path) for path in given)
    names = [
        _stem(path) if stems[_stem(path)] == 1 else f"{path.parent.name}/{_stem(path)}"
        for path in given
    ]
    return [_of_file(path, name, slide) for path, name in zip(given, names, strict=True)]


def _of_file(path: Path, name: str, slide: Slide) -> Source:
    def read() -> Generator[Any, None, Found]:
        yield
        inside = path / "mask.zarr"
        if path.is_dir():
            return open_mask(inside if inside.is_dir() else path)
        return read_annotations(path, bounds=slide.bounds)

    return Source(path, Reader(name), read)


def _stem(path: Path) -> str:
    return path.name.split(".")[0] or path.name


def _tuned(entry: SlideEntry) -> Source:
    probability, tuning, class_name = entry.probability, entry.tuning, entry.class_name

    def read() -> Generator[Any, None, Found]:
        from slideconcord.segmentation.exact import exact_mask

        assert probability is not None
        mask = yield from exact_mask(probability, tuning, class_name=class_name)
        return mask

    return Source(MODEL, Reader(MODEL, role="model"), read)


def _is_reading(layer: Layer, entry: SlideEntry) -> bool:
    from napari.layers import Labels, Shapes

    tag = tag_of(layer)
    if tag is not None and (tag["id"] != entry.id or tag["kind"] in _ANSWERS):
        return False
    if tag is not None and tag.get("editor") is not None:
        return True
    return isinstance(layer, Shapes) or (isinstance(layer, Labels) and not layer.multiscale)


def _of_layer(layer: Layer, slide_layer: Layer, entry: SlideEntry) -> Source:
    def read() -> Generator[Any, None, Found]:
        yield
        return found_on(layer, slide_layer, entry)

    return Source(layer, Reader(layer.name), read)


def found_on(layer: Layer, slide_layer: Layer, entry: SlideEntry) -> Found:
    """Return what a layer of shapes or labels, or the Annotate dock's, marks on a slide now.

    Raises
    ------
    MismatchError
        When a layer of labels is turned against the slide.
    """
    from napari.layers import Shapes

    tag = tag_of(layer)
    if tag is not None and tag.get("editor") is not None:
        return Annotations.of(tag["editor"].sheet, _about(entry))
    to_level0 = affine_between(layer, slide_layer)
    if isinstance(layer, Shapes):
        return _shapes(layer, to_level0, entry)
    if abs(to_level0[0, 1]) + abs(to_level0[1, 0]) > 1e-9 or min(np.diag(to_level0)[:2]) <= 0:
        raise MismatchError(
            f"{layer.name} is turned against {entry.name}: draw on a layer that lies straight "
            "on the slide, or save its areas as polygons."
        )
    (y, x), (step_y, step_x) = to_level0[:2, 2], np.diag(to_level0)[:2]
    frame = Frame(y - step_y / 2, x - step_x / 2, step_y, step_x)
    return Mask(np.asarray(layer.data) != 0, frame, entry.slide.mpp, entry.slide.fingerprint)


def _shapes(layer: Layer, to_level0: np.ndarray, entry: SlideEntry) -> Annotations:
    from shapely import Polygon

    names = class_names(layer.features)
    found = []
    for number, (vertices, kind) in enumerate(zip(layer.data, layer.shape_type, strict=True)):
        if (ring := ring_of(vertices, kind)) is not None:
            yx = ring @ to_level0[:2, :2].T + to_level0[:2, 2]
            class_name = names[number] if names else None
            found.append(Annotation(Polygon(yx[:, ::-1]), class_name))
    return Annotations.of(found, _about(entry))


def _about(entry: SlideEntry) -> dict[str, str]:
    return {"slide_fingerprint": entry.slide.fingerprint}


def choice_of(source: Source, slide_layer: Layer, entry: SlideEntry) -> Choice:
    """Return a reading as a reference that thresholds can be tuned against.

    Raises
    ------
    MismatchError
        When it is the mask that is tuned, or holds no area.
    SlideconcordError
        When its file cannot be read.
    """
    if source.key == MODEL:
        raise MismatchError("The mask that is tuned is no reference for itself: choose a reading.")
    if isinstance(source.key, Path):
        return from_file(source.key, entry)
    tag = tag_of(source.key)
    if tag is not None and tag.get("editor") is not None:
        found = found_on(source.key, slide_layer, entry)
        assert isinstance(found, Annotations)
        return from_annotations(source.reader.label, found)
    return from_layer(source.key, slide_layer, entry)


def numbered(sources: Iterable[Source]) -> list[Source]:
    """Return sources whose readers all differ: of two with one name the second gets a number."""
    seen: Counter[tuple[str, int]] = Counter()
    found = []
    for source in sources:
        reader = source.reader
        seen[reader.name, reader.round] += 1
        if (times := seen[reader.name, reader.round]) > 1:
            source = replace(source, reader=replace(reader, name=f"{reader.name} ({times})"))
        found.append(source)
    return found
