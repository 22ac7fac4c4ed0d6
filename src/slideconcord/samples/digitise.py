"""Digitise a virtual tissue with a virtual scanner: a file like any other slide."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import PathLike, cpu_count
from pathlib import Path

import numpy as np

from slideconcord.geometry import Box
from slideconcord.samples.origin import VIRTUAL
from slideconcord.samples.pyramid import PyramidSpool, Rgb, encode, tiles_of
from slideconcord.samples.scanner import VirtualScanner, level_count
from slideconcord.samples.tiff import write_tiff
from slideconcord.samples.tissue import VirtualTissue

TILE_PX = 256


@dataclass(frozen=True, slots=True)
class ScannedBand:
    """One row of tiles is done."""

    index: int
    total: int
    box: Box


def describe(tissue: VirtualTissue, scanner: VirtualScanner) -> str:
    """Return the sentence that every file of a virtual scan carries."""
    return (
        f"{VIRTUAL}. Scanner {scanner.name} (invented). Tissue seed {tissue.seed}, "
        f"{tissue.height_um:g} x {tissue.width_um:g} µm, rotation {scanner.rotation_deg:g} deg, "
        f"shift (y, x) {scanner.shift_um[0]:g}, {scanner.shift_um[1]:g} µm"
        f"{_imperfections(scanner)}."
    )


def _imperfections(scanner: VirtualScanner) -> str:
    """Return what else moves or hides the picture; nothing on a perfect stage."""
    perfect = VirtualScanner("perfect")
    names = ("flip", "stretch", "shear_deg", "stitching", "crop", "missing")
    found = {name: getattr(scanner, name) for name in names}
    return "".join(f", {k} {v}" for k, v in found.items() if v != getattr(perfect, k))


def scan(
    tissue: VirtualTissue,
    scanner: VirtualScanner,
    path: str | PathLike[str],
    *,
    threads: int | None = None,
) -> Iterator[ScannedBand]:
    """Write ``path`` as a tiled pyramidal JPEG OME-TIFF; yield every finished row of tiles.

    Nothing lies at ``path`` before the last row is done, whenever the caller stops.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    height, width = scanner.shape(tissue)
    total = -(-height // TILE_PX)
    workers = threads or min(cpu_count() or 1, 8)
    spool = PyramidSpool((height, width), level_count(height, width), TILE_PX, scanner.jpeg_quality)
    with spool, ThreadPoolExecutor(workers) as pool:
        for index, y in enumerate(range(0, height, TILE_PX)):
            band = Box(y, 0, min(TILE_PX, height - y), width)
            pixels, encoded = _scan_band(tissue, scanner, band, pool)
            spool.add(pixels, encoded=encoded)
            yield ScannedBand(index, total, band)
        text = describe(tissue, scanner)
        write_tiff(Path(path), spool, mpp=scanner.mpp, model=scanner.name, description=text)


def _scan_band(
    tissue: VirtualTissue, scanner: VirtualScanner, band: Box, pool: ThreadPoolExecutor
) -> tuple[Rgb, list[bytes]]:
    """Return the pixels of one row of tiles, and each of its tiles encoded."""
    pixels = np.empty((*band.shape, 3), np.uint8)

    def make(x: int) -> bytes:
        box = Box(band.y, x, band.height, min(TILE_PX, band.width - x))
        pixels[:, x : box.stop_x] = view = scanner.view(tissue, box)
        return encode(next(tiles_of(view, TILE_PX)), scanner.jpeg_quality)

    return pixels, list(pool.map(make, range(0, band.width, TILE_PX)))
