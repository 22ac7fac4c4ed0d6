"""How far what is being drawn agrees with a reading, while the hand draws."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal, Slot

from slideconcord.annotations import Annotations
from slideconcord.comparison.counts import ConfusionCounts
from slideconcord.comparison.metrics import dsc
from slideconcord.comparison.observers.disputes import looking_step
from slideconcord.comparison.observers.placed import Grid
from slideconcord.comparison.observers.readings import ReadSlide
from slideconcord.comparison.observers.votes import ReadingStack
from slideconcord.geometry import Box, Mpp
from slideconcord.plugin.agreement_sources import found_on
from slideconcord.plugin.latest import Latest
from slideconcord.plugin.tags import tag_of
from slideconcord.plugin.task import Task
from slideconcord.plugin.throttle import Throttle

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from slideconcord.plugin.agreement_sources import Found, Source
    from slideconcord.plugin.session import Session
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.mask import Mask

Bools = NDArray[np.bool_]
_EVERY_MS = 150
_MOST_PX = 4_000_000
_DRAWN, _OTHER, _ALL = "drawn", "other", "all"


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A reading on a grid coarse enough to be compared while a hand moves."""

    grid: Grid
    step: int
    marked: Bools
    counted: Bools | None
    slide_mpp: Mpp
    class_name: str | None
    """The class that counts; all do when None."""

    @property
    def mpp(self) -> float:
        """Size of the pixels that are compared, in µm."""
        return max(self.grid.mpp) * self.step

    def score(self, drawn: Annotations) -> ConfusionCounts:
        """Count where what is drawn and the reading agree; the drawing predicts."""
        grid = self.grid
        given = {_DRAWN: _of_class(drawn, self.class_name)}
        stack = ReadingStack(given, grid.frame, grid.shape, self.slide_mpp)
        marked = stack.read(_DRAWN, Box(0, 0, *self.marked.shape), self.step)
        if self.counted is not None:
            marked &= self.counted
        n = self.marked.size if self.counted is None else int(np.count_nonzero(self.counted))
        tp = int(np.count_nonzero(marked & self.marked))
        fp = int(np.count_nonzero(marked)) - tp
        fn = int(np.count_nonzero(self.marked)) - tp
        return ConfusionCounts(tp, fp, fn, n - tp - fp - fn)


def target_steps(
    entry: SlideEntry, source: Source, tissue: Mask | None, class_name: str | None
) -> Generator[Any, None, Target]:
    """Read a reading and draw it once on pixels that are counted in a moment."""
    found = _of_class((yield from source.read()), class_name)
    slide = entry.slide
    grid = Grid.on(ReadSlide.of(slide, (), tissue=None), None)
    given = {_OTHER: found} if tissue is None else {_OTHER: found, _ALL: tissue}
    stack = ReadingStack(given, grid.frame, grid.shape, slide.mpp)
    step = looking_step(stack, _MOST_PX)
    yield
    whole = Box(0, 0, *stack.shape_at(step))
    counted = stack.read(_ALL, whole, step) if tissue is not None else None
    marked = stack.read(_OTHER, whole, step)
    kept = marked if counted is None else marked & counted
    return Target(grid, step, kept, counted, slide.mpp, class_name)


def _of_class(found: Found, class_name: str | None) -> Found:
    """Return the annotations of a class; what has no class at all counts as any."""
    if isinstance(found, Annotations) and class_name is not None and found.class_names:
        return found.of_class(class_name)
    return found


def drawings_of(viewer: ViewerModel, entry: SlideEntry) -> list[Layer]:
    """Return the layers of a slide that are drawn on: shapes, and the Annotate dock's."""
    from napari.layers import Shapes

    found = []
    for layer in viewer.layers:
        tag = tag_of(layer)
        if tag is None:
            found += [layer] if isinstance(layer, Shapes) else []
        elif tag["id"] == entry.id and tag["kind"] == "annotations" and tag.get("editor"):
            found.append(layer)
    return found


class LiveScore(QObject):
    """Keeps the DSC of a drawing with a reading true to the drawing."""

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._entry: SlideEntry | None = None
        self.layer: Layer | None = None
        """What is drawn on."""
        self._told_by: Any = None
        self.target: Target | None = None
        self.counts: ConfusionCounts | None = None
        self.task, self._latest = Task(self), Latest(self)
        self._soon = Throttle(self._ask, _EVERY_MS, self)
        self.task.changed.connect(self.changed)
        self._latest.answered.connect(self._take)

    @property
    def dsc(self) -> float:
        """NaN where there is nothing to compare yet, or both are empty."""
        return math.nan if self.counts is None else dsc(self.counts)

    def follow(
        self,
        entry: SlideEntry,
        layer: Layer,
        source: Source,
        tissue: Mask | None = None,
        class_name: str | None = None,
    ) -> None:
        """Compare what is drawn on a layer with a reading from now on, all classes or one."""
        self.drop()
        self._entry, self.layer = entry, layer
        tag = tag_of(layer)
        self._told_by = layer.events.data if tag is None else tag["editor"].changed
        self._told_by.connect(self._soon.ask)
        self.task.start(
            partial(target_steps, entry, source, tissue, class_name), self._take_target, "Reading…"
        )

    def drop(self) -> None:
        """Compare nothing."""
        if self._told_by is not None:
            self._told_by.disconnect(self._soon.ask)
        self._told_by = self.layer = self.target = self.counts = None
        self._soon.cancel()
        self.task.close()
        self._latest.forget()
        self.changed.emit()

    def close(self) -> None:
        """Stop, and wait for the threads."""
        self.drop()
        self._latest.close()

    def _take_target(self, target: Target) -> None:
        self.target = target
        self._ask()

    def _ask(self) -> None:
        target, layer, entry = self.target, self.layer, self._entry
        slide_layer = self._session.layer_of(entry)
        if target is None or layer is None or entry is None or slide_layer is None:
            return
        drawn = found_on(layer, slide_layer, entry)
        if isinstance(drawn, Annotations):
            self._latest.ask(partial(target.score, drawn))

    @Slot(object)
    def _take(self, counts: ConfusionCounts) -> None:
        self.counts = counts
        self.changed.emit()
