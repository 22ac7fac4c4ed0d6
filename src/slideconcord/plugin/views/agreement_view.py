"""Agreement of segmentations: A only magenta, B only green, both grey, over the picture of A."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slideconcord.comparison.views.agreement import A_ONLY, B_ONLY, BOTH, PlacedMask, agreement
from slideconcord.comparison.views.placed import centres_um
from slideconcord.plugin.layers import UNITS
from slideconcord.plugin.live import LiveLevel, refresh_live, with_tiny_level
from slideconcord.plugin.views.base import ComparisonView, Dial
from slideconcord.plugin.views.captions import say
from slideconcord.plugin.views.live_masks import LiveMask, require_map
from slideconcord.plugin.views.scan_layers import add_scan, mark

if TYPE_CHECKING:
    from typing import Any

    from slideconcord.geometry import Mpp
    from slideconcord.slides.level import Level

COLOURS: dict[int | None, tuple[float, float, float, float]] = {
    None: (0, 0, 0, 0),
    0: (0, 0, 0, 0),
    A_ONLY: (0.93, 0.0, 0.75, 1.0),
    B_ONLY: (0.0, 0.75, 0.15, 1.0),
    BOTH: (0.45, 0.45, 0.45, 1.0),
}


class Agreement(ComparisonView):
    """Where the model says the same on both scans."""

    key = "Alt-7"
    title = "Agreement"
    tip = "Magenta: regions on A alone. Green: on B alone. Grey: on both. N goes to the next one."
    _opacity = 60.0

    @property
    def dial(self) -> Dial:
        return Dial("Opacity", 0, 100, self._opacity, "%")

    def enter(self) -> None:
        a, b = self.pair()
        for scan in (a, b):
            require_map(scan.entry)
        self._masks = [LiveMask(scan.entry, "filled", self._redraw) for scan in (a, b)]
        picture = add_scan(self.stage, a, self.hub)
        self._layer = self._add_kinds(self._masks[0].placed(a), self._masks[1].placed(b))
        say(picture, self.pair_caption())

    def leave(self) -> None:
        for mask in self._masks:
            mask.close()

    def turn(self, value: float) -> None:
        self._opacity = value
        self._layer.opacity = value / 100

    def _add_kinds(self, a: PlacedMask, b: PlacedMask) -> Any:
        from napari.utils import DirectLabelColormap

        slide = self.hub.entry.slide
        keywords = {
            "name": "Agreement: A, B",
            "multiscale": True,
            "cache": False,
            "colormap": DirectLabelColormap(color_dict=COLOURS),
            "opacity": self._opacity / 100,
            "blending": "translucent_no_depth",
            "scale": tuple(slide.mpp),
            "units": UNITS,
            "metadata": mark(self.hub),
        }
        levels = with_tiny_level([kinds_level(a, b, level, slide.mpp) for level in slide.levels])
        return self.stage.add((levels, keywords, "labels"))

    def _redraw(self) -> None:
        refresh_live(self._layer)


def kinds_level(a: PlacedMask, b: PlacedMask, level: Level, hub_mpp: Mpp) -> LiveLevel:
    """Return one level of the hub as an array (y, x) of kinds, worked out where it is looked at."""
    to_um = centres_um(level.frame, hub_mpp)
    return LiveLevel((level.shape[0], level.shape[1]), lambda box: agreement(a, b, to_um, box))
