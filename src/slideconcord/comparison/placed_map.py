"""A map of one scan, where the scans of a case lie on one another."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.registration.planes import Points
from slideconcord.comparison.views.placed import PlacedScan
from slideconcord.comparison.views.warp import warp_bent
from slideconcord.geometry import Box, Frame
from slideconcord.segmentation.mask import Mask

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
_SIDE_PX = 1024
_SIDES = 16


@dataclass(frozen=True, slots=True)
class PlacedMap:
    """Where the pixels of a map, or mask, of a registered scan lie in the hub's µm frame."""

    scan: PlacedScan
    frame: Frame

    def to_um(self, points: Points) -> Points:
        """Map (n, 2) pixel centres (y, x) of the map to µm of the hub."""
        frame = self.frame
        corner = (points + 0.5) * (frame.step_y, frame.step_x) + (frame.origin_y, frame.origin_x)
        return self.scan.to_um(corner - 0.5)

    def from_um(self, points_um: Points) -> Points:
        """Map (n, 2) µm of the hub to pixel centres of the map."""
        frame = self.frame
        corner = self.scan.to_px(points_um) + 0.5
        at: Points = (corner - (frame.origin_y, frame.origin_x)) / (frame.step_y, frame.step_x)
        return at - 0.5

    def to_map(self, y_um: Floats, x_um: Floats) -> tuple[Floats, Floats]:
        """Map µm of the hub to pixels of the map, corner convention, as `IndexedScan` asks it."""
        at = self.from_um(np.stack([y_um.ravel(), x_um.ravel()], axis=1)) + 0.5
        return at[:, 0].reshape(y_um.shape), at[:, 1].reshape(x_um.shape)

    def box_um(self, shape: tuple[int, int]) -> Box:
        """Return the whole µm of the hub that hold a map of this shape.

        Raises
        ------
        RegistrationError
            When the registration failed.
        """
        height, width = (side - 0.5 for side in shape)
        # A residual field bends the sides: corners alone would not do.
        ends = [np.linspace(-0.5, end, _SIDES + 1) for end in (height, width)]
        points = self.to_um(np.stack(np.meshgrid(*ends, indexing="ij"), -1).reshape(-1, 2))
        (y, x), (stop_y, stop_x) = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
        return Box(int(y), int(x), int(stop_y - y), int(stop_x - x))


def bring_mask(
    mask: Mask, scan: PlacedScan, onto: PlacedMap, shape: tuple[int, int]
) -> Generator[Box, None, Bools]:
    """Bring the mask of one scan onto the pixels of another scan's map, through the hub.

    A pixel takes what the nearest pixel of the mask says at its centre, and False where the mask
    ends. Yields the boxes that are done.

    Parameters
    ----------
    mask
        Of the scan's slide.
    scan
        Where the mask's scan lies.
    onto
        Where the map lies.
    shape
        Height and width of the map.

    Raises
    ------
    RegistrationError
        When the registration of either scan failed.
    """
    source = PlacedMap(scan, mask.frame)

    def read(box: Box) -> NDArray[np.uint8]:
        return np.asarray(mask.array[box.slices]).astype(np.uint8)

    def to_source(points: Points) -> Points:
        return source.from_um(onto.to_um(points))

    out = np.zeros(shape, np.bool_)
    for box in _boxes(*shape):
        out[box.slices] = warp_bent(read, mask.shape, to_source, box, 0, nearest=True)
        yield box
    return out


def _boxes(height: int, width: int) -> Iterator[Box]:
    for y in range(0, height, _SIDE_PX):
        for x in range(0, width, _SIDE_PX):
            yield Box(y, x, min(_SIDE_PX, height - y), min(_SIDE_PX, width - x))
