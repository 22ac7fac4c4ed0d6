"""Slide + model -> probability map on disk, tile by tile, resumable.

Reading, computing and writing overlap; memory does not grow with the slide. A run that was
cancelled, crashed or ran out of disk goes on where it stopped and ends with the same bytes.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slideconcord.geometry import Box
from slideconcord.segmentation.compose import Composer
from slideconcord.segmentation.memory import Trimmer
from slideconcord.segmentation.model import Model
from slideconcord.segmentation.options import PredictOptions
from slideconcord.segmentation.pipeline import Pipeline, Stages
from slideconcord.segmentation.plan import Plan, plan_run, unlike_model
from slideconcord.segmentation.probability import ProbabilityMap
from slideconcord.segmentation.reading import TileReader
from slideconcord.segmentation.run import Run, told
from slideconcord.segmentation.tiles import TileQueue

if TYPE_CHECKING:
    from slideconcord.slides import Slide

__all__ = ["FinishedTile", "PredictOptions", "predict", "predict_tiles"]

Point = tuple[float, float]
Focus = Point | Callable[[], Point | None] | None

# What the tiles read ahead and in a batch may take, as RGB.
_AHEAD_BYTES = 384 << 20
_BATCH_PX = {"cuda": 16 << 20, "mps": 4 << 20}


@dataclass(frozen=True, slots=True)
class FinishedTile:
    """A tile that is safely on disk."""

    index: int
    """Its number in the grid."""
    total: int
    """Tiles of the whole run."""
    done: int
    """Tiles finished so far, those of earlier sessions included."""
    box_px: Box
    """Its place in the map, in map pixels."""

    @property
    def fraction(self) -> float:
        """How much of the run is done, 0 to 1."""
        return self.done / self.total


Tiles = Generator[FinishedTile, None, ProbabilityMap]


def predict_tiles(
    slide: Slide,
    model: Model,
    out: str | Path,
    options: PredictOptions | None = None,
    *,
    focus: Focus = None,
    overwrite: bool = False,
    ahead: TileReader | None = None,
) -> Tiles:
    """Predict a slide into ``out``, yielding each tile once it is safe on disk.

    Close the generator to cancel: it answers within one tile, keeps what is finished, and the
    same call later goes on from there. While it runs, ``open_probability(out)`` gives the growing
    map. A run that is finished already yields nothing.

    Parameters
    ----------
    slide, model
        What to predict, and with what.
    out
        A folder, made if need be. It receives ``probability.zarr`` and ``run.json``.
    options
        See `PredictOptions`.
    focus
        (y, x) in level-0 pixels: the tiles nearest to it come first. Or a function that gives it
        (or None), asked before each tile, from another thread.
    overwrite
        Replace a result of other origin in ``out`` instead of refusing.
    ahead
        A reader for the same plan that has read its first tiles already; see `one_ahead`.

    Returns
    -------
    Generator
        Its return value is the finished `ProbabilityMap`.

    Raises
    ------
    ParameterError, ModelError
        At once, when slide, model and options do not fit together.
    OutputError
        When ``out`` cannot be written, holds another result, or is in use.
    SlideError
        When the slide cannot be read at all. Single damaged tiles are marked in ``run.json``.
    """
    options = options or PredictOptions()
    plan = plan_run(slide, model, options) if ahead is None else ahead.plan
    if (note := unlike_model(plan.model.spec, plan.grid.tile_px)) is not None:
        warnings.warn(note, stacklevel=2)
    return _run(ahead or TileReader(plan), Path(out), focus, overwrite)


def predict(
    slide: Slide,
    model: Model,
    out: str | Path,
    *,
    focus: Focus = None,
    overwrite: bool = False,
    on_tile: Callable[[FinishedTile], object] | None = None,
    **options: Any,
) -> ProbabilityMap:
    """Predict a slide into ``out`` and return the finished map.

    ``options`` are the fields of `PredictOptions`; ``on_tile`` is called after each tile. The
    rest, and the errors, are those of `predict_tiles`.
    """
    tiles = predict_tiles(
        slide, model, out, PredictOptions(**options), focus=focus, overwrite=overwrite
    )
    while True:
        try:
            tile = next(tiles)
        except StopIteration as end:
            return end.value
        if on_tile is not None:
            on_tile(tile)


def _run(reader: TileReader, out: Path, focus: Focus, overwrite: bool) -> Tiles:
    plan = reader.plan
    with closing(reader), Run(out, plan, overwrite=overwrite) as run:
        if run.finished:
            return run.map()
        # Compressing needs far less than computing on a CPU; a GPU is another matter.
        writers = min(max((os.cpu_count() or 2) // 4, 1), 8)
        with told(out):
            composer = Composer(
                run.arrays, plan.grid, run.state, run.journal, writers, skipped=plan.skipped
            )
        done, total = len(run.journal.done), len(plan.grid) - len(plan.skipped)
        with (
            closing(composer),
            closing(_start(reader, composer, run, focus)) as pipeline,
        ):
            for index in pipeline:
                done += 1
                yield FinishedTile(index, total, done, plan.grid.box(index))
        return run.finish()


def _start(reader: TileReader, composer: Composer, run: Run, focus: Focus) -> Pipeline:
    plan = reader.plan
    queue = TileQueue(plan.grid, [*run.journal.done, *plan.skipped])
    batch, ahead, readers = _sizes(plan)
    trim = Trimmer()

    def take() -> int | None:
        point = focus() if callable(focus) else focus
        return queue.take(None if point is None else plan.frame.from_level0(*point))

    def write(index: int, tile: Any) -> None:
        with told(run.out):
            composer.add(index, tile, reader.damaged)
        trim()

    def show() -> None:
        with told(run.out):
            composer.show()

    stages = Stages(take, reader.read, plan.model.begin_batch, write, show)
    return Pipeline(stages, readers=readers, batch=batch, ahead=ahead)


def _sizes(plan: Plan) -> tuple[int, int, int]:
    """Return (tiles in a batch, tiles read ahead, reader threads)."""
    height, width = plan.grid.tile_shape
    height *= plan.model.spec.levels
    kind = plan.model.device.split(":")[0]
    batch = plan.options.batch or max(_BATCH_PX.get(kind, 0) // (height * width), 1)
    # Each decodes with the help of the slide's own threads.
    readers = plan.options.readers or min(max((os.cpu_count() or 2) // 2, 1), 8)
    room = max(_AHEAD_BYTES // (height * width * 3), 2)
    return batch, min(room, batch + readers), readers
