"""The pan-cancer post-processing of a 25 Mpx map against the same steps written with scikit-image.

Run ``python benchmarks/bench_postprocess.py [SIDE_PX]``. The straightforward version smooths with
OpenCV, as the paper does, and does the rest with scikit-image and numpy: hysteresis, one
np.percentile a region, closing, holes, opening, small objects. Both must give the same mask.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.filters import apply_hysteresis_threshold
from skimage.measure import label, regionprops
from skimage.morphology import closing, opening, remove_small_holes, remove_small_objects

from slideconcord.segmentation.postprocess import postprocess_pixels, smooth_map

REPEATS = 5


def make_map(side: int) -> NDArray[np.uint8]:
    """Make nests of tumour of many sizes, some unsure, with noise on top."""
    rng = np.random.default_rng(0)
    small = rng.standard_normal((side // 20, side // 20)).astype(np.float32)
    small = cv2.GaussianBlur(small, (0, 0), 2.5)
    hills = cv2.resize(small / small.std(), (side, side), interpolation=cv2.INTER_CUBIC)
    noisy = 110 + 90 * hills + rng.normal(0, 12, hills.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def make_tissue(side: int) -> NDArray[np.bool_]:
    y, x = np.ogrid[:side, :side]
    return np.asarray((y - side / 2) ** 2 + (x - side / 2) ** 2 < (0.45 * side) ** 2)


def straightforward(values: NDArray[np.uint8], tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Do the paper's steps one after another with scikit-image."""
    smooth = smooth_map(values)
    mask = apply_hysteresis_threshold(smooth, 85, 229)
    kept = np.zeros_like(mask)
    for region in regionprops(label(mask, connectivity=2)):
        inside = smooth[region.slice][region.image]
        if np.percentile(inside, 95) > 229:
            kept[region.slice] |= region.image
    square = np.ones((9, 9), bool)
    mask = closing(kept & tissue, square, mode="ignore")
    mask = remove_small_holes(mask, max_size=9_999, connectivity=1)
    mask = opening(mask, square, mode="ignore")
    return np.asarray(remove_small_objects(mask, max_size=1_599, connectivity=1))


def median_of(work: Callable[[], object], repeats: int) -> float:
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return float(np.median(found))


def main() -> None:
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    values, tissue = make_map(side), make_tissue(side)
    ours = postprocess_pixels(values, tissue)  # kernels are loaded here
    if not np.array_equal(ours, straightforward(values, tissue)):
        raise SystemExit("Post-processing gives another mask than scikit-image.")
    if not 0.02 < ours.mean() < 0.98:
        raise SystemExit("The map has next to no mask, or nothing else: it measures nothing.")
    slow = median_of(lambda: straightforward(values, tissue), 3)
    fast = median_of(lambda: postprocess_pixels(values, tissue), REPEATS)
    smoothing = median_of(lambda: smooth_map(values), REPEATS)
    print(f"pan-cancer post-processing, {side} x {side} px, same mask")
    print(f"  scikit-image, step by step   {1e3 * slow:9.1f} ms")
    print(f"  slideconcord                 {1e3 * fast:9.1f} ms {slow / fast:7.1f} x scikit-image")
    print(f"  of which smoothing           {1e3 * smoothing:9.1f} ms")


if __name__ == "__main__":
    main()
