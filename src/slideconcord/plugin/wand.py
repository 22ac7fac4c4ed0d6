"""The wand: a press takes the likely region around it, a drag grows or shrinks it."""

from __future__ import annotations

from dataclasses import replace
from math import floor
from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord.annotations.editing import operations as op
from slideconcord.annotations.editing import shapes
from slideconcord.annotations.editing.grow import grow
from slideconcord.geometry import Box

if TYPE_CHECKING:
    from slideconcord.plugin.annotating import Editor

REACH_PX = 512
"""How far the wand reaches, in pixels of the level that it reads."""
GREY_PER_SCREEN_PX = 0.5
NO_MAP = "The wand follows a probability map: segment the slide first."
NOTHING = "There is nothing here that the model holds likely: draw it by hand."
Point = tuple[float, float]


class Wand:
    """One drag of the wand, from where it was pressed."""

    def __init__(self, editor: Editor, at: Point) -> None:
        self._editor, self._at = editor, at
        self._template = editor.template(None, at)
        self._area: Any = None
        self._values, self._frame = _part_around(editor, at)
        self._um_per_px = 1 / editor.session.viewer.scene.camera.zoom
        self._start = self._first_threshold()

    def follow(self, at: Point) -> None:
        """Lower the threshold to the right or upwards, raise it the other way."""
        if self._values is None:
            return
        mpp = self._editor.entry.slide.mpp
        right = (at[0] - self._at[0]) * mpp.x - (at[1] - self._at[1]) * mpp.y
        level = self._start - GREY_PER_SCREEN_PX * right / self._um_per_px
        # the pixel that was clicked is always in
        level = float(np.clip(level, 0, max(self._seed() - 1, 0)))
        self._area = grow(self._values, self._frame, *self._at, level)
        if self._area is not None:
            self._editor.draft(replace(self._template, geometry=self._whole()))

    def end(self) -> None:
        """Keep the region that is shown."""
        if self._values is None or self._area is None:
            self._editor.said.emit(NO_MAP if self._values is None else NOTHING)
            return
        area, template = self._area, self._template
        self._editor.do(lambda sheet: op.brush(sheet, area, template))

    def _whole(self) -> Any:
        if self._template.id in self._editor.sheet:
            return shapes.joined([self._template.geometry, self._area])
        return self._area

    def _first_threshold(self) -> float:
        """Return the low threshold, or what a less likely pixel needs."""
        if self._values is None:
            return 0.0
        return min(self._editor.entry.tuning.thresholds.low_grey, self._seed() * 0.8)

    def _seed(self) -> int:
        row, column = (floor(v) for v in self._frame.from_level0(self._at[1], self._at[0]))
        height, width = self._values.shape
        inside = 0 <= row < height and 0 <= column < width
        return int(self._values[row, column]) if inside else 0


def _part_around(editor: Editor, at: Point) -> tuple[Any, Any]:
    """Return the map around a point, no finer than the screen shows it, and where it lies."""
    entry = editor.entry
    probability = entry.probability
    if probability is None:
        return None, None
    pixel_um = 1 / editor.session.viewer.scene.camera.zoom
    finer = [
        level
        for level in range(probability.level_count)
        if probability.level_frame(level).step_y * entry.slide.mpp.y <= pixel_um
    ]
    level = finer[-1] if finer else 0
    frame = probability.level_frame(level)
    array = probability.level(level, entry.class_name)
    row, column = (floor(v) for v in frame.from_level0(at[1], at[0]))
    reach = Box(row - REACH_PX, column - REACH_PX, 2 * REACH_PX, 2 * REACH_PX)
    box = reach.intersect(Box(0, 0, *array.shape))
    return np.asarray(array[box.slices]), frame.inside(box)
