"""Commands that measure how far results agree: compare masks, and what is beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slideconcord.cli import compare_scans, show
from slideconcord.cli.observers import observers
from slideconcord.cli.operands import MASK_OR_FILE, ClassNames, Tissue, TissueOf, read_operands
from slideconcord.cli.options import Json, Out, Overwrite
from slideconcord.cli.results import refuse_existing
from slideconcord.cli.scanners import scanners

if TYPE_CHECKING:
    from slideconcord.comparison.compare import Scores
    from slideconcord.comparison.operands import Operands
    from slideconcord.comparison.regions import RegionMatches

app = typer.Typer(name="compare", help="Measure how far results agree.", no_args_is_help=True)
MASK_FILES = ("scores.json", "scores.csv", "regions.csv", "overlay.png")
_OVERLAY_PX = 2000
app.command("scanners")(scanners)
app.command("observers")(observers)
app.command("scans")(compare_scans.scans)


@app.command("masks")
def masks(
    prediction: Annotated[Path, typer.Argument(metavar="PREDICTION", help=MASK_OR_FILE)],
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE", help=MASK_OR_FILE)],
    out: Out,
    tissue: Tissue = None,
    slide: TissueOf = None,
    class_names: ClassNames = None,
    min_reference_px: Annotated[
        int,
        typer.Option(
            min=0, help="Leave out smaller regions of the reference; 1600 at 5 µm in the paper."
        ),
    ] = 0,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Compare a mask with a reference: DSC, eleven further statistics, regions, an overlay."""
    from slideconcord.comparison.compare import compare_operands
    from slideconcord.comparison.regions import match_operands

    for name in MASK_FILES:
        refuse_existing(out / name, overwrite=overwrite)
    operands = read_operands(prediction, reference, tissue, class_names or (), slide)
    scores, matches = compare_operands(operands), match_operands(operands, min_reference_px)
    found = {
        **scores.to_json(),
        "regions": {**matches.to_json(), "min_reference_px": min_reference_px},
        "classes": class_names or [],
        "notes": _notes(scores),
    }
    out.mkdir(parents=True, exist_ok=True)
    _write(out, found, scores, matches, operands)
    if json:
        show.as_json({**found, "files": [out / name for name in MASK_FILES]})
    else:
        _tell(scores, matches, found["notes"], out)


def _notes(scores: Scores) -> list[str]:
    counts = {"prediction": scores.counts.predicted, "reference": scores.counts.reference}
    return [
        f"the {name} is empty where pixels count: see that both lie on the same slide"
        for name, count in counts.items()
        if not count
    ]


def _write(
    out: Path, found: dict[str, Any], scores: Scores, matches: RegionMatches, operands: Operands
) -> None:
    from PIL import Image

    from slideconcord.annotations.exchange import atomic
    from slideconcord.comparison.overlay import overlay_of
    from slideconcord.comparison.tables import write_json

    write_json(found, out / "scores.json")
    scores.table().write_csv(out / "scores.csv")
    matches.table().write_csv(out / "regions.csv")
    step = max(-(-max(operands.shape) // _OVERLAY_PX), 1)
    with atomic(out / "overlay.png") as partial:
        Image.fromarray(overlay_of(operands, step=step)).save(partial, format="PNG")


def _tell(scores: Scores, matches: RegionMatches, notes: list[str], out: Path) -> None:
    rows = [
        (r["symbol"], "undefined" if r["undefined"] else f"{r['value']:.4f}", r["label"])
        for r in scores.table().records()
    ]
    show.table(("statistic", "value", "what"), rows)
    regions = matches.counts
    show.text(
        f"regions: {regions.tp} correspond, {regions.fp} in the prediction alone, "
        f"{regions.fn} in the reference alone"
    )
    for note in notes:
        show.text(f"  {note}")
    show.text(f"written to {out}")
