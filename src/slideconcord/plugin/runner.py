"""A segmentation in a thread of its own, seen growing in the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal, Slot

from slideconcord.errors import ModelMemoryError, SlideconcordError
from slideconcord.plugin.jobs import Job
from slideconcord.plugin.live import refresh_live
from slideconcord.plugin.results import show_probability, take_map
from slideconcord.plugin.segmenting import Clock, Progress, SegmentRequest, segment
from slideconcord.plugin.settings import setting
from slideconcord.plugin.tags import find_layer
from slideconcord.plugin.throttle import Throttle
from slideconcord.plugin.viewport import camera_pixel
from slideconcord.plugin.workspace import RunState, SlideEntry

if TYPE_CHECKING:
    from slideconcord.plugin.session import Session


class Runner(QObject):
    """Runs one segmentation at a time and keeps the slide's entry and layer up to date."""

    changed = Signal()
    """The run's state is another; read it from the entry."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.entry: SlideEntry | None = None
        self._session = session
        self._job: Job | None = None
        self._clock = Clock()
        self._focus: tuple[float, float] | None = None
        self._refresh = Throttle(self._draw, 1000 // setting("segmentation.refresh_hz"), self)
        session.viewer.scene.camera.events.center.connect(self._note_focus)
        session.workspace.entries.events.removed.connect(self._on_removed)

    @property
    def is_running(self) -> bool:
        return self._job is not None

    def start(self, entry: SlideEntry, request: SegmentRequest) -> None:
        """Begin, or go on where the same request stopped."""
        if self.is_running:
            return
        self.entry, self._clock = entry, Clock()
        self._note_focus()
        slide = entry.slide
        self._job = Job(lambda: segment(slide, request, lambda: self._focus))
        self._job.advanced.connect(self._advance)
        self._job.ended.connect(self._end)
        self._tell(RunState("running", message="Loading the model…"))
        self._job.start()

    def cancel(self) -> None:
        """Stop after the tile in hand; finished tiles are kept."""
        if self._job is not None and self.entry is not None:
            self._job.cancel()
            run = self.entry.run
            self._tell(RunState("cancelling", run.done, run.total, "Stopping after this tile…"))

    def close(self) -> None:
        """Cancel, wait for the thread, and let go of the viewer."""
        self._session.viewer.scene.camera.events.center.disconnect(self._note_focus)
        self._session.workspace.entries.events.removed.disconnect(self._on_removed)
        self._refresh.cancel()
        if self._job is not None and self.entry is not None:
            self._job.close()
            self._job = None
            run = self.entry.run
            self.entry.run = RunState("cancelled", run.done, run.total, kept(run))

    @Slot(object)
    def _advance(self, progress: Progress) -> None:
        if self._job is None or self.entry is None or not self._is_here:
            return
        if not self._job.was_cancelled:
            self._tell(self._clock.state(progress))
        show_probability(self._session.viewer, self.entry, progress.probability)
        if self.entry.probability is not progress.probability:
            take_map(self.entry, progress.probability)
        self._refresh.ask()

    @Slot(object)
    def _end(self, job: Job) -> None:
        if job is not self._job or self.entry is None:
            return
        self._job = None
        self._refresh.cancel()
        self._show_whole()
        run, error = self.entry.run, job.error
        if not self._is_here:
            self.changed.emit()
        elif error is not None:
            offers_cpu = isinstance(error, ModelMemoryError) and error.device != "cpu"
            failed = RunState("failed", run.done, run.total, _told(error), offers_cpu=offers_cpu)
            self._tell(failed)
            if not isinstance(error, SlideconcordError):
                raise error  # a fault of ours: napari shows where it happened
        elif job.result is None:
            self._tell(RunState("cancelled", run.done, run.total, kept(run)))
        else:
            show_probability(self._session.viewer, self.entry, job.result)
            take_map(self.entry, job.result)
            self._tell(RunState("done", run.total, run.total, "Done."))

    @property
    def _is_here(self) -> bool:
        """Whether the slide is still open; results of one that was closed are not shown."""
        return self.entry is not None and self.entry in self._session.workspace.entries

    def _tell(self, state: RunState) -> None:
        if self.entry is not None:
            self.entry.run = state
            self.changed.emit()

    def _draw(self) -> None:
        layer = self._layer()
        if layer is not None:
            refresh_live(layer)

    def _show_whole(self) -> None:
        """Read every level anew, the thumbnail's too."""
        layer = self._layer()
        if layer is not None:
            layer.data = list(layer.data)

    def _layer(self) -> Any:
        if self.entry is None:
            return None
        return find_layer(self._session.viewer.layers, self.entry.id, "probability")

    def _note_focus(self, _event: Any = None) -> None:
        layer = self._session.layer_of(self.entry)
        if layer is not None:
            self._focus = camera_pixel(self._session.viewer, layer)

    def _on_removed(self, _index: int, entry: SlideEntry) -> None:
        if entry is self.entry:
            self.cancel()


def kept(run: RunState) -> str:
    """Say what a cancelled run leaves behind."""
    return f"Stopped. {run.done} of {run.total} tiles are kept: Run goes on from there."


def _told(error: BaseException) -> str:
    return (
        str(error) if isinstance(error, SlideconcordError) else f"{type(error).__name__}: {error}"
    )
