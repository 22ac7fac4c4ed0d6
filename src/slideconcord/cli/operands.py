"""What commands compare: masks, and annotations that are drawn in the pixels of a mask."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from slideconcord.cli import show
from slideconcord.cli.results import MASK_NAME
from slideconcord.errors import OutputError, ParameterError, UnsupportedSlideError

if TYPE_CHECKING:
    from slideconcord.annotations import Annotations
    from slideconcord.comparison.operands import Operands
    from slideconcord.geometry import Box, Frame, Mpp
    from slideconcord.segmentation.mask import Mask

MASK_OR_FILE = "A mask.zarr, the folder of a result, or annotations."
Tissue = Annotated[
    Path | None,
    typer.Option("--tissue", help="Mask or annotations of what counts; all when not given."),
]
TissueOf = Annotated[
    Path | None,
    typer.Option(
        "--slide",
        help="The slide: its white background is found and left out, as in the pan-cancer paper.",
    ),
]
ClassNames = Annotated[
    list[str] | None,
    typer.Option("--class", metavar="NAME", help="Of the reference, only this class (repeatable)."),
]


def read_operands(
    prediction: Path,
    reference: Path,
    tissue: Path | None,
    class_names: Sequence[str],
    slide: Path | None = None,
) -> Operands:
    """Read what is to be compared, and bring it into one frame.

    Raises
    ------
    ParameterError
        When a path does not exist, is a probability map, or none is a mask.
    AnnotationError
        When annotations cannot be read.
    MismatchError
        When they do not lie on one another.
    """
    from slideconcord.comparison.operands import bring_together

    given = [path for path in (prediction, reference, tissue) if path is not None]
    masks = [mask for path in given if (mask := _open_mask(path)) is not None]
    if not masks:
        raise ParameterError(
            "None of these is a mask, and annotations have no pixels to count: give the mask.zarr "
            "of one of them, in whose pixels the others are drawn."
        )
    like, bounds = masks[0], masks[0].slide_bounds
    return bring_together(
        read_one(prediction, bounds),
        read_one(reference, bounds, class_names),
        read_tissue(tissue, slide, like),
    )


class OnSlide(Protocol):
    """A mask or map: what tissue must fit."""

    @property
    def slide_mpp(self) -> Mpp: ...
    @property
    def slide_fingerprint(self) -> str: ...
    @property
    def slide_bounds(self) -> Box | None: ...
    @property
    def frame(self) -> Frame: ...
    @property
    def shape(self) -> tuple[int, int]: ...


def read_tissue(
    tissue: Path | None, slide: Path | None, like: OnSlide
) -> Mask | Annotations | None:
    """Read what counts: a mask or annotations, or the tissue found on the slide; None is all.

    Raises
    ------
    ParameterError
        When both are given.
    MismatchError
        When it is another slide.
    """
    from slideconcord.segmentation.reframe import in_frame

    if tissue is not None and slide is not None:
        raise ParameterError("--tissue and --slide both say what counts: give one of them.")
    if slide is not None:
        found = tissue_of(slide, like)
        return in_frame(found, like.frame, like.shape, like.slide_fingerprint)
    return None if tissue is None else read_one(tissue, like.slide_bounds)


def tissue_of(slide: Path, like: OnSlide) -> Mask:
    """Find the tissue of a slide that a mask or map was made of.

    Raises
    ------
    MismatchError
        When it is another slide.
    """
    from slideconcord.errors import MismatchError
    from slideconcord.segmentation.tissue import tissue_steps
    from slideconcord.slides import open_slide

    # A file may have no pixel size, or a wrong one: what it was segmented with counts.
    with open_slide(slide, mpp=like.slide_mpp) as opened:
        if opened.fingerprint != like.slide_fingerprint:
            raise MismatchError(
                f"{slide} is not the slide that the result was made of: give that one."
            )
        return show.finish("tissue", tissue_steps(opened))


def read_one(path: Path, bounds: Box | None, class_names: Sequence[str] = ()) -> Mask | Annotations:
    """Read a mask or annotations; ``bounds`` are the slide's, from whose corner QuPath counts."""
    from slideconcord.annotations import read_annotations
    from slideconcord.comparison.operands import annotations_of

    found = _open_mask(path) or read_annotations(path, bounds=bounds)
    return annotations_of(found, class_names)


def _open_mask(path: Path) -> Mask | None:
    """Open a mask, or the mask in the folder of a result; None for another file."""
    from slideconcord.segmentation.mask import open_mask

    if not path.exists():
        raise ParameterError(f"{path} does not exist. Give a mask.zarr or annotations.")
    if not path.is_dir():
        return None
    inside = path / MASK_NAME
    try:
        return open_mask(inside if inside.is_dir() else path)
    except UnsupportedSlideError:
        _refuse_probability(path)
        return None


def _refuse_probability(path: Path) -> None:
    from slideconcord.segmentation.probability import open_probability

    with suppress(OutputError):
        open_probability(path)
        raise ParameterError(
            f"{path} holds a probability map and no mask. Make one first: "
            f"slideconcord threshold {path} --out DIR"
        )
