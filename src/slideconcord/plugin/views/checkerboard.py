"""Checkerboard: blocks of A and B in turn; edges of tissue must run on across them."""

from __future__ import annotations

from slideconcord.comparison.views.combine import Checkerboard
from slideconcord.plugin.views.base import Dial
from slideconcord.plugin.views.composite_view import Composite


class Board(Composite):
    """Two scans in blocks."""

    key = "Alt-5"
    title = "Checkerboard"
    tip = "Blocks of A and B in turn: tissue must run on across their borders."
    _block_um = 100.0

    @property
    def dial(self) -> Dial:
        return Dial("Blocks of", 10, 1000, self._block_um, "µm")

    def first(self) -> Checkerboard:
        mpp = self.hub.entry.slide.mpp
        return Checkerboard((self._block_um / mpp.y, self._block_um / mpp.x))

    def turn(self, value: float) -> None:
        self._block_um = value
        self.combine(self.first())
