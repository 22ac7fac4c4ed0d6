"""Commands that make masks: segment (slide to regions) and threshold (probability to regions)."""

from __future__ import annotations

import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slideconcord.cli import show
from slideconcord.cli.options import (
    BoxText,
    ColourName,
    High,
    Json,
    Low,
    MppText,
    Out,
    Overwrite,
    read_box,
    read_mpp,
    with_fields,
)
from slideconcord.cli.outcome import Inputs, StoppedError
from slideconcord.cli.results import folder_for, tell, write_regions
from slideconcord.segmentation.options import PredictOptions
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tuning import DESCRIBED, Tuning

if TYPE_CHECKING:
    from slideconcord.segmentation.model import Model
    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.slides import Slide


@with_fields(Tuning, "thresholds", "edits")
@with_fields(PredictOptions, "box")
def segment(
    slides: Annotated[list[Path], typer.Argument(metavar="SLIDE", help="Slides to segment.")],
    out: Out,
    model: Annotated[str, typer.Option("--model", "-m", help="A known name or a model folder.")],
    mpp: MppText = None,
    low: Low = None,
    high: High = None,
    box: BoxText = None,
    colour: ColourName = "raw",
    overwrite: Overwrite = False,
    json: Json = False,
    **settings: Any,
) -> int:
    """Segment slides: probability map, mask and regions, each slide in a folder of its own.

    After a stop or a crash run the same command again: it goes on where it stopped.
    """
    from slideconcord.segmentation.model import load_model
    from slideconcord.slides import open_slide

    tuned = {name: settings.pop(name) for name in DESCRIBED}
    options = PredictOptions(box=read_box(box), **settings)
    given_mpp = read_mpp(mpp)
    network = load_model(model, options.device, options.precision)
    tuning = Tuning(_thresholds(low, high, network.spec.low, network.spec.high), **tuned)
    inputs, results = Inputs(len(slides)), []
    for path in slides:
        with inputs.guard(path), open_slide(path, mpp=given_mpp, colour=colour) as slide:
            folder = folder_for(slide, out)
            probability, notes = _predict(slide, network, folder, options, overwrite=overwrite)
            found = write_regions(probability, tuning, folder, overwrite=True)
            damaged = probability.provenance.get("damaged_tiles", [])
            origin = {"slide": path, "folder": folder, "damaged_tiles": damaged, "notes": notes}
            results.append({**origin, **found})
            if not json:
                _tell(slide, results[-1])
    if json:
        show.as_json({"slides": results, "failed": inputs.failed})
    return inputs.status


def _thresholds(
    low: float | None, high: float | None, default_low: float, default_high: float
) -> Thresholds:
    return Thresholds(default_low if low is None else low, default_high if high is None else high)


def _predict(
    slide: Slide, model: Model, folder: Path, options: PredictOptions, *, overwrite: bool
) -> tuple[ProbabilityMap, list[str]]:
    """Predict with a progress bar; return the map, and what there is to note about the run.

    Finished tiles survive a Ctrl-C.
    """
    from slideconcord.segmentation.predict import predict_tiles
    from slideconcord.segmentation.probability import open_probability

    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always", UserWarning)
        tiles = predict_tiles(slide, model, folder, options, overwrite=overwrite)
    try:
        with closing(tiles), show.progress(slide.name) as advance:
            for tile in tiles:
                advance(tile.done, tile.total)
    except KeyboardInterrupt:
        raise StoppedError(
            f"stopped; finished tiles are kept in {folder}. Run the same command again to go on."
        ) from None
    return open_probability(folder), [str(note.message) for note in noted]


def _tell(slide: Slide, result: dict[str, Any]) -> None:
    if result["folder"].name != slide.name:
        show.text(f"another slide is called {slide.name} too: this one is {result['folder'].name}")
    tell(result)
    for note in result["notes"]:
        show.text(f"  {note}")
    if damaged := result["damaged_tiles"]:
        tiles = "1 damaged tile was" if len(damaged) == 1 else f"{len(damaged)} damaged tiles were"
        show.text(f"  {tiles} left out: see {result['folder'] / 'run.json'}")


@with_fields(Tuning, "thresholds", "edits")
def threshold(
    probability: Annotated[
        Path, typer.Argument(metavar="PROBABILITY", help="A probability.zarr, or its folder.")
    ],
    out: Out,
    low: Low = None,
    high: High = None,
    overwrite: Overwrite = False,
    json: Json = False,
    **tuned: Any,
) -> None:
    """Make mask and regions of a probability map with other thresholds; quick, no model runs."""
    from slideconcord.segmentation.probability import open_probability

    opened = open_probability(probability)
    _require_complete(opened)
    tuning = Tuning(_thresholds(low, high, opened.low, opened.high), **tuned)
    result = write_regions(opened, tuning, out, overwrite=overwrite)
    if json:
        show.as_json({"probability": probability, "folder": out, **result})
    else:
        tell(result)


def _require_complete(probability: ProbabilityMap) -> None:
    from slideconcord.errors import OutputError

    if not probability.complete:
        raise OutputError(
            f"{probability.path} is not finished. Run the same segment command again to finish it.",
            probability.path,
        )
