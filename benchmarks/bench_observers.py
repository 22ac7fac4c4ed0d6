"""Agreement of 10 observers at 25 Mpx: at most 5 s, against the same written pair by pair.

Run ``python benchmarks/bench_observers.py [--quick]``. Masks of ten virtual observers lie in
memory. Timed is all of ``compare_observers``: 45 pairs and those with the consensus, twelve
statistics, kappas, borders (HD95, mean, surface Dice), regions, tables. Beside it the peers, each
for what it can do: numpy and scikit-learn pair by pair, maps of distances with SciPy,
`match_regions` pair by pair, and SimpleITK's STAPLE; all must give the same numbers. Then ten
observers' outlines on a slide of 100,000 px at 1 µm, in a process of its own: at most 2 GB.
"""

from __future__ import annotations

import itertools
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import shapely
import SimpleITK
from scipy import ndimage
from sklearn.metrics import cohen_kappa_score

import slideconcord as sc
from slideconcord.annotations import Annotation, Annotations
from slideconcord.comparison.observers.result import ClassAgreement
from slideconcord.comparison.regions import match_regions
from slideconcord.geometry import Frame, Mpp

QUICK = "--quick" in sys.argv
SIDE_PX, OBSERVERS, GOAL_S, GOAL_GB = (1500 if QUICK else 5000), 10, 5.0, 2.0
LARGE_PX = 20_000 if QUICK else 100_000
# A peer that takes minutes for all pairs is timed on some, and its time is scaled.
SOME = 3
ONE = Mpp(1.0, 1.0)


def masks_of(side: int) -> list[np.ndarray]:
    """Return what ten observers mark of one tissue, each a little other at the edges."""

    def smooth(seed: int, sigma: float) -> np.ndarray:
        noise = np.random.default_rng(seed).standard_normal((side, side)).astype(np.float32)
        blurred = cv2.GaussianBlur(noise, (0, 0), sigma)
        return blurred / blurred.std()

    tissue = smooth(0, 60.0)
    return [tissue + 0.25 * smooth(k + 1, 25.0) > 0.6 for k in range(OBSERVERS)]


def slide_of(masks: list[np.ndarray]) -> sc.ReadSlide:
    frame = Frame(0.0, 0.0, 1.0, 1.0)
    readings = [
        sc.Reading(sc.Reader(f"o{k}"), sc.Mask(mask, frame, ONE)) for k, mask in enumerate(masks)
    ]
    return sc.ReadSlide("bench", masks[0].shape, ONE, tuple(readings))


