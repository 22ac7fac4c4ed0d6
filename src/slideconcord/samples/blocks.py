"""Blocks of pixels: what a block needs is laid out once, then every point looks it up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from slideconcord.samples import anatomy, epithelium, glands, nuclei, stroma
from slideconcord.samples.noise import SOURCES, blot, compiled, kept, wave

_MARGIN_UM = 14.0


@compiled
def _kind(keys, places, origin, y, x, around, gland):  # type: ignore[no-untyped-def]
    """Return the class at tissue point (y, x) µm, and write what surrounds it."""
    nuclei.surroundings(places, origin, y, x, around, gland)
    outline = around[anatomy.OUTLINE]
    if -anatomy.EDGE_UM < outline < anatomy.EDGE_UM and around[anatomy.DEPTH] > 0.12:
        outline += 4.0 * wave(keys[21], y, x, 12.0) + 2.0 * wave(keys[22], y, x, 3.5)
        around[anatomy.OUTLINE] = outline
    if outline > 0.0:
        return anatomy.BACKGROUND
    if gland[glands.DEPTH] <= 0.0:
        return anatomy.OTHER
    return anatomy.TUMOROUS if around[anatomy.TUMOUR] > 0.0 else anatomy.NORMAL


@compiled
def _point(keys, places, origin, found, y, x, around, gland, out):  # type: ignore[no-untyped-def]
    """Write (haematoxylin, eosin) at tissue point (y, x) µm; no ``found`` when far away."""
    out[0], out[1] = 0.0, 0.0
    kind = _kind(keys, places, origin, y, x, around, gland)
    if kind == anatomy.BACKGROUND:
        return
    near = found[0].size > 0
    nucleus = 0.0
    if near and kind != anatomy.NORMAL:
        nucleus = nuclei.densest(found[0], origin[6], origin[7], nuclei.ROUND_UM, keys[24], y, x)
    if kind == anatomy.TUMOROUS:
        h, e = epithelium.tumour_stain(keys, gland, y, x, nucleus)
        if not near and h > 0.21:
            h, e = h + epithelium.FAR_TUMOUR, e + 0.1 * epithelium.FAR_TUMOUR
    elif kind == anatomy.NORMAL:
        h, e = epithelium.crypt_stain(keys, gland, y, x)
    else:
        h, e = stroma.stroma_stain(keys, around, gland, y, x)
        if near:
            step = nuclei.SPINDLE_UM
            long = nuclei.densest(found[1], origin[8], origin[9], step, keys[25], y, x)
            nucleus = max(nucleus, long)
        else:
            nucleus = stroma.far_nuclei(around)
        h, e = h + nucleus, e + 0.12 * min(nucleus, 1.0)
    thick = around[anatomy.THICK] * min(0.35 - 0.5 * around[anatomy.OUTLINE], 1.0)
    thick *= 0.89 + 0.22 * blot(keys[26], y, x, 0.9)
    out[0], out[1] = h * thick, e * thick


@compiled
def _extent(m, y, x, height, width):  # type: ignore[no-untyped-def]
    """Return the least and largest tissue coordinates of a box under the affine ``m``, in µm."""
    low_y, low_x, high_y, high_x = 1e18, 1e18, -1e18, -1e18
    for py in (y, y + height):
        for px in (x, x + width):
            ty, tx = m[0] * py + m[1] * px + m[2], m[3] * py + m[4] * px + m[5]
            low_y, high_y = min(low_y, ty), max(high_y, ty)
            low_x, high_x = min(low_x, tx), max(high_x, tx)
    return low_y, low_x, high_y, high_x


@compiled
def _prepare(keys, plan, m, y0, x0, height, width, near):  # type: ignore[no-untyped-def]
    """Return whether tissue is near, and what a box needs: places, their origin, nuclei."""
    low_y, low_x, high_y, high_x = _extent(m, y0, x0, height, width)
    origin, sizes = np.empty(10, np.int64), np.zeros(10, np.int64)
    # A nucleus near the box asks for its own surroundings, so places reach further than nuclei.
    steps = (
        (anatomy.LATTICE_UM, anatomy.LATTICE_UM, 45.0),
        (glands.ROW_UM, glands.CRYPT_UM, 75.0 + 2.0 * glands.CRYPT_UM),
        (glands.TUMOUR_UM, glands.TUMOUR_UM, 75.0 + 2.0 * glands.TUMOUR_UM),
        (nuclei.ROUND_UM, nuclei.ROUND_UM, _MARGIN_UM),
        (nuclei.SPINDLE_UM, nuclei.SPINDLE_UM, _MARGIN_UM),
    )
    for k in range(5 if near else 3):
        sy, sx, margin = steps[k]
        origin[2 * k] = math.floor((low_y - margin) / sy)
        origin[2 * k + 1] = math.floor((low_x - margin) / sx)
        sizes[2 * k] = math.floor((high_y + margin) / sy) + 2 - origin[2 * k]
        sizes[2 * k + 1] = math.floor((high_x + margin) / sx) + 2 - origin[2 * k + 1]
    table, any_tissue = anatomy.lattice(keys, plan, origin[0], origin[1], sizes[0], sizes[1])
    if not any_tissue:
        sizes[2:] = 0
    places = (
        table,
        glands.crypts(keys, plan, origin[2], origin[3], sizes[2], sizes[3]),
        glands.tumour_cells(keys, origin[4], origin[5], sizes[4], sizes[5]),
    )
    found = (
        nuclei.round_nuclei(keys, places, origin, sizes[6], sizes[7]),
        nuclei.spindles(keys, places, origin, sizes[8], sizes[9]),
    )
    return any_tissue, places, origin, found


def _entry_points(sources: int) -> tuple[Any, Any]:
    """Return the two functions that fill a block; their cache on disk is that of ``sources``."""

    @kept
    def stain_block(keys, plan, m, y0, x0, points, near, stain):  # type: ignore[no-untyped-def]
        """Fill (y, x, 2) optical densities; ``m`` maps pixel corners to tissue µm."""
        if sources == 0:
            return
        height, width = stain.shape[:2]
        any_tissue, places, origin, found = _prepare(keys, plan, m, y0, x0, height, width, near)
        if not any_tissue:
            stain[:] = 0.0
            return
        around, gland = np.empty(anatomy.CHANNELS), np.empty(glands.FACTS)
        out = np.empty(2)
        for i in range(height):
            for j in range(width):
                h, e = 0.0, 0.0
                for a in range(points):
                    for b in range(points):
                        py, px = y0 + i + (a + 0.5) / points, x0 + j + (b + 0.5) / points
                        y, x = m[0] * py + m[1] * px + m[2], m[3] * py + m[4] * px + m[5]
                        _point(keys, places, origin, found, y, x, around, gland, out)
                        h, e = h + out[0], e + out[1]
                stain[i, j, 0], stain[i, j, 1] = h / points**2, e / points**2

    @kept
    def class_block(keys, plan, m, y0, x0, classes):  # type: ignore[no-untyped-def]
        """Fill (y, x) classes at the pixels' centres."""
        if sources == 0:
            return
        height, width = classes.shape
        any_tissue, places, origin, _ = _prepare(keys, plan, m, y0, x0, height, width, False)
        if not any_tissue:
            classes[:] = anatomy.BACKGROUND
            return
        around, gland = np.empty(anatomy.CHANNELS), np.empty(glands.FACTS)
        for i in range(height):
            for j in range(width):
                py, px = y0 + i + 0.5, x0 + j + 0.5
                y, x = m[0] * py + m[1] * px + m[2], m[3] * py + m[4] * px + m[5]
                classes[i, j] = _kind(keys, places, origin, y, x, around, gland)

    return stain_block, class_block


stain_block, class_block = _entry_points(SOURCES)
