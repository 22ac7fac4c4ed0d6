"""One mask of a slide against a reference: numbers and the overlay, made beside the GUI."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import MismatchError
from slideconcord.geometry import Box
from slideconcord.plugin.masks import fits
from slideconcord.plugin.references import Choice
from slideconcord.plugin.tags import KEY, Tag, find_layer

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from slideconcord.comparison.compare import Scores
    from slideconcord.comparison.operands import Comparable, Operands
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.mask import Mask

CUT = "thresholds"
"""The prediction that the Threshold dock's cut of the map is; others name a preset."""
# Coarser pictures than this are kept; finer ones are made of what is looked at.
_KEPT_PX = 2048
_COARSEST_PX = 512

Give = Callable[["Mask"], Generator[Any, None, "Comparable"]]
"""Brings a reference to where a prediction lies, in steps."""


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """What a comparison found."""

    scores: Scores
    operands: Operands
    tissue: Mask | None
    """What was found to be tissue, as it lies on the slide."""
    levels: Sequence[Any]
    """The overlay, finest first."""


def compare_steps(
    entry: SlideEntry, prediction: str | Path, reference: Give, tissue: Mask | bool
) -> Generator[Any, None, Agreement]:
    """Make or open the prediction, bring reference and tissue to it, and count.

    Parameters
    ----------
    entry
        A slide; one that is segmented unless the prediction is a file.
    prediction
        `CUT`, the name of a preset of `PAN_CANCER`, or the folder of a saved mask.
    reference
        Gives the reference.
    tissue
        What counts, where that is known; True to find it, False to count all pixels.
    """
    from slideconcord.comparison.compare import compare_operands
    from slideconcord.comparison.operands import bring_together
    from slideconcord.segmentation.reframe import in_frame_of

    needs_tissue = bool(tissue) or (isinstance(prediction, str) and prediction != CUT)
    found = (yield from _tissue(entry, tissue)) if needs_tissue else None
    mask = yield from _prediction(entry, prediction, found)
    yield
    target = yield from reference(mask)
    yield
    counted = in_frame_of(found, mask) if tissue and found is not None else None
    operands = bring_together(mask, target, counted)
    scores = compare_operands(operands)
    yield
    return Agreement(scores, operands, found, overlay_levels(operands))


def layer_reference(choice: Choice) -> Give:
    """Return a layer as a reference: its pixels or shapes, brought onto the prediction's."""

    def give(mask: Mask) -> Generator[Any, None, Comparable]:
        # All that a choice asks of a map, a mask knows, too: frame, shape and slide.
        of_map: Any = mask
        return (yield from choice.read(of_map))

    return give


def file_reference(path: Path, entry: SlideEntry) -> Give:
    """Return annotations or a saved mask as a reference.

    Raises
    ------
    SlideconcordError
        When it cannot be read.
    """
    from slideconcord.annotations import read_annotations
    from slideconcord.segmentation.mask import open_mask

    found: Comparable = (
        open_mask(path) if path.is_dir() else read_annotations(path, bounds=entry.slide.bounds)
    )

    def give(mask: Mask) -> Generator[Any, None, Comparable]:
        yield
        return found

    return give


def _tissue(entry: SlideEntry, tissue: Mask | bool) -> Generator[Any, None, Mask]:
    from slideconcord.segmentation.tissue import tissue_steps

    if not isinstance(tissue, bool):
        return tissue
    return (yield from tissue_steps(entry.slide))


def _prediction(
    entry: SlideEntry, prediction: str | Path, tissue: Mask | None
) -> Generator[Any, None, Mask]:
    from slideconcord.segmentation.exact import exact_mask
    from slideconcord.segmentation.mask import open_mask
    from slideconcord.segmentation.postprocess import PAN_CANCER, postprocess

    if isinstance(prediction, Path):
        mask = open_mask(prediction)
        if mask.slide_fingerprint != entry.slide.fingerprint:
            raise MismatchError(
                f"{prediction.name} is a mask of another slide: register the slides first, "
                "or choose a mask of this one."
            )
        return mask
    probability, index = entry.probability, entry.index
    if probability is None:
        raise MismatchError(f"{entry.name} has no probability map yet: segment it first.")
    if prediction != CUT:
        options = PAN_CANCER[prediction].options
        return postprocess(probability, tissue, options, class_name=entry.class_name)
    usable = index if fits(index, entry.tuning) else None
    making = exact_mask(probability, entry.tuning, class_name=entry.class_name, index=usable)
    mask = yield from making
    return mask


class OverlayLevel:
    """The overlay at one level as (y, x, 4) uint8, made of what is looked at."""

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, operands: Operands, step: int) -> None:
        self._operands, self._step = operands, step
        height, width = (-(-side // step) for side in operands.shape)
        self.shape = (height, width, 4)
        self.size = height * width * 4

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        from slideconcord.comparison.overlay import overlay_of
        from slideconcord.slides.level import split_index

        box, rest = split_index(key, self.shape)
        step = self._step
        wide = Box(box.y * step, box.x * step, box.height * step, box.width * step)
        inside = wide.intersect(Box(0, 0, *self._operands.shape))
        return np.asarray(overlay_of(self._operands, inside, step, alpha=255)[rest])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:, :].astype(dtype or np.uint8, copy=False)


def overlay_levels(operands: Operands) -> list[Any]:
    """Return the overlay at every level, each half the one before."""
    levels: list[Any] = []
    step = 1
    while True:
        level = OverlayLevel(operands, step)
        levels.append(np.asarray(level) if max(level.shape) <= _KEPT_PX else level)
        if max(level.shape) <= _COARSEST_PX:
            return levels
        step *= 2


def show_overlay(viewer: ViewerModel, entry: SlideEntry, found: Agreement) -> Layer:
    """Show where prediction and reference agree and differ; one layer a slide."""
    from slideconcord.plugin.layers import place
    from slideconcord.plugin.results import same_selection

    drop_overlay(viewer, entry)
    with same_selection(viewer):
        return viewer.add_image(
            found.levels,
            name=f"Agreement of {entry.name}",
            rgb=True,
            multiscale=True,
            cache=False,
            interpolation2d="nearest",
            opacity=0.55,
            blending="translucent_no_depth",
            metadata={KEY: Tag("agreement", entry.slide, entry.id)},
            **place(found.operands.prediction.frame, entry.slide),
        )


def drop_overlay(viewer: ViewerModel, entry: SlideEntry) -> None:
    """Remove the overlay of a slide, where there is one."""
    layer = find_layer(viewer.layers, entry.id, "agreement")
    if layer is not None:
        viewer.layers.remove(layer)
