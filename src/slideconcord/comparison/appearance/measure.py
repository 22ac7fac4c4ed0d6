"""What is measured of every region on every scan, one scan after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from slideconcord.comparison.appearance.colour import channel_statistics, white_point
from slideconcord.comparison.appearance.features import Encoder, PictureStatistics
from slideconcord.comparison.appearance.patches import read_patch
from slideconcord.comparison.appearance.sampler import (
    PlacedScan,
    Region,
    Sampling,
    ScannerCase,
    choose_regions,
)
from slideconcord.comparison.appearance.sharpness import radial_power, sharpness_of
from slideconcord.comparison.appearance.stains import StainVectors, stain_vectors
from slideconcord.errors import ParameterError

Reals = npt.NDArray[np.float64]
_STAIN_PIXELS = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class PatchFacts:
    """What was measured of one region on one scan."""

    case: str
    scanner: str
    region: Region
    mean: Reals
    """(3,) grey levels."""
    deviation: Reals
    """(3,) standard deviation of the grey levels."""
    frequencies: Reals
    """Cycles per µm."""
    power: Reals
    """Of luminance, at ``frequencies``."""
    features: Reals

    @property
    def sharpness_db(self) -> float:
        return sharpness_of(self.frequencies, self.power)


@dataclass(frozen=True, slots=True, eq=False)
class ScanFacts:
    """What was measured of one scan as a whole."""

    case: str
    scanner: str
    white: Reals
    """(3,) grey levels of empty glass."""
    stains: StainVectors | None
    """None where too little is stained."""
    patches: tuple[PatchFacts, ...]
    fingerprint: str = ""
    """Of the slide."""


def measure_patches(
    case: ScannerCase, sampling: Sampling | None = None, encoder: Encoder | None = None
) -> Iterator[ScanFacts]:
    """Measure the regions of one slide; yield every finished scan.

    Raises
    ------
    ParameterError
        When no region fits, or a scan's pixels are coarser than the patches'.
    DamagedSlideError
        When a tile cannot be decoded.
    """
    sampling = sampling or Sampling()
    regions = choose_regions(case, sampling)
    encode = encoder or PictureStatistics(sampling.mpp)
    for scan in case.scans:
        yield _measure_scan(case.name, scan, regions, sampling, encode)


def _measure_scan(
    name: str, scan: PlacedScan, regions: Sequence[Region], sampling: Sampling, encode: Encoder
) -> ScanFacts:
    rng = np.random.default_rng(sampling.seed)
    facts, pixels = [], []
    for region in regions:
        rgb = read_patch(scan, region, sampling.side_px)
        mean, deviation = channel_statistics(rgb)
        spectrum = radial_power(rgb, sampling.mpp)
        features = np.asarray(encode(rgb), np.float64)
        facts.append(PatchFacts(name, scan.scanner, region, mean, deviation, *spectrum, features))
        every = rgb.reshape(-1, 3)
        pixels.append(every[rng.integers(0, len(every), _STAIN_PIXELS)])
    white = white_point(scan.slide)
    try:
        stains = stain_vectors(np.concatenate(pixels), white)
    except ParameterError:
        # a pale scan has no stain vectors, which the table shows; its colours still count
        stains = None
    return ScanFacts(name, scan.scanner, white, stains, tuple(facts), scan.slide.fingerprint)
