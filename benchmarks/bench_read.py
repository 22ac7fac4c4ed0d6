"""Read 1024 px regions of a JPEG-tiled TIFF with 2 threads, against openslide-python.

Run ``python benchmarks/bench_read.py [SIDE_PX]``. Both read the same random, unaligned regions of
the same file to RGB uint8 arrays; OpenSlide keeps its own tile cache, our direct path has none.
One warm-up and five runs of new regions each; medians, and the range in brackets.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openslide

from slideconcord.geometry import Box
from slideconcord.slides import TileCache
from slideconcord.slides.opening import believable_mpp
from slideconcord.slides.openslide import OpenSlideReader
from slideconcord.slides.slide import Slide
from slideconcord.slides.tiff_tiles import TiffTiles

REGION_PX, REGIONS, RUNS, THREADS = 1024, 24, 5, 2
OPENSLIDE_CACHE_BYTES = 32 << 20
Read = Callable[[Box], np.ndarray]

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from conftest import tissue_like, write_pyramid  # noqa: E402


def make_slide(folder: Path, side: int) -> Path:
    """Write a pyramid of JPEG tiles of 256 px, about 0.45 bytes per pixel as real slides have."""
    small = tissue_like(2048, 2048).astype(np.int16)
    small += np.random.default_rng(0).integers(-12, 13, (2048, 2048, 1), dtype=np.int16)
    times = -(-side // 2048)
    whole = np.tile(small.clip(0, 255).astype(np.uint8), (times, times, 1))[:side, :side]
    return write_pyramid(folder / "bench.tif", whole, levels=3)


def boxes(side: int, seed: int) -> list[Box]:
    places = np.random.default_rng(seed).integers(0, side - REGION_PX, (REGIONS, 2))
    return [Box(int(y), int(x), REGION_PX, REGION_PX) for y, x in places]


def rate(read: Read, where: Sequence[Box]) -> float:
    """Return Mpx/s of reading boxes from two threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        start = time.perf_counter()
        pixels = sum(rgb.shape[0] * rgb.shape[1] for rgb in pool.map(read, where))
        return pixels / (time.perf_counter() - start) / 1e6


def show(name: str, rates: list[float], than: float | None = None) -> float:
    middle = statistics.median(rates)
    ratio = f"  {middle / than:.2f} x openslide-python" if than else ""
    print(f"{name:34s} {middle:7.1f} Mpx/s  [{min(rates):.1f} .. {max(rates):.1f}]{ratio}")
    return middle


def main(side: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = make_slide(Path(folder), side)
        size = path.stat().st_size
        print(f"{side} x {side} px, {size / 1e6:.0f} MB, {THREADS} threads, {REGION_PX} px regions")
        handle = openslide.OpenSlide(path)

        def with_openslide(box: Box) -> np.ndarray:
            return np.asarray(handle.read_region((box.x, box.y), 0, box.shape[::-1]).convert("RGB"))

        reader = OpenSlideReader(path)
        tiles = TiffTiles.match(path, reader.info.levels)
        if tiles is None:
            raise SystemExit("the direct path does not take this file")

        def direct(box: Box) -> np.ndarray:
            return tiles.read(0, box)

        def whole_slide(box: Box) -> np.ndarray:
            return slide.read_region(0, box)

        reads = {"openslide-python": with_openslide, "TiffTiles": direct, "Slide": whole_slide}
        rates: dict[str, list[float]] = {name: [] for name in reads}
        mpp = believable_mpp(path, reader.info.mpp)
        for run in range(RUNS + 1):
            # A new cache each time, as small as OpenSlide's own.
            with Slide(
                path, OpenSlideReader(path), mpp, cache=TileCache(OPENSLIDE_CACHE_BYTES, THREADS)
            ) as slide:
                for name, read in reads.items():
                    measured = rate(read, boxes(side, run))
                    if run:
                        rates[name].append(measured)
        worst = max(
            int(np.abs(direct(b).astype(int) - with_openslide(b)).max()) for b in boxes(side, 0)[:4]
        )
        base = show("openslide-python", rates["openslide-python"])
        show("direct tiles (TiffTiles)", rates["TiffTiles"], base)
        show("Slide.read_region, cache of 32 MiB", rates["Slide"], base)
        print(f"largest difference between both: {worst} grey levels")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8192)
