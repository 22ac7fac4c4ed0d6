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
from slideconcord.errors import ParameterError
from slideconcord.segmentation.options import PredictOptions
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tuning import DESCRIBED, Tuning

if TYPE_CHECKING:
    from slideconcord.geometry import Mpp
    from slideconcord.segmentation.model import Model
    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.slides import Slide
    from slideconcord.slides.colour import Colour

CheckShift = Annotated[
    bool,
    typer.Option(
        "--check-shift", help="Say how much the result changes when tiles move by half a stride."
    ),
]


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
    check_shift: CheckShift = False,
    json: Json = False,
    **settings: Any,
) -> int:
    """Segment slides: probability map, mask and regions, each slide in a folder of its own.

    After a stop or a crash run the same command again: it goes on where it stopped.
    """
    from slideconcord.segmentation.model import load_model
    from slideconcord.segmentation.reading import one_ahead

    tuned = {name: settings.pop(name) for name in DESCRIBED}
    options = PredictOptions(box=read_box(box), **settings)
    given_mpp = read_mpp(mpp)
    network = load_model(model, options.device, options.precision)
    network = network.on(options.device, options.precision, options.engine)
    tuning = Tuning(_thresholds(low, high, network.spec.low, network.spec.high), **tuned)
    inputs, results = Inputs(len(slides)), []

    def prepare(path: Path, is_ahead: bool) -> Prepared:
        return Prepared(path, network, options, given_mpp, colour, is_ahead=is_ahead)

    with closing(one_ahead(slides, prepare)) as ready:
        for path, future in zip(slides, ready, strict=True):
            with inputs.guard(path), closing(future.result()) as prepared:
                folder = folder_for(prepared.slide, out)
                found = _segment(prepared, tuning, folder, check_shift, overwrite=overwrite)
                results.append({"slide": path, "folder": folder, **found})
                if not json:
                    _tell(prepared.slide, results[-1])
    if json:
        show.as_json({"slides": results, "failed": inputs.failed})
    return inputs.status


class Prepared:
    """A slide that is open, and what a run over it is; its first tiles read where that is ahead."""

    def __init__(
        self,
        path: Path,
        model: Model,
        options: PredictOptions,
        mpp: Mpp | None,
        colour: Colour,
        *,
        is_ahead: bool,
    ) -> None:
        from slideconcord.segmentation.plan import plan_run
        from slideconcord.segmentation.reading import TileReader
        from slideconcord.slides import open_slide

        self.slide = open_slide(path, mpp=mpp, colour=colour)
        try:
            self.reader = TileReader(plan_run(self.slide, model, options))
            if is_ahead:
                self.reader.read_early()
        except BaseException:
            self.slide.close()
            raise

    def close(self) -> None:
        self.reader.close()
        self.slide.close()


def _segment(
    prepared: Prepared, tuning: Tuning, folder: Path, check_shift: bool, *, overwrite: bool
) -> dict[str, Any]:
    """Segment one slide into its folder; return what there is to say of it."""
    probability, notes = _predict(prepared, folder, overwrite=overwrite)
    shift = _check_shift(prepared) if check_shift else {}
    made_from = probability.provenance
    return {
        "damaged_tiles": made_from.get("damaged_tiles", []),
        "skipped_tiles": made_from["parameters"].get("skipped", {}).get("tiles", []),
        "notes": notes,
        **shift,
        **write_regions(probability, tuning, folder, overwrite=True),
    }


def _check_shift(prepared: Prepared) -> dict[str, Any]:
    """Compare with moved tiles under a progress bar; return the figures, or why there are none."""
    from slideconcord.segmentation.shift import shift_steps

    plan = prepared.reader.plan
    with show.progress("shifted tiles") as advance:
        try:
            steps = shift_steps(plan.slide, plan.model, plan.options)
            while True:
                advance(*next(steps))
        except StopIteration as end:
            return {"shift": end.value.facts()}
        except ParameterError as error:
            # The segmentation is done and good; only this question has no answer.
            return {"shift": {"refused": str(error)}}


def _thresholds(
    low: float | None, high: float | None, default_low: float, default_high: float
) -> Thresholds:
    return Thresholds(default_low if low is None else low, default_high if high is None else high)


def _predict(
    prepared: Prepared, folder: Path, *, overwrite: bool
) -> tuple[ProbabilityMap, list[str]]:
    """Predict with a progress bar; return the map, and what there is to note about the run.

    Finished tiles survive a Ctrl-C.
    """
    from slideconcord.segmentation.predict import predict_tiles
    from slideconcord.segmentation.probability import open_probability

    reader = prepared.reader
    plan = reader.plan
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always", UserWarning)
        tiles = predict_tiles(
            plan.slide, plan.model, folder, plan.options, overwrite=overwrite, ahead=reader
        )
    try:
        with closing(tiles), show.progress(plan.slide.name) as advance:
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
    if skipped := result["skipped_tiles"]:
        show.text(f"  tiles without tissue, left out: {len(skipped)}")
    if shift := result.get("shift"):
        show.text(f"  {_shift_text(shift)}")
    if damaged := result["damaged_tiles"]:
        tiles = "1 damaged tile was" if len(damaged) == 1 else f"{len(damaged)} damaged tiles were"
        show.text(f"  {tiles} left out: see {result['folder'] / 'run.json'}")


def _shift_text(shift: dict[str, Any]) -> str:
    if "refused" in shift:
        return f"no shift check: {shift['refused']}"
    y, x = shift["shift_px"]
    return (
        f"with tiles moved by {y}, {x} px, 99 % of pixels differ by {shift['p99']:.3f} or less, "
        f"at most by {shift['largest']:.3f} ({shift['places']} places)"
    )


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
