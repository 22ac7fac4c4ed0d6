"""The Landscape dock: what every pair of thresholds would agree with the reference."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QBoxLayout, QDockWidget, QMainWindow, QWidget

from slideconcord.plugin.curves_view import CurvesView
from slideconcord.plugin.dock import Dock, bring_up
from slideconcord.plugin.landscape_view import LandscapeView
from slideconcord.plugin.mover import Mover
from slideconcord.plugin.watching import Watching
from slideconcord.plugin.workspace import SlideEntry
from slideconcord.segmentation.thresholds import Thresholds

HEIGHT_PX = 300
NO_SLIDE = "Open and segment a slide first."
NO_REFERENCE = "Choose a reference in the Threshold dock: an annotation, a mask or a file."
COUNTING = "Comparing all pairs of thresholds with the reference…"


class Plots(QWidget):
    """Two plots side by side where there is room, else one below the other."""

    def __init__(self, first: QWidget, second: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.addWidget(first, 4)
        self._box.addWidget(second, 5)

    def resizeEvent(self, event: QResizeEvent) -> None:
        is_wide = self.width() > 1.25 * self.height() or self.height() < 360
        direction = QBoxLayout.Direction
        self._box.setDirection(direction.LeftToRight if is_wide else direction.TopToBottom)
        super().resizeEvent(event)


class LandscapeDock(Dock):
    """Shows landscape and curves of the active slide; clicking moves its thresholds."""

    title = "Landscape"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.view, self.curves = LandscapeView(), CurvesView()
        self.body.addWidget(Plots(self.view, self.curves), 1)
        self.mover = Mover(self.session, self)
        self._watching = Watching()
        self.view.moved.connect(self._want)
        self.view.settled.connect(self.mover.settle)
        self.follow()

    def let_go(self) -> None:
        self._watching.follow(None, {})
        self.mover.close()

    def show_entry(self, entry: SlideEntry | None) -> None:
        self.mover.follow(entry)
        self._watching.follow(
            entry,
            {
                "tuning": self._on_tuning,
                "landscape": self._on_landscape,
                "reference": self._on_landscape,
                "probability": self._on_landscape,
            },
        )
        self._on_landscape()
        self._on_tuning()

    def _on_tuning(self, _tuning: Any = None) -> None:
        if self.entry is not None:
            for plot in (self.view, self.curves):
                plot.show_tuning(self.entry.tuning)

    def _on_landscape(self, _landscape: Any = None) -> None:
        missing = missing_for(self.entry)
        for plot in (self.view, self.curves):
            plot.missing = missing
            plot.show_landscape(self.entry.landscape if self.entry else None)
        self.curves.setVisible(not missing)

    def _want(self, thresholds: Thresholds) -> None:
        self.mover.want(thresholds=thresholds)


def open_landscape(viewer: Any) -> LandscapeDock | None:
    """Open the Landscape dock below the picture of a window, or bring it to the front."""
    window = getattr(viewer, "window", None)
    if window is None:
        return None
    for dock in list(window.dock_widgets.values()):
        if isinstance(dock, LandscapeDock):
            bring_up(dock)
            return dock
    dock = LandscapeDock(viewer)
    frame = window.add_dock_widget(dock, name="Landscape", area="bottom")
    _fit_below(frame)
    return dock


def _fit_below(frame: QDockWidget) -> None:
    """Leave the sides of the window to the docks there; take a height that plots need."""
    window = frame.window()
    if isinstance(window, QMainWindow):
        corners, areas = Qt.Corner, Qt.DockWidgetArea
        window.setCorner(corners.BottomLeftCorner, areas.LeftDockWidgetArea)
        window.setCorner(corners.BottomRightCorner, areas.RightDockWidgetArea)
        window.resizeDocks([frame], [HEIGHT_PX], Qt.Orientation.Vertical)


def missing_for(entry: SlideEntry | None) -> str:
    """Return what is missing before a slide has a landscape; nothing when it has one."""
    if entry is None or entry.probability is None:
        return NO_SLIDE
    if entry.landscape is not None:
        return ""
    return NO_REFERENCE if entry.reference is None else COUNTING
