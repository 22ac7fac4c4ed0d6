"""Crypts of the mucosa and glands of the tumour, as places: who is near, and how deep inside.

A gland is a cell of a jittered grid. Its *depth* is µm inside its basement membrane
(negative in the stroma); that one number draws epithelium, lumen and the exact truth.
"""

from __future__ import annotations

import math

import numpy as np

from slideconcord.samples import anatomy
from slideconcord.samples.noise import compiled, step, uniform, wave

CRYPT_UM = 96.0
ROW_UM = 86.0
TUMOUR_UM = 92.0
# Columns of the crypt table.
_THERE, _Y, _X, _COS, _SIN, _LONG, _SHORT, _P2, _P3, _LUMEN, _A2, _OFF_Y, _OFF_X = range(13)
_COLUMNS = 13
_SPACE_UM, _CORNER_UM, _REACH_UM = 7.0, 30.0, 90.0
# Beyond this a crypt's wobble cannot bring its basement membrane to a point.
_WOBBLE_UM = 9.0
SURFACE_UM = 23.0
_SURFACE_ARC_UM = 240.0

# What `crypt` and `tumour_gland` write.
DEPTH, RADIUS, ANGLE, PERIMETER, OWN, LUMEN_UM, TO_Y, TO_X, PETAL, AROUND = range(10)
FACTS = 10


@compiled
def crypts(keys, plan, first_i, first_j, rows, columns):  # type: ignore[no-untyped-def]
    """Return the parameters (row, column, parameter) of a block of crypt cells."""
    table = np.zeros((rows, columns, _COLUMNS))
    around = np.empty(anatomy.CHANNELS)
    for r in range(rows):
        for c in range(columns):
            i, j = first_i + r, first_j + c
            u = table[r, c]
            u[_Y] = (i + 0.5 + 0.34 * (uniform(keys[31], i, j) - 0.5)) * ROW_UM
            shift = 0.5 * (i & 1) + 0.34 * (uniform(keys[32], i, j) - 0.5)
            u[_X] = (j + 0.5 + shift) * CRYPT_UM
            anatomy.fill(keys, plan, u[_Y], u[_X], around)
            inside = -around[anatomy.OUTLINE]
            deep = anatomy.MUSCULARIS_MUCOSAE - around[anatomy.DEPTH]
            high = plan[0] / plan[2]
            rare = uniform(keys[33], i, j) > 0.04 and around[anatomy.CLUSTER] < 0.93
            near = 62.0 if around[anatomy.DEPTH] < 0.2 else 45.0
            fits = inside > near and deep * 0.74 * high > 42.0
            if rare and fits and around[anatomy.TUMOUR] < -38.0:
                u[_THERE] = 1.0
            turn = 3.2 * wave(keys[34], u[_Y], u[_X], 420.0)
            turn += 1.2 * (uniform(keys[35], i, j) - 0.5)
            u[_COS], u[_SIN] = math.cos(turn), math.sin(turn)
            size = 34.5 + 7.0 * uniform(keys[36], i, j)
            longer = 1.0 + 0.5 * uniform(keys[37], i, j) ** 1.5
            u[_LONG], u[_SHORT] = size * longer, size / math.sqrt(longer)
            u[_P2] = 6.28 * uniform(keys[38], i, j)
            u[_P3] = 6.28 * uniform(keys[39], i, j)
            u[_LUMEN] = 4.0 + 8.0 * uniform(keys[40], i, j) ** 2
            u[_OFF_Y] = 16.0 * (uniform(keys[42], i, j) - 0.5)
            u[_OFF_X] = 16.0 * (uniform(keys[43], i, j) - 0.5)
            u[_A2] = 0.02 + 0.06 * uniform(keys[41], i, j)
    return table


