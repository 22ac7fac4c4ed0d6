"""Which view is shown, and the walk over what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal, Slot

from slideconcord.comparison.views.disagreements import Disagreement, disagreement_steps
from slideconcord.errors import ParameterError
from slideconcord.plugin.jobs import Job
from slideconcord.plugin.rescue import PointPairs
from slideconcord.plugin.views.flicker import Flicker
from slideconcord.plugin.views.grid import LinkedGrid
from slideconcord.plugin.views.live_masks import LiveMask, require_map
from slideconcord.plugin.views.stage import Stage
from slideconcord.plugin.views.table import VIEWS

if TYPE_CHECKING:
    from slideconcord.plugin.scans import Case
    from slideconcord.plugin.session import Session
    from slideconcord.plugin.views.base import ComparisonView

PLAIN = "plain"
"""No view: the user's own layers."""
PAIRS = "pairs"
"""Hub and scan side by side, to mark landmarks on both."""
_AROUND = 3.0
_LEAST_UM = 60.0


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


class Walk(QObject):
    """The places where two masks differ, found once beside the GUI, then visited one by one."""

    changed = Signal()

    def __init__(self, session: Session, case: Case, parent: Looking) -> None:
        super().__init__(parent)
        self._looking = parent
        self._session = session
        self._case = case
        self._job: Job | None = None
        self._masks: list[LiveMask] = []
        self._step = 1
        self.found: list[Disagreement] | None = None
        """Largest first; None: not looked for yet."""
        self.at = -1
        self.message = ""

    def go(self, step: int) -> None:
        """Visit the next one, or the one before; look for them first.

        Raises
        ------
        SlideconcordError
            When a scan is not aligned or not segmented.
        """
        if self._job is not None:
            return
        if self.found is None:
            self._step = step
            self._look()
        else:
            self._visit(step)

    def forget(self) -> None:
        """What was found no longer holds."""
        self._stop()
        self.found, self.at, self.message = None, -1, ""

    def close(self) -> None:
        """Stop, and wait for the thread."""
        self._stop()

    def _look(self) -> None:
        a, b, hub = self._case.a, self._case.b, self._case.hub
        if a is None or b is None or hub is None or a is b:
            raise ParameterError("Choose two different scans as A and B.")
        for scan in (a, b):
            require_map(scan.entry)
        self._masks = [LiveMask(scan.entry, "filled", self.forget) for scan in (a, b)]
        placed = self._masks[0].placed(a), self._masks[1].placed(b)
        slide = hub.entry.slide
        self._job = Job(lambda: disagreement_steps(*placed, slide))
        self._job.advanced.connect(self._advance)
        self._job.ended.connect(self._take)
        self._job.start()
        self._say("Looking for disagreements…")

    def _visit(self, step: int) -> None:
        if not self.found:
            self._say("The masks differ nowhere; they may both be empty.")
            return
        self.at = 0 if self.at < 0 else (self.at + step) % len(self.found)
        place = self.found[self.at]
        camera = self._session.viewer.scene.camera
        camera.center = (0.0, *place.centre_um)
        viewer = self._session.viewer
        room = min(viewer.canvas.viewbox_size(viewer.layers))
        camera.zoom = room / (_AROUND * max(*place.size_um, _LEAST_UM / _AROUND))
        self._looking.mark(*place.centre_um)
        whose = {"A": "A only", "B": "B only", "both": "A and B in parts"}[place.inside]
        self._say(
            f"Disagreement {self.at + 1} of {len(self.found)}: {place.area_um2:,.0f} µm², {whose}."
        )

    @Slot(object)
    def _advance(self, share: float) -> None:
        self._say(f"Looking for disagreements… {share:.0%}")

    @Slot(object)
    def _take(self, job: Job) -> None:
        if job is not self._job:
            return
        self._job = None
        if job.error is not None:
            self._say("")
            self._stop()
            raise job.error
        self.found = job.result or []
        self._visit(self._step)

    def _stop(self) -> None:
        if self._job is not None:
            self._job.close()
            self._job = None
        for mask in self._masks:
            mask.close()
        self._masks = []

    def _say(self, text: str) -> None:
        self.message = text
        self.changed.emit()
