"""The Landscape dock: what every pair of thresholds would agree with the reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QBoxLayout, QDockWidget, QMainWindow, QWidget

from slideconcord.plugin.curves_view import CurvesView
from slideconcord.plugin.dock import Dock, bring_up
from slideconcord.plugin.landscape_subject import (
    REFERENCE,
    LandscapeSubject,
    can_survey,
    missing_for,
    missing_scans,
    told_of_reference,
    told_of_scans,
)
from slideconcord.plugin.landscape_view import LandscapeView, Surface
from slideconcord.plugin.mover import Mover
from slideconcord.plugin.surveying import Surveyor
from slideconcord.plugin.watching import Watching
from slideconcord.plugin.workspace import SlideEntry
from slideconcord.segmentation.thresholds import Thresholds

HEIGHT_PX = 300


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
        self.subject = LandscapeSubject()
        self.body.addWidget(self.subject)
        self.body.addWidget(Plots(self.view, self.curves), 1)
        self.mover = Mover(self.session, self)
        self.surveyor = Surveyor(self.session.case, self)
        self._watching = Watching()
        self.view.moved.connect(self._want)
        self.view.settled.connect(self._settle)
        self.subject.chosen.connect(self._choose)
        self.subject.stop.clicked.connect(self.surveyor.cancel)
        self.surveyor.changed.connect(self._on_landscape)
        self.surveyor.tuned.connect(self._tell)
        self.follow()

    def let_go(self) -> None:
        self._watching.follow(None, {})
        self.surveyor.close()
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
            self._tell()

    def _on_landscape(self, _landscape: Any = None) -> None:
        entry, surveyor = self.entry, self.surveyor
        self.subject.offer(can_survey(surveyor, entry))
        if self.is_of_scans and can_survey(surveyor, entry) and not surveyor.is_current:
            surveyor.start()  # comes back here
            return
        self.view.missing = (
            missing_scans(surveyor, entry) if self.is_of_scans else missing_for(entry)
        )
        self.view.show_surface(self._surface())
        self.curves.show_landscape(entry.landscape if entry is not None else None)
        self.curves.setVisible(not missing_for(entry))
        self._tell()

    def _surface(self) -> Surface | None:
        if self.is_of_scans:
            found = self.surveyor.found
            return Surface.of_scans(found, self.subject.kind) if found is not None else None
        landscape = self.entry.landscape if self.entry is not None else None
        return Surface.of_reference(landscape) if landscape is not None else None

    @property
    def is_of_scans(self) -> bool:
        """Whether the agreement of scans is shown, and no reference."""
        return self.subject.kind != REFERENCE

    def _tell(self) -> None:
        text = told_of_scans if self.is_of_scans else told_of_reference
        self.subject.tell(text(self.surveyor, self.entry), self.surveyor.is_running)

    def _choose(self) -> None:
        surveyor = self.surveyor
        if self.is_of_scans and surveyor.found is None and not surveyor.is_running:
            surveyor.start()
        self._on_landscape()

    def _want(self, thresholds: Thresholds) -> None:
        self.mover.want(thresholds=thresholds)

    def _settle(self) -> None:
        """Let the hand go; the agreement of scans is that of all of them at one pair."""
        wanted = self.mover.wanted
        self.mover.settle()
        if self.is_of_scans and wanted is not None:
            for each in self.surveyor.surveyed:
                if each.entry is not self.entry:
                    tuning = replace(each.entry.tuning, thresholds=wanted.thresholds)
                    each.entry.settle(tuning)


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
