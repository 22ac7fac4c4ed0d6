"""Do something soon, and not more often than the eye needs."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from qtpy.QtCore import QObject, QTimer, Slot


class Throttle(QObject):
    """Call ``action`` on the GUI thread, at most once every ``interval_ms``; the last wish counts.

    Being asked costs nothing: the action always runs from the event loop.
    """

    def __init__(
        self, action: Callable[[], Any], interval_ms: int, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._action = action
        self._interval_ms = interval_ms
        self._last = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.flush)

    @Slot()
    def ask(self, _event: Any = None) -> None:
        """Have the action called soon."""
        if not self._timer.isActive():
            waited_ms = (monotonic() - self._last) * 1000
            self._timer.start(max(int(self._interval_ms - waited_ms), 0))

    def flush(self) -> None:
        """Call the action now."""
        self._timer.stop()
        self._last = monotonic()
        self._action()

    def cancel(self) -> None:
        """Forget what was asked for."""
        self._timer.stop()
