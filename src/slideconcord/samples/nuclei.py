"""Nuclei: two jittered grids, one of round nuclei, one of spindles; each knows what it lies in."""

from __future__ import annotations

import math

import numpy as np

from slideconcord.samples import anatomy, glands
from slideconcord.samples.noise import blot, compiled, step, uniform

ROUND_UM, SPINDLE_UM = 6.2, 11.5
# Haematoxylin (0: no nucleus), place, direction, 1 / half axes, how open its chromatin is.
_H, _Y, _X, _COS, _SIN, _ALONG, _ACROSS, _OPEN = range(8)
COLUMNS = 8
_SOFT_UM = 0.32


@compiled
def surroundings(places, origin, y, x, around, gland):  # type: ignore[no-untyped-def]
    """Write the lattice channels and the facts of the gland at a point; `gland` by its kind.

    places = lattice, crypts, tumour cells; origin = their first rows and columns.
    """
    anatomy.place(places[0], origin[0], origin[1], y, x, around)
    if around[anatomy.OUTLINE] > anatomy.EDGE_UM or glands.surface(around, x, gland):
        return
    wy, wx = y + around[anatomy.WARP_Y], x + around[anatomy.WARP_X]
    if around[anatomy.TUMOUR] > 0.0:
        glands.tumour_gland(places[2], origin[4], origin[5], wy, wx, around, gland)
    elif around[anatomy.DEPTH] < anatomy.SUBMUCOSA + 0.1:
        glands.crypt(places[1], origin[2], origin[3], wy, wx, gland)
    else:
        gland[glands.DEPTH] = -99.0


@compiled
def _direction(places, origin, y, x, around, u):  # type: ignore[no-untyped-def]
    """Lay a spindle along the fibres, with a little disorder."""
    d = 6.0
    bend = around[anatomy.BEND]
    anatomy.place(places[0], origin[0], origin[1], y + d, x, around)
    by = (around[anatomy.BEND] - bend) / d
    anatomy.place(places[0], origin[0], origin[1], y, x + d, around)
    bx = (around[anatomy.BEND] - bend) / d
    length = math.sqrt((1 + by) ** 2 + bx * bx) + 1e-9
    u[_COS], u[_SIN] = -bx / length, (1 + by) / length


@compiled
def _shape(u, strength, long, short):  # type: ignore[no-untyped-def]
    u[_H], u[_ALONG], u[_ACROSS] = strength, 1.0 / long, 1.0 / short


@compiled
def _round_nucleus(keys, places, origin, i, j, around, gland, u):  # type: ignore[no-untyped-def]
    """Fill one row of the table: lymphocyte, plasma cell or tumour nucleus, or none."""
    u[_Y] = (i + 0.14 + 0.72 * uniform(keys[61], i, j)) * ROUND_UM
    u[_X] = (j + 0.14 + 0.72 * uniform(keys[62], i, j)) * ROUND_UM
    a, b, c = (
        uniform(keys[63], i, j),
        uniform(keys[64], i, j),
        uniform(keys[65], i, j),
    )
    surroundings(places, origin, u[_Y], u[_X], around, gland)
    if around[anatomy.OUTLINE] > -3.0:
        return
    turn = 6.28 * b
    depth, fraction = gland[glands.DEPTH], around[anatomy.DEPTH]
    if around[anatomy.TUMOUR] > 0.0 and depth > 1.5:
        apical = gland[glands.RADIUS] - gland[glands.LUMEN_UM]
        if a < 0.86 * step(3.0, 12.0, apical):
            turn = math.atan2(gland[glands.TO_Y], gland[glands.TO_X]) + 0.9 * (b - 0.5)
            size = 2.7 + 1.5 * c * c + 0.8 * b
            _shape(u, 0.34 + 0.40 * b * c + 0.16 * c, size * (1.2 + 0.6 * a), size * 0.80)
            u[_OPEN] = 0.35 + 0.65 * b
    elif depth < -4.0:
        crowd = around[anatomy.CLUSTER]
        share = 0.02
        if around[anatomy.TUMOUR] > 0.0:
            share = 0.10 + 0.35 * crowd
        elif fraction < anatomy.MUSCULARIS_MUCOSAE:
            share = 0.24 + 0.70 * crowd
        elif fraction < anatomy.MUSCLE:
            share = 0.015 + 0.5 * max(crowd - 0.4, 0.0)
        if anatomy.is_fat(around):
            share *= 0.1
        if a < share:
            size = 2.0 + 0.9 * c
            _shape(u, 0.62 + 0.30 * b, size * (1.0 + 0.3 * b), size)
    u[_COS], u[_SIN] = math.sin(turn), math.cos(turn)


