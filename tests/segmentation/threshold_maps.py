"""Maps that are hard on hysteresis thresholds, for the tests of masks and of the index."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Map = NDArray[np.uint8]


def spiral(side: int, value: int = 200, wall: int = 3) -> Map:
    """Return one path, a pixel wide, that winds to the centre; its inner end is 255."""
    out = np.full((side, side), wall, np.uint8)
    y, x, dy, dx = 0, 0, 0, 1
    out[0, 0] = value
    while True:
        for _ in range(2):
            ahead_y, ahead_x = y + 2 * dy, x + 2 * dx
            inside = 0 <= y + dy < side and 0 <= x + dx < side
            free = not (0 <= ahead_y < side and 0 <= ahead_x < side) or (
                out[ahead_y, ahead_x] == wall
            )
            if inside and free and out[y + dy, x + dx] == wall:
                break
            dy, dx = dx, -dy
        else:
            out[y, x] = 255
            return out
        y, x = y + dy, x + dx
        out[y, x] = value


def checkerboard(height: int, width: int, low: int, high: int) -> Map:
    parity = np.add.outer(np.arange(height), np.arange(width)) % 2
    return np.where(parity, high, low).astype(np.uint8)


def comb(height: int, width: int) -> Map:
    """Return teeth that only the last row joins, each with its own peak."""
    out = np.zeros((height, width), np.uint8)
    out[:, ::2] = 100
    out[-1] = 60
    out[0, ::2] = np.linspace(101, 255, out[0, ::2].size)
    return out


def staircase(height: int, width: int) -> Map:
    """Return a ramp through all grey levels along a winding path."""
    ramp = np.linspace(0, 255, height * width).astype(np.uint8).reshape(height, width)
    ramp[1::2] = ramp[1::2, ::-1]
    return ramp


ADVERSARIAL: dict[str, Map] = {
    "spiral": spiral(41),
    "dark spiral": 255 - spiral(40),
    "checkerboard": checkerboard(37, 41, 90, 230),
    "checkerboard of 0 and 255": checkerboard(32, 32, 0, 255),
    "comb": comb(23, 50),
    "staircase": staircase(33, 29),
    "one pixel": np.array([[240]], np.uint8),
    "one row": np.arange(256, dtype=np.uint8)[None],
    "one column": np.arange(255, -1, -1, dtype=np.uint8)[:, None],
    "all 0": np.zeros((20, 30), np.uint8),
    "all 255": np.full((20, 30), 255, np.uint8),
    "single pixels": np.pad(np.full((1, 1), 255, np.uint8), 9),
}


@st.composite
def maps(draw: st.DrawFn, largest: int = 40) -> Map:
    """Random maps: white noise, few grey levels (plateaus), smooth hills, sparse points."""
    height, width = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["noise", "plateaus", "hills", "points", *ADVERSARIAL]))
    if kind == "noise":
        return rng.integers(0, 256, (height, width)).astype(np.uint8)
    if kind == "plateaus":
        levels = rng.integers(0, 256, draw(st.integers(1, 5)))
        return rng.choice(levels, (height, width)).astype(np.uint8)
    if kind == "hills":
        hills = gaussian_filter(rng.random((height, width)), draw(st.floats(0.5, 4)))
        span = max(float(np.ptp(hills)), 1e-9)
        return ((hills - hills.min()) / span * 255).astype(np.uint8)
    if kind == "points":
        return (rng.random((height, width)) < 0.1).astype(np.uint8) * 255
    return ADVERSARIAL[kind]


grey_pairs = st.tuples(st.integers(0, 255), st.integers(0, 255)).map(sorted)
