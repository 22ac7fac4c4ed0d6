"""The walk over the places on which readings differ: found beside the GUI, then visited."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from slideconcord.comparison.observers.disputes import Dispute, dispute_steps, looking_step
from slideconcord.geometry import Box
from slideconcord.plugin.task import Task
from slideconcord.plugin.viewport import look_at_box

if TYPE_CHECKING:
    from collections.abc import Callable

    from slideconcord.comparison.observers.votes import ReadingStack
    from slideconcord.plugin.session import Session
    from slideconcord.plugin.workspace import SlideEntry

_AROUND = 1.3
_LEAST_UM = 60.0


class DisputeWalk(QObject):
    """Visits the places on which some readings of a slide differ, the heaviest first."""

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._entry: SlideEntry | None = None
        self._stack: ReadingStack | None = None
        self._names: tuple[str, ...] = ()
        self._called: Callable[[str], str] = str
        self.task = Task(self)
        self.task.changed.connect(self._tell_task)
        self.found: list[Dispute] | None = None
        """None: not looked for yet."""
        self.at = -1
        self.message = ""

    def follow(
        self,
        entry: SlideEntry | None,
        stack: ReadingStack | None,
        names: Sequence[str],
        called: Callable[[str], str] = str,
    ) -> None:
        """Walk over what some readings of a stack differ on from now on.

        ``called`` gives what a reading is called on the screen.
        """
        self.close()
        self._entry, self._stack, self._names = entry, stack, tuple(names)
        self._called = called
        self.found, self.at = None, -1
        self._say("")

    def go(self, step: int) -> None:
        """Visit the next place, or the one before; look for them first."""
        stack = self._stack
        if stack is None or self.task.is_running:
            return
        if self.found is None:
            self.task.start(
                partial(dispute_steps, stack, self._names),
                partial(self._take, step),
                "Looking for disagreements…",
            )
        else:
            self._visit(step)

    def close(self) -> None:
        """Stop, and wait for the thread."""
        self.task.close()

    def _take(self, step: int, found: list[Dispute]) -> None:
        self.found = found
        self._visit(step)

    def _visit(self, step: int) -> None:
        stack, layer = self._stack, self._session.layer_of(self._entry)
        if not self.found or stack is None or layer is None:
            self._say("They differ nowhere.")
            return
        first = 0 if step > 0 else len(self.found) - 1
        self.at = first if self.at < 0 else (self.at + step) % len(self.found)
        place = self.found[self.at]
        look_at_box(self._session.viewer, layer, _around(place, stack), margin=0.0)
        self._say(self._told(place, stack))

    def _told(self, place: Dispute, stack: ReadingStack) -> str:
        marked = [self._called(name) for name in place.marked_by] or ["each in a part"]
        seen = max(stack.mpp) * looking_step(stack)
        return (
            f"Disagreement {self.at + 1} of {len(self.found or ())}: {place.area_um2:,.0f} µm² "
            f"(seen at {seen:.2g} µm/px), marked by {', '.join(marked)}."
        )

    def _tell_task(self) -> None:
        share = self.task.share
        if self.task.message:
            self._say(self.task.message + ("" if share is None else f" {share:.0%}"))

    def _say(self, text: str) -> None:
        self.message = text
        self.changed.emit()


def _around(place: Dispute, stack: ReadingStack) -> Box:
    """Return the level-0 pixels to look at: the place with a little around it."""
    box, mpp = place.box, stack.slide_mpp
    side_um = max(box.height * mpp.y, box.width * mpp.x, _LEAST_UM) * _AROUND
    height, width = round(side_um / mpp.y), round(side_um / mpp.x)
    middle = box.y + box.height // 2, box.x + box.width // 2
    return Box(middle[0] - height // 2, middle[1] - width // 2, height, width)
