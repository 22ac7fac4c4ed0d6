"""How everything between the glands takes haematoxylin and eosin, at one point."""

from __future__ import annotations

import math

from slideconcord.samples import anatomy, glands
from slideconcord.samples.noise import blot, compiled, noise, step, uniform, wave

_VESSEL_UM, _FAT_UM = 58.0, 44.0


@compiled
def _fibres(thin, broad, bend, y, x, thick, long):  # type: ignore[no-untyped-def]
    """Return 0..1, ridges of fibres that run along the bent horizontal."""
    across = (y + bend) / thick
    fine = noise(thin, across, x / long)
    coarse = noise(broad, across / 2.7, x / (2.0 * long))
    ridge = 1.0 - abs(2.0 * fine - 1.0)
    return 0.55 * ridge + 0.45 * coarse


@compiled
def _fat(keys, y, x):  # type: ignore[no-untyped-def]
    """Return µm to the nearest wall between fat cells; corners are rounded."""
    y, x = y + 4.0 * wave(keys[103], y, x, 30.0), x + 4.0 * wave(keys[104], y, x, 30.0)
    i0, j0 = math.floor(y / _FAT_UM), math.floor(x / _FAT_UM)
    best, second, third = 1e18, 1e18, 1e18
    for i in range(i0 - 1, i0 + 2):
        for j in range(j0 - 1, j0 + 2):
            py = (i + 0.15 + 0.7 * uniform(keys[101], i, j)) * _FAT_UM
            px = (j + 0.15 + 0.7 * uniform(keys[102], i, j)) * _FAT_UM
            d = (y - py) ** 2 + (x - px) ** 2
            if d < best:
                best, second, third = d, best, second
            elif d < second:
                second, third = d, second
            elif d < third:
                third = d
    best, second, third = math.sqrt(best), math.sqrt(second), math.sqrt(third)
    second -= max(14.0 - (third - second), 0.0) ** 2 / 56.0
    return 0.5 * (second - best)


@compiled
def _vessel(keys, gland_um, y, x):  # type: ignore[no-untyped-def]
    """Return the distance from the axis of a capillary in its radii; 9 where there is none."""
    i, j = math.floor(y / _VESSEL_UM), math.floor(x / _VESSEL_UM)
    if gland_um > -4.0 or uniform(keys[121], i, j) > 0.32:
        return 9.0
    a, b = uniform(keys[122], i, j), uniform(keys[123], i, j)
    c = uniform(keys[124], i, j)
    dy = y - (i + 0.25 + 0.5 * a) * _VESSEL_UM
    dx = x - (j + 0.25 + 0.5 * b) * _VESSEL_UM
    slant = (c - 0.5) * dx
    return math.sqrt((dy + slant) ** 2 * (1.0 + c) + dx * dx * (1.6 - c)) / (4.5 + 6.0 * c * a)


@compiled
def stroma_stain(keys, around, gland, y, x):  # type: ignore[no-untyped-def]
    """Return (haematoxylin, eosin) between the glands and in the deeper layers, without nuclei."""
    h, e = _connective(keys, around, gland, y, x)
    blood = _vessel(keys, gland[glands.DEPTH], y, x)
    if blood < 1.2:
        wall, red = step(1.2, 0.95, blood), step(0.78, 0.62, blood)
        clump = step(0.25, 0.5, blot(keys[119], y, x, 3.4))
        h += (0.13 - h) * wall - 0.11 * red
        e += (0.30 - e) * wall + (0.60 * clump - 0.28) * red
    return h, e


@compiled
def _connective(keys, around, gland, y, x):  # type: ignore[no-untyped-def]
    ripple = wave(keys[111], y, x, 11.0)
    fraction = around[anatomy.DEPTH] + 0.006 * ripple
    bend = around[anatomy.BEND] + 3.0 * ripple
    healthy = around[anatomy.TUMOUR] + 6.0 * ripple <= 0.0
    muscular = fraction < anatomy.SUBMUCOSA or anatomy.MUSCLE < fraction < anatomy.SEROSA
    if anatomy.is_fat(around):
        wall = step(1.3, 0.4, _fat(keys, y, x))
        return 0.012 + 0.05 * wall, 0.01 + 0.26 * wall
    if not healthy:
        f = _fibres(keys[112], keys[102], bend, y, x, 2.4, 22.0)
        return 0.05 + 0.07 * f, 0.08 + 0.34 * step(0.25, 1.0, f)
    if fraction < anatomy.MUSCULARIS_MUCOSAE:
        f = _fibres(keys[113], keys[103], bend, y, x, 1.9, 9.0)
        sheath = step(-3.2, -0.8, gland[glands.DEPTH])
        gaps = step(0.30, 0.44, noise(keys[114], (y + bend) / 8.0, x / 13.0))
        return 0.04 + 0.08 * f * gaps, 0.05 + 0.33 * f * gaps + 0.18 * sheath
    if muscular:
        f = _fibres(keys[115], keys[105], 0.8 * bend, y, x, 1.9, 34.0)
        seam = step(0.22, 0.29, noise(keys[116], (y + 0.8 * bend) / 15.0, x / 120.0))
        return 0.04 + 0.07 * f * seam, 0.04 + (0.16 + 0.26 * f) * seam
    f = _fibres(keys[117], keys[107], 1.4 * bend, y, x, 3.2, 38.0)
    gaps = step(0.36, 0.43, noise(keys[118], (y + 1.4 * bend) / 11.0, x / 55.0))
    return 0.012 + 0.03 * f * gaps, 0.015 + 0.50 * f * gaps


@compiled
def far_nuclei(around):  # type: ignore[no-untyped-def]
    """Return the mean haematoxylin of the nuclei between glands, for pixels that hold many."""
    fraction, crowd = around[anatomy.DEPTH], around[anatomy.CLUSTER]
    if anatomy.is_fat(around):
        return 0.004
    if around[anatomy.TUMOUR] > 0.0:
        return 0.09 + 0.13 * crowd
    if fraction < anatomy.MUSCULARIS_MUCOSAE:
        return 0.12 + 0.22 * crowd
    if fraction < anatomy.SUBMUCOSA or anatomy.MUSCLE < fraction < anatomy.SEROSA:
        return 0.05
    return 0.015 + 0.12 * max(crowd - 0.4, 0.0)
