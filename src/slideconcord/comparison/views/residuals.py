"""What is left between a placed scan and the hub, tile by tile: the arrows of a registration."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.views.balance import density_table
from slideconcord.comparison.views.combine import is_unscanned
from slideconcord.comparison.views.placed import coarsest_within
from slideconcord.comparison.views.warped import warped_slide
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box

if TYPE_CHECKING:
    from slideconcord.comparison.views.placed import PlacedScan
    from slideconcord.slides import Slide
    from slideconcord.slides.level import Level

_MPP = 1.0
_TILE_PX, _SEARCH_PX = 96, 16
# Less contrast than this, in optical density, is glass; a worse match is another place.
_LEAST_TEXTURE, _LEAST_NCC = 0.03, 0.5
_WHITE = (245.0, 245.0, 245.0)


@dataclass(frozen=True, slots=True)
class Residual:
    """How far a scan's tissue lies from the hub's at one place, after its registration."""

    at_um: tuple[float, float]
    """Middle of the tile (y, x) in µm of the hub."""
    shift_um: tuple[float, float]
    """From where the tissue lies on the hub to where the placed scan shows it, (y, x) in µm."""
    ncc: float
    """Normalised cross-correlation at that shift."""

    @property
    def length_um(self) -> float:
        return float(np.hypot(*self.shift_um))


def residual_steps(
    scan: PlacedScan, hub: Slide, *, most: int = 400
) -> Generator[float, None, list[Residual]]:
    """Compare a placed scan with the hub in tiles of about 100 µm, spread over the hub.

    Yield the share that is done after every tile. Tiles without texture, or without a match, say
    nothing. This measures what a view shows, whoever made the transform; tiles that the
    registration was fitted with are among them, so it flatters: its own held-out figures count.

    Raises
    ------
    RegistrationError
        When the scan is not aligned.
    ParameterError
        When ``most`` is not 1 or more, or the scan is the hub.
    """
    if most < 1 or scan.is_hub:
        raise ParameterError(f"most={most} must be 1 or more, and the scan another than the hub.")
    warped = warped_slide(scan, hub)
    try:
        downsamples = [float(np.mean(level.downsample)) for level in hub.levels]
        number = coarsest_within(_MPP / float(np.mean(hub.mpp)), downsamples)
        places = tile_places(hub.levels[number].shape[:2], most)
        found = []
        for done, place in enumerate(places, 1):
            residual = compare_tile(hub.levels[number], warped.levels[number], place)
            found += [residual] if residual else []
            yield done / len(places)
        return found
    finally:
        warped.close()


def tile_places(shape: tuple[int, int], most: int) -> list[Box]:
    """Return at most so many tiles on an even lattice that fit with their search range."""
    reach = _TILE_PX + 2 * _SEARCH_PX
    height, width = shape[0] - reach, shape[1] - reach
    if min(height, width) < 0:
        return []
    apart = max(float(np.sqrt(shape[0] * shape[1] / most)), _TILE_PX)
    rows, columns = (
        np.linspace(0, side, int(side // apart) + 1).astype(int) + _SEARCH_PX
        for side in (height, width)
    )
    return [Box(int(y), int(x), _TILE_PX, _TILE_PX) for y in rows for x in columns]


def compare_tile(fixed: Level, moved: Level, place: Box) -> Residual | None:
    """Return where the tile of the hub lies on the placed scan; None when that cannot be said."""
    wide = Box(
        place.y - _SEARCH_PX, place.x - _SEARCH_PX,
        place.height + 2 * _SEARCH_PX, place.width + 2 * _SEARCH_PX,
    )  # fmt: skip
    there = moved[wide.slices]
    if is_unscanned(there).any():
        return None
    template, window = _density(fixed[place.slices]), _density(there)
    if min(template.std(), window.std()) < _LEAST_TEXTURE:
        return None
    surface = cv2.matchTemplate(window, template, cv2.TM_CCOEFF_NORMED)
    y, x = (int(v) for v in np.unravel_index(int(surface.argmax()), surface.shape))
    if surface[y, x] < _LEAST_NCC or not 0 < y < 2 * _SEARCH_PX or not 0 < x < 2 * _SEARCH_PX:
        return None
    dy, dx = _top(surface[y - 1 : y + 2, x - 1 : x + 2])
    side = fixed.mpp
    middle = fixed.frame.to_level0(place.y + place.height / 2, place.x + place.width / 2)
    own = (side.y / fixed.downsample[0], side.x / fixed.downsample[1])
    return Residual(
        ((middle[0] - 0.5) * own[0], (middle[1] - 0.5) * own[1]),
        ((y + dy - _SEARCH_PX) * side.y, (x + dx - _SEARCH_PX) * side.x),
        float(surface[y, x]),
    )


def _density(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    table = density_table(_WHITE).astype(np.float32)
    mean = cv2.LUT(np.ascontiguousarray(rgb), table[None]).mean(-1)
    return np.asarray(cv2.GaussianBlur(mean, (0, 0), 1.0), np.float32)


def _top(around: NDArray[np.float32]) -> tuple[float, float]:
    """Return where (y, x) about the middle of 3 x 3 values the paraboloid through them has its top.

    It may lean: along a fold or a gland's edge the peak is a slanted ridge.
    """
    f = around.astype(np.float64)
    slope = np.array([f[2, 1] - f[0, 1], f[1, 2] - f[1, 0]]) / 2
    down, along = f[2, 1] - 2 * f[1, 1] + f[0, 1], f[1, 2] - 2 * f[1, 1] + f[1, 0]
    mixed = (f[2, 2] - f[2, 0] - f[0, 2] + f[0, 0]) / 4
    bend = np.array([[down, mixed], [mixed, along]])
    if down >= 0 or np.linalg.det(bend) <= 0:
        return 0.0, 0.0
    dy, dx = np.clip(-np.linalg.solve(bend, slope), -1, 1).tolist()
    return dy, dx
