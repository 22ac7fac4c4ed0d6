"""Registering the scans of a case beside the GUI, one after another."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import QObject, Signal, Slot

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slideconcord.comparison.registration.value import Registration
    from slideconcord.plugin.scans import Scan
    from slideconcord.slides import Slide


class Piece(NamedTuple):
    """How far the registrations are, and one of them when it was just finished."""

    scan_id: str
    name: str
    step: str
    share: float
    registration: Registration | None = None


class Registrar(QObject):
    """Registers scans to the hub; what is finished stays when the rest is cancelled."""

    changed = Signal()
    """Progress, or an end; read it from the fields."""
    registered = Signal(str, object)
    """The id of a scan, and its registration."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.share = 0.0
        self.message = ""
        self._job: Job | None = None

    @property
    def is_running(self) -> bool:
        return self._job is not None

    def start(self, scans: Sequence[Scan], hub: Scan) -> None:
        """Register scans, those given."""
        if self.is_running or not scans:
            return
        wanted = [(scan.id, scan.name, scan.entry.slide) for scan in scans]
        fixed = hub.entry.slide
        self._job = Job(lambda: register_all(wanted, fixed))
        self._job.advanced.connect(self._advance)
        self._job.ended.connect(self._end)
        self._tell(0.0, "Starting…")
        self._job.start()

    def cancel(self) -> None:
        """Stop after the step in hand."""
        if self._job is not None:
            self._job.cancel()
            self._tell(self.share, "Stopping after this step…")

    def close(self) -> None:
        """Stop, and wait for the thread."""
        if self._job is not None:
            self._job.close()
            self._job = None

    @Slot(object)
    def _advance(self, piece: Piece) -> None:
        if piece.registration is not None:
            self.registered.emit(piece.scan_id, piece.registration)
        if self._job is not None and not self._job.was_cancelled:
            self._tell(piece.share, f"{piece.name}: {piece.step}")

    @Slot(object)
    def _end(self, job: Job) -> None:
        if job is not self._job:
            return
        self._job = None
        error = job.error
        if error is not None:
            self._tell(0.0, str(error))
            if not isinstance(error, SlideconcordError):
                raise error  # a fault of ours: napari shows where it happened
        elif job.was_cancelled:
            self._tell(0.0, "Stopped. Scans that were finished keep their place.")
        else:
            self._tell(1.0, "")

    def _tell(self, share: float, message: str) -> None:
        self.share, self.message = share, message
        self.changed.emit()


def register_all(
    scans: Sequence[tuple[str, str, Slide]], hub: Slide
) -> Generator[Piece, None, None]:
    """Register slides, each (id, name, slide), to a hub; yield every step and every result."""
    from slideconcord.comparison.registration.methods import register_steps

    for number, (scan_id, name, slide) in enumerate(scans):
        steps = register_steps(slide, hub)
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                share = (number + 1) / len(scans)
                yield Piece(scan_id, name, "done", share, end.value)
                break
            share = (number + step.index / max(step.total, 1)) / len(scans)
            yield Piece(scan_id, name, step.name, share)
