"""Which regions of a slide are looked at: the same tissue on every scan, chosen by a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from slideconcord.errors import ParameterError
from slideconcord.segmentation.mask import Mask
from slideconcord.slides import Slide

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PlacedScan:
    """A scan, and where the hub's µm lie on it."""

    scanner: str
    slide: Slide
    to_level0: Callable[[Points], Points]
    """(n, 2) µm (y, x) of the hub's frame to level-0 pixel centres of this scan; of a
    `Registration` its ``to_moving_px``."""

    @classmethod
    def hub(cls, scanner: str, slide: Slide) -> PlacedScan:
        """Return the scan whose µm are the frame: pixel centres times mpp."""
        return cls(scanner, slide, lambda points_um: points_um / np.array(slide.mpp))


@dataclass(frozen=True, slots=True)
class ScannerCase:
    """The scans of one glass slide, and where its tissue is."""

    name: str
    scans: tuple[PlacedScan, ...]
    tissue: Mask
    """Tissue on the hub's scan."""

    def __post_init__(self) -> None:
        names = [scan.scanner for scan in self.scans]
        twice = sorted({name for name in names if names.count(name) > 1})
        if len(names) < 2 or twice:
            what = f"{twice[0]!r} is named twice" if twice else f"it has {len(names)}"
            raise ParameterError(
                f"Case {self.name} needs at least two scans of different scanners: {what}."
            )


@dataclass(frozen=True, slots=True)
class Sampling:
    """How regions are chosen; the defaults are SCORPION's (section 2.1)."""

    count: int = 10
    """Regions per slide."""
    side_um: float = 800.0
    side_px: int = 1024
    """Pixels to which a region is resized."""
    min_tissue: float = 0.5
    """Share of a region that must be tissue."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1 or self.side_um <= 0 or self.side_px < 16:
            raise ParameterError(
                f"{self.count} regions of {self.side_um:g} µm and {self.side_px} px cannot be "
                "sampled: give at least one region, a side above 0 µm and at least 16 px."
            )
        if not 0 < self.min_tissue <= 1:
            raise ParameterError(
                f"min_tissue={self.min_tissue} must be a share above 0 and at most 1."
            )

    @property
    def mpp(self) -> float:
        """Pixel size of the patches in µm."""
        return self.side_um / self.side_px


@dataclass(frozen=True, slots=True)
class Region:
    """A square of tissue in the hub's µm (pixel centres times mpp)."""

    index: int
    y_um: float
    """Upper edge."""
    x_um: float
    side_um: float
    tissue: float
    """Share that is tissue."""

    @property
    def corners(self) -> Points:
        """(4, 2) corners."""
        y, x, side = self.y_um, self.x_um, self.side_um
        return np.array([(y, x), (y, x + side), (y + side, x), (y + side, x + side)])

    def apart_from(self, other: Region) -> bool:
        dy, dx = abs(self.y_um - other.y_um), abs(self.x_um - other.x_um)
        return max(dy, dx) >= self.side_um


def choose_regions(case: ScannerCase, sampling: Sampling | None = None) -> tuple[Region, ...]:
    """Return regions that lie on tissue, in every scan, and apart; fewer when no more fit.

    The candidates are all squares on a grid of an eighth of their side, in an order that the
    seed names.

    Raises
    ------
    ParameterError
        When not a single one fits.
    """
    sampling = sampling or Sampling()
    chosen: list[Region] = []
    for place in _candidates(case.tissue, sampling):
        share = _share(case.tissue, *place, sampling.side_um)
        region = Region(len(chosen), *place, sampling.side_um, share)
        if region.tissue < sampling.min_tissue or not all(map(region.apart_from, chosen)):
            continue
        if all(_holds(scan, region) for scan in case.scans):
            chosen.append(region)
        if len(chosen) == sampling.count:
            break
    if not chosen:
        raise ParameterError(
            f"{case.name} has no square of {sampling.side_um:g} µm that is "
            f"{100 * sampling.min_tissue:g} % tissue and lies on all {len(case.scans)} scans: give "
            "smaller regions or less tissue, and look at the registration."
        )
    return tuple(chosen)


def _candidates(tissue: Mask, sampling: Sampling) -> Iterator[tuple[float, float]]:
    step, (height, width) = sampling.side_um / 8, tissue.shape
    top, left = tissue.frame.translate_um(tissue.slide_mpp)
    rows = np.arange(top, top + height * tissue.mpp.y - sampling.side_um, step)
    columns = np.arange(left, left + width * tissue.mpp.x - sampling.side_um, step)
    order = np.random.default_rng(sampling.seed).permutation(len(rows) * len(columns))
    for index in order:
        yield float(rows[index // len(columns)]), float(columns[index % len(columns)])


def _share(tissue: Mask, y_um: float, x_um: float, side_um: float) -> float:
    """Return the share of tissue in a square of the hub's µm."""
    top, left = tissue.frame.translate_um(tissue.slide_mpp)
    y, x = round((y_um - top) / tissue.mpp.y), round((x_um - left) / tissue.mpp.x)
    height = max(round(side_um / tissue.mpp.y), 1)
    width = max(round(side_um / tissue.mpp.x), 1)
    inside = np.asarray(tissue.array[y : y + height, x : x + width])
    return float(np.count_nonzero(inside)) / (height * width)


def _holds(scan: PlacedScan, region: Region) -> bool:
    """Tell whether a scan shows all of a region."""
    places = scan.to_level0(region.corners)
    return bool((places >= 0).all() and (places <= np.array(scan.slide.shape) - 1).all())
