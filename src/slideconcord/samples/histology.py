"""How each part of the tissue takes haematoxylin and eosin, at one point."""

from __future__ import annotations

import math

from slideconcord.samples import anatomy, glands
from slideconcord.samples.noise import blot, compiled, noise, step, uniform, wave
from slideconcord.samples.nuclei import chromatin

BACKGROUND, OTHER, NORMAL, TUMOUR = 0, 1, 2, 3
# Mean haematoxylin of nuclei too small to be seen.
FAR_TUMOUR = 0.355
_VESSEL_UM, _FAT_UM = 58.0, 44.0


@compiled
def _basal_nucleus(keys, gland, y, x):  # type: ignore[no-untyped-def]
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
        a, b = uniform(keys[81], own, slot), uniform(keys[82], own, slot)
        c = uniform(keys[83], own, slot)
        along = (at - (k + 0.5 + 0.5 * (a - 0.5))) * arc / (1.7 + 0.6 * b)
        deep = (depth - (3.6 + 3.0 * c * c)) / (2.6 + 1.4 * a)
        away = along * along + deep * deep
        here = (0.62 + 0.25 * b) * step(1.2, 0.8, away)
        if here > best:
            best, inner = here, away
    if best > 0.0:
        best *= chromatin(keys[23], y, x, inner, 0.2)
    return best


@compiled
def _goblet(keys, gland, top, y, x):  # type: ignore[no-untyped-def]
    """Return 0..1, how much of the point is mucin: tear-shaped vacuoles that open to the lumen."""
    depth, own = gland[glands.DEPTH], int(gland[glands.OWN])
    count = max(math.floor(gland[glands.PERIMETER] * 0.62 / 8.5), 5)
    at = gland[glands.PETAL] * count + 0.30 * wave(keys[86], y, x, 12.0)
    slot = math.floor(at)
    off = abs(at - slot - 0.5)
    slot %= count
    if uniform(keys[87], own, slot) > 0.86:
        return 0.0
    a, b = uniform(keys[88], own, slot), uniform(keys[89], own, slot)
    start = depth - 6.0 - 4.0 * a
    whole = start + top
    if start < 0.0 or whole < 6.0:
        return 0.0
    t = start / whole
    if b < 0.55:
        # Two cells share the slot, one behind the other.
        cut = 0.35 + 0.5 * b
        t = t / cut if t < cut else (t - cut) / (1.0 - cut)
        whole *= 0.5
    wide = 0.47 * math.sqrt(max(1.0 - (1.0 - min(t / 0.55, 1.0)) ** 2, 0.0))
    wide *= 1.0 - 0.35 * step(0.75, 1.0, t)
    wall_um = (wide - off) * gland[glands.AROUND] / count
    return step(0.0, 0.9, min(wall_um, 0.8 * min(t, 1.02 - t) * whole))


@compiled
def crypt_stain(keys, gland, y, x):  # type: ignore[no-untyped-def]
    """Return (haematoxylin, eosin) inside a crypt: palisade, goblet cells, lumen."""
    depth, radius = gland[glands.DEPTH], gland[glands.RADIUS]
    lumen = gland[glands.LUMEN_UM] + 2.0 * wave(keys[84], y, x, 5.0)
    if radius < lumen:
        mucus = step(0.45, 0.8, noise(keys[85], y / 4.0, x / 7.0))
        rim = step(lumen - 1.6, lumen, radius)
        return 0.03 + 0.07 * mucus + 0.08 * rim, 0.02 + 0.06 * mucus + 0.20 * rim
    nucleus = _basal_nucleus(keys, gland, y, x)
    grain = blot(keys[96], y, x, 1.7) + 0.6 * blot(keys[97], y, x, 9.0)
    h, e = 0.12 + 0.07 * grain, 0.10 + 0.09 * grain
    top = radius - lumen
    pale = _goblet(keys, gland, top, y, x)
    if pale > 0.0:
        web = blot(keys[90], y, x, 1.5)
        tint = 0.05 * blot(keys[91], y, x, 25.0)
        h += (0.075 + 0.07 * web + tint - h) * pale
        e += (0.03 + 0.05 * web - e) * pale
    else:
        e += 0.05 * step(6.0, 14.0, depth)
    brush = step(2.2, 0.3, top)
    edge = step(1.3, 0.2, depth)
    h, e = h + 0.06 * brush, e + 0.10 * brush + 0.10 * edge
    return h + nucleus, e + 0.12 * min(nucleus, 1.0)


@compiled
def tumour_stain(keys, gland, y, x, nucleus):  # type: ignore[no-untyped-def]
    """Return (haematoxylin, eosin) inside a tumour gland."""
    radius, depth = gland[glands.RADIUS], gland[glands.DEPTH]
    lumen = gland[glands.LUMEN_UM] + 5.0 * wave(keys[91], y, x, 14.0)
    lumen += 2.0 * wave(keys[92], y, x, 5.0)
    hole = blot(keys[93], y, x, 21.0) - 0.80
    open_um = max(min(lumen - radius, depth - 4.0), min(60.0 * hole, depth - 9.0))
    if open_um > 0.0 and nucleus < 0.2:
        dirt = step(0.50, 0.75, blot(keys[94], y, x, 5.0)) * step(1.0, 6.0, open_um)
        rim = step(1.5, 0.0, open_um)
        return 0.02 + 0.16 * dirt + 0.1 * rim, 0.02 + 0.22 * dirt + 0.15 * rim + 0.3 * nucleus
    grain = blot(keys[95], y, x, 2.2)
    return 0.22 + 0.13 * grain + nucleus, 0.20 + 0.12 * grain + 0.10 * min(nucleus, 1.0)


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
