"""Commands that measure agreement: compare masks, and sweep over all pairs of thresholds."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slideconcord.cli import show
from slideconcord.cli.options import Json, Out, Overwrite
from slideconcord.cli.results import MASK_NAME, refuse_existing
from slideconcord.errors import OutputError, SlideconcordError, UnsupportedSlideError

if TYPE_CHECKING:
    from slideconcord.annotations import Annotations
    from slideconcord.comparison.compare import Scores
    from slideconcord.comparison.operands import Operands
    from slideconcord.comparison.regions import RegionMatches
    from slideconcord.comparison.sweep import Sweep
    from slideconcord.geometry import Box
    from slideconcord.segmentation.mask import Mask
    from slideconcord.segmentation.probability import ProbabilityMap

app = typer.Typer(name="compare", help="Measure how far results agree.", no_args_is_help=True)
MASK_FILES = ("scores.json", "scores.csv", "regions.csv", "overlay.png")
SWEEP_FILES = ("sweep.json", "sweep.csv", "sweep.png")
_OVERLAY_PX = 2000
_MASK_OR_FILE = "A mask.zarr, the folder of a result, or annotations."
Tissue = Annotated[
    Path | None, typer.Option("--tissue", help=f"What counts: {_MASK_OR_FILE} All when not given.")
]
ClassNames = Annotated[
    list[str] | None,
    typer.Option("--class", metavar="NAME", help="Take these annotations of the reference only."),
]


@app.command("masks")
def masks(
    prediction: Annotated[Path, typer.Argument(metavar="PREDICTION", help=_MASK_OR_FILE)],
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE", help=_MASK_OR_FILE)],
    out: Out,
    tissue: Tissue = None,
    class_names: ClassNames = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Compare a mask with a reference: DSC, eleven further statistics, regions, an overlay."""
    from slideconcord.comparison.compare import compare_operands
    from slideconcord.comparison.operands import annotations_of, bring_together
    from slideconcord.comparison.regions import match_operands

    _refuse_existing(out, MASK_FILES, overwrite=overwrite)
    bounds = _bounds(prediction, reference, tissue)
    target = _read(reference, bounds)
    operands = bring_together(
        _read(prediction, bounds),
        annotations_of(target, class_names or ()),
        None if tissue is None else _read(tissue, bounds),
    )
    scores, matches = compare_operands(operands), match_operands(operands)
    found = {
        **scores.to_json(),
        "regions": matches.to_json(),
        "classes": class_names or [],
        "notes": _notes(scores),
    }
    out.mkdir(parents=True, exist_ok=True)
    _write_masks(out, found, scores, matches, operands)
    files = [out / name for name in MASK_FILES]
    if json:
        show.as_json({**found, "files": files})
    else:
        _tell_scores(scores, matches, found["notes"], out)


def sweep(
    probability: Annotated[
        Path, typer.Argument(metavar="PROBABILITY", help="A probability.zarr, or its folder.")
    ],
    reference: Annotated[Path, typer.Option("--reference", help=_MASK_OR_FILE)],
    out: Out,
    tissue: Tissue = None,
    class_names: ClassNames = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Compare the mask of every pair of thresholds, at 5 % steps, with a reference; no pruning."""
    from slideconcord.comparison.operands import annotations_of
    from slideconcord.comparison.sweep import sweep_thresholds
    from slideconcord.comparison.tables import write_json
    from slideconcord.segmentation.probability import open_probability

    _refuse_existing(out, SWEEP_FILES, overwrite=overwrite)
    opened = open_probability(probability)
    target = annotations_of(_read(reference, opened.slide_bounds), class_names or ())
    counted = None if tissue is None else _read(tissue, opened.slide_bounds)
    found = sweep_thresholds(_index(opened), target, counted)
    result = {**found.to_json(), "classes": class_names or [], "map": dict(opened.provenance)}
    out.mkdir(parents=True, exist_ok=True)
    write_json(result, out / "sweep.json")
    found.table().write_csv(out / "sweep.csv")
    notes = _plot(found, out / "sweep.png")
    files = [out / name for name in SWEEP_FILES if (out / name).is_file()]
    if json:
        show.as_json({"best": result["best"], "notes": notes, "files": files})
    else:
        _tell_sweep(result["best"], notes, out)


def _read(path: Path, bounds: Box | None) -> Mask | Annotations:
    from slideconcord.annotations import read_annotations

    return _mask(path) or read_annotations(path, bounds=bounds)


def _mask(path: Path) -> Mask | None:
    from slideconcord.segmentation.mask import open_mask

    inside = path / MASK_NAME
    with suppress(UnsupportedSlideError):
        if path.is_dir():
            return open_mask(inside if inside.is_dir() else path)
    return None


def _bounds(*paths: Path | None) -> Box | None:
    """Return the slide's bounds, from whose corner QuPath's annotations count."""
    found = (_mask(path) for path in paths if path is not None)
    return next((mask.slide_bounds for mask in found if mask is not None), None)


def _index(probability: ProbabilityMap) -> Any:
    from slideconcord.segmentation.hysteresis import index_blocks

    if not probability.complete:
        raise OutputError(
            f"{probability.path} is not finished. Run the same segment command again to finish it.",
            probability.path,
        )
    steps = index_blocks(probability)
    with show.progress("thresholds") as advance:
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            advance(step.done, step.total)


def _refuse_existing(folder: Path, names: tuple[str, ...], *, overwrite: bool) -> None:
    for name in names:
        refuse_existing(folder / name, overwrite=overwrite)


def _notes(scores: Scores) -> list[str]:
    empty = {"prediction": scores.counts.predicted, "reference": scores.counts.reference}
    return [
        f"the {name} is empty where pixels count: see that both lie on the same slide"
        for name, count in empty.items()
        if not count
    ]


def _write_masks(
    out: Path,
    found: dict[str, Any],
    scores: Scores,
    matches: RegionMatches,
    operands: Operands,
) -> None:
    from PIL import Image

    from slideconcord.annotations.exchange import atomic
    from slideconcord.comparison.overlay import overlay_of
    from slideconcord.comparison.tables import write_json

    write_json(found, out / "scores.json")
    scores.table().write_csv(out / "scores.csv")
    matches.table().write_csv(out / "regions.csv")
    step = -(-max(operands.shape) // _OVERLAY_PX)
    with atomic(out / "overlay.png") as partial:
        Image.fromarray(overlay_of(operands, step=step)).save(partial, format="PNG")


def _plot(found: Sweep, path: Path) -> list[str]:
    """Draw the heat map where matplotlib is there; return what there is to note."""
    from slideconcord.annotations.exchange import atomic
    from slideconcord.comparison.plots import sweep_heat_map

    try:
        figure = sweep_heat_map(found)
    except SlideconcordError as error:
        return [str(error)]
    with atomic(path) as partial:
        figure.savefig(partial, format="png")
    return []


def _tell_scores(scores: Scores, matches: RegionMatches, notes: list[str], out: Path) -> None:
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


def _tell_sweep(best: dict[str, float] | None, notes: list[str], out: Path) -> None:
    if best is None:
        show.text("the DSC is undefined for every pair: reference and masks are empty")
    else:
        show.text(f"best DSC {best['dsc']:.4f} at low {best['low']:g}, high {best['high']:g}")
    for note in notes:
        show.text(f"  {note}")
    show.text(f"written to {out}")