@compiled
def _spindle(keys, places, origin, i, j, around, gland, u):  # type: ignore[no-untyped-def]
    """Fill one row of the table: fibroblast or smooth muscle nucleus, or none."""
    u[_Y] = (i + uniform(keys[71], i, j)) * SPINDLE_UM
    u[_X] = (j + uniform(keys[72], i, j)) * SPINDLE_UM
    a, b, c = (
        uniform(keys[73], i, j),
        uniform(keys[74], i, j),
        uniform(keys[75], i, j),
    )
    surroundings(places, origin, u[_Y], u[_X], around, gland)
    if around[anatomy.OUTLINE] > -5.0 or gland[glands.DEPTH] > -3.0:
        return
    fraction = around[anatomy.DEPTH]
    share, disorder, long, short = 0.16, 0.7, 4.0 + 3.5 * b, 0.9 + 0.7 * c
    if around[anatomy.TUMOUR] > 0.0:
        share = 0.55
    elif fraction < anatomy.MUSCULARIS_MUCOSAE:
        share, disorder = 0.34, 1.2
    elif fraction < anatomy.SUBMUCOSA or anatomy.MUSCLE < fraction < anatomy.SEROSA:
        share, disorder, long, short = 0.62, 0.15, 4.5 + 4.0 * b, 0.9 + 0.6 * c
    if anatomy.is_fat(around):
        share = 0.04
    if a < share:
        _shape(u, 0.45 + 0.30 * c, long, short)
        _direction(places, origin, u[_Y], u[_X], around, u)
        turn = math.atan2(u[_COS], u[_SIN]) + disorder * (2.0 * a / share - 1.0)
        u[_COS], u[_SIN] = math.sin(turn), math.cos(turn)


@compiled
def round_nuclei(keys, places, origin, rows, columns):  # type: ignore[no-untyped-def]
    """Return the round nuclei of a block of grid cells from origin[6:8]."""
    table = np.zeros((rows, columns, COLUMNS))
    around, gland = np.empty(anatomy.CHANNELS), np.empty(glands.FACTS)
    for r in range(rows):
        for c in range(columns):
            i, j = origin[6] + r, origin[7] + c
            _round_nucleus(keys, places, origin, i, j, around, gland, table[r, c])
    return table


@compiled
def spindles(keys, places, origin, rows, columns):  # type: ignore[no-untyped-def]
    """Return the spindle nuclei of a block of grid cells from origin[8:10]."""
    table = np.zeros((rows, columns, COLUMNS))
    around, gland = np.empty(anatomy.CHANNELS), np.empty(glands.FACTS)
    for r in range(rows):
        for c in range(columns):
            i, j = origin[8] + r, origin[9] + c
            _spindle(keys, places, origin, i, j, around, gland, table[r, c])
    return table


@compiled
def ellipse(dy, dx, cos, sin, along, across):  # type: ignore[no-untyped-def]
    """Return the squared distance from the centre in half axes: 1 on the nuclear membrane."""
    p, q = (dy * cos + dx * sin) * along, (dx * cos - dy * sin) * across
    return p * p + q * q


@compiled
def chromatin(key, y, x, inner, vesicular):  # type: ignore[no-untyped-def]
    """Return the relative density inside a nucleus: clumps, and a darker membrane.

    ``vesicular`` runs from dense (0) to pale with nucleoli (1).
    """
    clump = blot(key, y, x, 1.1)
    rim = step(0.45, 0.95, inner)
    spots = step(0.70, 0.85, clump) * vesicular
    return 0.70 + 0.55 * clump + 0.18 * rim + vesicular * (0.30 * rim - 0.22) + 0.35 * spots


@compiled
def densest(table, first_i, first_j, step_um, key, y, x):  # type: ignore[no-untyped-def]
    """Return the haematoxylin of the densest nucleus over the point, 0 where there is none."""
    i0, j0 = math.floor(y / step_um) - first_i, math.floor(x / step_um) - first_j
    best, inner, vesicular = 0.0, 0.0, 0.0
    for i in range(i0 - 1, i0 + 2):
        for j in range(j0 - 1, j0 + 2):
            # No view of the row: counting its references would take longer than all the rest.
            strength = table[i, j, _H]
            if strength == 0.0:
                continue
            dy, dx = y - table[i, j, _Y], x - table[i, j, _X]
            along, across = table[i, j, _ALONG], table[i, j, _ACROSS]
            away = ellipse(dy, dx, table[i, j, _COS], table[i, j, _SIN], along, across)
            soft = 2.0 * _SOFT_UM * across
            if away < 1.0 + soft:
                here = strength * step(1.0 + soft, 1.0 - soft, away)
                if here > best:
                    best, inner, vesicular = here, away, table[i, j, _OPEN]
    if best > 0.0:
        best *= chromatin(key, y, x, inner, vesicular)
    return best
