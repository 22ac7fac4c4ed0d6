"""Annotations: reading, writing, tracing and rasterising, against the usual ways.

Run ``python benchmarks/bench_annotations.py [FEATURES]`` (default 100,000; 725,000 takes minutes).
Reading is measured in processes of its own, so that the peak of memory is each one's.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SIDE = 5000
READ_GOAL, MEMORY_GOAL = 0.6, 0.25


def best(work: Callable[[], object], times: int = 3) -> float:
    """Return the shortest of several runs in seconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def nuclei(count: int, seed: int = 0) -> np.ndarray:
    """Return polygons of 24 corners with 2 decimals, scattered over a slide."""
    import shapely

    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radii = rng.uniform(8, 25, (count, 1)) * rng.uniform(0.85, 1.15, (count, 24))
    centres = rng.uniform(30, 99_000, (count, 1, 2))
    ring = np.stack([np.cos(angles), np.sin(angles)], -1)
    return np.asarray(shapely.polygons((centres + radii[..., None] * ring).round(2)))


def read_with_json(path: str) -> int:
    from shapely.geometry import shape

    features = json.loads(Path(path).read_bytes())["features"]
    return len([(shape(f["geometry"]), f["properties"]) for f in features])


def read_with_slideconcord(path: str) -> int:
    from slideconcord.annotations import read_annotations

    return len(read_annotations(path))


def measure_reading(way: str, path: str) -> None:
    """Print seconds and peak memory of one way as JSON; runs in a process of its own."""
    ways = {"json": read_with_json, "slideconcord": read_with_slideconcord}
    with tempfile.TemporaryDirectory() as folder:
        # imports and compilation are paid once per session, not per file
        small = Path(folder) / "small.geojson"
        small.write_text('{"type":"FeatureCollection","features":[]}')
        ways[way](str(small))
    before = peak_mb()
    start = time.perf_counter()
    count = ways[way](path)
    took = time.perf_counter() - start
    print(json.dumps({"s": took, "mb": peak_mb() - before, "count": count}))


def peak_mb() -> float:
    """Return the most memory this process has held; a child's getrusage begins at its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(s for s in status.read_text().splitlines() if s.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def exchange(count: int) -> None:
    from slideconcord.annotations import Annotation, write_annotations

    drawn = [
        Annotation(polygon, "Nucleus", (1, 2, 3), measurements={"Area um^2": polygon.area})
        for polygon in nuclei(count)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nuclei.geojson"
        start = time.perf_counter()
        write_annotations(drawn, path)
        took = time.perf_counter() - start
        size = path.stat().st_size / 1e6
        del drawn
        print(f"write {count:,} features: {took:.1f} s, {size:.0f} MB, {size / took:.0f} MB/s")
        figures = {way: run_reading(way, path) for way in ("json", "slideconcord")}
    ours, usual = figures["slideconcord"], figures["json"]
    print(
        f"read {count:,} features: {ours['s']:.1f} s against {usual['s']:.1f} s of json and "
        f"shapely: {ours['s'] / usual['s']:.2f}x the time (goal {READ_GOAL}x), "
        f"memory {ours['mb']:.0f} MB against "
        f"{usual['mb']:.0f} MB: {ours['mb'] / usual['mb']:.2f}x (goal {MEMORY_GOAL}x)"
    )


def run_reading(way: str, path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--read", way, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def tracing() -> None:
    import cv2
    from scipy import ndimage

    from slideconcord.annotations.contours import trace

    noise = np.random.default_rng(0).standard_normal((SIDE, SIDE)).astype(np.float32)
    # findContours takes minutes for 25 Mpx of noise
    masks = {"blobs": ndimage.gaussian_filter(noise, 4) > 0, "noise": noise[:1000, :1000] > 0}
    trace(masks["blobs"][:64])
    for name, mask in masks.items():
        ours = best(lambda m=mask: trace(m))
        pixels = mask.astype(np.uint8)
        start = time.perf_counter()
        contours, _ = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        theirs = time.perf_counter() - start
        print(
            f"trace {mask.size / 1e6:.0f} Mpx of {name}: {ours:.2f} s against {theirs:.2f} s of "
            f"cv2.findContours ({len(contours):,} rings): {ours / theirs:.2f}x the time"
        )


def rasterising(count: int) -> None:
    import shapely
    from skimage.draw import polygon2mask

    from slideconcord.annotations.raster import rasterise
    from slideconcord.geometry import Frame

    polygons = nuclei(count)
    frame = Frame(0, 0, 100_000 / SIDE, 100_000 / SIDE)
    rasterise(polygons[:2], frame, (8, 8))
    ours = best(lambda: rasterise(polygons, frame, (SIDE, SIDE)))
    start = time.perf_counter()
    out = np.zeros((SIDE, SIDE), bool)
    for polygon in polygons:
        yx = shapely.get_coordinates(polygon)[:, ::-1] / frame.step_y
        corner = np.floor(yx.min(0)).astype(int)
        size = np.ceil(yx.max(0)).astype(int) - corner + 1
        part = out[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
        part |= polygon2mask(tuple(size), yx - corner)[: part.shape[0], : part.shape[1]]
    theirs = time.perf_counter() - start
    print(
        f"rasterise {count:,} polygons on {SIDE**2 / 1e6:.0f} Mpx: {ours:.2f} s against "
        f"{theirs:.2f} s of skimage: {ours / theirs:.2f}x the time"
    )


def main() -> None:
    if sys.argv[1:2] == ["--read"]:
        measure_reading(*sys.argv[2:4])
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    tracing()
    rasterising(count)
    exchange(count)


if __name__ == "__main__":
    main()
