"""What a layer shows, in words in the corner of its picture or of its cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.layers import Layer

PAPER, INK, ALARM = (0.08, 0.09, 0.12, 0.8), "#ffffff", "#ff5a5a"
_POINTS = 10


def say(layer: Layer, text: str, *, alarm: bool = False) -> None:
    """Name a layer and show its name on the picture; an alarm is red."""
    layer.name = text
    overlay = layer.name_overlay
    overlay.position = "top_left"
    overlay.font_size = _POINTS
    overlay.color = ALARM if alarm else INK
    overlay.box_color = PAPER
    overlay.visible = True
