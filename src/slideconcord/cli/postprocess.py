"""The command postprocess: a probability map to mask and regions, as in the pan-cancer paper."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slideconcord.cli import show
from slideconcord.cli.operands import TissueOf, read_one, tissue_of
from slideconcord.cli.options import Json, Out, Overwrite
from slideconcord.cli.results import MASK_NAME, make_place, outline, tell
from slideconcord.errors import OutputError, ParameterError

if TYPE_CHECKING:
    from slideconcord.segmentation.mask import Mask
    from slideconcord.segmentation.postprocess import PanCancer
    from slideconcord.segmentation.probability import ProbabilityMap


def postprocess(
    probability: Annotated[
        Path, typer.Argument(metavar="PROBABILITY", help="A probability.zarr, or its folder.")
    ],
    out: Out,
    slide: TissueOf = None,
    tissue: Annotated[
        Path | None, typer.Option("--tissue", help="A mask of the tissue, in place of --slide.")
    ] = None,
    no_tissue: Annotated[
        bool, typer.Option("--no-tissue", help="Leave the step of the tissue out.")
    ] = False,
    preset: Annotated[
        str, typer.Option(help="pan-cancer, as published, or pan-cancer-fragmented.")
    ] = "pan-cancer",
    prune_map: Annotated[
        str | None,
        typer.Option(
            help="Map whose percentile prunes regions: smoothed, as the paper says, or "
            "unsmoothed, as the authors' code does."
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Make mask and regions of a map as in the pan-cancer paper, at 5 µm per pixel.

    Smoothing, hysteresis, pruning, tissue only, holes filled, small regions left out.
    """
    from slideconcord.segmentation import postprocess as method
    from slideconcord.segmentation.probability import open_probability

    options = _options(preset, prune_map)
    opened = open_probability(probability)
    if not opened.complete:
        raise OutputError(
            f"{opened.path} is not finished. Run the same segment command again to finish it.",
            opened.path,
        )
    inside = _tissue(slide, tissue, opened, none=no_tissue)
    make_place(out, overwrite=overwrite)
    mask = method.postprocess(opened, inside, options, out / MASK_NAME, overwrite=overwrite)
    result = {"probability": probability, "folder": out, **options.facts(), **outline(mask, out)}
    if json:
        show.as_json(result)
    else:
        tell(result)


def _options(preset: str, prune_map: str | None) -> PanCancer:
    from slideconcord.segmentation.postprocess import PAN_CANCER

    if preset not in PAN_CANCER:
        raise ParameterError(f"preset={preset!r} is not known. Choose {', '.join(PAN_CANCER)}.")
    options = PAN_CANCER[preset].options
    # The dataclass refuses a name that it does not know.
    return options if prune_map is None else replace(options, prune_map=prune_map)  # type: ignore[arg-type]


def _tissue(
    slide: Path | None, tissue: Path | None, probability: ProbabilityMap, *, none: bool
) -> Mask | None:
    from slideconcord.segmentation.mask import Mask

    if sum((slide is not None, tissue is not None, none)) != 1:
        raise ParameterError(
            "The method keeps to the tissue: give --slide SLIDE to find it there, --tissue MASK, "
            "or --no-tissue to leave that step out; one of the three."
        )
    if slide is not None:
        return tissue_of(slide, probability)
    if tissue is None:
        return None
    found = read_one(tissue, probability.slide_bounds)
    if isinstance(found, Mask):
        return found
    raise ParameterError(f"{tissue} is no mask: give a mask.zarr, or --slide to find the tissue.")
