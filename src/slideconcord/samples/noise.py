"""Random numbers that are a function of place: hashes and smooth noise, compiled.

Nothing is drawn in order, so any box of an endless image can be made alone and its
neighbour, made later or elsewhere, fits it to the last bit.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# 64-bit odd constants with well spread bits; unsigned, because signed overflow is undefined.
_ROW = np.uint64(0x9E3779B97F4A7C15)
_COLUMN = np.uint64(0xC2B2AE3D27D4EB4F)
_SALT = np.uint64(0x165667B19E3779F9)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_S32 = np.uint64(32)
_S40 = np.uint64(40)
_UNIT = 1.0 / (1 << 24)


@njit(cache=True, nogil=True)
def mixed(h: np.uint64) -> np.uint64:
    """Spread every bit of ``h`` over all of them."""
    h ^= h >> _S32
    h *= _MIX
    h ^= h >> _S32
    h *= _MIX
    return h


@njit(cache=True, nogil=True)
def salted(key: np.uint64, salt: int) -> np.uint64:
    """Return the key of another, independent random field."""
    return mixed(key + np.uint64(salt) * _SALT)


@njit(cache=True, nogil=True)
def uniform(key: np.uint64, iy: int, ix: int) -> float:
    """Return the number of lattice point (iy, ix), uniform in 0..1."""
    h = mixed(key + np.uint64(iy) * _ROW + np.uint64(ix) * _COLUMN)
    return float(h >> _S40) * _UNIT


@njit(cache=True, nogil=True)
def noise(key: np.uint64, y: float, x: float) -> float:
    """Return smooth value noise in 0..1 whose cells are one unit wide."""
    fy, fx = math.floor(y), math.floor(x)
    ty, tx = y - fy, x - fx
    ty, tx = ty * ty * (3 - 2 * ty), tx * tx * (3 - 2 * tx)
    h = key + np.uint64(int(fy)) * _ROW + np.uint64(int(fx)) * _COLUMN
    a = float(mixed(h) >> _S40)
    b = float(mixed(h + _COLUMN) >> _S40)
    c = float(mixed(h + _ROW) >> _S40)
    d = float(mixed(h + _ROW + _COLUMN) >> _S40)
    top, low = a + (b - a) * tx, c + (d - c) * tx
    return (top + (low - top) * ty) * _UNIT


@njit(cache=True, nogil=True)
def wave(key: np.uint64, y: float, x: float, length: float) -> float:
    """Return noise between -1 and 1 with features about ``length`` wide."""
    return 2.0 * noise(key, y / length, x / length) - 1.0


@njit(cache=True, nogil=True)
def step(low: float, high: float, value: float) -> float:
    """Rise smoothly from 0 at ``low`` to 1 at ``high``; falls when ``low`` is the larger."""
    t = (value - low) / (high - low)
    t = min(max(t, 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)
