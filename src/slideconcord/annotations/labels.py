"""Label pixels: one number per class, 0 for background; to annotations and back."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from slideconcord.annotations.annotation import Annotation, Annotations, Colour
from slideconcord.annotations.contours import trace
from slideconcord.annotations.hints import Hints
from slideconcord.annotations.outlines import lost_facts, polygons_of, require_finite
from slideconcord.annotations.raster import Rasteriser
from slideconcord.errors import AnnotationError
from slideconcord.geometry import Box, Frame

KEY = "slideconcord"
MOST_PX = 1 << 28
UNNAMED = "annotation"
_MOST_CLASSES = 65535


@dataclass(frozen=True, slots=True)
class Legend:
    """What the values of label pixels mean and where the pixels lie."""

    frame: Frame
    classes: Mapping[int, str] = field(default_factory=dict)
    colours: Mapping[int, Colour] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return the legend as JSON values, to be kept in the file."""
        frame = self.frame
        return {
            "kind": "labels",
            "frame": [frame.origin_y, frame.origin_x, frame.step_y, frame.step_x],
            "classes": {str(value): name for value, name in self.classes.items()},
            "colours": {str(value): list(colour) for value, colour in self.colours.items()},
            "metadata": dict(self.metadata),
        }

    @classmethod
    def of(cls, record: Any, hints: Hints, path: Path) -> Legend:
        """Join what a file records with what the caller says; the caller is right.

        Raises
        ------
        AnnotationError
            When neither says where the pixels lie.
        """
        record = record if isinstance(record, Mapping) else {}
        frame = hints.frame or _frame(record.get("frame"))
        if frame is None:
            raise AnnotationError(
                f"{path} does not say where its pixels lie on the slide: pass frame=, such as "
                "Frame(0, 0, 4, 4) where a pixel of the mask is 4 x 4 level-0 pixels of the slide.",
                path,
            )
        names = _by_value(record.get("classes"), str)
        colours = _by_value(record.get("colours"), lambda c: (int(c[0]), int(c[1]), int(c[2])))
        metadata = record.get("metadata")
        return cls(
            frame,
            dict(hints.classes) if hints.classes is not None else names,
            colours,
            metadata if isinstance(metadata, Mapping) else {},
        )


def _frame(values: Any) -> Frame | None:
    if not isinstance(values, list) or len(values) != 4:
        return None
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in values):
        return None
    return Frame(*(float(v) for v in values)) if min(values[2:]) > 0 else None


def _by_value(record: Any, convert: Any) -> dict[int, Any]:
    found = {}
    for value, meaning in record.items() if isinstance(record, Mapping) else ():
        try:
            found[int(value)] = convert(meaning)
        except (TypeError, ValueError, IndexError, KeyError):
            continue
    return found


def parsed(text: str | None) -> Any:
    """Return the legend kept in a comment of a picture; ``None`` for any other comment."""
    try:
        return json.loads(text or "").get(KEY)
    except (ValueError, AttributeError, RecursionError):
        return None


def annotations_from(labels: NDArray[Any], legend: Legend, path: Path) -> Annotations:
    """Return one annotation per 4-connected region of one value.

    Raises
    ------
    AnnotationError
        When the pixels are no labels.
    """
    if labels.ndim != 2 or labels.dtype.kind not in "bui":
        raise AnnotationError(
            f"{path} holds {labels.dtype} of the shape {labels.shape}: label masks have one whole "
            "number per pixel, (y, x). Convert colours to labels first.",
            path,
        )
    found: list[Annotation] = []
    for value, box in _boxes(labels):
        part = labels[box.slices] == value
        name, colour = legend.classes.get(value, str(value)), legend.colours.get(value)
        found.extend(
            Annotation(polygon, name, colour)
            for polygon in trace(part).polygons(legend.frame.inside(box))
        )
    return Annotations.of(found, legend.metadata)


def _boxes(labels: NDArray[Any]) -> Iterator[tuple[int, Box]]:
    """Yield every value other than 0 with the box around its pixels."""
    numbered, values = _numbered(labels)
    for index, where in enumerate(ndimage.find_objects(numbered), 1):
        if where is not None:
            y, x = where
            box = Box(y.start, x.start, y.stop - y.start, x.stop - x.start)
            yield int(values[index]), box


def _numbered(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return pixels whose numbers index the values that follow; background stays 0."""
    if labels.dtype in (np.bool_, np.uint8, np.uint16):
        return labels.astype(np.uint16, copy=False), np.arange(1 << 16)
    values, numbers = np.unique(labels, return_inverse=True)
    numbers = numbers.reshape(labels.shape).astype(np.int32)
    if labels.size and values[0] != 0:
        return np.where(labels == 0, 0, numbers + 1), np.concatenate([[0], values])
    return numbers, values


@dataclass(frozen=True, slots=True)
class LabelPlan:
    """Annotations made ready to be written as label pixels, box by box."""

    legend: Legend
    shape: tuple[int, int]
    """(height, width) of the mask in its own pixels."""
    rasteriser: Rasteriser
    report: list[str]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8 if len(self.legend.classes) < 256 else np.uint16)

    def finished(self) -> list[str]:
        """Return the report when all boxes are written."""
        if self.rasteriser.lost:
            self.report.append(
                f"{self.rasteriser.lost} pixel(s) lie in several classes and hold the last one"
            )
        return self.report


def plan(annotations: Annotations, hints: Hints) -> LabelPlan:
    """Number the classes and find out the mask's size.

    Raises
    ------
    AnnotationError
        When the slide's shape is not known, or there are too many classes.
    """
    require_finite(annotations)
    if hints.shape is None:
        raise AnnotationError(
            "A label mask needs to know the slide's size: pass shape=, (height, width) of level 0."
        )
    frame = hints.frame or Frame(0, 0, 1, 1)
    names = list(dict.fromkeys(a.class_name or UNNAMED for a in annotations))
    if len(names) > _MOST_CLASSES:
        raise AnnotationError(f"A label mask can hold {_MOST_CLASSES:,} classes at most.")
    numbers = {name: value for value, name in enumerate(names, 1)}
    values = [numbers[a.class_name or UNNAMED] for a in annotations]
    colours = {
        value: a.colour
        for value, a in zip(values, annotations, strict=True)
        if a.colour is not None
    }
    legend = Legend(frame, dict(enumerate(names, 1)), colours, annotations.metadata)
    height, width = frame.from_level0(*hints.shape)
    shape = max(math.ceil(height - 1e-9), 1), max(math.ceil(width - 1e-9), 1)
    report = lost_facts(annotations, {"class_name"}, "a label mask")
    if thin := sum(not polygons_of(a.geometry) for a in annotations):
        report.append(f"{thin} annotation(s) without area were left out")
    return LabelPlan(legend, shape, Rasteriser(annotations, frame, values), report)
