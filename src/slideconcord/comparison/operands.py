"""What can be compared, brought onto the pixels of one frame; polygons are drawn box by box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.annotations import Annotations
from slideconcord.annotations.raster import Rasteriser
from slideconcord.errors import MismatchError, ParameterError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.segmentation.mask import Mask

Bools = NDArray[np.bool_]
Comparable = Mask | Annotations | Bools
"""A mask, polygons, or plain bool pixels (y, x)."""


class DrawnBools:
    """Polygons as bool pixels that are drawn when they are read, so that memory holds a box."""

    dtype = np.dtype(np.bool_)
    ndim = 2

    def __init__(self, annotations: Annotations, frame: Frame, shape: tuple[int, int]) -> None:
        self._rasteriser = Rasteriser(annotations, frame)
        self.shape = shape
        self.size = shape[0] * shape[1]

    def __getitem__(self, index: Any) -> Bools:
        rows, columns = (*(index if isinstance(index, tuple) else (index,)), slice(None))[:2]
        (y0, y1), (x0, x1) = (
            _ends(part, side) for part, side in zip((rows, columns), self.shape, strict=True)
        )
        return self._rasteriser.fill(Box(y0, x0, y1 - y0, x1 - x0))


def _ends(part: slice, side: int) -> tuple[int, int]:
    first, stop, step = part.indices(side)
    if step != 1:
        raise ParameterError("Drawn pixels are read in whole boxes: leave the step of slices at 1.")
    return first, max(stop, first)


@dataclass(frozen=True, slots=True, eq=False)
class Operands:
    """Prediction, reference and tissue whose pixels lie on one another."""

    prediction: Mask
    reference: Mask
    tissue: Mask | None

    @property
    def shape(self) -> tuple[int, int]:
        return self.prediction.shape

    def read(self, box: Box) -> tuple[Bools, Bools, Bools | None]:
        """Return the pixels of a box; those of prediction and reference only where tissue is.

        White background is cut out of both masks, as in the paper.
        """
        prediction = np.asarray(self.prediction.array[box.slices])
        reference = np.asarray(self.reference.array[box.slices])
        if self.tissue is None:
            return prediction, reference, None
        tissue = np.asarray(self.tissue.array[box.slices])
        return prediction & tissue, reference & tissue, tissue


def bring_together(
    prediction: Comparable, reference: Comparable, tissue: Comparable | None = None
) -> Operands:
    """Check that all three belong together; draw annotations in the frame of the masks.

    The first of them that is a mask gives frame and shape; annotations need one, since plain
    arrays do not say where they lie.

    Raises
    ------
    MismatchError
        When they lie in different frames or on different slides, or have different shapes.
    ParameterError
        When annotations have no mask to be drawn in, or an array is not bool (y, x).
    """
    given = {"prediction": prediction, "reference": reference}
    if tissue is not None:
        given["tissue"] = tissue
    like = _frame_giver(given)
    masks = {name: _on(like, value, name) for name, value in given.items()}
    return Operands(masks["prediction"], masks["reference"], masks.get("tissue"))


def annotations_of(given: Mask | Annotations, class_names: Sequence[str]) -> Mask | Annotations:
    """Return the annotations of some classes; all when none is named.

    Raises
    ------
    ParameterError
        When there is no annotation of a class, or classes are asked of a mask, which has one.
    """
    if not class_names:
        return given
    if isinstance(given, Mask):
        raise ParameterError(
            f"A mask has one class, so {class_names[0]!r} cannot be chosen from it: "
            "leave the class out."
        )
    known = given.class_names
    for name in class_names:
        if name not in known:
            raise ParameterError(
                f"No annotation has the class {name!r}: choose from {', '.join(known) or 'none'}."
            )
    return replace(given, items=tuple(a for a in given if a.class_name in class_names))


def _frame_giver(given: dict[str, Comparable]) -> Mask:
    for value in given.values():
        if isinstance(value, Mask):
            return value
    for value in given.values():
        if isinstance(value, Annotations):
            raise ParameterError(
                "Annotations have no pixels, and plain arrays do not say where theirs lie: "
                "give at least one Mask, in whose pixels the others are drawn."
            )
    return _plain(given["prediction"], "prediction")


def _on(like: Mask, value: Comparable, name: str) -> Mask:
    if isinstance(value, Mask):
        like.require_same_frame(value)
        return value
    if isinstance(value, Annotations):
        _require_same_slide(like, value, name)
        pixels = DrawnBools(value, like.frame, like.shape)
        return replace(like, array=pixels, path=None, levels=(), class_name="", provenance={})
    plain = _plain(value, name)
    if plain.shape != like.shape:
        raise MismatchError(
            f"The {name} has {plain.shape[0]} x {plain.shape[1]} px, but what it is compared with "
            f"has {like.shape[0]} x {like.shape[1]}: make both from maps of the same mpp and box."
        )
    return replace(like, array=plain.array, path=None, levels=(), class_name="", provenance={})


def _plain(value: Any, name: str) -> Mask:
    array = np.asarray(value)
    if array.ndim != 2 or array.dtype != np.bool_:
        raise ParameterError(
            f"The {name} is {array.dtype} {array.shape}, but a mask is bool (y, x): "
            "compare it with a threshold first."
        )
    return Mask(array, Frame(0.0, 0.0, 1.0, 1.0), Mpp(1.0, 1.0))


def _require_same_slide(like: Mask, annotations: Annotations, name: str) -> None:
    drawn_on = annotations.metadata.get("slide_fingerprint")
    if drawn_on and like.slide_fingerprint and drawn_on != like.slide_fingerprint:
        raise MismatchError(
            f"The {name} was drawn on another slide: register the slides first, "
            "or choose annotations of this one."
        )


def facts_of(mask: Mask) -> dict[str, Any]:
    """Return what a provenance record says of one operand."""
    if isinstance(mask.array, DrawnBools):
        return {"kind": "annotations"}
    return {
        "kind": "mask",
        "class_name": mask.class_name,
        "provenance": dict(mask.provenance),
    }
