"""Residual arrows: what is left between B and the hub after registration, tile by tile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Slot

from slideconcord.comparison.views.residuals import Residual, residual_steps
from slideconcord.errors import ParameterError
from slideconcord.plugin.jobs import Job
from slideconcord.plugin.layers import UNITS
from slideconcord.plugin.views.base import ComparisonView, Dial, caption
from slideconcord.plugin.views.captions import say
from slideconcord.plugin.views.scan_layers import add_scan, mark

if TYPE_CHECKING:
    from slideconcord.plugin.scans import Scan

_WIDTH_SHARE = 0.06
_LEAST_SCALE_UM = 1.0
_MOST_TIMES = 2000.0
COLOURS = "turbo"


class ResidualArrows(ComparisonView):
    """Where a registration is off, by how much, and in which direction."""

    key = "Alt-8"
    title = "Residual arrows"
    tip = "From where tissue lies on the hub to where B shows it, drawn longer than it is."
    _times = 20.0

    @property
    def dial(self) -> Dial:
        return Dial("Arrows longer by", 1, _MOST_TIMES, self._times, "x")

    def enter(self) -> None:
        self._scan = self._measured()
        self._picture = add_scan(self.stage, self.hub, self.hub)
        say(self._picture, f"{caption(self._scan)}: measuring...")
        self._found: list[Residual] = []
        self._layer: Any = None
        hub, placed = self.hub.entry.slide, self._scan.placed
        self._ear = _Ear(self)
        self._job = Job(lambda: residual_steps(placed, hub))
        self._job.ended.connect(self._ear.take)
        self._job.start()

    def leave(self) -> None:
        self._job.close()

    def turn(self, value: float) -> None:
        self._times = value
        if self._layer is not None:
            self._layer.data = arrows(self._found, value)

    def take(self, job: Job) -> None:
        """Draw what was measured."""
        if job is not self._job:
            return
        if job.error is not None:
            say(self._picture, f"{self._scan.name}: {job.error}")
            return
        self._found = job.result or []
        say(self._picture, f"{caption(self._scan)}: {told(self._found)}")
        if self._found:
            self._times = fitting_times(self._found)
            self._draw()
            self.stage.told.emit()

    def _draw(self) -> None:
        lengths = np.array([residual.length_um for residual in self._found])
        most = max(float(np.percentile(lengths, 95)), _LEAST_SCALE_UM)
        keywords = {
            "name": f"residuals, red from {most:.1f} µm",
            "features": {"length_um": lengths},
            "edge_color": "length_um",
            "edge_colormap": COLOURS,
            "edge_contrast_limits": (0.0, most),
            "edge_width": _WIDTH_SHARE * _arrow_spacing(self._found),
            "vector_style": "arrow",
            "units": UNITS,
            "metadata": mark(self._scan),
        }
        self._layer = self.stage.add((arrows(self._found, self._times), keywords, "vectors"))

    def _measured(self) -> Scan:
        """Return B, or A where B is the hub."""
        scan = next((s for s in reversed(self.pair()) if s is not self.hub), None)
        if scan is None:
            raise ParameterError("Choose a scan other than the hub as B.")
        return scan


class _Ear(QObject):
    """Hears the job on the GUI's thread."""

    def __init__(self, view: ResidualArrows) -> None:
        super().__init__()
        self._view = view

    @Slot(object)
    def take(self, job: Job) -> None:
        self._view.take(job)


def arrows(found: list[Residual], times: float) -> Any:
    """Return napari's vectors (n, 2, 2): place and direction, ``times`` as long as in truth."""
    return np.array([(r.at_um, np.multiply(r.shift_um, times)) for r in found])


def told(found: list[Residual]) -> str:
    """Say in a line what the arrows show."""
    if not found:
        return "no tile could be compared"
    p50, p90 = np.percentile([residual.length_um for residual in found], (50, 90))
    return f"{len(found)} tiles, p50 {p50:.2f} µm, p90 {p90:.2f} µm"


def fitting_times(found: list[Residual]) -> float:
    """Return how much longer arrows may be drawn without running into one another."""
    p90 = float(np.percentile([residual.length_um for residual in found], 90))
    return float(np.clip(round(_arrow_spacing(found) / max(p90, 1e-3)), 1, _MOST_TIMES))


def _arrow_spacing(found: list[Residual]) -> float:
    """Return the distance between tiles in µm, so that arrows are as thick as there is room."""
    places = np.array([residual.at_um for residual in found])
    area = float(np.prod(np.maximum(np.ptp(places, axis=0), 1.0)))
    return float(np.sqrt(area / len(places)))
