"""Drag the threshold sliders over a slide's map in the real viewer and time every frame.

Run ``python benchmarks/bench_slider.py [SLIDE] [--side-px PX] [--box Y X HEIGHT WIDTH]
[--picture FILE]`` (on a screen, a virtual one will do). Without a slide the shipped virtual sample
is dragged over; ``--side-px 10000`` makes a virtual slide whose map has 25 Mpx, 50000 one of 625.
``our code`` is what the window's thread spends in slideconcord for one move of a handle, mask
pixels included; ``mask pixels`` are those of the view alone; ``repaint`` is the whole frame, napari
and OpenGL included, drawn and read back: on a virtual screen OpenGL is software, and most of it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

CANVAS = (1600, 1000)
MOVES = 120
SETTLED_S = 1.0
OFF: dict[str, Any] = {"min_area_um2": 0.0, "prune_percentile": None, "hole_area_um2": 0.0}
RULES: dict[str, dict[str, Any]] = {
    "thresholds alone": {},
    "with a smallest region of 400 µm²": {"min_area_um2": 400.0},
    "with 95th-percentile pruning": {"prune_percentile": 95.0},
    "with holes of up to 1,000 µm² filled": {"hole_area_um2": 1000.0},
}


class _Watch:
    """Adds up the seconds that calls of a function take."""

    def __init__(self, owner: Any, name: str) -> None:
        self.seconds = 0.0
        call = getattr(owner, name)

        def timed(*args: Any, **keywords: Any) -> Any:
            begin = time.perf_counter()
            try:
                return call(*args, **keywords)
            finally:
                self.seconds += time.perf_counter() - begin

        setattr(owner, name, timed)

    def take(self) -> float:
        seconds, self.seconds = self.seconds, 0.0
        return seconds * 1000


def _pairs() -> list[tuple[float, float]]:
    """Return a drag: low up and down, then high, then both."""
    wave = (1 - np.cos(np.linspace(0, 2 * np.pi, MOVES // 3))) / 2
    low = [(0.1 + 0.5 * w, 0.8) for w in wave]
    high = [(0.3, 0.95 - 0.6 * w) for w in wave]
    both = [(0.1 + 0.4 * w, 0.6 + 0.3 * w) for w in wave]
    return [(float(a), float(b)) for a, b in (*low, *high, *both)]


def _drag(viewer: Any, dock: Any, watches: dict[str, _Watch]) -> dict[str, np.ndarray]:
    from slideconcord.plugin.demo import wait_for

    times: dict[str, list[float]] = {"our code": [], "mask pixels": [], "repaint": []}
    entry = dock.entry
    for pair in _pairs():
        for watch in watches.values():
            watch.take()
        begin, before = time.perf_counter(), entry.tuning
        dock.tuning.controls.slider.setValue(pair)
        wait_for(lambda before=before: entry.tuning != before, 2.0)
        taken = {name: watch.take() for name, watch in watches.items()}
        viewer.screenshot(canvas_only=True, flash=False)
        times["repaint"].append((time.perf_counter() - begin) * 1000)
        times["mask pixels"].append(taken["pixels"])
        ours = taken["want"] + taken["tuning"] - taken["refresh"] + taken["pixels"]
        times["our code"].append(ours)
    return {name: np.array(values) for name, values in times.items()}


def _watches(dock: Any) -> dict[str, _Watch]:
    from slideconcord.plugin import live, results
    from slideconcord.plugin.workspace import SlideEntry

    return {
        "pixels": _Watch(live.MaskSource, "read"),
        "refresh": _Watch(results, "refresh_live"),
        "want": _Watch(dock.mover, "want"),
        "tuning": _Watch(SlideEntry, "__setattr__"),  # all that hear of it work in here
    }


def main() -> None:
    asked = _arguments()
    import napari

    from slideconcord.geometry import Box
    from slideconcord.plugin import actions
    from slideconcord.plugin.demo import paint, wait_for
    from slideconcord.plugin.dock import bring_up
    from slideconcord.plugin.landscape_dock import open_landscape
    from slideconcord.plugin.threshold_dock import ThresholdDock
    from slideconcord.samples import shipped_files
    from slideconcord.segmentation.thresholds import Thresholds

    files = shipped_files("colon-virtual-small")
    sample = next(file for file in files if file.name.endswith("A.ome.tiff"))
    truth = next(file for file in files if file.name.endswith("A.truth.geojson"))
    with tempfile.TemporaryDirectory() as folder:
        viewer = napari.Viewer(show=True)
        viewer.window.resize(*CANVAS)
        slide = asked.slide or (_large(Path(folder), asked.side_px) if asked.side_px else sample)
        actions.open_slides(viewer, [slide])
        docks = actions.open_docks(viewer)
        dock = next(dock for dock in docks if isinstance(dock, ThresholdDock))
        paint()
        bring_up(dock)
        box = Box(*asked.box) if asked.box else None
        for _ in actions.run_segmentation(viewer, model="stain-density", folder=folder, box=box):
            pass
        entry = actions.slide_entry(viewer)
        begin = time.perf_counter()
        wait_for(lambda: entry.index is not None, 600)
        built = time.perf_counter() - begin
        height, width = entry.probability.shape
        print(f"map of {width} x {height} px, indexed in {built:.2f} s in the background")
        if slide is sample:
            dock.compare_with_file(truth)
            wait_for(lambda: entry.landscape is not None, 60)
            open_landscape(viewer)
        paint()
        viewer.reset_view()
        watches = _watches(dock)
        for rule, changes in RULES.items():
            dock.mover.want(**{**OFF, **changes})
            dock.mover.flush()
            _report(rule, _drag(viewer, dock, watches))
        dock.mover.want(**OFF, thresholds=Thresholds(0.35, 0.7))
        dock.mover.settle()
        paint(SETTLED_S)
        if asked.picture:
            viewer.screenshot(str(asked.picture), canvas_only=False, flash=False)
        viewer.close()


def _large(folder: Path, side_px: int) -> Path:
    """Write a virtual slide of 0.5 µm per pixel, twice as fine as its map."""
    from slideconcord.samples.repeating import write_repeating_slide

    path = folder / "large.tif"
    for _ in write_repeating_slide(path, side_px, mpp=0.5):
        pass
    return path


def _report(rule: str, times: dict[str, np.ndarray]) -> None:
    parts = [
        f"{name} p50 {np.percentile(ms, 50):.1f} ms, p95 {np.percentile(ms, 95):.1f} ms, "
        f"longest {ms.max():.1f} ms"
        for name, ms in times.items()
    ]
    print(f"{rule}: " + "; ".join(parts))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", nargs="?", type=Path)
    parser.add_argument("--side-px", type=int, metavar="PX")
    parser.add_argument("--box", nargs=4, type=int, metavar=("Y", "X", "HEIGHT", "WIDTH"))
    parser.add_argument("--picture", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
