"""Overlay: B over A, as opaque as the dial says."""

from __future__ import annotations

from slideconcord.plugin.views.base import ComparisonView, Dial, caption
from slideconcord.plugin.views.captions import say
from slideconcord.plugin.views.scan_layers import add_scan, shown_affine


class Overlay(ComparisonView):
    """Two scans in one picture."""

    key = "Alt-2"
    title = "Overlay"
    tip = "B lies over A; the slider makes it more or less opaque."
    _opacity = 50.0

    @property
    def dial(self) -> Dial:
        return Dial("Opacity of B", 0, 100, self._opacity, "%")

    def enter(self) -> None:
        a, b = self.pair()
        self._layers = [add_scan(self.stage, scan, self.hub) for scan in (a, b)]
        self._name()
        self.turn(self._opacity)

    def turn(self, value: float) -> None:
        self._opacity = value
        self._layers[1].opacity = value / 100

    def follow_placement(self) -> bool:
        pair = self.pair()
        if not all(scan.placed.is_affine for scan in pair):
            return False
        for scan, layer in zip(pair, self._layers, strict=True):
            layer.affine = shown_affine(scan, self.hub)
        self._name()
        return True

    def _name(self) -> None:
        for layer, letter, scan in zip(self._layers, "AB", self.pair(), strict=True):
            say(layer, f"{letter} {caption(scan)}")
