"""One long piece of work at a time, with a line and a share that say how far it is."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from qtpy.QtCore import QObject, Signal, Slot

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.jobs import Job

Steps = Callable[[], Generator[Any, None, Any]]
Take = Callable[[Any], None]
STOPPED = "Stopped."


class Task(QObject):
    """Runs one generator beside the GUI; texts that it yields are told, numbers are its share."""

    changed = Signal()
    """Message, share or whether it runs are others."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.message = ""
        """What it does, or what went wrong, in one line."""
        self.share: float | None = None
        """How much is done, 0 to 1; None where that is not known."""
        self._job: Job | None = None
        self._take: Take | None = None
        self._drop: Take | None = None

    @property
    def is_running(self) -> bool:
        return self._job is not None

    def start(self, steps: Steps, take: Take, text: str, drop: Take | None = None) -> None:
        """Begin; what runs is dropped.

        Parameters
        ----------
        steps : gives the generator
        take : gets the result, on the GUI's thread
        text : what is told at first
        drop : gets a result that came too late to be taken
        """
        self.close()
        self._take, self._drop = take, drop
        self._job = Job(steps)
        self._job.advanced.connect(self._advance)
        self._job.ended.connect(self._end)
        self._job.start()
        self._say(text)

    def cancel(self) -> None:
        """Stop after the piece in hand."""
        if self._job is not None:
            self._job.cancel()
            self._say("Stopping…")

    def close(self) -> None:
        """Stop, and wait for the thread."""
        if self._job is not None:
            self._job.close()
            if self._drop is not None and self._job.result is not None:
                self._drop(self._job.result)
        self._job, self.message, self.share = None, "", None

    @Slot(object)
    def _advance(self, piece: Any) -> None:
        if self._job is None or self._job.was_cancelled:
            return
        if isinstance(piece, str):
            self._say(piece)
        elif isinstance(piece, float):
            self._say(self.message, piece)

    @Slot(object)
    def _end(self, job: Job) -> None:
        if job is not self._job:
            return
        take, self._job, self._take = self._take, None, None
        error = job.error
        was_stopped = error is None and job.result is None
        self._say(str(error) if error is not None else STOPPED if was_stopped else "")
        if error is not None and not isinstance(error, SlideconcordError):
            raise error  # a fault of ours: napari shows where it happened
        if error is None and not was_stopped and take is not None:
            take(job.result)

    def _say(self, text: str, share: float | None = None) -> None:
        self.message, self.share = text, share
        self.changed.emit()
