"""The truth of a virtual scan, as masks and as annotations in the scan's own pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slideconcord.geometry import Box, Frame
from slideconcord.samples.origin import VIRTUAL
from slideconcord.samples.scanner import VirtualScanner
from slideconcord.samples.tissue import Classes, VirtualTissue

if TYPE_CHECKING:
    from slideconcord.annotations import Annotations

# Class of the truth -> name and colour of its annotations, as QuPath shows tumour and other cells.
REGION_CLASSES = {2: ("Normal epithelium", (80, 170, 90)), 3: ("Tumor", (200, 0, 0))}


def truth_mask(
    tissue: VirtualTissue, scanner: VirtualScanner, mpp: float = 2.0, box: Box | None = None
) -> tuple[Classes, Frame]:
    """Return the class of every pixel of a scan at ``mpp``, and where those pixels lie.

    Parameters
    ----------
    box
        Whole pixels of the scan's grid at ``mpp``; all of the scan when None.

    Returns
    -------
    (y, x) uint8, see ``tissue.CLASS_NAMES``, and its frame in the scan's level-0 pixels.
    """
    factor = mpp / scanner.mpp
    height, width = scanner.shape(tissue)
    box = box or Box(0, 0, int(height / factor + 1e-6), int(width / factor + 1e-6))
    frame = Frame(0.0, 0.0, factor, factor).inside(box)
    return scanner.truth(tissue, box, mpp), frame


def truth_regions(
    tissue: VirtualTissue, scanner: VirtualScanner, mpp: float = 2.0, box: Box | None = None
) -> Annotations:
    """Return the glands and the tumour of a scan as polygons in its level-0 pixels.

    The outlines are those of `truth_mask`: exact to half a pixel of ``mpp``.
    """
    from slideconcord.annotations import Annotation, Annotations
    from slideconcord.annotations.contours import polygons_from_mask

    classes, frame = truth_mask(tissue, scanner, mpp, box)
    found = [
        Annotation(
            polygon,
            class_name=name,
            colour=colour,
            observer="truth",
            id=_identifier(tissue, scanner, f"{value}-{index}"),
            metadata={"origin": VIRTUAL},
        )
        for value, (name, colour) in REGION_CLASSES.items()
        for index, polygon in enumerate(polygons_from_mask(np.equal(classes, value), frame))
    ]
    return Annotations.of(found, {"origin": VIRTUAL, "truth_mpp": mpp})


def _identifier(tissue: VirtualTissue, scanner: VirtualScanner, text: str) -> str:
    """Return a UUID that is the same each time the sample is made."""
    from uuid import NAMESPACE_URL, uuid5

    return str(uuid5(NAMESPACE_URL, f"slideconcord virtual {tissue!r} {scanner.name} {text}"))
