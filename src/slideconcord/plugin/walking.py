"""The walk over what differs: found once beside the GUI, then visited one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal, Slot

from slideconcord.comparison.views.disagreements import Disagreement, disagreement_steps
from slideconcord.errors import ParameterError
from slideconcord.plugin.jobs import Job
from slideconcord.plugin.views.live_masks import LiveMask, require_map

if TYPE_CHECKING:
    from slideconcord.plugin.looking import Looking
    from slideconcord.plugin.scans import Case
    from slideconcord.plugin.session import Session

_AROUND = 3.0
_LEAST_UM = 60.0


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