@compiled
def crypt(table, first_i, first_j, y, x, out):  # type: ignore[no-untyped-def]
    """Write the facts of the crypt nearest to the (warped) point; outside it only the depth."""
    i0 = math.floor(y / ROW_UM)
    best, second, bi, bj = 1e9, 1e9, 0, 0
    for i in range(i0 - 1, i0 + 2):
        j0 = math.floor(x / CRYPT_UM - 0.5 * (i & 1))
        for j in range(j0 - 1, j0 + 2):
            # No view of the row: counting its references would take longer than all the rest.
            r, c = i - first_i, j - first_j
            if table[r, c, _THERE] == 0.0:
                continue
            dy, dx = y - table[r, c, _Y], x - table[r, c, _X]
            squared = dy * dy + dx * dx
            if squared > _REACH_UM * _REACH_UM:
                continue
            cos, sin, short = table[r, c, _COS], table[r, c, _SIN], table[r, c, _SHORT]
            along, across = dy * cos + dx * sin, dx * cos - dy * sin
            rr = math.sqrt((along / table[r, c, _LONG]) ** 2 + (across / short) ** 2) + 1e-9
            away = math.sqrt(squared) * (1.0 - 1.0 / rr)
            if rr < 0.2:
                away = -short * (1.0 - rr)
            if away < best:
                best, second, bi, bj = away, best, r, c
            elif away < second:
                second = away
    if best > _WOBBLE_UM:
        out[DEPTH] = -min(best, 99.0)
        return
    u = table[bi, bj]
    dy, dx = y - u[_Y], x - u[_X]
    along, across = dy * u[_COS] + dx * u[_SIN], dx * u[_COS] - dy * u[_SIN]
    angle = math.atan2(across / u[_SHORT], along / u[_LONG])
    wobble = u[_A2] * math.cos(2 * angle + u[_P2]) + 0.03 * math.cos(3 * angle + u[_P3])
    away = best - 0.9 * u[_SHORT] * wobble
    out[DEPTH] = min(-away, 0.5 * (second - away - _SPACE_UM))
    if out[DEPTH] <= 0.0:
        return
    out[ANGLE] = angle / (2 * math.pi) + 0.5
    # Goblet cells and lumen turn about a point beside the centre.
    dy, dx = dy - u[_OFF_Y], dx - u[_OFF_X]
    out[RADIUS] = math.sqrt(dy * dy + dx * dx)
    out[PETAL] = math.atan2(dy, dx) / (2 * math.pi) + 0.5
    out[AROUND] = 2 * math.pi * max(out[RADIUS], 4.0)
    out[PERIMETER] = math.pi * (u[_LONG] + u[_SHORT])
    out[OWN] = (bi + first_i) * 7919.0 + (bj + first_j)
    out[LUMEN_UM] = u[_LUMEN]
    out[TO_Y], out[TO_X] = dy, dx


@compiled
def tumour_cells(keys, first_i, first_j, rows, columns):  # type: ignore[no-untyped-def]
    """Return (row, column, (y, x, lumen radius)) of a block of tumour gland cells, in µm."""
    table = np.empty((rows, columns, 3))
    for r in range(rows):
        for c in range(columns):
            i, j = first_i + r, first_j + c
            table[r, c, 0] = (i + 0.08 + 0.84 * uniform(keys[51], i, j)) * TUMOUR_UM
            table[r, c, 1] = (j + 0.08 + 0.84 * uniform(keys[52], i, j)) * TUMOUR_UM
            table[r, c, 2] = 30.0 * uniform(keys[53], i, j) - 7.0
    return table


@compiled
def tumour_gland(table, first_i, first_j, y, x, around, out):  # type: ignore[no-untyped-def]
    """Write the facts of the tumour gland at the (warped) point."""
    i0, j0 = math.floor(y / TUMOUR_UM), math.floor(x / TUMOUR_UM)
    best, second, third, bi, bj = 1e18, 1e18, 1e18, 0, 0
    for i in range(i0 - 1 - first_i, i0 + 2 - first_i):
        for j in range(j0 - 1 - first_j, j0 + 2 - first_j):
            d = (y - table[i, j, 0]) ** 2 + (x - table[i, j, 1]) ** 2
            if d < best:
                best, second, third, bi, bj = d, best, second, i, j
            elif d < second:
                second, third = d, second
            elif d < third:
                third = d
    best, second, third = math.sqrt(best), math.sqrt(second), math.sqrt(third)
    # Where three glands meet, round the corner.
    second -= max(_CORNER_UM - (third - second), 0.0) ** 2 / (4.0 * _CORNER_UM)
    edge = 0.5 * (second - best) - around[anatomy.GAP]
    out[DEPTH] = min(edge, 0.8 * around[anatomy.TUMOUR] - 1.0)
    out[RADIUS] = best
    out[OWN] = (bi + first_i) * 7919.0 + (bj + first_j)
    out[LUMEN_UM] = table[bi, bj, 2]
    out[TO_Y], out[TO_X] = y - table[bi, bj, 0], x - table[bi, bj, 1]


@compiled
def surface(around, x, out):  # type: ignore[no-untyped-def]
    """Write the facts of the epithelium that lines the lumen of the gut; say whether it is here."""
    outline = around[anatomy.OUTLINE]
    if outline < -SURFACE_UM or around[anatomy.DEPTH] > 0.16 or around[anatomy.TUMOUR] > 0.0:
        return False
    depth = outline + SURFACE_UM * step(0.15, 0.09, around[anatomy.DEPTH])
    if depth <= 0.0:
        return False
    turn = x / _SURFACE_ARC_UM
    out[DEPTH], out[RADIUS], out[LUMEN_UM] = depth, 3.0 - outline, 0.0
    out[OWN] = math.floor(turn) * 7919.0 + 3.0
    out[ANGLE] = out[PETAL] = turn - math.floor(turn)
    out[PERIMETER] = out[AROUND] = _SURFACE_ARC_UM
    return True
