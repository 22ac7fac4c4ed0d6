"""The picture of a region on one scan, on the hub's grid, whatever the pose."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from slideconcord.comparison.appearance.sampler import PlacedScan, Points, Region
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box

Rgb = npt.NDArray[np.uint8]
_LATTICE = 33


def read_patch(scan: PlacedScan, region: Region, side_px: int) -> Rgb:
    """Return (side_px, side_px, 3) uint8 of a region as a scan shows it.

    The scan is read at half the patch's pixel size, or at its own when that is coarser, resampled
    once (bicubic) onto the hub's grid, and averaged to the patch's pixels.

    Raises
    ------
    ParameterError
        When the scan's pixels are coarser than the patch's: pixels are never made up.
    DamagedSlideError
        When a tile of the scan cannot be decoded.
    """
    mpp, own = region.side_um / side_px, max(scan.slide.mpp)
    if own > mpp * 1.001:
        raise ParameterError(
            f"{scan.scanner} has {own:g} µm per pixel, coarser than the {mpp:g} µm of a region of "
            f"{region.side_um:g} µm on {side_px} px: give at most {int(region.side_um / own)} px."
        )
    fine = 2 if own <= mpp / 2 else 1
    step = np.array([max(mpp / fine, side) for side in scan.slide.mpp]) / scan.slide.mpp
    places = _places(scan, region, side_px * fine)
    low = np.floor(places.min((0, 1)) - 3 * step).astype(int)
    high = np.ceil(places.max((0, 1)) + 3 * step).astype(int)
    box = Box(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
    picture = scan.slide.read_region_mpp(box, tuple(step * scan.slide.mpp))
    # pixel i of the picture covers level-0 corners low + i * step to low + (i + 1) * step
    at = ((places + 0.5 - low) / step - 0.5).astype(np.float32)
    warped = cv2.remap(picture, at[..., 1], at[..., 0], cv2.INTER_CUBIC)
    if fine > 1:
        warped = cv2.resize(warped, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return warped


def _places(scan: PlacedScan, region: Region, count: int) -> Points:
    """Return (count, count, 2) level-0 pixel centres of a region's pixels.

    The map is asked on a lattice and interpolated: exact for an affine, and for a field that is
    linear between points further apart than the lattice's.
    """
    steps = np.linspace(0.0, region.side_um, _LATTICE)
    y, x = np.meshgrid(region.y_um + steps, region.x_um + steps, indexing="ij")
    lattice = scan.to_level0(np.stack([y.ravel(), x.ravel()], axis=1))
    weights = _between(count)
    grid = lattice.reshape(_LATTICE, _LATTICE, 2)
    places: Points = np.einsum("ia,abc,jb->ijc", weights, grid, weights, optimize=True)
    return places


def _between(count: int) -> Points:
    """Return (count, lattice) weights of linear interpolation at the centres of ``count``."""
    at = (np.arange(count) + 0.5) / count * (_LATTICE - 1)
    low = np.minimum(at.astype(int), _LATTICE - 2)
    weights = np.zeros((count, _LATTICE))
    rows = np.arange(count)
    weights[rows, low], weights[rows, low + 1] = 1 - (at - low), at - low
    return weights
