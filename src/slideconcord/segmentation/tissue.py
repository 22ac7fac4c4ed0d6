"""Where a slide holds tissue: the paper's background segmentation as a mask on the slide."""

from __future__ import annotations

from collections.abc import Generator
from math import ceil, floor
from typing import TYPE_CHECKING

import numpy as np

from slideconcord.errors import ParameterError
from slideconcord.geometry import Box, Frame
from slideconcord.provenance import record
from slideconcord.segmentation.mask import Mask
from slideconcord.segmentation.seams import FinishedBlock
from slideconcord.segmentation.tissue_pixels import PAPER_TISSUE, TissueOptions, tissue_pixels

if TYPE_CHECKING:
    from slideconcord.slides import Slide

TISSUE = "tissue"
_STRIP_PX = 256
# A strip of a coarse picture is made of few tiles, and none is asked for twice but at its edges.
_CACHE_BYTES = 256 << 20
# At 5 µm a glass of 25 x 75 mm has 75 Mpx; more than this is a wrong pixel size.
_LARGEST_PX = 1 << 28


def find_tissue(
    slide: Slide, options: TissueOptions = PAPER_TISSUE, *, box: Box | None = None
) -> Mask:
    """Return which part of a slide is tissue, not white background, at 5 µm per pixel.

    Pen marks, dust and air bubbles count as tissue, as in the paper ("Background segmentation").

    Parameters
    ----------
    slide
        An open slide.
    options
        The paper's constants unless given.
    box
        Look at this part only, in level-0 pixels, such as ``slide.bounds``; all when None.

    Returns
    -------
    Mask
        In the slide's grid at 5 µm per pixel. Its provenance lists tiles that could not be read:
        they count as background.

    Raises
    ------
    ParameterError
        When the slide is coarser than that, or the box lies beside it.
    """
    steps = tissue_steps(slide, options, box=box)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            mask: Mask = end.value
            return mask


def tissue_steps(
    slide: Slide, options: TissueOptions = PAPER_TISSUE, *, box: Box | None = None
) -> Generator[FinishedBlock, None, Mask]:
    """Do as `find_tissue` in steps that can show progress; closing the generator cancels."""
    frame, place = _place(slide, options.mpp, box)
    apart = slide.apart(_CACHE_BYTES)
    rgb = np.empty((*place.shape, 3), np.uint8)
    starts = range(0, place.height, _STRIP_PX)
    for done, y in enumerate(starts, 1):
        strip = Box(place.y + y, place.x, min(_STRIP_PX, place.height - y), place.width)
        rgb[y : y + strip.height] = apart.read_grid(options.mpp, strip, on_damage="mark")
        yield FinishedBlock(done, len(starts), strip.shift(-place.y, -place.x), None)
    return Mask(
        array=tissue_pixels(rgb, options),
        frame=frame,
        slide_mpp=slide.mpp,
        slide_fingerprint=slide.fingerprint,
        slide_bounds=slide.bounds,
        class_name=TISSUE,
        provenance=record(
            tissue=options.facts(),
            slide_colour=slide.colour,
            damaged_tiles=sorted(map(list, apart.damaged)),
        ),
    )


def _place(slide: Slide, mpp: float, box: Box | None) -> tuple[Frame, Box]:
    """Return where the mask lies on the slide, and in the slide's grid at ``mpp``."""
    step_y, step_x = slide.grid_step(mpp)
    place = Box(0, 0, *slide.grid_shape(mpp))
    if box is not None:
        y, x = floor(box.y / step_y), floor(box.x / step_x)
        snapped = Box(y, x, ceil(box.stop_y / step_y) - y, ceil(box.stop_x / step_x) - x)
        place = place.intersect(snapped)
    if not place.area:
        raise ParameterError(
            f"{box} holds no pixel of {slide.path.name}, "
            f"whose level 0 has {slide.shape[0]} x {slide.shape[1]}."
        )
    if place.area > _LARGEST_PX:
        raise ParameterError(
            f"{slide.path.name} would have {place.height} x {place.width} px of {mpp:g} µm, more "
            "than a glass slide can hold: correct its pixel size, or give a box."
        )
    return Frame(0.0, 0.0, step_y, step_x).inside(place), place
