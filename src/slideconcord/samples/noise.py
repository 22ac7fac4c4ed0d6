"""Random numbers that are a function of place: hashes and smooth noise, compiled.

Nothing is drawn in order, so any box of an endless image can be made alone and its
neighbour, made later or elsewhere, fits it to the last bit.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit

# numpy's rules for division: no exception paths in the inner loops. Inlined, because passing
# arrays to a function called for every pixel takes a quarter of the time.
compiled = njit(nogil=True, error_model="numpy", forceinline=True)
# Only entry points are kept on disk, and each must close over SOURCES: numba's cache does not
# notice when a function that the cached one calls has changed.
kept = njit(cache=True, nogil=True, error_model="numpy")
SOURCES = zlib.crc32(b"".join(p.read_bytes() for p in sorted(Path(__file__).parent.glob("*.py"))))

# 64-bit odd constants with well spread bits; unsigned, because signed overflow is undefined.
_ROW = np.uint64(0x9E3779B97F4A7C15)
_COLUMN = np.uint64(0xC2B2AE3D27D4EB4F)
_SALT = np.uint64(0x165667B19E3779F9)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_S32 = np.uint64(32)
_S40 = np.uint64(40)
_UNIT = 1.0 / (1 << 24)
FIELDS = 128


@compiled
def mixed(h: np.uint64) -> np.uint64:
    """Spread every bit of ``h`` over all of them."""
    h ^= h >> _S32
    h *= _MIX
    h ^= h >> _S32
    h *= _MIX
    return h


@compiled
def salted(key: np.uint64, salt: int) -> np.uint64:
    """Return the key of another, independent random field."""
    return mixed(key + np.uint64(salt) * _SALT)


@compiled
def fields(seed: np.uint64) -> npt.NDArray[np.uint64]:
    """Return the keys of ``FIELDS`` independent random fields of one seed."""
    keys = np.empty(FIELDS, np.uint64)
    for i in range(FIELDS):
        keys[i] = salted(seed, i)
    return keys


@compiled
def place_bits(key: np.uint64, iy: int, ix: int) -> np.uint64:
    """Return the 64 random bits of lattice point (iy, ix)."""
    return mixed(key + np.uint64(iy) * _ROW + np.uint64(ix) * _COLUMN)


@compiled
def uniform(key: np.uint64, iy: int, ix: int) -> float:
    """Return the number of lattice point (iy, ix), uniform in 0..1."""
    return float(place_bits(key, iy, ix) >> _S40) * _UNIT


@compiled
def _corner(h: np.uint64) -> float:
    # One round is enough where values are smoothed; it is most of the time that noise takes.
    return float(((h ^ (h >> _S32)) * _MIX) >> _S40)


@compiled
def noise(key: np.uint64, y: float, x: float) -> float:
    """Return smooth value noise in 0..1 whose cells are one unit wide."""
    fy, fx = math.floor(y), math.floor(x)
    ty, tx = y - fy, x - fx
    ty, tx = ty * ty * (3 - 2 * ty), tx * tx * (3 - 2 * tx)
    h = key + np.uint64(int(fy)) * _ROW + np.uint64(int(fx)) * _COLUMN
    a, b = _corner(h), _corner(h + _COLUMN)
    c, d = _corner(h + _ROW), _corner(h + _ROW + _COLUMN)
    top, low = a + (b - a) * tx, c + (d - c) * tx
    return (top + (low - top) * ty) * _UNIT


@compiled
def blot(key: np.uint64, y: float, x: float, length: float) -> float:
    """Return noise in 0..1 with features about ``length`` wide, turned so that no grid shows."""
    return noise(key, (0.79 * y - 0.61 * x) / length, (0.61 * y + 0.79 * x) / length)


@compiled
def wave(key: np.uint64, y: float, x: float, length: float) -> float:
    """Return noise between -1 and 1 with features about ``length`` wide."""
    return 2.0 * blot(key, y, x, length) - 1.0


@compiled
def step(low: float, high: float, value: float) -> float:
    """Rise smoothly from 0 at ``low`` to 1 at ``high``; falls when ``low`` is the larger."""
    t = (value - low) / (high - low)
    t = min(max(t, 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)
