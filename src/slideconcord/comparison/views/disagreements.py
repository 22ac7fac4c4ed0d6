"""The places where two masks differ most, largest first."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.views.agreement import A_ONLY, B_ONLY, Kinds, PlacedMask, agreement
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box
from slideconcord.slides import Slide

_BAND_PX = 512
# 40 million pixels and their labels are 200 MB.
_MOST_PX = 40_000_000
_LEAST_MPP = 1.0
Inside = Literal["A", "B", "both"]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One connected region in which exactly one of two masks says yes."""

    area_um2: float
    a_only_um2: float
    """How much of it A alone calls positive; B alone does the rest."""
    centre_um: tuple[float, float]
    """A place (y, x) in the region, in µm of the hub: its pixel nearest to the centre of mass."""
    size_um: tuple[float, float]
    """Height and width of the box around it."""

    @property
    def inside(self) -> Inside:
        """Say whose mask it belongs to, where one of the two has at least nine tenths."""
        share = self.a_only_um2 / self.area_um2
        return "A" if share >= 0.9 else "B" if share <= 0.1 else "both"


def find_disagreements(
    a: PlacedMask,
    b: PlacedMask,
    hub: Slide,
    *,
    mpp: float | None = None,
    min_area_um2: float = 0.0,
    most: int = 500,
) -> list[Disagreement]:
    """Return the largest connected regions (8 neighbours) in which two masks differ.

    Parameters
    ----------
    a, b
        The masks.
    hub
        The slide whose µm frame and extent count.
    mpp
        Pixel size in µm at which they are compared; None: 1 µm, or coarser where the hub is so
        large that this would be more than 40 million pixels.
    min_area_um2
        Smaller regions are left out.
    most
        How many to return.

    Returns
    -------
    list of Disagreement
        By area, largest first; regions of one area from top to bottom.

    Raises
    ------
    ParameterError
        When ``mpp`` is not above 0, or too fine for the hub.
    RegistrationError
        When one of the scans is not aligned.
    """
    steps = disagreement_steps(a, b, hub, mpp=mpp, min_area_um2=min_area_um2, most=most)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: list[Disagreement] = end.value
            return found


def disagreement_steps(
    a: PlacedMask,
    b: PlacedMask,
    hub: Slide,
    *,
    mpp: float | None = None,
    min_area_um2: float = 0.0,
    most: int = 500,
) -> Generator[float, None, list[Disagreement]]:
    """Do as `find_disagreements`; yield the share that is done after every band."""
    side = comparing_mpp(hub) if mpp is None else mpp
    height, width = grid_shape(hub, side)
    # pixel (0, 0) covers the hub's first µm from its edge on, which lies half a pixel before 0
    start = [(side - own) / 2 for own in hub.mpp]
    to_um = np.array([[side, 0, start[0]], [0, side, start[1]], [0, 0, 1]])
    kinds = np.empty((height, width), np.uint8)
    for y in range(0, height, _BAND_PX):
        band = Box(y, 0, min(_BAND_PX, height - y), width)
        kinds[band.slices] = agreement(a, b, to_um, band)
        yield band.stop_y / height
    least = max(min_area_um2 / side**2, 1.0)
    found = sorted(_regions(kinds, least), key=lambda r: (-r.area_px, r.centre))[:most]
    return [region.on_the_hub(to_um) for region in found]


def comparing_mpp(hub: Slide) -> float:
    """Return the finest pixel size, 1 µm or more, at which a hub has 40 million pixels at most."""
    area_um2 = hub.shape[0] * hub.mpp.y * hub.shape[1] * hub.mpp.x
    return max(_LEAST_MPP, float(np.sqrt(area_um2 / _MOST_PX)))


def grid_shape(hub: Slide, mpp: float) -> tuple[int, int]:
    """Return how many pixels of ``mpp`` the hub has."""
    if not mpp > 0:
        raise ParameterError(f"mpp={mpp}: give a pixel size above 0, in µm.")
    height, width = (
        max(int(np.ceil(side * own / mpp - 1e-6)), 1)
        for side, own in zip(hub.shape, hub.mpp, strict=True)
    )
    if height * width > 1.05 * _MOST_PX:
        raise ParameterError(
            f"mpp={mpp:g} makes {height * width / 1e6:.0f} million pixels of {hub.name}: "
            f"give {comparing_mpp(hub):.2g} or more."
        )
    return height, width


@dataclass(frozen=True, slots=True)
class _Region:
    area_px: int
    a_only_px: int
    centre: tuple[int, int]
    shape: tuple[int, int]

    def on_the_hub(self, to_um: NDArray[np.float64]) -> Disagreement:
        side = float(to_um[0, 0])
        y, x, _ = to_um @ (*self.centre, 1)
        height, width = self.shape
        return Disagreement(
            self.area_px * side**2,
            self.a_only_px * side**2,
            (float(y), float(x)),
            (height * side, width * side),
        )


def _regions(kinds: Kinds, least_px: float) -> list[_Region]:
    differs = ((kinds == A_ONLY) | (kinds == B_ONLY)).astype(np.uint8)
    count, labels, stats, centres = cv2.connectedComponentsWithStats(differs, connectivity=8)
    large = np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= least_px) + 1
    a_only = np.bincount(labels[kinds == A_ONLY], minlength=count)
    found = []
    for number in large:
        x, y, width, height, area = (int(v) for v in stats[number])
        inside = labels[y : y + height, x : x + width] == number
        at = _nearest(inside, centres[number][::-1] - (y, x))
        centre = (y + at[0], x + at[1])
        found.append(_Region(area, int(a_only[number]), centre, (height, width)))
    return found


def _nearest(inside: NDArray[np.bool_], place: NDArray[np.float64]) -> tuple[int, int]:
    """Return the true pixel nearest to a place; a ring's centre of mass lies in its hole."""
    y, x = np.nonzero(inside)
    nearest = int(np.argmin((y - place[0]) ** 2 + (x - place[1]) ** 2))
    return int(y[nearest]), int(x[nearest])
