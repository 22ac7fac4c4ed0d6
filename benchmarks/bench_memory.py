"""Peak memory of a prediction on a small and on a large slide: it must not grow with the slide.

Run ``python benchmarks/bench_memory.py [SMALL_PX LARGE_PX] [--mpp MPP]``. Both slides show the same
repeating tissue at 0.25 µm/px; each is predicted in a process of its own with stain-density at
0.5 µm/px, where the small one too has more tiles than are under way at once. The peak is the most
resident memory that the system has seen of it (Linux and macOS). Three minutes and 3 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GOAL_RATIO, GOAL_MB = 1.10, 2048


def predict_once(slide_path: str, out: str, mpp: float) -> None:
    """Predict one slide and print what it took as JSON; runs in a process of its own."""
    import slideconcord as sc
    from slideconcord.segmentation.model import Model

    bundled = sc.load_model("stain-density")
    function = bundled._runner._function
    model = Model.from_function(bundled.spec.changed(mpp=mpp), function)
    before = peak_mb()
    start = time.perf_counter()
    with sc.open_slide(slide_path) as slide:
        result = sc.predict(slide, model, out)
    took = time.perf_counter() - start
    figures = {"before": before, "peak": peak_mb(), "s": took, "shape": result.shape}
    print(json.dumps(figures))


def peak_mb() -> float:
    status = Path("/proc/self/status")
    if status.is_file():
        # On Linux ru_maxrss begins with what the parent process held.
        line = next(at for at in status.read_text().splitlines() if at.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def make_slide(folder: Path, side: int) -> Path:
    from slideconcord.samples.repeating import write_repeating_slide

    path = folder / f"{side}.tif"
    for _ in write_repeating_slide(path, side):
        pass
    return path


def measure(folder: Path, side: int, mpp: float) -> dict[str, float]:
    slide = make_slide(folder, side)
    command = [sys.executable, __file__, "--one", str(slide), str(folder / f"out{side}")]
    done = subprocess.run(
        [*command, "--mpp", str(mpp)], stdout=subprocess.PIPE, text=True, check=True
    )
    slide.unlink()
    figures = json.loads(done.stdout.splitlines()[-1])
    height, width = figures["shape"]
    print(
        f"{side:7d} px  map {height} x {width}  {figures['s']:7.1f} s "
        f"{height * width / figures['s'] / 1e6:6.1f} Mpx/s   "
        f"peak {figures['peak']:6.0f} MB (before the run {figures['before']:.0f} MB)",
        flush=True,
    )
    return figures


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sides", nargs="*", type=int, default=[20_000, 100_000])
    parser.add_argument("--mpp", type=float, default=0.5)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.one:
        predict_once(*given.one, given.mpp)
        return 0
    small, large = given.sides
    with tempfile.TemporaryDirectory() as folder:
        first = measure(Path(folder), small, given.mpp)
        second = measure(Path(folder), large, given.mpp)
    ratio = second["peak"] / first["peak"]
    print(
        f"peak memory, {large} px against {small} px: {ratio:.2f} x "
        f"(goal {GOAL_RATIO:.2f} x, below {GOAL_MB} MB)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
