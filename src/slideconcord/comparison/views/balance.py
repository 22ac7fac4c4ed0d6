"""Two scanners brought to one white and one mean density, so that what differs is structure."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.slides.reader import Rgb

White = tuple[float, float, float]
_WHITE_PERCENT = 98.0
# Optical densities in steps that fit a byte: up to 2.5, finer than a grey level over most of it.
_STEPS, _MOST_OD = 100, 2.5
_LEAST_OD = 0.05
_GAINS = (0.5, 2.0)


@dataclass(frozen=True, slots=True)
class Balance:
    """White points of A and B, and how much denser A's stain is than B's on the same tissue."""

    white_a: White = (255.0, 255.0, 255.0)
    white_b: White = (255.0, 255.0, 255.0)
    gain_b: float = 1.0
    """What B's optical densities are multiplied by."""
    _tables: dict[str, NDArray[np.uint8]] = field(default_factory=dict, repr=False, compare=False)

    def light_a(self, rgb: Rgb) -> NDArray[np.uint8]:
        """Return the light (y, x) that A's mean optical density lets through, 0 to 255."""
        return self._light("a", rgb, self.white_a, 1.0)

    def light_b(self, rgb: Rgb) -> NDArray[np.uint8]:
        """Return the same of B, its density multiplied by `gain_b`."""
        return self._light("b", rgb, self.white_b, self.gain_b)

    def _light(self, which: str, rgb: Rgb, white: White, gain: float) -> NDArray[np.uint8]:
        if which not in self._tables:
            table = np.clip(gain * density_table(white), 0, _MOST_OD) * _STEPS
            self._tables[which] = table.round().astype(np.uint8)[None]
        steps = cv2.LUT(np.ascontiguousarray(rgb), self._tables[which])
        mean = cv2.transform(steps, np.full((1, 3), 1 / 3, np.float32))
        return np.asarray(cv2.LUT(mean, _LIGHT))


_LIGHT = (255 * 10 ** (-np.arange(256) / _STEPS)).round().astype(np.uint8)


def density_table(white: White) -> NDArray[np.float64]:
    """Return the optical density of every grey level, (256, 3); 0 from the white point up."""
    levels = np.maximum(np.arange(256, dtype=np.float64), 1)[:, None]
    return np.clip(-np.log10(levels / np.array(white)), 0, None)


def density(rgb: Rgb, white: White) -> NDArray[np.float64]:
    """Return the mean optical density over the channels, (...) of (..., 3)."""
    table = density_table(white)
    mean: NDArray[np.float64] = np.mean([table[rgb[..., c], c] for c in range(3)], axis=0)
    return mean


def balance_of(a: Rgb, b: Rgb, both: NDArray[np.bool_]) -> Balance:
    """Return the balance of two pictures of the same tissue, pixel on pixel.

    Parameters
    ----------
    a, b
        (y, x, 3), on one grid; an overview is enough.
    both
        (y, x): where both were scanned. With nothing there, nothing is balanced.
    """
    if not both.any():
        return Balance()
    whites = [tuple(np.percentile(p[both], _WHITE_PERCENT, axis=0).tolist()) for p in (a, b)]
    white_a, white_b = ((max(r, 1.0), max(g, 1.0), max(b, 1.0)) for r, g, b in whites)
    dense_a, dense_b = density(a[both], white_a), density(b[both], white_b)
    tissue = (dense_a > _LEAST_OD) & (dense_b > _LEAST_OD)
    if not tissue.any():
        return Balance(white_a, white_b)
    gain = float(dense_a[tissue].sum() / dense_b[tissue].sum())
    return Balance(white_a, white_b, float(np.clip(gain, *_GAINS)))
