"""How each part of the tissue takes haematoxylin and eosin, at one point."""

from __future__ import annotations

import math

from numba import njit

from slideconcord.samples import anatomy, glands
from slideconcord.samples.noise import noise, salted, step, uniform, wave
from slideconcord.samples.nuclei import chromatin

BACKGROUND, OTHER, NORMAL, TUMOUR = 0, 1, 2, 3
# Mean haematoxylin of nuclei too small to be seen.
FAR_TUMOUR = 0.40


@njit(cache=True, nogil=True)
def _basal_nucleus(key, gland, y, x):  # type: ignore[no-untyped-def]
    """Return the haematoxylin of the palisade of nuclei along a crypt's basement membrane."""
    depth = gland[glands.DEPTH]
    if depth > 13.0:
        return 0.0
    count = math.floor(gland[glands.PERIMETER] / 3.9)
    arc = gland[glands.PERIMETER] / count
    at = gland[glands.ANGLE] * count
    own, best, inner = int(gland[glands.OWN]), 0.0, 0.0
    for k in range(math.floor(at) - 1, math.floor(at) + 2):
        slot = k % int(count)
        a, b = uniform(salted(key, 81), own, slot), uniform(salted(key, 82), own, slot)
        c = uniform(salted(key, 83), own, slot)
        along = (at - (k + 0.5 + 0.5 * (a - 0.5))) * arc / (1.7 + 0.6 * b)
        deep = (depth - (3.6 + 3.0 * c * c)) / (2.6 + 1.4 * a)
        away = along * along + deep * deep
        here = (0.62 + 0.25 * b) * step(1.2, 0.8, away)
        if here > best:
            best, inner = here, away
    if best > 0.0:
        best *= chromatin(key, y, x, inner)
    return best


@njit(cache=True, nogil=True)
def crypt_stain(key, gland, y, x):  # type: ignore[no-untyped-def]
    """Return (haematoxylin, eosin) inside a crypt: palisade, goblet cells, lumen."""
    depth, radius = gland[glands.DEPTH], gland[glands.RADIUS]
    own = int(gland[glands.OWN])
    lumen = gland[glands.LUMEN_UM] + 2.0 * wave(salted(key, 84), y, x, 5.0)
    if radius < lumen:
        mucus = step(0.45, 0.8, noise(salted(key, 85), y / 4.0, x / 7.0))
        rim = step(lumen - 1.6, lumen, radius)
        return 0.03 + 0.07 * mucus + 0.08 * rim, 0.02 + 0.06 * mucus + 0.20 * rim
    nucleus = _basal_nucleus(key, gland, y, x)
    h, e = 0.19, 0.20
    count = max(math.floor(gland[glands.PERIMETER] * 0.66 / 8.0), 5.0)
    at = gland[glands.ANGLE] * count + 0.22 * wave(salted(key, 86), y, x, 13.0)
    slot = math.floor(at) % int(count)
    kind, start = uniform(salted(key, 87), own, slot), uniform(salted(key, 88), own, slot)
    side = min(at - math.floor(at), 1.0 - (at - math.floor(at)))
    wall = side * 2.0 * math.pi * max(radius, 4.0) / count
    top = radius - lumen
    if kind < 0.84:
        split = 6.0 + 20.0 * uniform(salted(key, 89), own, slot)
        wall = min(wall, abs(top - split)) if start > 0.5 else wall
        inside = min(wall * 1.1, min((depth - 7.0 - 3.0 * start) * 0.6, top * 0.9))
        pale = step(0.15, 1.2, inside)
        web = noise(salted(key, 90), y / 1.6, x / 1.6)
        h += (0.085 + 0.06 * web + 0.05 * start - h) * pale
        e += (0.035 + 0.05 * web - e) * pale
    else:
        e += 0.10 * kind * step(6.0, 14.0, depth)
    brush = step(2.2, 0.3, top)
    edge = step(1.3, 0.2, depth)
    h, e = h + 0.06 * brush, e + 0.10 * brush + 0.10 * edge
    return h + nucleus, e + 0.12 * min(nucleus, 1.0)


@njit(cache=True, nogil=True)
def tumour_stain(key, gland, y, x, nucleus):  # type: ignore[no-untyped-def]
    """Return (haematoxylin, eosin) inside a tumour gland."""
    radius, depth = gland[glands.RADIUS], gland[glands.DEPTH]
    lumen = gland[glands.LUMEN_UM] + 5.0 * wave(salted(key, 91), y, x, 14.0)
    lumen += 2.0 * wave(salted(key, 92), y, x, 5.0)
    hole = noise(salted(key, 93), y / 21.0, x / 21.0) - 0.80
    open_um = max(lumen - radius, min(60.0 * hole, depth - 9.0))
    if open_um > 0.0 and nucleus < 0.2:
        dirt = step(0.50, 0.75, noise(salted(key, 94), y / 5.0, x / 5.0)) * step(1.0, 6.0, open_um)
        rim = step(1.5, 0.0, open_um)
        return 0.02 + 0.16 * dirt + 0.1 * rim, 0.02 + 0.22 * dirt + 0.15 * rim + 0.3 * nucleus
    grain = noise(salted(key, 95), y / 2.2, x / 2.2)
    return 0.22 + 0.13 * grain + nucleus, 0.20 + 0.12 * grain + 0.10 * min(nucleus, 1.0)


