"""Questions answered beside the GUI, of which only the newest waits."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from qtpy.QtCore import QObject, Signal, Slot


class Latest(QObject):
    """Ask as often as a hand moves; answers come on the GUI's thread, stale questions never run."""

    answered = Signal(object)
    """What the newest question gave."""
    _done = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="slideconcord-latest")
        self._running: Future[Any] | None = None
        self._waiting: Callable[[], Any] | None = None
        self._is_open = True
        self._done.connect(self._take)

    @property
    def is_busy(self) -> bool:
        return self._running is not None

    def ask(self, question: Callable[[], Any]) -> None:
        """Have ``question`` answered after the one in hand, unless a newer one comes first."""
        if not self._is_open:
            return
        if self._running is not None:
            self._waiting = question
            return
        self._running = self._pool.submit(question)
        self._running.add_done_callback(self._tell)

    def forget(self) -> None:
        """Want no answer to anything asked so far."""
        self._waiting = self._running = None

    def close(self) -> None:
        """Wait for the thread: no signal comes after this."""
        self._is_open = False
        self.forget()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _tell(self, future: Future[Any]) -> None:
        if self._is_open and not future.cancelled():
            self._done.emit(future)

    @Slot(object)
    def _take(self, future: Future[Any]) -> None:
        if future is not self._running:
            return
        self._running, waiting, self._waiting = None, self._waiting, None
        if waiting is not None:
            self.ask(waiting)
        self.answered.emit(future.result())
