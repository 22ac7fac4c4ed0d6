"""Open and pan a 100,000 x 100,000 px slide in the real viewer, against napari-wsi.

Run ``python benchmarks/bench_view.py [SIDE_PX]`` (on a screen, a virtual one will do). Each reader
runs in a process of its own, on the same file, camera path and canvas. A view counts as done when
its complete picture has been drawn and read back, so the cost of drawing is in both columns;
``GUI blocked`` is the longest time of one view during which the window could not answer;
``pixels of a view`` is the same pan without any drawing, one new column of tiles a step.
Needs ``pip install napari-wsi``; without it our own figures are printed alone.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

READERS = ("slideconcord", "napari-wsi")
VIEWS = 40
CANVAS = (1000, 1600)
CHUNK_PX = 512


def _blank_share(picture: np.ndarray) -> float:
    """Return the share of the canvas that shows nothing, as napari's black background."""
    return float((picture[..., :3].max(axis=-1) == 0).mean())


def _layer_complete(layer: Any) -> bool:
    view = layer.metadata.get("slideconcord", {}).get("view")
    return view is None or view.complete


def _open(viewer: Any, reader: str, path: str) -> Any:
    """Call the reader that the plugin gives napari, and add its layer."""
    from napari.layers import Layer

    if reader == "slideconcord":
        from slideconcord.plugin.reader import read_slides

        return viewer.add_layer(Layer.create(*read_slides(path)[0]))
    from napari_wsi.common import open_store

    # Its manifest would send *.tif to another library; OpenSlide is its reader of slides.
    store = open_store(path=path, backend="openslide", color_space="RAW")
    return viewer.add_layer(Layer.create(*store.to_layer_data_tuples()[0]))


class _Session:
    """One viewer with one slide; ``show`` waits for the complete picture of the present view."""

    def __init__(self, reader: str, path: str) -> None:
        import napari
        from qtpy.QtWidgets import QApplication

        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*CANVAS[::-1])
        self.app = QApplication.instance()
        self._warm_up()
        self.blocked = 0.0
        start = time.perf_counter()
        self.layer = _open(self.viewer, reader, path)
        self.picture = self.show()
        self.first_picture = time.perf_counter() - start

    def _warm_up(self) -> None:
        """Let napari pay what any first layer costs it: units, layer controls, shaders."""
        levels = [np.zeros((side, side, 3), np.uint8) for side in (1024, 512)]
        self.viewer.add_image(levels, rgb=True, multiscale=True, units=("um", "um"))
        self.app.processEvents()
        self.viewer.screenshot(canvas_only=True, flash=False)
        self.viewer.canvas.overlays.scale_bar.visible = True  # ours turns it on: same for both
        self.viewer.layers.clear()
        self.app.processEvents()

    def show(self) -> np.ndarray:
        """Let the window draw until the picture is complete, and read that picture back."""
        self.blocked = 0.0
        while True:
            start = time.perf_counter()
            self.app.processEvents()
            self.blocked = max(self.blocked, time.perf_counter() - start)
            if _layer_complete(self.layer):
                return self.viewer.screenshot(canvas_only=True, flash=False)
            time.sleep(0.001)


def _bytes_read() -> int:
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["rchar"])


def _walk(session: _Session, level0_zoom: float) -> dict[str, Any]:
    """Pan in steps of half a canvas at one zoom (screen px per µm) from the middle outwards."""
    camera = session.viewer.scene.camera
    extent = session.layer.extent.world
    centre = (extent[0][-2:] + extent[1][-2:]) / 2
    camera.center, camera.zoom = tuple(centre), level0_zoom
    session.show()
    step = np.array(CANVAS) / level0_zoom / 2
    seconds, blocked, before = [], [], _bytes_read()
    for i in range(VIEWS):
        start = time.perf_counter()
        centre = centre + step * ((0, 1) if i % 8 else (1, -3))
        camera.center = tuple(centre)
        session.show()
        seconds.append(time.perf_counter() - start)
        blocked.append(session.blocked)
    return {
        "p50": float(np.percentile(seconds, 50)),
        "p95": float(np.percentile(seconds, 95)),
        "blocked": float(np.percentile(blocked, 95)),
        "bytes": (_bytes_read() - before) / VIEWS,
    }


