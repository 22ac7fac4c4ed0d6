"""The plan of the tissue: outline, layers from lumen to fat, tumour, and the bends of its fibres.

Everything here varies over tens of µm or more, so it is computed on a lattice of
``LATTICE_UM`` and interpolated. The lattice belongs to the tissue, not to the box asked for.
"""

from __future__ import annotations

import math

import numpy as np

from slideconcord.samples.noise import blot, compiled, step, uniform, wave

# Classes of the truth.
BACKGROUND, OTHER, NORMAL, TUMOROUS = range(4)

LATTICE_UM = 10.0
# Channels of the lattice.
OUTLINE = 0  # µm outside the tissue; negative inside
DEPTH = 1  # 0 at the luminal surface, 1 at the other side
TUMOUR = 2  # µm inside the tumour; negative outside
BEND = 3  # µm by which fibres are bent out of the horizontal
CLUSTER = 4  # 0..1, crowd of lymphocytes
WARP_Y = 5  # µm that bend glands out of shape
WARP_X = 6
FAT = 7  # 0..1
THICK = 8  # about 1, thickness of the section
GAP = 9  # µm between tumour glands; negative where they fuse
CHANNELS = 10
# Beyond this the fine raggedness of the outline cannot reach.
EDGE_UM = 14.0

# Depth at which each layer begins.
MUSCULARIS_MUCOSAE, SUBMUCOSA, MUSCLE, SEROSA = 0.52, 0.55, 0.72, 0.92


@compiled
def _warp(broad, fine, y, x):  # type: ignore[no-untyped-def]
    return 34.0 * wave(broad, y, x, 230.0) + 5.0 * wave(fine, y, x, 42.0)


@compiled
def fill(keys, plan, y, x, out):  # type: ignore[no-untyped-def]
    """Write the channels at tissue point (y, x) µm; plan = height, width, rows, columns."""
    high, wide = plan[0] / plan[2], plan[1] / plan[3]
    row = min(max(math.floor(y / high), 0), int(plan[2]) - 1)
    column = min(max(math.floor(x / wide), 0), int(plan[3]) - 1)
    size = min(high, wide)
    own = uniform(keys[1], row, column) - 0.5
    bend_y = wave(keys[2], y, x, 0.45 * size)
    bend_x = wave(keys[3], y, x, 0.45 * size)
    mid_y, mid_x = wave(keys[4], y, x, 150.0), wave(keys[5], y, x, 150.0)
    fine = wave(keys[6], y, x, 45.0)
    ly = y - (row + 0.5) * high + 0.06 * size * bend_y + 14.0 * mid_y
    ly += 0.10 * high * (math.cos(2.2 * (x / wide - column - 0.5) + 2.0 * own) - 0.6)
    lx = x - (column + 0.5) * wide + 0.06 * size * bend_x + 14.0 * mid_x
    half_y, half_x, corner = 0.365 * high, 0.42 * wide, 0.14 * size
    dy, dx = abs(ly) - half_y + corner, abs(lx) - half_x + corner
    outside = math.sqrt(max(dy, 0.0) ** 2 + max(dx, 0.0) ** 2)
    out[DEPTH] = (ly + half_y + 6.0 * fine) / (2 * half_y)
    rag = 0.3 + step(0.10, 0.3, out[DEPTH])
    tatter = rag * (11.0 * fine + 16.0 * mid_x)
    out[OUTLINE] = outside + min(max(dy, dx), 0.0) - corner + tatter
    ty = ly + half_y * (0.35 + 0.3 * own)
    tx = lx - half_x * (0.48 + 0.2 * own)
    reach = 0.215 * size
    ragged = 0.30 * bend_x + 0.15 * bend_y
    from_centre = math.sqrt((ty / 1.2) ** 2 + tx**2)
    out[TUMOUR] = reach * (1 + ragged) - from_centre + 34.0 * mid_y + 12.0 * fine
    broad = wave(keys[7], y, x, 260.0)
    out[BEND] = 85.0 * broad + 26.0 * mid_x + 11.0 * wave(keys[8], y, x, 34.0)
    crowd = blot(keys[9], y, x, 170.0)
    out[CLUSTER] = step(0.58, 0.92, crowd + 0.1 * mid_x)
    out[WARP_Y] = 24.0 * wave(keys[10], y, x, 190.0) + 5.0 * wave(keys[11], y, x, 42.0)
    out[WARP_X] = 24.0 * wave(keys[12], y, x, 190.0) + 5.0 * wave(keys[13], y, x, 42.0)
    out[FAT] = blot(keys[14], y, x, 320.0) + 0.1 * mid_y
    out[THICK] = 1.0 + 0.10 * wave(keys[15], y, x, 600.0)
    out[GAP] = 9.0 + 17.0 * wave(keys[16], y, x, 110.0)


@compiled
def lattice(keys, plan, first_y, first_x, rows, columns):  # type: ignore[no-untyped-def]
    """Return the channels (row, column, channel) of lattice points from (first_y, first_x).

    Also return whether any of them is near the tissue.
    """
    table = np.empty((rows, columns, CHANNELS))
    any_tissue = False
    for i in range(rows):
        for j in range(columns):
            y, x = (first_y + i) * LATTICE_UM, (first_x + j) * LATTICE_UM
            fill(keys, plan, y, x, table[i, j])
            any_tissue |= table[i, j, OUTLINE] <= EDGE_UM
    return table, any_tissue


@compiled
def place(table, first_y, first_x, y, x, out):  # type: ignore[no-untyped-def]
    """Interpolate every channel at tissue point (y, x) µm into ``out``.

    Well outside the tissue only OUTLINE is written.
    """
    ly, lx = y / LATTICE_UM, x / LATTICE_UM
    fy, fx = math.floor(ly), math.floor(lx)
    ty, tx = ly - fy, lx - fx
    i, j = int(fy) - first_y, int(fx) - first_x
    for c in range(CHANNELS):
        a, b = table[i, j, c], table[i, j + 1, c]
        p, q = table[i + 1, j, c], table[i + 1, j + 1, c]
        top, low = a + (b - a) * tx, p + (q - p) * tx
        out[c] = top + (low - top) * ty
        if c == OUTLINE and out[c] > EDGE_UM:
            return


@compiled
def is_fat(around):  # type: ignore[no-untyped-def]
    """Tell whether a point of the lattice's channels lies in fat."""
    depth, fat = around[DEPTH], around[FAT] - 0.72
    if depth < SUBMUCOSA or MUSCLE < depth < SEROSA or around[TUMOUR] > 0.0:
        return False
    if depth > SEROSA:
        fat = max(fat, (depth - SEROSA) * 6.0 + 0.6 * fat)
    return fat > 0.0
