"""Hysteresis thresholds on a 25 Mpx map, smooth and noisy, against scikit-image in the same run.

Run ``python benchmarks/bench_thresholds.py [SIDE_PX]``. One warm-up, then medians and 95th
percentiles of many slider moves to thresholds never asked for before. A slider's move is
``index.mask`` to a bool array, without drawing. Above 16,000 px only our own figures are printed,
and the index lies out of core.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.filters import apply_hysteresis_threshold

from slideconcord.geometry import Box
from slideconcord.segmentation.hysteresis import (
    ThresholdIndex,
    hysteresis,
    index_thresholds,
    warm_up,
)
from slideconcord.segmentation.threshold_index import Pin

VIEW = 1000, 1600
MOVES = 60
LOW, HIGH = 0.4, 0.7
LARGEST_COMPARED = 16_000
SLIDERS = "low", "high", "area"
RULED = "low, pruned", "high, pruned", "percentile", "low, pins"
STATUS = Path("/proc/self/status")


def make_map(side: int, noise: float) -> NDArray[np.uint8]:
    """Make hills of about 60 px, spread over all grey levels, with some noise on top."""
    rng = np.random.default_rng(0)
    small = rng.standard_normal((side // 20 + 8, side // 20 + 8)).astype(np.float32)
    small = cv2.GaussianBlur(small, (0, 0), 1.2)
    out = np.empty((side, side), np.uint8)
    low, high = small.min(), small.max()
    for y in range(0, side, 1000):  # in strips, so that 625 Mpx fit, too
        rows, columns = np.float32(np.arange(y, min(y + 1000, side)) / 20 + 4), np.arange(side)
        x = np.broadcast_to(np.float32(columns / 20 + 4), (len(rows), side))
        hills = cv2.remap(small, x, np.repeat(rows[:, None], side, 1), cv2.INTER_CUBIC)
        strip = (hills - low) / (high - low) * 255
        if noise:
            strip += rng.standard_normal(strip.shape, np.float32) * noise
        out[y : y + len(rows)] = np.clip(strip, 0, 255)
    return out


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def opencv(values: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Threshold with OpenCV's components, which is what one would write by hand."""
    count, labels = cv2.connectedComponents((values > LOW * 255).astype(np.uint8), connectivity=4)
    keep = np.zeros(count, bool)
    keep[labels[values > HIGH * 255]] = True
    keep[0] = False
    return keep[labels]


