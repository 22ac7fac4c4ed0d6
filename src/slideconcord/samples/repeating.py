"""A slide as large as one likes in a minute: one virtual tissue, repeated, for benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os import PathLike, cpu_count
from pathlib import Path

import numpy as np

from slideconcord.errors import ParameterError
from slideconcord.geometry import Box
from slideconcord.samples.origin import VIRTUAL
from slideconcord.samples.presets import SCANNERS
from slideconcord.samples.pyramid import Rgb, encode, halve, tiles_of
from slideconcord.samples.scanner import LEAST_PX
from slideconcord.samples.tiff import maker_tags, tile_options, written_whole
from slideconcord.samples.tissue import VirtualTissue

_BAND_PX = 256


def write_repeating_slide(
    path: str | PathLike[str],
    side_px: int = 100_000,
    *,
    seed: int = 7,
    mpp: float = 0.25,
    period_px: int = 4096,
    tile_px: int = 512,
    quality: int = 70,
) -> Iterator[int]:
    """Write a square slide of ``side_px`` whose picture repeats every ``period_px``.

    Yield the number of each finished level; the file is there when the last one is done.

    It is a plain tiled pyramidal JPEG TIFF, every level stored in full and the exact mean of
    the finer one, so OpenSlide and tifffile both read all of it. Each different tile is
    computed and encoded once: 100,000 px take about half a minute and 1.3 GB.

    Raises
    ------
    ParameterError
        When ``period_px`` and ``tile_px`` are not powers of two, the first the larger.
    OutputError
        When the file cannot be written.
    """
    powers = all(n >= 16 and n & (n - 1) == 0 for n in (period_px, tile_px))
    if not powers or period_px < tile_px or side_px < 1:
        raise ParameterError(
            f"period_px={period_px} and tile_px={tile_px} must be powers of two from 16 up, the "
            f"period not the smaller one, and side_px={side_px} at least 1."
        )
    return _write(Path(path), side_px, seed, mpp, period_px, tile_px, quality)


def _write(
    path: Path, side_px: int, seed: int, mpp: float, period_px: int, tile_px: int, quality: int
) -> Iterator[int]:
    import tifffile

    picture = _picture(seed, mpp, period_px)
    text = f"{VIRTUAL}. One tissue of seed {seed}, repeated every {period_px} px, for benchmarks."
    first = {"description": text, "software": "slideconcord", "extratags": maker_tags("repeating")}
    with written_whole(path) as part, tifffile.TiffWriter(part, bigtiff=True) as tiff:
        for level in range(_levels(side_px, period_px)):
            side = side_px >> level
            tiff.write(
                _repeated(picture, -(-side // tile_px), tile_px, quality),
                shape=(side, side, 3),
                metadata=None,
                **tile_options(tile_px, mpp * (1 << level)),
                **(first if level == 0 else {"subfiletype": 1}),
            )
            picture = halve(picture)
            yield level


def _levels(side_px: int, period_px: int) -> int:
    """Return how many levels halve the side and the period exactly, down to ``LEAST_PX``."""
    levels = 1
    while side_px % 2 == 0 and period_px % 4 == 0 and side_px > LEAST_PX:
        side_px, period_px, levels = side_px // 2, period_px // 2, levels + 1
    return levels


def _picture(seed: int, mpp: float, period_px: int) -> Rgb:
    """Return one period: a tissue with glass around it, so that its edges meet."""
    tissue = VirtualTissue(seed, period_px * mpp, period_px * mpp)
    scanner = replace(SCANNERS["virtual-A"], mpp=mpp, margin_um=0.0)
    tops = range(0, period_px, _BAND_PX)
    boxes = [Box(y, 0, min(_BAND_PX, period_px - y), period_px) for y in tops]
    with ThreadPoolExecutor(min(cpu_count() or 1, 8)) as pool:
        return np.concatenate(list(pool.map(lambda box: scanner.view(tissue, box), boxes)))


def _repeated(picture: Rgb, across: int, tile_px: int, quality: int) -> Iterator[bytes]:
    """Yield the encoded tiles of a level, row by row, from one period of it."""
    times = max(tile_px // len(picture), 1)
    picture = np.tile(picture, (times, times, 1))
    bands = [picture[y : y + tile_px] for y in range(0, len(picture), tile_px)]
    rows = [[encode(tile, quality) for tile in tiles_of(band, tile_px)] for band in bands]
    for i in range(across):
        row = rows[i % len(rows)]
        for j in range(across):
            yield row[j % len(row)]
