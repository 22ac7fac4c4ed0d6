"""What the curtain, the checkerboard and the difference share: one layer made of two scans."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from slideconcord.comparison.views.composite import CompositeView
from slideconcord.plugin.live import refresh_live
from slideconcord.plugin.throttle import Throttle
from slideconcord.plugin.views.base import ComparisonView
from slideconcord.plugin.views.captions import say
from slideconcord.plugin.views.scan_layers import add_composite

if TYPE_CHECKING:
    from slideconcord.comparison.views.combine import Combine

_REDRAW_MS = 30


class Composite(ComparisonView):
    """A and B resampled onto the hub's pixels, where somebody looks, and made into one."""

    def enter(self) -> None:
        a, b = self.pair()
        self._view = CompositeView(a.placed, b.placed, self.hub.entry.slide, self.first())
        self.prepare(self._view)
        self._redraw = Throttle(self._draw, _REDRAW_MS)
        self._layer = add_composite(self.stage, self._view, self.hub)
        say(self._layer, self.pair_caption())

    def leave(self) -> None:
        self._redraw.cancel()
        self._view.close()

    @abstractmethod
    def first(self) -> Combine:
        """Return how A and B are made into one to begin with."""

    def prepare(self, view: CompositeView) -> None:
        """Measure what the picture needs to know, before it is drawn."""

    def combine(self, combine: Combine) -> None:
        """Draw anew in another way."""
        self._view.combine = combine
        self._redraw.ask()

    def _draw(self) -> None:
        refresh_live(self._layer)
