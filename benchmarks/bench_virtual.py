"""Writing virtual scans: speed, and memory that hardly grows with the slide.

Run ``python benchmarks/bench_virtual.py [WIDTH_PX...]``. Strips of one tissue, 1,280 px high at
0.25 µm/px, are scanned with tiles put together at random, each in a process of its own, on two
threads and without compiling. The peak is the most resident memory of the process. Half a minute
on two idle cores.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

HEIGHT_PX, MPP, THREADS = 1280, 0.25, 2
WIDTHS = (5_000, 100_000)
GOAL_MB = 1024


def scan_once(width_px: int) -> None:
    """Write one scan and print what it took as JSON; runs in a process of its own."""
    from slideconcord.geometry import Box
    from slideconcord.samples import FIVE_SCANNERS, VirtualTissue, scan

    tissue = VirtualTissue(3, HEIGHT_PX * MPP, width_px * MPP)
    pose = {"rotation_deg": 0.0, "shift_um": (0.0, 0.0), "margin_um": 0.0}
    scanner = replace(FIVE_SCANNERS["virtual-P1000"], mpp=MPP, **pose)
    scanner.view(tissue, Box(512, 1024, 256, 256))  # compiles
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        list(scan(tissue, scanner, Path(folder) / "scan.ome.tiff", threads=THREADS))
        took = time.perf_counter() - start
    height, width = scanner.shape(tissue)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_mb = peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    print(json.dumps({"px": height * width, "s": took, "peak_mb": peak_mb}))


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--one"]:
        scan_once(int(arguments[1]))
        return 0
    widths, peaks = [int(each) for each in arguments] or list(WIDTHS), []
    for width in widths:
        command = [sys.executable, __file__, "--one", str(width)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        peaks.append(found["peak_mb"])
        speed = found["px"] / found["s"] / 1e6
        print(f"{width:7d} px wide  {speed:5.1f} Mpx/s   peak {peaks[-1]:5.0f} MB", flush=True)
    times, grown = widths[-1] / widths[0], peaks[-1] / peaks[0]
    kept = "met" if peaks[-1] <= GOAL_MB else "MISSED"
    print(
        f"memory at {times:.0f} times the width  {grown:.1f}x   goal {GOAL_MB} MB at most: {kept}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