def _read_boxes(layer: Any, level: int) -> dict[str, float]:
    """Time the boxes of a pan alone, as napari asks for them, without any drawing."""
    view = layer.metadata.get("slideconcord", {}).get("view")
    if view is not None:
        view.wait_s = None  # the complete box, however long it takes
    data = layer.data[level]
    height, width = (side // CHUNK_PX * CHUNK_PX for side in (CANVAS[0] + CHUNK_PX, CANVAS[1]))
    y, x = data.shape[0] // 4 // CHUNK_PX * CHUNK_PX, data.shape[1] // 4 // CHUNK_PX * CHUNK_PX
    seconds = []
    for _ in range(min(VIEWS, (data.shape[1] - x - width) // CHUNK_PX)):
        x += CHUNK_PX
        start = time.perf_counter()
        np.asarray(data[y : y + height, x : x + width])
        seconds.append(time.perf_counter() - start)
    return {
        "p50": float(np.percentile(seconds, 50)),
        "p95": float(np.percentile(seconds, 95)),
    }


def _child(reader: str, path: str) -> None:
    before = _bytes_read()
    session = _Session(reader, path)
    figures: dict[str, Any] = {
        "first": session.first_picture,
        "first_bytes": _bytes_read() - before,
        "blank": _blank_share(session.picture),
    }
    finest = 1 / session.layer.scale[-1]
    for name, zoom in (("1:1", finest), ("1:3", finest / 3), ("1:12", finest / 12)):
        figures[name] = _walk(session, zoom)
    figures["data"] = _read_boxes(session.layer, 0)
    print("RESULT", json.dumps(figures))
    session.viewer.close()


def _measure(reader: str, path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, "--child", reader, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return dict(json.loads(line.removeprefix("RESULT ")))
    raise SystemExit(f"{reader} did not finish:\n{done.stderr[-2000:]}")


def _row(name: str, ours: float, peer: float | None, unit: str, scale: float) -> str:
    right = f"{peer * scale:12.1f} {peer / ours:8.2f}x" if peer is not None and ours else ""
    return f"{name:34s} {ours * scale:12.1f} {right}  {unit}"


def main(side_px: int = 100_000) -> None:
    from slideconcord.samples import write_repeating_slide

    readers = [r for r in READERS if importlib.util.find_spec(r.replace("-", "_"))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "repeating.tif"
        for _ in write_repeating_slide(path, side_px) or ():
            pass
        print(f"{side_px:,} px slide, {path.stat().st_size / 1e6:,.0f} MB, canvas {CANVAS}")
        found = {reader: _measure(reader, path) for reader in readers}
    ours, peer = found["slideconcord"], found.get("napari-wsi", {})
    print(f"{'':34s} {'slideconcord':>12s} {'napari-wsi':>12s} {'ratio':>9s}")
    print(_row("first complete picture", ours["first"], peer.get("first"), "ms", 1e3))
    print(_row("  bytes read", ours["first_bytes"], peer.get("first_bytes"), "MB", 1e-6))
    for key in ("p50", "p95"):
        theirs = peer.get("data", {}).get(key)
        print(_row(f"pixels of a view at 1:1 {key}", ours["data"][key], theirs, "ms", 1e3))
    for zoom in ("1:1", "1:3", "1:12"):
        theirs = peer.get(zoom, {})
        for key, unit, scale in (("p50", "ms", 1e3), ("p95", "ms", 1e3), ("blocked", "ms", 1e3)):
            label = "GUI blocked p95" if key == "blocked" else f"complete view {key}"
            print(_row(f"pan at {zoom}, {label}", ours[zoom][key], theirs.get(key), unit, scale))
        print(
            _row(
                f"  bytes per view at {zoom}", ours[zoom]["bytes"], theirs.get("bytes"), "MB", 1e-6
            )
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _child(*sys.argv[2:])
    else:
        main(*(int(arg) for arg in sys.argv[1:]))
