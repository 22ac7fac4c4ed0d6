"""Segmenting one slide, as plain functions: what the Segment dock and scripts both call."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from slideconcord.geometry import Box
from slideconcord.plugin.workspace import RunState
from slideconcord.segmentation.model_files import default_model
from slideconcord.segmentation.options import PredictOptions

if TYPE_CHECKING:
    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.slides import Slide

Focus = Callable[[], tuple[float, float] | None]
LEAST_BOX_PX = 16


@dataclass(frozen=True, slots=True)
class SegmentRequest:
    """What to run over a slide, and where the result goes."""

    model: str = field(default_factory=default_model)
    """A known model's name, or a model folder."""
    device: str = "auto"
    box: Box | None = None
    """The part of level 0 to segment; None means all of it."""
    folder: Path = Path("slideconcord-results")
    """Results go into a folder below this one, named by slide and run."""
    tile_px: int | None = None
    """Side of a tile; None means the model's own. The overlap keeps its share of it."""
    skip_background: bool = False
    """Whether tiles without tissue are left out."""
    tta: str = field(default_factory=lambda: PredictOptions().tta)
    """Test-time augmentation, as `PredictOptions.tta`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A finished tile, the map it went into, and how far the run is."""

    probability: ProbabilityMap
    done: int
    total: int


def segment(
    slide: Slide, request: SegmentRequest, focus: Focus | None = None
) -> Generator[Progress, None, ProbabilityMap]:
    """Segment a slide tile by tile; closing the generator cancels and keeps what is done.

    Parameters
    ----------
    slide
        The slide.
    request
        Model, area, device and folder. The same request goes on where it stopped.
    focus
        Gives the level-0 pixel (y, x) whose surroundings come first; asked before every tile.

    Raises
    ------
    ModelError
        When there is no such model, or it does not run here.
    OutputError
        When the folder cannot be written.
    """
    from slideconcord.segmentation.model import load_model
    from slideconcord.segmentation.plan import plan_run
    from slideconcord.segmentation.predict import predict_tiles
    from slideconcord.segmentation.probability import open_probability
    from slideconcord.segmentation.reading import TileReader

    model = load_model(request.model, request.device)
    tile_px, spec = request.tile_px, model.spec
    options = PredictOptions(
        tile_px=tile_px,
        overlap_px=None if tile_px is None else spec.overlap_px * tile_px // spec.tile_px,
        box=request.box,
        skip_background=request.skip_background,
        tta=request.tta,
    )
    plan = plan_run(slide, model, options)
    out = run_folder(request.folder, slide, model.name, plan.key)
    probability: ProbabilityMap | None = None
    with warnings.catch_warnings():
        # The dock says it where the size is chosen, and run.json keeps it.
        warnings.filterwarnings("ignore", message="Tiles of ")
        tiles = predict_tiles(slide, model, out, options, focus=focus, ahead=TileReader(plan))
    with closing(tiles):
        for tile in tiles:
            probability = probability or open_probability(out)
            yield Progress(probability, tile.done, tile.total)
    return open_probability(out)


def run_folder(folder: Path, slide: Slide, model: str, key: str) -> Path:
    """Return where a run belongs: another slide, model, area or colour is another folder."""
    return slide_folder(folder, slide) / f"{model}-{key[:8]}"


def slide_folder(folder: Path, slide: Slide) -> Path:
    """Return where what belongs to a slide goes: two of one name never meet."""
    return folder / f"{slide.name}-{slide.fingerprint[:8]}"


class Clock:
    """Turns progress into what the dock shows, with the time that is left."""

    def __init__(self) -> None:
        self._began = monotonic()
        self._first: int | None = None

    def state(self, progress: Progress) -> RunState:
        if self._first is None:
            self._first = progress.done - 1
        fresh = progress.done - self._first
        per_tile = (monotonic() - self._began) / fresh
        left = per_tile * (progress.total - progress.done)
        return RunState("running", progress.done, progress.total, seconds_left=left)


def time_left(seconds: float | None) -> str:
    """Return a duration as people say it."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{max(round(seconds), 1)} s left"
    minutes = round(seconds / 60)
    return f"{minutes} min left" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min left"
