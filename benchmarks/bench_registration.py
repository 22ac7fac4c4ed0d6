"""Registration against virtual scanners whose truth is known, against strangers, and on real sets.

Run ``python benchmarks/bench_registration.py [--quick]``. In full it takes a quarter of an hour:
100 pairs from 40 scans of 4 tissues, 200 negative controls, and one pair of 40,000 px. The seeds
are not those that the constants were chosen on (see docs/methods/registration.md).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import tifffile

import slideconcord as sc
from slideconcord.comparison.registration import Registering, closure
from slideconcord.comparison.registration.fit import fit_affine
from slideconcord.comparison.registration.planes import apply
from slideconcord.errors import RegistrationError
from slideconcord.samples import FIVE_SCANNERS, VirtualScanner, VirtualTissue, scan
from slideconcord.samples.landmarks import tissue_points
from slideconcord.samples.pairs import PoseRange, random_scanner

FIELD_GOAL_UM, AFFINE_GOAL_UM, TIME_GOAL_S, MEMORY_GOAL_MB = 1.0, 5.0, 60, 2048
DATA = Path(os.environ.get("SLIDECONCORD_DATA", Path(__file__).parents[2] / "shared" / "data"))
# Pixel sizes of the cytology scans relative to the first one: their files claim 1000 µm.
CYTOLOGY_MPP = (1.0, 1.17, 1.057, 1.499)
RAT_MPP = 9.92
LARGE_PX, LARGE_DRAWN_PX = 40_000, 10_000


@dataclass(frozen=True)
class Scanned:
    """A scan on disk and the scanner and tissue it was made of."""

    path: Path
    scanner: VirtualScanner
    tissue: VirtualTissue

    def places(self, points: np.ndarray) -> np.ndarray:
        """Return level-0 pixel centres of tissue points; NaN in the slit of a seam."""
        return np.array(self.scanner.map(self.tissue).to_scan(*points.T)).T - 0.5


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    tissues: int
    fixed: int
    moving: int
    side_um: float
    negatives: int

    @property
    def pairs(self) -> int:
        return self.tissues * self.fixed * self.moving


FULL = Size(tissues=4, fixed=5, moving=5, side_um=1300.0, negatives=50)
QUICK = Size(tissues=2, fixed=2, moving=1, side_um=1000.0, negatives=2)


def make_scans(folder: Path, size: Size) -> list[tuple[list[Scanned], list[Scanned]]]:
    """Return, tissue by tissue, scans that lie straight and scans in any pose."""
    bases, start = list(FIVE_SCANNERS.values()), time.perf_counter()
    straight, made = PoseRange(0.0, 0.0, 0.0, 0.0), []
    for t in range(size.tissues):
        tissue = VirtualTissue(900 + t, size.side_um, size.side_um)
        groups = []
        for kind, count, ranges in (("fixed", size.fixed, straight), ("moving", size.moving, None)):
            group = []
            for k in range(count):
                # the base differs between any fixed and the moving scan of the same number
                base = bases[(k + (kind == "moving") * (1 + t)) % len(bases)]
                seed = 90_000 + 100 * t + 10 * k + (kind == "moving")
                scanner = random_scanner(seed, base, ranges).fitting(tissue)
                path = folder / f"{t}-{kind}-{k}.ome.tiff"
                for _ in scan(tissue, scanner, path):
                    pass
                group.append(Scanned(path, scanner, tissue))
            groups.append(group)
        made.append((groups[0], groups[1]))
    count = size.tissues * (size.fixed + size.moving)
    print(f"{count} scans of {size.tissues} tissues of {size.side_um / 1000:g} mm: "
          f"{time.perf_counter() - start:.0f} s")  # fmt: skip
    return made


def true_places(moving: Scanned, fixed: Scanned) -> tuple[np.ndarray, np.ndarray]:
    """Return random tissue points as level-0 pixel centres of both scans."""
    points = tissue_points(fixed.tissue, 1000, seed=1)
    source, target = moving.places(points), fixed.places(points)
    seen = np.isfinite(source).all(1) & np.isfinite(target).all(1)
    return source[seen], target[seen]


def errors_um(found: sc.Registration, moving: Scanned, fixed: Scanned) -> np.ndarray:
    """Return how far random tissue points come to lie from where they should."""
    source, target = true_places(moving, fixed)
    return np.hypot(*((found.to_fixed_px(source) - target) * found.fixed.mpp).T)


def least_errors_um(moving: Scanned, fixed: Scanned) -> np.ndarray:
    """Return the same of the least-squares affine through the true places: the floor of any."""
    source, target = true_places(moving, fixed)
    best = apply(fit_affine(source, target), source)
    return np.hypot(*((best - target) * fixed.scanner.mpp).T)


def register_timed(
    moving: Path, fixed: Path, method: str = "tiles"
) -> tuple[sc.Registration, float]:
    with sc.open_slide(moving) as one, sc.open_slide(fixed) as other:
        start = time.perf_counter()
        found = sc.register(one, other, method=method)
        return found, time.perf_counter() - start


def measure_pairs(scans: list[tuple[list[Scanned], list[Scanned]]]) -> None:
    names = ("field", "affine", "orb-affine", "best affine")
    off: dict[str, list[np.ndarray]] = {name: [] for name in names}
    took: dict[str, list[float]] = {"tiles": [], "orb-affine": []}
    status, said = Counter(), []
    for fixed_scans, moving_scans in scans:
        for fixed, moving in product(fixed_scans, moving_scans):
            found, seconds = register_timed(moving.path, fixed.path)
            status[found.status] += 1
            took["tiles"].append(seconds)
            if found.status != "failed":
                off["field"].append(errors_um(found, moving, fixed))
                off["affine"].append(errors_um(replace(found, field=None), moving, fixed))
                said.append(found.quality.residual_p90_um)
            off["best affine"].append(least_errors_um(moving, fixed))
            plain, seconds = register_timed(moving.path, fixed.path, "orb-affine")
            took["orb-affine"].append(seconds)
            if plain.status != "failed":
                off["orb-affine"].append(errors_um(plain, moving, fixed))
    tell_pairs(off, took, status, said)


def tell_pairs(off, took, status, said) -> None:
    total = sum(status.values())
    print(f"{total} pairs: " + ", ".join(f"{n} {name}" for name, n in status.items()))
    goals = {"field": FIELD_GOAL_UM, "affine": AFFINE_GOAL_UM}
    p90 = {}
    for name, errors in off.items():
        each = np.array([np.percentile(e, 90) for e in errors])
        p50, p90[name], p99 = np.percentile(np.concatenate(errors), [50, 90, 99])
        goal = goals.get(name)
        within = "" if goal is None else f"; {np.mean(each <= goal):.0%} of pairs within {goal:g}"
        print(f"  {name:11s} ({len(errors)} pairs) error p50 {p50:.2f}, p90 {p90[name]:.2f}, p99 "
              f"{p99:.2f} µm; p90 of the worst pair {each.max():.2f}{within}")  # fmt: skip
    print(f"  held-out p90 that the registration itself reports, median {np.median(said):.2f} µm "
          f"(truth {np.median([np.percentile(e, 90) for e in off['field']]):.2f})")  # fmt: skip
    ours, plain = np.median(took["tiles"]), np.median(took["orb-affine"])
    print(f"  error against orb-affine: {p90['field'] / p90['orb-affine']:.2f} x with the field, "
          f"{p90['affine'] / p90['orb-affine']:.2f} x affine only; time {ours / plain:.1f} x "
          f"({ours:.1f} s against {plain:.1f} s)")  # fmt: skip


def write_plain(path: Path, rgb: np.ndarray, mpp: float) -> Path:
    """Write pixels as a tiled TIFF with its pixel size."""
    per_cm = (1e4 / mpp, 1e4 / mpp)
    tifffile.imwrite(path, np.ascontiguousarray(rgb), photometric="rgb", tile=(256, 256),
                     compression="jpeg", compressionargs={"level": 90}, resolution=per_cm,
                     resolutionunit="CENTIMETER", metadata=None)  # fmt: skip
    return path


def pixels(scanned: Scanned) -> np.ndarray:
    with sc.open_slide(scanned.path) as slide:
        return slide.read_region(0, slide.box)


def strangers(scans, folder: Path, count: int):
    """Yield ``count`` pairs of paths of scans of different tissues."""
    groups = [fixed + moving for fixed, moving in scans]
    pairs = [(a, b) for one, other in combinations(groups, 2) for a, b in product(one, other)]
    for k in np.random.default_rng(1).permutation(len(pairs))[:count]:
        yield pairs[k][0].path, pairs[k][1].path


def blanks(scans, folder: Path, count: int):
    """Yield pairs of which one is bare glass: uneven light, noise and a few grains of dust."""
    flat = [each for group in scans for each in group[0]]
    for k in range(count):
        rng, scanned = np.random.default_rng(k), flat[k % len(flat)]
        y, x = np.mgrid[-1:1:1200j, -1:1:1400j]
        glass = 243 - 3 * (y**2 + x**2) + rng.normal(0, 1.5, y.shape)
        for _ in range(rng.integers(0, 6)):
            cy, cx = rng.integers(10, 1190), rng.integers(10, 1390)
            glass[cy - 6 : cy + 6, cx - 6 : cx + 6] -= 120
        rgb = np.clip(glass, 0, 255).astype(np.uint8)[..., None].repeat(3, -1)
        blank = write_plain(folder / "blank.tif", rgb, 0.5)
        yield (blank, scanned.path) if k % 2 else (scanned.path, blank)


def mirrored(scans, folder: Path, count: int):
    """Yield pairs of one tissue of which one scan is its own mirror image."""
    pairs = [(m, f) for fixed, moving in scans for f, m in product(fixed, moving)]
    for k in np.random.default_rng(2).permutation(len(pairs))[:count]:
        moving, fixed = pairs[k]
        flipped = np.flip(pixels(moving), k % 2)
        yield write_plain(folder / "mirrored.tif", flipped, moving.scanner.mpp), fixed.path


def barely(scans, folder: Path, count: int):
    """Yield pairs of scans that share about a tenth of their tissue."""
    pairs = [(a, b) for fixed, moving in scans for a, b in product(fixed, fixed + moving[:1])]
    pairs = [(a, b) for a, b in pairs if a is not b and abs(b.scanner.rotation_deg) < 1e-9]
    for k in range(count):
        one, other = pairs[k % len(pairs)]
        axis = (k // len(pairs)) % 2
        # 0.526 of each side: what both hold is 0.052, a tenth of either
        top, bottom = (np.swapaxes(pixels(s), 0, axis) for s in (one, other))
        first = top[: round(0.526 * len(top))]
        second = bottom[-round(0.526 * len(bottom)) :]
        yield tuple(
            write_plain(folder / f"part{i}.tif", np.swapaxes(part, 0, axis), s.scanner.mpp)
            for i, (part, s) in enumerate(((first, one), (second, other)))
        )


def measure_negatives(scans, folder: Path, count: int) -> None:
    total, wrong = 0, 0
    for name, make in (("other slide", strangers), ("blank", blanks), ("mirrored", mirrored),
                       ("10 % overlap", barely)):  # fmt: skip
        start, status = time.perf_counter(), Counter()
        for moving, fixed in make(scans, folder, count):
            status[register_timed(moving, fixed)[0].status] += 1
        total, wrong = total + sum(status.values()), wrong + status["ok"]
        told = ", ".join(f"{n} {s}" for s, n in sorted(status.items()))
        print(f"  {name:12s} {told} ({time.perf_counter() - start:.0f} s)", flush=True)
    print(f"{total} negative controls: {wrong} false ok (goal 0)")


class Enlarged:
    """A virtual scanner whose picture is drawn coarsely and enlarged, for size without hours."""

    def __init__(self, scanner: VirtualScanner, factor: int) -> None:
        self.scanner, self.factor = scanner, factor
        self.mpp = 0.25

    def __getattr__(self, name: str) -> object:
        return getattr(self.scanner, name)

    def shape(self, tissue: VirtualTissue) -> tuple[int, int]:
        height, width = self.scanner.shape(tissue)
        return height * self.factor // 64 * 64, width * self.factor // 64 * 64

    def view(self, tissue: VirtualTissue, box: sc.Box) -> np.ndarray:
        import cv2

        f = self.factor
        coarse = sc.Box(
            box.y // f - 2, box.x // f - 2, -(-box.height // f) + 4, -(-box.width // f) + 4
        )
        drawn = self.scanner.view(tissue, coarse)
        size = coarse.width * f, coarse.height * f
        large = cv2.resize(drawn, size, interpolation=cv2.INTER_CUBIC)
        return large[2 * f :, 2 * f :][: box.height, : box.width]


def make_large(folder: Path, side_px: int) -> list[Scanned]:
    factor = LARGE_PX // LARGE_DRAWN_PX
    side_um = 0.5 * side_px / factor
    tissue = VirtualTissue(950, side_um, side_um)
    made, bases = [], list(FIVE_SCANNERS.values())
    for k, (base, ranges) in enumerate(
        ((bases[1], None), (bases[0], PoseRange(0.0, 0.0, 0.0, 0.0)))
    ):
        scanner = replace(random_scanner(95_000 + k, base, ranges), mpp=0.5)
        path = folder / f"large-{k}.ome.tiff"
        for _ in scan(tissue, Enlarged(scanner, factor), path):
            pass
        made.append(Scanned(path, scanner, tissue))
    return made


def measure_once(moving: str, fixed: str, method: str, out: str) -> None:
    """Register one pair and print what it took as JSON; runs in a process of its own."""
    from bench_memory import peak_mb

    found, seconds = register_timed(Path(moving), Path(fixed), method)
    if found.status != "failed":
        found.write(out, overwrite=True)
    print(json.dumps({"s": seconds, "mb": peak_mb(), "status": found.status,
                      "tiles": found.quality.tiles, "reason": found.reason}))  # fmt: skip


def measure_large(folder: Path, side_px: int) -> None:
    start = time.perf_counter()
    moving, fixed = make_large(folder, side_px)
    print(f"a pair of {side_px} px, drawn at {LARGE_DRAWN_PX / LARGE_PX:g} of the size: "
          f"{time.perf_counter() - start:.0f} s", flush=True)  # fmt: skip
    took = {}
    for method in ("tiles", "orb-affine"):
        out = folder / f"{method}.json"
        command = [sys.executable, __file__, "--one", str(moving.path), str(fixed.path), method]
        done = subprocess.run([*command, str(out)], stdout=subprocess.PIPE, text=True, check=True)
        figures = json.loads(done.stdout.splitlines()[-1])
        took[method] = figures["s"]
        print(f"  {method:10s} {figures['s']:.1f} s, peak {figures['mb']:.0f} MB, "
              f"{figures['status']} {figures['reason']}")  # fmt: skip
        if out.is_file():
            factor = LARGE_PX // LARGE_DRAWN_PX
            off = large_errors(sc.read_registration(out), moving, fixed, factor)
            print(f"    error p50 {np.median(off):.2f}, p90 {np.percentile(off, 90):.2f} µm")
    print(f"  time at {side_px} px against orb-affine: {took['tiles'] / took['orb-affine']:.1f} x "
          f"(goal {TIME_GOAL_S} s, {MEMORY_GOAL_MB} MB)")  # fmt: skip


def large_errors(
    found: sc.Registration, moving: Scanned, fixed: Scanned, factor: int
) -> np.ndarray:
    points = tissue_points(fixed.tissue, 1000, seed=1)
    # enlarging keeps corners: a pixel centre c becomes (c + 0.5) * factor - 0.5
    source, target = ((s.places(points) + 0.5) * factor - 0.5 for s in (moving, fixed))
    seen = np.isfinite(source).all(1) & np.isfinite(target).all(1)
    return np.hypot(*((found.to_fixed_px(source[seen]) - target[seen]) * found.fixed.mpp).T)


def measure_real() -> None:
    if not (DATA / "scanners").is_dir():
        print("no real scans here: set SLIDECONCORD_DATA to their folder")
        return
    files = sorted((DATA / "scanners" / "ki67-2-scanners").glob("*.tif"))
    tell_real("Ki-67, two scanners", *(sc.open_slide(file) for file in files))
    measure_cytology(sorted((DATA / "scanners" / "cytology-4-scanners").glob("*_1.*")))
    measure_rat_kidney(DATA / "registration" / "rat-kidney")


def tell_real(name: str, moving: sc.Slide, fixed: sc.Slide) -> sc.Registration:
    found = sc.register(moving, fixed)
    q = found.quality
    print(f"{name}: {found.status} {found.reason} tiles {q.accepted}/{q.tiles}, held-out residual "
          f"p50 {q.residual_p50_um:.2f}, p90 {q.residual_p90_um:.2f} µm, affine only p90 "
          f"{q.affine_p90_um:.2f}, scale {found.pose.scale:.4f}")  # fmt: skip
    return found


def measure_cytology(files: list[Path]) -> None:
    """Register all six pairs of the four scans, and go round all four triangles."""
    slides = [sc.open_slide(f, mpp=mpp) for f, mpp in zip(files, CYTOLOGY_MPP, strict=True)]
    found = {
        (i, j): tell_real(f"cytology {i} on {j} (µm: pixels of scan 0)", slides[i], slides[j])
        for i, j in combinations(range(len(slides)), 2)
    }
    points = np.random.default_rng(0).uniform(1200, 3800, (400, 2))
    for i, j, k in combinations(range(len(slides)), 3):
        try:
            trip = closure([found[i, j], found[j, k], found[i, k]], points)
        except RegistrationError as error:
            print(f"  {error}")
            continue
        print(f"  closure {i}-{j}-{k}: p50 {trip.p50_um:.2f}, p90 {trip.p90_um:.2f} µm")


def measure_rat_kidney(folder: Path) -> None:
    """Landmark error of H&E against pan-cytokeratin, in pixels of the images at 5 %."""
    stains = ("PanCytokeratin", "HE")
    moving, fixed = (sc.open_slide(folder / f"Rat-Kidney_{s}.jpg", mpp=RAT_MPP) for s in stains)
    marks = []
    for stain in stains:
        with (folder / f"Rat-Kidney_{stain}.csv").open() as file:
            marks.append([(float(row["Y"]), float(row["X"])) for row in csv.DictReader(file)])
    count = min(map(len, marks))
    source, target = (np.array(m[:count]) for m in marks)
    print(f"rat kidney, {count} landmarks, px: identity "
          f"{_of(np.hypot(*(source - target).T))}")  # fmt: skip
    for method in ("tiles", "orb-affine"):
        found = sc.register(moving, fixed, method=method, options=Registering())
        told = found.reason
        if found.status != "failed":
            told = f"{_of(np.hypot(*(found.to_fixed_px(source) - target).T))}; {told}"
        print(f"  {method}: {found.status}, {told}")


def _of(errors: np.ndarray) -> str:
    return f"median {np.median(errors):.1f}, p90 {np.percentile(errors, 90):.1f}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="Two minutes: a look, no evidence.")
    parser.add_argument("--only", nargs="*", choices=("pairs", "large", "real"))
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.one:
        measure_once(*given.one)
        return 0
    size, wanted = QUICK if given.quick else FULL, given.only or ("pairs", "large", "real")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "pairs" in wanted:
            scans = make_scans(folder, size)
            measure_pairs(scans)
            measure_negatives(scans, folder, size.negatives)
        if "large" in wanted:
            measure_large(folder, LARGE_PX // 5 if given.quick else LARGE_PX)
    if "real" in wanted:
        measure_real()
    return 0


if __name__ == "__main__":
    sys.exit(main())
