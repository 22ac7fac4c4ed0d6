"""The command convert: annotations, and masks, from one file format to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slideconcord.cli import show
from slideconcord.cli.options import Json, MinArea
from slideconcord.errors import ParameterError


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Annotations, or a mask.zarr.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    source_format: Annotated[
        str | None, typer.Option("--from", metavar="FORMAT", help="Of IN, where its name misleads.")
    ] = None,
    target_format: Annotated[
        str | None, typer.Option("--to", metavar="FORMAT", help="Of OUT, where its name misleads.")
    ] = None,
    min_area_um2: MinArea = 0.0,
    json: Json = False,
) -> None:
    """Convert annotations between formats, or the regions of a mask into annotations."""
    from slideconcord.annotations import read_annotations, write_annotations

    if source.resolve() == target.resolve():
        raise ParameterError(f"IN and OUT are both {source}. Give OUT another name.")
    if source.suffix == ".zarr":
        from slideconcord.segmentation.mask import open_mask
        from slideconcord.segmentation.regions import find_regions

        annotations = find_regions(open_mask(source), min_area_um2=min_area_um2)
    else:
        annotations = read_annotations(source, format=source_format)
    write_annotations(annotations, target, format=target_format)
    notes = [str(note) for note in annotations.report]
    if json:
        show.as_json({"annotations": len(annotations), "file": target, "notes": notes})
        return
    show.text(f"{len(annotations)} annotations written to {target}")
    for note in notes:
        show.text(f"  {note}")
