"""Linked grid: one scan per cell, contours on top, one cross-hair for all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord.plugin.layers import UNITS, mask_layer
from slideconcord.plugin.live import refresh_live
from slideconcord.plugin.views.base import ComparisonView, caption
from slideconcord.plugin.views.captions import say
from slideconcord.plugin.views.crosshair import CrossHair
from slideconcord.plugin.views.live_masks import LiveMask
from slideconcord.plugin.views.scan_layers import add_scan, mark, shown_affine

if TYPE_CHECKING:
    from slideconcord.plugin.scans import Scan

LAYERS_PER_CELL = 3


@dataclass(frozen=True, slots=True)
class _Cell:
    scan: Scan
    layers: tuple[Any, Any]
    """Picture and contour."""
    lost: bool
    """Whether it says that the scan is not aligned."""


class LinkedGrid(ComparisonView):
    """All scans side by side, moved and zoomed as one."""

    key = "Alt-1"
    title = "Linked grid"
    tip = "One scan per cell. The cross marks the same place of the glass in every cell."

    def enter(self) -> None:
        hub = self.hub
        self.cross = CrossHair(self.stage)
        self._masks: list[LiveMask] = []
        self._cells: list[_Cell] = []
        for scan in self.case.scans:
            picture = add_scan(self.stage, scan, hub, field=False)
            contour = self._add_contour(scan)
            self.cross.add()
            lost = not scan.placed.is_aligned
            say(picture, caption(scan), alarm=lost)
            self._cells.append(_Cell(scan, (picture, contour), lost))
        self.stage.arrange(LAYERS_PER_CELL)

    def leave(self) -> None:
        self.cross.close()
        for mask in self._masks:
            mask.close()

    def follow_placement(self) -> bool:
        if any(cell.lost == cell.scan.placed.is_aligned for cell in self._cells):
            return False
        for cell in self._cells:
            for layer in cell.layers:
                layer.affine = shown_affine(cell.scan, self.hub)
            say(cell.layers[0], caption(cell.scan), alarm=cell.lost)
        return True

    def _add_contour(self, scan: Scan) -> Any:
        """Add the outline of a scan's mask, or, so that cells stay alike, a layer of nothing."""
        if scan.entry.probability is None:
            keywords = {"name": f"{scan.name}: not segmented", "visible": False, "units": UNITS}
            return self.stage.add((np.empty((0, 2, 2)), keywords, "vectors"))
        layers: list[Any] = []
        mask = LiveMask(scan.entry, "outline", partial(_redraw, layers))
        data, keywords, kind = mask_layer(mask.source, scan.entry, f"{scan.name}: regions")
        keywords |= {"metadata": mark(scan), "affine": shown_affine(scan, self.hub)}
        layers.append(self.stage.add((data, keywords, kind)))
        self._masks.append(mask)
        return layers[0]


def _redraw(layers: list[Any]) -> None:
    for layer in layers:
        refresh_live(layer)