@njit(cache=True, nogil=True)
def _fibres(key, bend, y, x, thick, long):  # type: ignore[no-untyped-def]
    """Return 0..1, ridges of fibres that run along the bent horizontal."""
    across = (y + bend) / thick
    fine = noise(key, across, x / long)
    coarse = noise(salted(key, 1), across / 2.7, x / (2.0 * long))
    ridge = 1.0 - abs(2.0 * fine - 1.0)
    return 0.55 * ridge + 0.45 * coarse


@njit(cache=True, nogil=True)
def _fat(key, y, x):  # type: ignore[no-untyped-def]
    """Return µm to the nearest wall between fat cells."""
    size = 46.0
    i0, j0 = math.floor(y / size), math.floor(x / size)
    best, second = 1e18, 1e18
    for i in range(i0 - 1, i0 + 2):
        for j in range(j0 - 1, j0 + 2):
            py = (i + 0.2 + 0.6 * uniform(salted(key, 101), i, j)) * size
            px = (j + 0.2 + 0.6 * uniform(salted(key, 102), i, j)) * size
            d = (y - py) ** 2 + (x - px) ** 2
            if d < best:
                best, second = d, best
            elif d < second:
                second = d
    return 0.5 * (math.sqrt(second) - math.sqrt(best))


@njit(cache=True, nogil=True)
def stroma_stain(key, around, gland, y, x):  # type: ignore[no-untyped-def]
    """Return (haematoxylin, eosin) between the glands and in the deeper layers, without nuclei."""
    fraction, bend = around[anatomy.DEPTH], around[anatomy.BEND]
    bend += 3.0 * wave(salted(key, 111), y, x, 11.0)
    fat = around[anatomy.FAT] - 0.72
    if fraction > anatomy.SEROSA:
        fat = max(fat, (fraction - anatomy.SEROSA) * 6.0 + 0.6 * fat)
    if fraction > anatomy.SUBMUCOSA and around[anatomy.TUMOUR] <= 0.0 and fat > 0.0:
        if not anatomy.MUSCLE < fraction < anatomy.SEROSA:
            wall = step(1.5, 0.4, _fat(key, y, x))
            return 0.02 + 0.05 * wall, 0.015 + 0.30 * wall
    if around[anatomy.TUMOUR] > 0.0:
        f = _fibres(salted(key, 112), bend, y, x, 2.6, 24.0)
        return 0.05 + 0.06 * f, 0.10 + 0.42 * step(0.3, 0.95, f)
    if fraction < anatomy.MUSCULARIS_MUCOSAE:
        f = _fibres(salted(key, 113), bend, y, x, 2.3, 12.0)
        sheath = step(-3.2, -0.8, gland[glands.DEPTH])
        gaps = step(0.30, 0.52, noise(salted(key, 114), (y + bend) / 9.0, x / 15.0))
        return 0.03 + 0.07 * f * gaps, 0.04 + 0.36 * f * gaps + 0.22 * sheath
    muscular = fraction < anatomy.SUBMUCOSA or anatomy.MUSCLE < fraction < anatomy.SEROSA
    if muscular:
        f = _fibres(salted(key, 115), 0.8 * bend, y, x, 2.0, 40.0)
        seam = step(0.20, 0.34, noise(salted(key, 116), (y + 0.8 * bend) / 16.0, x / 130.0))
        return 0.04 + 0.06 * f * seam, 0.05 + (0.22 + 0.26 * f) * seam
    f = _fibres(salted(key, 117), 1.4 * bend, y, x, 4.2, 42.0)
    gaps = step(0.34, 0.50, noise(salted(key, 118), (y + 1.4 * bend) / 11.0, x / 55.0))
    return 0.015 + 0.03 * f * gaps, 0.02 + 0.58 * f * gaps


@njit(cache=True, nogil=True)
def far_nuclei(around):  # type: ignore[no-untyped-def]
    """Return the mean haematoxylin of the nuclei between glands, for pixels that hold many."""
    fraction, crowd = around[anatomy.DEPTH], around[anatomy.CLUSTER]
    if around[anatomy.TUMOUR] > 0.0:
        return 0.14 + 0.13 * crowd
    if fraction < anatomy.MUSCULARIS_MUCOSAE:
        return 0.15 + 0.24 * crowd
    if fraction < anatomy.SUBMUCOSA or anatomy.MUSCLE < fraction < anatomy.SEROSA:
        return 0.06
    return 0.02 + 0.15 * max(crowd - 0.4, 0.0)
