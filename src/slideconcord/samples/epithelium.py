"""How crypts and tumour glands take haematoxylin and eosin, at one point."""

from __future__ import annotations

import math

from slideconcord.samples import glands
from slideconcord.samples.noise import blot, compiled, noise, step, uniform, wave
from slideconcord.samples.nuclei import chromatin

# Mean haematoxylin of tumour nuclei too small to be seen.
FAR_TUMOUR = 0.355


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
