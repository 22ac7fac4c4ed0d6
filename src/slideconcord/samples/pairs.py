"""Seeded pairs of virtual scanners of one tissue, to measure registration with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from slideconcord.samples.presets import FIVE_SCANNERS
from slideconcord.samples.scanner import VirtualScanner
from slideconcord.samples.stitching import Stitching
from slideconcord.samples.tissue import VirtualTissue


@dataclass(frozen=True, slots=True)
class PoseRange:
    """From what the pose of a random scanner is drawn: uniform, from minus to plus."""

    rotation_deg: float = 180.0
    shift_um: float = 100.0
    stretch: float = 0.02
    """Of (y, x) each, about 1."""
    shear_deg: float = 0.2
    jitter_um: tuple[float, float] = (0.5, 2.0)
    """Least and largest jitter of the fields; strips drift by as much."""
    strip_um: tuple[float, float] = (500.0, 1000.0)
    tile_um: tuple[float, float] = (300.0, 1000.0)


def random_scanner(
    seed: int, base: VirtualScanner, ranges: PoseRange | None = None
) -> VirtualScanner:
    """Return ``base`` in a random pose, with strips or tiles put together at random.

    The colours, point spread and pixel size are those of ``base``; the seed names the rest.
    """
    ranges, rng = ranges or PoseRange(), np.random.default_rng((seed, 0xA05E))

    def about(middle: float, reach: float) -> float:
        return float(rng.uniform(middle - reach, middle + reach))

    shift, stretch = ranges.shift_um, ranges.stretch
    return replace(
        base,
        name=f"{base.name}-{seed}",
        rotation_deg=about(0.0, ranges.rotation_deg),
        shift_um=(about(0.0, shift), about(0.0, shift)),
        stretch=(about(1.0, stretch), about(1.0, stretch)),
        shear_deg=about(0.0, ranges.shear_deg),
        stitching=_stitching(rng, ranges),
        seed=seed,
    )


def _stitching(rng: np.random.Generator, ranges: PoseRange) -> Stitching:
    jitter = float(rng.uniform(*ranges.jitter_um))
    if rng.random() < 0.5:
        return Stitching(width_um=float(rng.uniform(*ranges.strip_um)), jitter_um=jitter,
                         drift_um=jitter)  # fmt: skip
    height, width = rng.uniform(*ranges.tile_um, 2).tolist()
    return Stitching(height_um=height, width_um=width, jitter_um=jitter)


def random_pair(
    seed: int, tissue: VirtualTissue, ranges: PoseRange | None = None
) -> tuple[VirtualScanner, VirtualScanner]:
    """Return (moving, fixed): two different ones of the five scanners, all of the tissue in each.

    The fixed one lies straight, with its own stitching; the moving one is a `random_scanner`.
    """
    rng = np.random.default_rng((seed, 0x9A12))
    first, second = rng.choice(list(FIVE_SCANNERS), 2, replace=False).tolist()
    moving = random_scanner(seed, FIVE_SCANNERS[first], ranges)
    straight = PoseRange(0.0, 0.0, 0.0, 0.0)
    fixed = random_scanner(seed + 1_000_003, FIVE_SCANNERS[second], straight)
    return moving.fitting(tissue), fixed.fitting(tissue)
