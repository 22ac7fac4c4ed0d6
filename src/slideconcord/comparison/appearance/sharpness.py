"""How much fine detail a scan renders: power by spatial frequency, at equal µm.

A Laplacian's variance in each scan's own pixels confounds sharpness with pixel size and contrast.
Here every scan is on one grid, and what counts is fine power relative to coarse power, so a gain
of contrast cancels. Power in a band of frequencies is the classical measure of focus (Firestone
et al., Cytometry 1991;12:195-206). Of the same tissue on two scanners, the difference in dB is
the ratio of their squared transfer functions, plus what noise adds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
Reals = npt.NDArray[np.float64]
LUMINANCE = (0.2126, 0.7152, 0.0722)
BINS = 24
# Cycles per µm: structures of 10 to 50 µm, and of 2 to 4 µm.
COARSE, FINE = (0.02, 0.10), (0.25, 0.50)


def radial_power(rgb: Rgb, mpp: float) -> tuple[Reals, Reals]:
    """Return frequencies (cycles per µm) and the mean power of luminance in rings of them.

    The picture is windowed (Hann) so that its edges do not count as detail.

    Parameters
    ----------
    rgb
        (y, x, 3) uint8.
    mpp
        Its pixel size in µm.

    Returns
    -------
    Two arrays of ``BINS`` values: centres of rings from 0 to the Nyquist frequency, and power in
    squared grey levels per pixel; NaN where a ring holds no frequency.
    """
    grey = rgb.astype(np.float64) @ LUMINANCE
    window = np.outer(np.hanning(grey.shape[0]), np.hanning(grey.shape[1]))
    grey = (grey - (grey * window).sum() / window.sum()) * window
    power = np.abs(np.fft.rfft2(grey)) ** 2 / (window**2).sum()
    y, x = np.fft.fftfreq(grey.shape[0], mpp), np.fft.rfftfreq(grey.shape[1], mpp)
    radius = np.hypot(y[:, None], x[None])
    nyquist = 0.5 / mpp
    ring = np.minimum((radius / nyquist * BINS).astype(int), BINS)
    total = np.bincount(ring.ravel(), power.ravel(), BINS + 1)[:BINS]
    count = np.bincount(ring.ravel(), minlength=BINS + 1)[:BINS]
    centres = (np.arange(BINS) + 0.5) * nyquist / BINS
    return centres, np.where(count > 0, total / np.maximum(count, 1), np.nan)


def sharpness_db(rgb: Rgb, mpp: float) -> float:
    """Return fine power over coarse power in decibels; NaN where there is nothing coarse.

    Larger is sharper, or noisier. Only pictures of the same tissue at the same ``mpp`` compare.
    """
    return sharpness_of(*radial_power(rgb, mpp))


def sharpness_of(frequencies: Reals, power: Reals) -> float:
    """Return what `sharpness_db` does, from `radial_power`."""
    fine, coarse = (_mean_between(frequencies, power, band) for band in (FINE, COARSE))
    if not (fine > 0 and coarse > 0):
        return float("nan")
    return float(10 * np.log10(fine / coarse))


def _mean_between(frequencies: Reals, power: Reals, band: tuple[float, float]) -> float:
    inside = (frequencies >= band[0]) & (frequencies <= band[1])
    kept = power[inside & np.isfinite(power)]
    return float(kept.mean()) if len(kept) else float("nan")
