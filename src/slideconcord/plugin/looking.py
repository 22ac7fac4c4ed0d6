"""Which view of a case is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal, Slot

from slideconcord.plugin.rescue import PointPairs
from slideconcord.plugin.views.flicker import Flicker
from slideconcord.plugin.views.grid import LinkedGrid
from slideconcord.plugin.views.stage import Stage
from slideconcord.plugin.views.table import VIEWS
from slideconcord.plugin.walking import Walk

if TYPE_CHECKING:
    from slideconcord.plugin.scans import Case
    from slideconcord.plugin.session import Session
    from slideconcord.plugin.views.base import ComparisonView

PLAIN = "plain"
"""No view: the user's own layers."""
PAIRS = "pairs"
"""Hub and scan side by side, to mark landmarks on both."""


class Looking(QObject):
    """Shows one view of a case at a time."""

    changed = Signal()
    """Another view is shown, or it says something else."""
    pointed = Signal(float, float)
    """Where the cross-hair is, (y, x) in µm of the hub."""

    def __init__(self, session: Session, case: Case, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._case = case
        self.stage = Stage(session, self)
        self.stage.broken.connect(self._leave_broken)
        self.stage.told.connect(self.changed)
        self.name = PLAIN
        self.view: ComparisonView | None = None
        self.walk = Walk(session, case, self)
        self.walk.changed.connect(self.changed)

    def show(self, name: str) -> None:
        """Show a view by its name in `VIEWS`, or ``"plain"``.

        Raises
        ------
        SlideconcordError
            When it cannot be shown; then the user's own layers are.
        """
        if name == self.name and self.view is not None:
            self.view.press_again()
            return
        self._leave()
        if name != PLAIN:
            self._enter(name)
        else:
            self.stage.close()
        self.changed.emit()

    def refresh(self) -> None:
        """Take changed placements, scans or a changed pair into the view."""
        self.walk.forget()
        if self.view is None:
            return
        name, dial = self.name, self.view.dial
        self._leave()
        self._enter(name)
        if self.view is not None and dial is not None:
            self.view.turn(dial.value)
        self.changed.emit()

    def follow_placement(self) -> None:
        """Take changed placements into the view, without new layers where it can."""
        self.walk.forget()
        if self.view is not None and not self.view.follow_placement():
            self.refresh()
        self.changed.emit()

    def hold(self, held: bool) -> None:
        """Keep B in view while the flicker's key is held."""
        if isinstance(self.view, Flicker):
            self.view.hold(held)

    def next_disagreement(self, step: int = 1) -> None:
        """Go to the next largest place where the masks of A and B differ."""
        if self.view is None:
            self.show("agreement")
        self.walk.go(step)

    @property
    def pairs(self) -> PointPairs | None:
        """The view in which landmarks are marked, while it is shown."""
        return self.view if isinstance(self.view, PointPairs) else None

    def mark(self, y_um: float, x_um: float) -> None:
        """Put the grid's cross on a place."""
        if isinstance(self.view, LinkedGrid):
            self.view.cross.point(y_um, x_um)

    def close(self) -> None:
        """Show the user's layers as they were, and stop."""
        self.walk.close()
        self._leave()
        self.stage.close()

    def _enter(self, name: str) -> None:
        view = (PointPairs if name == PAIRS else VIEWS[name])(self.stage, self._case)
        self.stage.open()
        try:
            view.enter()
            self.stage.ready()
        except Exception:
            # the window must not stay empty, whatever went wrong
            self.stage.close()
            self.changed.emit()
            raise
        self.name, self.view = name, view
        if isinstance(view, LinkedGrid):
            view.cross.pointed.connect(self.pointed)
        if isinstance(view, PointPairs):
            view.heard.marked.connect(self.changed)

    def _leave(self) -> None:
        view, self.view, self.name = self.view, None, PLAIN
        if view is not None:
            view.leave()
        self.stage.clear()

    @Slot()
    def _leave_broken(self) -> None:
        self._leave()
        self.stage.close()
        self.changed.emit()
