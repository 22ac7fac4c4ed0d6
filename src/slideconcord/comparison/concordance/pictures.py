"""Pictures of the regions on which scanners disagree most, with both outlines on both scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.appearance.patches import read_patch
from slideconcord.comparison.appearance.sampler import PlacedScan, Region
from slideconcord.comparison.case import Case
from slideconcord.comparison.concordance.placing import placed_scans
from slideconcord.comparison.concordance.result import Concordance

if TYPE_CHECKING:
    from slideconcord.annotations import Annotations
    from slideconcord.slides import Slide

Rgb = NDArray[np.uint8]
SIDE_PX = 480
FIRST, SECOND = (255, 225, 0), (0, 235, 235)
"""Colours of the outlines found on the first and on the second scan: none that a stain has."""
_DARK = (20, 20, 20)


@dataclass(frozen=True, slots=True, eq=False)
class RegionPicture:
    """A region as two scans show it, with what was found on both."""

    case: str
    region: int
    pair: tuple[str, str]
    dice: float
    pictures: tuple[Rgb, Rgb]


def worst_regions(found: Concordance, most: int) -> list[tuple[int, tuple[str, str], float]]:
    """Return the regions with the lowest Dice of any pair: region, pair, Dice; worst first."""
    ranked = []
    for index, matrix in enumerate(found.region_dice()):
        values = {
            pair: float(matrix[found.scanners.index(pair[0]), found.scanners.index(pair[1])])
            for pair in found.pairs
        }
        defined = {pair: value for pair, value in values.items() if np.isfinite(value)}
        if defined:
            pair = min(defined, key=lambda each: defined[each])
            ranked.append((index, pair, defined[pair]))
    return sorted(ranked, key=lambda each: each[2])[:most]


def picture_worst(case: Case, found: Concordance, most: int = 4) -> list[RegionPicture]:
    """Return pictures of the regions on which two scans agree least.

    Raises
    ------
    SlideError
        When a slide cannot be opened.
    DamagedSlideError
        When a tile cannot be decoded.
    """
    chosen = worst_regions(found, most)
    if not chosen:
        return []
    with case.open() as slides:
        scans = placed_scans(found.hub, found.scanners, found.registrations, slides)
        return [
            RegionPicture(
                found.case,
                index,
                pair,
                dice,
                _drawn(found, scans, found.regions[index].region, pair, slides[found.hub]),
            )
            for index, pair, dice in chosen
        ]


def _drawn(
    found: Concordance,
    scans: dict[str, PlacedScan],
    region: Region,
    pair: tuple[str, str],
    hub: Slide,
) -> tuple[Rgb, Rgb]:
    rings = [_rings(found.outlines[name], region, hub) for name in pair]
    coarsest = max(max(scans[name].slide.mpp) for name in pair)
    side = max(min(SIDE_PX, int(region.side_um / coarsest)), 1)
    first, second = (_outlined(read_patch(scans[name], region, side), rings) for name in pair)
    return first, second


def _rings(outlines: Annotations, region: Region, hub: Slide) -> list[NDArray[np.float64]]:
    """Return the outlines inside a region as rings (n, 2) of (x, y), 0 to 1 over its side."""
    import shapely

    low = region.corners[0] / hub.mpp + 0.5
    high = region.corners[3] / hub.mpp + 0.5
    window = shapely.box(low[1], low[0], high[1], high[0])
    shapes = np.array([each.geometry for each in outlines], object)
    near = shapes[shapely.intersects(shapes, window)] if len(shapes) else shapes
    rings = shapely.get_rings(shapely.get_parts(shapely.get_parts(near)))
    size = high - low
    return [(shapely.get_coordinates(ring) - low[::-1]) / size[::-1] for ring in rings]


def _outlined(rgb: Rgb, rings: Sequence[Sequence[NDArray[np.float64]]]) -> Rgb:
    import cv2

    picture = cv2.resize(rgb, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
    for of_scan, colour in zip(rings, (FIRST, SECOND), strict=True):
        # OpenCV counts from pixel centres, in sixteenths
        points = [((ring * SIDE_PX - 0.5) * 16).round().astype(np.int32) for ring in of_scan]
        # dark below, so that the line is seen on any tissue
        for shade, width in ((_DARK, 3), (colour, 1)):
            cv2.polylines(picture, points, True, shade, width, cv2.LINE_AA, 4)
    found: Rgb = np.asarray(picture, np.uint8)
    return found
