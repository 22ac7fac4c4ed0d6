"""Placing a scan by hand: three pairs of points, then small moves; all of it can be undone."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from slideconcord.comparison.registration.manual import from_points, nudge, rotate
from slideconcord.errors import ParameterError
from slideconcord.plugin.layers import UNITS
from slideconcord.plugin.views.base import ComparisonView
from slideconcord.plugin.views.captions import say
from slideconcord.plugin.views.scan_layers import add_scan, mark, shown_affine

if TYPE_CHECKING:
    from napari.layers import Points

    from slideconcord.comparison.registration.value import Registration
    from slideconcord.plugin.scans import Case, Scan
    from slideconcord.plugin.views.stage import Stage

LEAST_PAIRS = 3
_LAYERS_PER_CELL = 2
_COLOURS = ("#ffb000", "#00c8ff")
_SIZE_PX = 14


class PointPairs(ComparisonView):
    """The hub in one cell, a scan in the other; a click in a cell marks a landmark there."""

    key = ""
    title = "Mark point pairs"
    tip = (
        "Click the same place in both cells, three times or more, far apart. "
        "Then press Align. Marks can be moved and deleted like any points."
    )

    def __init__(self, stage: Stage, case: Case) -> None:
        super().__init__(stage, case)
        self.heard = _Ear()

    @property
    def scan(self) -> Scan:
        """The scan to place: B, or A where B is the hub.

        Raises
        ------
        ParameterError
            When neither is another scan than the hub.
        """
        return moved_scan(self.case)

    def enter(self) -> None:
        scans = self.hub, self.scan
        self.marks: list[Points] = []
        for scan, colour in zip(scans, _COLOURS, strict=True):
            picture = add_scan(self.stage, scan, self.hub, field=False)
            self.marks.append(self._add_marks(scan, colour))
            say(picture, f"{scan.name}: click 1, 2, 3 ...")
        self.stage.arrange(_LAYERS_PER_CELL)
        self.stage.viewer.mouse_drag_callbacks.append(self._on_press)

    def leave(self) -> None:
        self.stage.viewer.mouse_drag_callbacks.remove(self._on_press)

    @property
    def counts(self) -> tuple[int, int]:
        """How many landmarks are marked on the hub, and on the scan."""
        return len(self.marks[0].data), len(self.marks[1].data)

    def registration(self) -> Registration:
        """Return what the pairs say.

        Raises
        ------
        ParameterError
            When there are too few, unequally many, or they lie on a line.
        """
        hub_count, scan_count = self.counts
        if hub_count != scan_count or hub_count < LEAST_PAIRS:
            raise ParameterError(
                f"{hub_count} marks on {self.hub.name} and {scan_count} on {self.scan.name}: "
                f"mark the same places on both, {LEAST_PAIRS} or more."
            )
        hub, scan = self.hub.entry.slide, self.scan.entry.slide
        return from_points(
            scan, hub, np.asarray(self.marks[1].data), np.asarray(self.marks[0].data)
        )

    def mark(self, cell: int, y_um: float, x_um: float) -> None:
        """Mark a place of the world as a landmark of the hub (cell 0) or of the scan (1)."""
        layer = self.marks[cell]
        layer.add([layer.world_to_data((y_um, x_um))[-2:]])
        layer.features = {"number": [str(i) for i in range(1, len(layer.data) + 1)]}
        layer.selected_data = set()
        self.heard.marked.emit()

    def _add_marks(self, scan: Scan, colour: str) -> Any:
        slide = scan.entry.slide
        keywords = {
            "name": f"landmarks of {scan.name}",
            "ndim": 2,
            "scale": tuple(slide.mpp),
            "affine": shown_affine(scan, self.hub),
            "units": UNITS,
            "face_color": "transparent",
            "border_width": 0.2,
            "border_color": colour,
            "size": 30 / max(slide.mpp),
            "canvas_size_limits": (_SIZE_PX, _SIZE_PX),
            "features": {"number": np.empty(0, object)},
            "text": {"string": "{number}", "size": 12, "color": colour, "translation": [0, 0],
                     "anchor": "lower_left"},
            "metadata": mark(scan),
        }  # fmt: skip
        return self.stage.add((np.empty((0, 2)), keywords, "points"))

    def _on_press(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        position, cell, moved = event.position, self._cell(viewer, event), False
        yield
        while event.type == "mouse_move":
            moved = True
            yield
        active = viewer.layers.selection.active
        is_edited = active in self.marks and str(active.mode) != "pan_zoom"
        if not moved and event.button == 1 and cell is not None and not is_edited:
            self.mark(cell, *(float(v) for v in tuple(position)[-2:]))

    def _cell(self, viewer: Any, event: Any) -> int | None:
        """Return which scan's cell a click is in."""
        if event.viewbox is None:
            return None
        inside = viewer.canvas.grid.contents_at(event.viewbox, viewer.layers)
        for number, marks in enumerate(self.marks):
            if viewer.layers.index(marks) in inside:
                return number
        return None


class _Ear(QObject):
    """Tells that a landmark was marked."""

    marked = Signal()


def moved_scan(case: Case) -> Scan:
    """Return the scan that a hand moves: B, or A where B is the hub.

    Raises
    ------
    ParameterError
        When neither is another scan than the hub.
    """
    for scan in (case.b, case.a):
        if scan is not None and scan is not case.hub:
            return scan
    raise ParameterError("Choose the scan to place as B: the hub itself does not move.")


def nudged(case: Case, dy_um: float, dx_um: float) -> None:
    """Move the chosen scan on the hub, in µm."""
    scan = moved_scan(case)
    scan.settle(nudge(_start(scan, case), dy_um, dx_um))


def rotated(case: Case, degrees: float, about_um: tuple[float, float]) -> None:
    """Turn the chosen scan about a place of the hub; positive moves +x towards +y."""
    scan = moved_scan(case)
    scan.settle(rotate(_start(scan, case), degrees, about_um))


def _start(scan: Scan, case: Case) -> Registration:
    """Return the placement to move: as it is drawn, where it lies nowhere yet."""
    from dataclasses import replace

    from slideconcord.comparison.registration.planes import affine_of, scaling

    registration, hub = scan.registration, case.hub
    if registration is None or hub is None:
        raise ParameterError("The hub itself does not move: choose another scan as B.")
    if registration.status != "failed":
        return registration
    drawn = shown_affine(scan, hub) @ scaling(registration.moving.mpp)
    return replace(registration, affine=affine_of(drawn))
