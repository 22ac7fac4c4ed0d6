"""The command convert: annotations, and masks, from one file format to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slideconcord.cli import show
from slideconcord.cli.options import Json, MinArea, MppText, Overwrite, read_mpp
from slideconcord.cli.results import refuse_existing
from slideconcord.errors import ParameterError, UnsupportedSlideError

if TYPE_CHECKING:
    from slideconcord.annotations import Annotations
    from slideconcord.geometry import Box


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Annotations, or a mask.zarr.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    source_format: Annotated[
        str | None, typer.Option("--from", metavar="FORMAT", help="Of IN, where its name misleads.")
    ] = None,
    target_format: Annotated[
        str | None, typer.Option("--to", metavar="FORMAT", help="Of OUT, where its name misleads.")
    ] = None,
    slide: Annotated[
        Path | None,
        typer.Option(help="The slide drawn on, where a format needs its size or scanned part."),
    ] = None,
    mpp: MppText = None,
    min_area_um2: MinArea = 0.0,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Convert annotations between formats, or a mask into annotations."""
    from slideconcord.annotations import write_annotations

    if source.resolve() == target.resolve():
        raise ParameterError(f"IN and OUT are both {source}. Give OUT another name.")
    refuse_existing(target, overwrite=overwrite)
    facts = _slide_facts(slide, mpp)
    bounds, annotations = _read(source, source_format, min_area_um2, facts.get("bounds"))
    notes = [*annotations.report]
    notes += write_annotations(
        annotations, target, format=target_format, **{**facts, "bounds": bounds}
    )
    if json:
        show.as_json({"annotations": len(annotations), "file": target, "notes": notes})
        return
    show.text(f"{len(annotations)} annotations written to {target}")
    for note in notes:
        show.text(f"  {note}")


def _slide_facts(slide: Path | None, mpp: str | None) -> dict[str, Any]:
    """Return what writers want to know of the slide."""
    if slide is None:
        return {"mpp": read_mpp(mpp)}
    from slideconcord.slides import open_slide

    with open_slide(slide, mpp=read_mpp(mpp)) as opened:
        return {"mpp": opened.mpp, "shape": opened.shape, "bounds": opened.bounds}


def _read(
    source: Path, format_name: str | None, min_area_um2: float, bounds: Box | None
) -> tuple[Box | None, Annotations]:
    """Read annotations, and the bounds that QuPath counts from."""
    from slideconcord.annotations import read_annotations
    from slideconcord.segmentation.mask import open_mask
    from slideconcord.segmentation.regions import find_regions

    if source.is_dir() and format_name is None:
        try:
            mask = open_mask(source)
        except UnsupportedSlideError:
            return bounds, read_annotations(source, bounds=bounds)
        return mask.slide_bounds or bounds, find_regions(mask, min_area_um2)
    return bounds, read_annotations(source, format=format_name, bounds=bounds)
