"""Between what the camera sees (µm of the world) and level-0 pixels of a slide."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from slideconcord.geometry import Box

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

Corners = tuple[tuple[float, float], ...]


def view_corners(viewer: ViewerModel, layer: Layer) -> Corners:
    """Return the four corners of the view in the layer's data pixels (y, x), clockwise.

    A rotated or registered layer gives a parallelogram; pixel centres are whole numbers.
    """
    center_y, center_x = viewer.scene.camera.center[-2:]
    height, width = viewer.canvas.viewbox_size(viewer.layers)
    half_y, half_x = (side / 2 / viewer.scene.camera.zoom for side in (height, width))
    signs = ((-1, -1), (-1, 1), (1, 1), (1, -1))
    world = [(center_y + sy * half_y, center_x + sx * half_x) for sy, sx in signs]
    return tuple((float(y), float(x)) for y, x in (layer.world_to_data(p)[-2:] for p in world))


def visible_box(viewer: ViewerModel, layer: Layer, whole: Box) -> Box:
    """Return the part of ``whole`` (level-0 pixels) in view; its area is 0 when none is."""
    corners = np.asarray(view_corners(viewer, layer)) + 0.5
    return box_around(corners.min(0), corners.max(0)).intersect(whole)


def box_around(low: np.ndarray, high: np.ndarray) -> Box:
    """Return the smallest whole-pixel box around corner coordinates (y, x)."""
    y, x = (math.floor(v) for v in low)
    stop_y, stop_x = (math.ceil(v) for v in high)
    return Box(y, x, stop_y - y, stop_x - x)


def camera_pixel(viewer: ViewerModel, layer: Layer) -> tuple[float, float]:
    """Return the level-0 pixel (y, x) in the middle of the view."""
    y, x = layer.world_to_data(viewer.scene.camera.center[-2:])[-2:]
    return float(y), float(x)


def look_at(viewer: ViewerModel, layer: Layer, y: float, x: float) -> None:
    """Move the camera to a level-0 pixel; the zoom stays."""
    viewer.scene.camera.center = (0.0, *(float(v) for v in layer.data_to_world((y, x))[-2:]))


def look_at_box(viewer: ViewerModel, layer: Layer, box: Box, margin: float = 0.05) -> None:
    """Move and zoom the camera so that a level-0 box fills the view."""
    ends = ((box.y, box.x), (box.stop_y, box.stop_x))
    low, high = (np.asarray(layer.data_to_world(np.subtract(end, 0.5))[-2:]) for end in ends)
    size = np.maximum(np.abs(high - low), 1e-6) * (1 + 2 * margin)
    viewer.scene.camera.center = (0.0, *(float(v) for v in (low + high) / 2))
    viewer.scene.camera.zoom = float(np.min(np.divide(viewer.canvas.size, size)))