def memory(name: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def build(values: NDArray[np.uint8], folder: str) -> tuple[ThresholdIndex, float, float]:
    """Return an index, the seconds, and the peak of memory above what there was, per pixel."""
    index_thresholds(values[:600, :600])
    if not STATUS.is_file():
        start = time.perf_counter()
        return index_thresholds(values, folder=folder), time.perf_counter() - start, float("nan")
    Path("/proc/self/clear_refs").write_text("5")  # begins a new peak
    before, start = memory("VmRSS"), time.perf_counter()
    index = index_thresholds(values, folder=folder)
    return index, time.perf_counter() - start, (memory("VmHWM") - before) / values.size


def moves(
    index: ThresholdIndex, box: Box, step: int = 1, sliders: tuple[str, ...] = SLIDERS
) -> dict[str, list[float]]:
    """Return milliseconds of moving each slider about."""
    rng, found = np.random.default_rng(1), {}
    for slider in sliders:
        found[slider] = []
        for _ in range(MOVES + 3):
            low = rng.uniform(0.05, HIGH) if slider.startswith("low") else LOW
            high = rng.uniform(LOW, 0.95) if slider.startswith("high") else HIGH
            rest: dict[str, Any] = {}
            if slider == "area":
                rest["min_area_px"] = int(rng.integers(2, 2000))
            elif slider.endswith("pruned"):
                rest["prune_percentile"] = 95.0
            elif slider == "percentile":
                rest["prune_percentile"] = rng.uniform(50, 99)
            elif slider.endswith("pins"):
                rest["pins"] = [Pin(box.y + 9 * k, box.x + 9 * k, k % 2 == 0) for k in range(10)]
            ask = timed(lambda a=low, b=high, c=rest: index.mask(a, b, box, step, **c))
            found[slider].append(1e3 * ask)
        del found[slider][:3]
    return found


def show(name: str, seconds: float, than: float | None = None, note: str = "") -> None:
    ratio = f"{than / seconds:7.1f} x scikit-image" if than else " " * 22
    print(f"  {name:44s} {1e3 * seconds:9.1f} ms {ratio}  {note}".rstrip())


def show_moves(
    name: str, index: ThresholdIndex, box: Box, step: int, than: float | None,
    sliders: tuple[str, ...] = SLIDERS,
) -> None:  # fmt: skip
    for slider, found in moves(index, box, step, sliders).items():
        middle, late = np.percentile(found, [50, 95])
        show(f"{name}, {slider} moved", middle / 1e3, than, f"p95 {late:.1f} ms")


def compare_others(values: NDArray[np.uint8], index: ThresholdIndex) -> float:
    """Show what thresholding takes without an index; return scikit-image's seconds."""
    expected = apply_hysteresis_threshold(values, LOW * 255, HIGH * 255)
    if not np.array_equal(index.mask(LOW, HIGH), expected):
        raise SystemExit("The index gives another mask than scikit-image.")
    works: dict[str, Callable[[], object]] = {
        "scikit-image apply_hysteresis_threshold": lambda: apply_hysteresis_threshold(
            values, LOW * 255, HIGH * 255
        ),
        "OpenCV components": lambda: opencv(values),
        "hysteresis, without an index": lambda: hysteresis(values, LOW, HIGH),
    }
    found = {
        what: float(np.median([timed(work) for _ in range(5)])) for what, work in works.items()
    }
    than = next(iter(found.values()))
    for what, seconds in found.items():
        show(what, seconds, than)
    return than


def compare(name: str, values: NDArray[np.uint8], folder: str) -> None:
    side = values.shape[0]
    print(f"{name} map of {side} x {side} px")
    # First, so that memory freed by others cannot hide what it takes.
    index, seconds, peak = build(values, folder)
    than = compare_others(values, index) if side <= LARGEST_COMPARED else None
    note = f"peak {peak:.1f} B/px, kept {index.nbytes / values.size:.1f}"
    show("index built", seconds, than, note)
    place = (side - VIEW[0]) // 2, (side - VIEW[1]) // 2
    show_moves("view of 1600 x 1000 px", index, Box(*place, *VIEW), 1, than, SLIDERS + RULED)
    whole = Box(0, 0, side, side)
    step = 1 << max(side // 1000, 1).bit_length() - 1
    show_moves(f"overview, every {step}th pixel", index, whole, step, than)
    if side <= LARGEST_COMPARED:
        show_moves("whole mask", index, whole, 1, than)
    show("areas and region count", timed(lambda: index.areas(0.31, 0.77)), than)
    reference = values > 140
    landscape = timed(lambda: index.landscape(reference))
    show("landscape of 190 pairs", landscape, 190 * than if than else None)
    show_scores(index, reference, than)


def show_scores(index: ThresholdIndex, reference: NDArray[np.bool_], than: float | None) -> None:
    """Show what live agreement with a reference takes, beside thresholding alone."""
    counts, rng = index.count_reference(reference), np.random.default_rng(2)
    asked: dict[str, dict[str, Any]] = {
        "high moved": {},
        "high moved, small regions left out": {"min_area_px": 200},
        "high moved, pruned": {"prune_percentile": 95.0},
    }
    for name, rest in asked.items():
        highs = rng.uniform(LOW, 0.95, MOVES)
        found = [timed(lambda b=b, c=rest: index.scores(counts, LOW, b, **c)) for b in highs]
        middle, late = np.percentile(found, [50, 95])
        show(f"live scores, {name}", middle, than, f"p95 {1e3 * late:.1f} ms")


def main() -> None:
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    print(f"  kernels loaded in {timed(warm_up):.1f} s")
    with tempfile.TemporaryDirectory() as folder:
        compare("smooth", make_map(side, 0), folder)
        compare("noisy", make_map(side, 12), folder)


if __name__ == "__main__":
    main()
