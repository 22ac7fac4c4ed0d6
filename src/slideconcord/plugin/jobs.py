"""Work beside the GUI: a generator driven in a thread of its own, heard on the GUI's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

from qtpy.QtCore import QObject, Signal


class Job(QObject):
    """One long piece of work.

    Connect bound methods of QObjects only: those are called on the thread they live in.
    """

    advanced = Signal(object)
    """A finished piece."""
    ended = Signal(object)
    """This job, once: see ``error`` and ``was_cancelled``."""

    def __init__(
        self, pieces: Callable[[], Generator[Any, None, Any]], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._pieces = pieces
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="slideconcord-job")
        self._future: Future[Any] | None = None
        self._is_deaf = False

    @property
    def error(self) -> BaseException | None:
        """What the work failed with, when it did."""
        return self._future.exception() if self._future and self._future.done() else None

    @property
    def result(self) -> Any:
        """What the generator returned, when it came to its end."""
        return None if self._future is None or self.error else self._future.result()

    @property
    def was_cancelled(self) -> bool:
        return self._stop.is_set()

    @property
    def is_running(self) -> bool:
        return self._future is not None and not self._future.done()

    def start(self) -> None:
        self._future = self._pool.submit(self._work)
        # Not a done callback: on short work that runs here, ahead of pieces still in the queue.
        self._pool.submit(self._announce_end)
        self._pool.shutdown(wait=False)

    def cancel(self) -> None:
        """Ask the work to stop after the piece in hand."""
        self._stop.set()

    def close(self) -> None:
        """Stop and wait: after this no thread is left and no signal comes."""
        self._is_deaf = True
        self.cancel()
        self._pool.shutdown(wait=True)

    def _work(self) -> Any:
        with closing(self._pieces()) as pieces:
            while not self._stop.is_set():
                try:
                    piece = next(pieces)
                except StopIteration as end:
                    return end.value
                if not self._is_deaf:
                    self.advanced.emit(piece)
        return None

    def _announce_end(self) -> None:
        if not self._is_deaf:
            self.ended.emit(self)
