"""Two scans seen as one: a view that streams like a slide's, on the hub's levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from slideconcord.comparison.views.balance import Balance, balance_of
from slideconcord.comparison.views.combine import is_unscanned
from slideconcord.comparison.views.warped import warped_slide
from slideconcord.slides.view import SlideView, ViewLevel

if TYPE_CHECKING:
    from slideconcord.comparison.views.combine import Combine
    from slideconcord.comparison.views.placed import PlacedScan
    from slideconcord.geometry import Box
    from slideconcord.slides import Slide
    from slideconcord.slides.reader import Rgb


class CompositeView:
    """What two views of one grid make together; asked, streamed and closed like a `SlideView`.

    Parameters
    ----------
    a, b
        The scans.
    hub
        The slide whose level grids everything lies on.
    combine
        Makes one picture of both. Put another here at any time and ask again.
    """

    def __init__(self, a: PlacedScan, b: PlacedScan, hub: Slide, combine: Combine) -> None:
        self.slides = warped_slide(a, hub), warped_slide(b, hub)
        self.a, self.b = (SlideView(slide, wait_s=None) for slide in self.slides)
        self.hub = hub
        self.combine = combine
        self.levels = tuple(CompositeLevel(self, level) for level in hub.levels)

    @property
    def wait_s(self) -> float | None:
        """How long an answer waits for missing chunks, both scans together; None: for all."""
        return None if self.a.wait_s is None or self.b.wait_s is None else self.a.wait_s * 2

    @wait_s.setter
    def wait_s(self, seconds: float | None) -> None:
        self.a.wait_s = self.b.wait_s = None if seconds is None else seconds / 2

    @property
    def on_ready(self) -> Callable[[], None] | None:
        """Called from a worker thread when chunks came that an answer lacked."""
        return self.a.on_ready

    @on_ready.setter
    def on_ready(self, call: Callable[[], None] | None) -> None:
        self.a.on_ready = self.b.on_ready = call

    @property
    def complete(self) -> bool:
        """Whether the last answer had all its chunks."""
        return self.a.complete and self.b.complete

    @property
    def errors(self) -> dict[Any, BaseException]:
        """Chunks that could not be made; they are hatched."""
        return {**self.a.errors, **self.b.errors}

    def read(self, level: int, box: Box) -> Rgb:
        """Return a box inside a level of the hub, as complete as ``wait_s`` allows."""
        return self.combine(self.a, self.b, level, box)

    def balance(self) -> Balance:
        """Measure white points and mean density of both on the coarsest level."""
        a, b = (slide.levels[-1][:] for slide in self.slides)
        return balance_of(a, b, ~(is_unscanned(a) | is_unscanned(b)))

    def close(self) -> None:
        """Drop what is queued, call back no more, and let go of warped chunks."""
        self.a.close()
        self.b.close()
        for slide in self.slides:
            if slide is not self.hub:
                slide.close()


class CompositeLevel(ViewLevel):
    """A level of a composite, which napari's copies of its layer share."""

    def __deepcopy__(self, memo: dict[int, Any]) -> CompositeLevel:
        return self  # napari copies layers; slides are never copied