def timed(what: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    found = what()
    return found, time.perf_counter() - start


def ours(slide: sc.ReadSlide, **options: Any) -> tuple[ClassAgreement, float]:
    def everything() -> sc.ObserverAgreement:
        found = sc.compare_observers([slide], sc.Comparing(**options))
        found.to_json()
        return found

    everything()  # compiled kernels are there for all
    found, seconds = timed(everything)
    return found.slides[0].classes[""], seconds


def pixels_by_pair(masks: list[np.ndarray]) -> dict[tuple[int, int], float]:
    found = {}
    for i, j in itertools.combinations(range(len(masks)), 2):
        a, b = masks[i], masks[j]
        tp, fp, fn = (int(np.count_nonzero(m)) for m in (a & b, a & ~b, ~a & b))
        found[i, j] = 2 * tp / (2 * tp + fp + fn)
    return found


def borders_by_pair(masks: list[np.ndarray]) -> dict[tuple[int, int], float]:
    found = {}
    for i, j in itertools.islice(itertools.combinations(range(len(masks)), 2), SOME):
        borders = [m & ~ndimage.binary_erosion(m) for m in (masks[i], masks[j])]
        maps = [ndimage.distance_transform_edt(~border) for border in borders]
        ways = maps[1][borders[0]], maps[0][borders[1]]
        found[i, j] = max(np.percentile(way, 95) for way in ways)
    return found


def staple_of(masks: list[np.ndarray]) -> np.ndarray:
    staple = SimpleITK.STAPLEImageFilter()
    staple.SetForegroundValue(1)
    staple.Execute([SimpleITK.GetImageFromArray(mask.view(np.uint8)) for mask in masks])
    return np.array(staple.GetSensitivity())


def against(name: str, seconds: float, mine: float, off: float) -> None:
    print(f"{name}: {seconds:.2f} s, {seconds / mine:.1f}x of all of ours; differs by {off:.1e}")


def compare_speed() -> None:
    masks = masks_of(SIDE_PX)
    slide = slide_of(masks)
    found, mine = ours(slide)
    area = SIDE_PX**2 / 1e6
    goal = "" if QUICK else f", goal {GOAL_S:g} s: {'met' if mine <= GOAL_S else 'MISSED'}"
    print(f"{OBSERVERS} observers, {area:.0f} Mpx, {len(found.pairs)} pairs: {mine:.2f} s{goal}")
    for name, left_out in (("borders", "surfaces"), ("regions", "regions")):
        _, without = ours(slide, **{left_out: False})
        print(f"  without {name}: {without:.2f} s")
    pair = {(i, j): found.pair(found.readers[i], found.readers[j]) for i, j in
            itertools.combinations(range(OBSERVERS), 2)}  # fmt: skip
    total = len(pair)

    plain, seconds = timed(lambda: pixels_by_pair(masks))
    off = max(abs(pair[k].dsc - v) for k, v in plain.items())
    against("DSC pair by pair with numpy", seconds, mine, off)

    kappa, seconds = timed(lambda: cohen_kappa_score(masks[0].ravel(), masks[1].ravel()))
    against(f"kappa of one pair with scikit-learn, x {total}", seconds * total, mine,
            abs(pair[0, 1].kappa - kappa))  # fmt: skip

    plain, seconds = timed(lambda: borders_by_pair(masks))
    off = max(abs(pair[k].surface.hd95_um - v) for k, v in plain.items())
    against(
        f"HD95 of {SOME} pairs with SciPy, x {total / SOME:g}", seconds * total / SOME, mine, off
    )

    matched, seconds = timed(lambda: match_regions(masks[0], masks[1]).counts)
    off = abs(pair[0, 1].regions.tp - matched.tp)
    against(f"regions of one pair, x {total}", seconds * total, mine, off)

    agreed, staple_s = ours(slide, consensus="staple", surfaces=False, regions=False)
    theirs, seconds = timed(lambda: staple_of(masks))
    off = float(np.abs(agreed.consensus.staple.sensitivity - theirs).max())
    print(f"STAPLE with SimpleITK: {seconds:.2f} s, {seconds / staple_s:.1f}x of ours, all pixel "
          f"statistics of all pairs included ({staple_s:.2f} s); differs by {off:.1e}")  # fmt: skip


def outlines(seed: int, side: int) -> Annotations:
    """Return 400 outlines of 200 points that one observer draws."""
    places, own = np.random.default_rng(0), np.random.default_rng(seed)
    turn = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    items = []
    for _ in range(400):
        centre = places.uniform(0.05 * side, 0.95 * side, 2)
        radius = places.uniform(0.005, 0.02) * side
        edge = radius * (1 + 0.03 * own.standard_normal(200)) * (1 + 0.2 * np.sin(5 * turn))
        ring = centre + np.stack([np.cos(turn), np.sin(turn)], axis=1) * edge[:, None]
        items.append(Annotation(shapely.Polygon(ring).buffer(0)))
    return Annotations.of(items)


def peak_gb() -> float:
    """Return the most memory this process has held; a child's getrusage begins at its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(s for s in status.read_text().splitlines() if s.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9


def large() -> None:
    """Compare outlines on a slide of gigapixels; say how long it took and how much it held."""
    readings = [sc.Reading(sc.Reader(f"o{k}"), outlines(k + 1, LARGE_PX)) for k in range(OBSERVERS)]
    slide = sc.ReadSlide("large", (LARGE_PX, LARGE_PX), Mpp(0.25, 0.25), tuple(readings))
    found, seconds = timed(lambda: sc.compare_observers([slide], sc.Comparing(mpp=1.0)))
    peak = peak_gb()
    pixels = found.slides[0].counted_px / 1e6
    verdict = "" if QUICK else f", goal {GOAL_GB:g} GB: {'met' if peak <= GOAL_GB else 'MISSED'}"
    print(f"{OBSERVERS} observers, {LARGE_PX:,} px slide at 1 µm ({pixels:.0f} Mpx), borders and "
          f"regions: {seconds:.1f} s, peak memory {peak:.2f} GB{verdict}")  # fmt: skip


def main() -> None:
    if "--large" in sys.argv:
        large()
        return
    compare_speed()
    sys.stdout.flush()
    subprocess.run([sys.executable, __file__, "--large", *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()
