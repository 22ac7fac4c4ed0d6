"""The command sweep: all pairs of thresholds against a reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slideconcord.cli import show
from slideconcord.cli.operands import (
    MASK_OR_FILE,
    ClassNames,
    Tissue,
    TissueOf,
    read_one,
    read_tissue,
)
from slideconcord.cli.options import Json, Out, Overwrite
from slideconcord.cli.results import refuse_existing
from slideconcord.errors import OutputError, SlideconcordError

if TYPE_CHECKING:
    from slideconcord.comparison.sweep import Sweep
    from slideconcord.segmentation.probability import ProbabilityMap

FILES = ("sweep.json", "sweep.csv", "sweep.png")


def sweep(
    probability: Annotated[
        Path, typer.Argument(metavar="PROBABILITY", help="A probability.zarr, or its folder.")
    ],
    reference: Annotated[Path, typer.Option("--reference", help=MASK_OR_FILE)],
    out: Out,
    tissue: Tissue = None,
    slide: TissueOf = None,
    class_names: ClassNames = None,
    smoothed: Annotated[
        bool,
        typer.Option(
            "--smoothed", help="Smooth the map first, at 5 µm, as the pan-cancer paper's analysis."
        ),
    ] = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Compare the mask of every pair of thresholds, at 5 % steps, with a reference; no pruning."""
    from slideconcord.comparison.sweep import sweep_thresholds
    from slideconcord.comparison.tables import write_json
    from slideconcord.segmentation.postprocess import smoothed_map
    from slideconcord.segmentation.probability import open_probability

    for name in FILES:
        refuse_existing(out / name, overwrite=overwrite)
    stored = open_probability(probability)
    _require_complete(stored)
    opened = smoothed_map(stored) if smoothed else stored
    target = read_one(reference, opened.slide_bounds, class_names or ())
    counted = read_tissue(tissue, slide, opened)
    found = sweep_thresholds(_index(opened), target, counted)
    result = {
        **found.to_json(),
        "classes": class_names or [],
        "smoothed": smoothed,
        "map": dict(opened.provenance),
    }
    out.mkdir(parents=True, exist_ok=True)
    write_json(result, out / "sweep.json")
    found.table().write_csv(out / "sweep.csv")
    notes = _plot(found, out / "sweep.png")
    if json:
        files = [out / name for name in FILES if (out / name).is_file()]
        show.as_json({"best": result["best"], "notes": notes, "files": files})
    else:
        _tell(result["best"], notes, out)


def _index(probability: Any) -> Any:
    from slideconcord.segmentation.hysteresis import index_blocks

    return show.finish("thresholds", index_blocks(probability))


def _require_complete(probability: ProbabilityMap) -> None:
    if not probability.complete:
        raise OutputError(
            f"{probability.path} is not finished. Run the same segment command again to finish it.",
            probability.path,
        )


def _plot(found: Sweep, path: Path) -> list[str]:
    """Draw the heat map where matplotlib is there; return what there is to note."""
    from slideconcord.annotations.exchange import atomic
    from slideconcord.comparison.plots import require_matplotlib, sweep_heat_map

    try:
        require_matplotlib()
    except SlideconcordError as error:
        return [str(error)]
    with atomic(path) as partial:
        sweep_heat_map(found).savefig(partial, format="png")
    return []


def _tell(best: dict[str, float] | None, notes: list[str], out: Path) -> None:
    if best is None:
        show.text("the DSC is undefined for every pair: reference and masks are empty")
    else:
        show.text(f"best DSC {best['dsc']:.4f} at low {best['low']:g}, high {best['high']:g}")
    for note in notes:
        show.text(f"  {note}")
    show.text(f"written to {out}")
