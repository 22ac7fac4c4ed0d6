"""Pan five slides of one glass in the views of a case, against the same in plain napari layers.

Run ``python benchmarks/bench_views.py [SIDE_PX]`` (on a screen, a virtual one will do); 100000 is
the promise, the default is small. Five virtual slides lie on one another turned by 0, 2, 90, 180
and 45 degrees. ``plain napari`` shows the same levels of the same slides with the same affines,
read by the same reader through the same cache, but waits for every tile, as napari does. A view
counts as done when its complete picture has been drawn and read back. ``GUI blocked`` is the
longest time during which the window could not answer. Composites have no plain twin; they are
given as they are. Each column runs in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

SIDE_PX = 16_384
CANVAS = (1600, 1000)
VIEWS = 24
TURNS = (0.0, 2.0, 90.0, 180.0, 45.0)
BOTH = ("grid", "overlay")
OURS = ("curtain", "checkerboard", "difference")
ZOOMS = {"1:1": 1, "1:8": 8}


class Window:
    """A napari window with the slides of a folder."""

    def __init__(self, folder: Path) -> None:
        import napari
        from qtpy.QtWidgets import QApplication

        from slideconcord.slides import open_slide

        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*CANVAS)
        self.app = QApplication.instance()
        self.slides = [open_slide(path) for path in sorted(folder.glob("*.tif"))]
        self.complete: Any = lambda: True
        self.blocked: list[float] = []

    def draw(self) -> None:
        """Let the window draw until the picture is complete, and read it back."""
        blocked = 0.0
        while True:
            start = time.perf_counter()
            self.app.processEvents()
            blocked = max(blocked, time.perf_counter() - start)
            if self.complete():
                break
            time.sleep(0.001)
        self.viewer.screenshot(canvas_only=True, flash=False)
        self.blocked.append(blocked)

    def pan(self, zoom_out: int) -> dict[str, float]:
        """Step by half a view from the middle outwards, in rows."""
        hub, camera = self.slides[0], self.viewer.scene.camera
        height, width = self.viewer.canvas.viewbox_size(self.viewer.layers)
        zoom = 1 / hub.mpp.y / zoom_out
        centre = np.array(hub.shape) * hub.mpp.y / 2
        camera.center, camera.zoom = (0.0, *centre), zoom
        self.draw()
        self.blocked, seconds = [], []
        for number in range(VIEWS):
            across, down = number % 6, number // 6
            step = np.array([down - 2, across - 3]) * (height / 2, width / 2) / zoom
            start = time.perf_counter()
            camera.center = (0.0, *(centre + step))
            self.draw()
            seconds.append(time.perf_counter() - start)
        p50, p95 = np.percentile(seconds, (50, 95))
        return {"p50": float(p50), "p95": float(p95), "blocked": max(self.blocked)}


def registrations(slides: list[Any]) -> list[Any]:
    """Return exact registrations of every slide but the first: turned about its middle."""
    from slideconcord.comparison.registration.manual import from_points

    hub, found = slides[0], []
    middle = (np.array(hub.shape) - 1) / 2
    on_hub = middle + np.array([[0, 0], [0, 900], [900, 0]], float)
    for slide, degrees in zip(slides[1:], TURNS[1:], strict=True):
        angle = np.radians(degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        placed = from_points(slide, hub, (on_hub - middle) @ turn.T + middle, on_hub)
        found.append(replace(placed, status="ok", reason=""))
    return found


def ours(folder: Path) -> dict[str, Any]:
    """Time the views of the Scanners dock."""
    from slideconcord.plugin.layers import slide_layer
    from slideconcord.plugin.scanners_dock import ScannersDock

    window = Window(folder)
    dock = ScannersDock(window.viewer)
    for slide in window.slides:
        data, keywords, _ = slide_layer(slide)
        window.viewer.add_image(data, **keywords)
    dock.take_open_slides()
    for scan, registration in zip(dock.case.scans[1:], registrations(window.slides), strict=True):
        scan.begin(registration)
    window.complete = lambda: dock.looking.stage.is_complete
    found = {}
    for name in (*BOTH, *OURS):
        dock.show_view(name)
        if dock.looking.name != name:
            dock.looking.refresh()
        window.draw()
        found[name] = {zoom: window.pan(factor) for zoom, factor in ZOOMS.items()}
    dock.close()
    window.viewer.close()
    return found


def plain(folder: Path) -> dict[str, Any]:
    """Time the same slides as ordinary layers."""
    window = Window(folder)
    placed = [np.eye(3), *(r.layer_affine for r in registrations(window.slides))]
    layers = [
        window.viewer.add_image(
            list(slide.levels), rgb=True, multiscale=True, cache=False, affine=affine,
            scale=tuple(slide.mpp), units=("um", "um"),
        )
        for slide, affine in zip(window.slides, placed, strict=True)
    ]  # fmt: skip
    window.viewer.canvas.grid.enabled = True
    found = {"grid": {zoom: window.pan(factor) for zoom, factor in ZOOMS.items()}}
    window.viewer.canvas.grid.enabled = False
    for layer in layers[2:]:
        layer.visible = False
    layers[1].opacity = 0.5
    found["overlay"] = {zoom: window.pan(factor) for zoom, factor in ZOOMS.items()}
    window.viewer.close()
    return found


def measured(who: str, folder: Path) -> dict[str, Any]:
    """Run one column in a process of its own."""
    command = [sys.executable, __file__, "--child", who, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return dict(json.loads(line.removeprefix("RESULT ")))
    raise SystemExit(f"{who} did not finish:\n{done.stderr[-2000:]}")


def main(side_px: int = SIDE_PX) -> None:
    from slideconcord.samples import write_repeating_slide

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in range(len(TURNS)):
            path = folder / f"{seed}.tif"
            for _ in write_repeating_slide(path, side_px, seed=seed, period_px=2048):
                pass
        print(f"five slides of {side_px:,} px, window {CANVAS[0]} x {CANVAS[1]}, {VIEWS} views")
        found, peer = measured("ours", folder), measured("plain", folder)
    print(f"{'':40s} {'slideconcord':>12s} {'plain napari':>12s} {'ratio':>8s}")
    for view in (*BOTH, *OURS):
        for zoom, figures in found[view].items():
            for key, label in (("p50", "p50"), ("p95", "p95"), ("blocked", "GUI blocked")):
                print(_row(f"{view} at {zoom}, {label}", figures[key], peer, view, zoom, key))


def _row(label: str, value: float, peer: dict[str, Any], *where: str) -> str:
    view, zoom, key = where
    right = ""
    if view in peer:
        theirs = peer[view][zoom][key]
        right = f"{theirs * 1e3:12.1f} {theirs / value:7.2f}x"
    return f"{label:40s} {value * 1e3:12.1f} {right}  ms"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        column = {"ours": ours, "plain": plain}[sys.argv[2]]
        print("RESULT", json.dumps(column(Path(sys.argv[3]))))
    else:
        main(*(int(arg) for arg in sys.argv[1:]))
