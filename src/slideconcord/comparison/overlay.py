"""Where a prediction and a reference agree and differ, in the colours of the paper's Figure 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.operands import bring_together
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box

if TYPE_CHECKING:
    from slideconcord.comparison.operands import Comparable, Operands

Rgba = NDArray[np.uint8]
Rgb = tuple[int, int, int]
TRUE_POSITIVE: Rgb = (0, 90, 220)
"""Blue: prediction and reference."""
FALSE_POSITIVE: Rgb = (255, 210, 0)
"""Yellow: prediction alone."""
FALSE_NEGATIVE: Rgb = (0, 160, 70)
"""Green: reference alone."""
_ROWS = 1024


def confusion_overlay(
    prediction: Comparable,
    reference: Comparable,
    tissue: Comparable | None = None,
    *,
    box: Box | None = None,
    step: int = 1,
    alpha: int = 128,
) -> Rgba:
    """Return an image to lay over the slide: blue both, yellow prediction, green reference.

    Parameters
    ----------
    prediction, reference, tissue
        As in `compare_masks`.
    box
        The part wanted, in pixels of the masks; all when None.
    step
        Take only every ``step``-th row and column.
    alpha
        Opacity of the colours, 0 to 255; elsewhere the image is clear.

    Returns
    -------
    numpy.ndarray
        uint8 (y, x, 4), red, green, blue and opacity.

    Raises
    ------
    MismatchError
        When the masks lie in different frames or on different slides.
    ParameterError
        When the box does not lie in the masks, or a value is out of its range.
    """
    return overlay_of(bring_together(prediction, reference, tissue), box, step, alpha)


def overlay_of(operands: Operands, box: Box | None = None, step: int = 1, alpha: int = 128) -> Rgba:
    """Do as `confusion_overlay` for what lies in one frame already."""
    whole = Box(0, 0, *operands.shape)
    box = whole if box is None else box
    if not whole.contains(box):
        raise ParameterError(
            f"{box} does not lie in the masks of {whole.height} x {whole.width} px."
        )
    if step < 1 or not 0 <= alpha <= 255:
        raise ParameterError(
            f"step={step} must be 1 or more, and alpha={alpha} a number from 0 to 255."
        )
    return colours_of_kinds(alpha)[_kinds(operands, box, step)]


def _kinds(operands: Operands, box: Box, step: int) -> NDArray[np.uint8]:
    """Return 0 neither, 1 prediction alone, 2 reference alone, 3 both; bands bound the memory."""
    rows = max(_ROWS // step, 1) * step
    found = []
    for y in range(box.y, box.stop_y, rows):
        band = Box(y, box.x, min(rows, box.stop_y - y), box.width)
        prediction, reference, _ = operands.read(band)
        kinds = prediction[::step, ::step] + 2 * reference[::step, ::step].view(np.uint8)
        found.append(kinds)
    return np.concatenate([np.empty((0, -(-box.width // step)), np.uint8), *found])


def colours_of_kinds(alpha: int) -> Rgba:
    """Return the colours (4, 4) of 0 neither, 1 prediction alone, 2 reference alone, 3 both."""
    colours = (FALSE_POSITIVE, FALSE_NEGATIVE, TRUE_POSITIVE)
    return np.array([(0, 0, 0, 0), *((*colour, alpha) for colour in colours)], np.uint8)
