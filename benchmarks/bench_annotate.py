"""Draw among many polygons in the real viewer: one edit, opening a large set, panning over it.

Run ``python benchmarks/bench_annotate.py [--quick]`` on a screen, a virtual one will do. The peer
of an edit is napari's own Shapes layer that holds the same polygons. The slide itself is hidden
while figures are taken: what it costs to draw is in bench_view.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

EDITED, MANY, VIEWS = 5_000, 100_000, 30
OPEN_GOAL_S = 10.0
CANVAS = (1600, 1000)


def scattered(count: int, side_px: int, seed: int = 0) -> np.ndarray:
    """Return polygons of 24 corners with 2 decimals, scattered over a square slide."""
    import shapely

    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    reach = side_px / count**0.5 / 3
    radii = rng.uniform(0.4, 1, (count, 1)) * rng.uniform(0.85, 1.15, (count, 24)) * reach
    centres = rng.uniform(2 * reach, side_px - 2 * reach, (count, 1, 2))
    ring = np.stack([np.cos(angles), np.sin(angles)], -1)
    return np.asarray(shapely.polygons((centres + radii[..., None] * ring).round(2)))


class Window:
    """A viewer with a slide, and the Annotate dock of it."""

    def __init__(self, slide: Path, results: Path) -> None:
        import napari
        from qtpy.QtWidgets import QApplication

        from slideconcord.plugin.reader import read_slides
        from slideconcord.plugin.session import session_of

        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*CANVAS)
        self.app = QApplication.instance()
        session_of(self.viewer).workspace.results_folder = results
        self.layer = self.viewer.add_layer(napari.layers.Layer.create(*read_slides(str(slide))[0]))
        self.layer.visible = False
        self.settle()

    def settle(self) -> np.ndarray:
        self.app.processEvents()
        return self.viewer.screenshot(canvas_only=True, flash=False)

    def wait(self, ready: Callable[[], bool]) -> None:
        while not ready():
            self.app.processEvents()
            time.sleep(0.002)

    def time(self, work: Callable[[], Any]) -> float:
        """Return how long something takes until its picture is there, in seconds."""
        start = time.perf_counter()
        work()
        self.settle()
        return time.perf_counter() - start

    def look(self, zoom: float, centre: tuple[float, float] | None = None) -> None:
        """Look at so many screen pixels per pixel of the slide."""
        mpp = self.layer.scale[-1]
        if centre is not None:
            self.viewer.scene.camera.center = tuple(mpp * v for v in centre)
        self.viewer.scene.camera.zoom = zoom / mpp


def edits(window: Window, dock: Any, polygons: np.ndarray, side_px: int) -> None:
    from slideconcord.annotations import Annotation
    from slideconcord.annotations.editing import operations as op

    editor = dock.editor
    drawn = [Annotation(polygon, "Tumor") for polygon in polygons]
    editor.do(op.add(drawn))
    window.look(0.05, (side_px / 2, side_px / 2))
    window.settle()
    ours = []
    for annotation in drawn[:20]:
        moved = annotation.shifted(3.5, -2.5).geometry
        ours.append(
            window.time(lambda key=annotation.id, area=moved: editor.do(
                lambda sheet: op.reshape(sheet, key, area)
            ))
        )  # fmt: skip
    window.viewer.layers.clear()
    theirs = shapes_edits(window, polygons)
    ours_ms, theirs_ms = (float(np.median(each)) * 1e3 for each in (ours, theirs))
    print(
        f"one edit among {len(polygons):,} polygons, kept on disk and drawn: {ours_ms:.0f} ms "
        f"(worst {max(ours) * 1e3:.0f} ms) against {theirs_ms:.0f} ms of a napari Shapes layer, "
        f"which keeps nothing: {ours_ms / theirs_ms:.2f}x the time"
    )


def shapes_edits(window: Window, polygons: np.ndarray) -> list[float]:
    """Move one polygon after the other in napari's own layer, as its mouse does."""
    import shapely

    rings = [shapely.get_coordinates(polygon)[:-1, ::-1] for polygon in polygons]
    layer = window.viewer.add_shapes(rings, shape_type="polygon", face_color="transparent")
    window.viewer.reset_view()
    window.settle()

    def move(i: int) -> None:
        layer._data_view.edit(i, rings[i] + 3)
        layer.refresh()

    return [window.time(lambda i=i: move(i)) for i in range(10)]


def opening(slide: Path, results: Path, polygons: np.ndarray, side_px: int) -> None:
    from slideconcord.annotations import Annotation, write_annotations
    from slideconcord.plugin.annotate_dock import AnnotateDock
    from slideconcord.plugin.annotate_place import default_path
    from slideconcord.slides import open_slide

    path = default_path(results, open_slide(slide))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_annotations([Annotation(polygon, "Tumor") for polygon in polygons], path)
    window = Window(slide, results)
    start = time.perf_counter()
    dock = AnnotateDock(window.viewer)
    window.wait(lambda: dock.editor is not None)
    window.settle()
    took = time.perf_counter() - start
    print(
        f"open {len(polygons):,} polygons, the whole slide in view: {took:.1f} s "
        f"(goal {OPEN_GOAL_S:.0f} s)"
    )
    for zoom in (0.02, 0.25, 1.0):
        pan(window, zoom, side_px)
    dock.close_down()
    window.viewer.close()


def pan(window: Window, zoom: float, side_px: int) -> None:
    step = CANVAS[0] / zoom / 4
    at = np.array([side_px / 2, side_px / 4])
    taken = []
    for i in range(VIEWS):
        at = np.clip(np.add(at, (0, step) if i % 6 else (step, -4 * step)), 0, side_px)
        taken.append(window.time(lambda at=at: window.look(zoom, tuple(at))) * 1e3)
    p50, p95 = np.percentile(taken, [50, 95])
    print(
        f"pan over them at {zoom:g} screen px per pixel: p50 {p50:.0f} ms, p95 {p95:.0f} ms a view"
    )


def rasterising(polygons: np.ndarray, side_px: int, shape_px: int = 5000) -> None:
    from slideconcord.annotations.raster import rasterise
    from slideconcord.geometry import Frame

    if importlib.util.find_spec("rasterio") is None:
        print("rasterise: rasterio is not installed (skimage is measured in bench_annotations)")
        return
    from rasterio.features import rasterize
    from rasterio.transform import from_origin

    step = side_px / shape_px
    frame, shape = Frame(0, 0, step, step), (shape_px, shape_px)
    rasterise(polygons[:2], frame, (8, 8))
    start = time.perf_counter()
    ours = rasterise(polygons, frame, shape)
    middle = time.perf_counter()
    # rows run down in both: a height of minus one step a row, as its affine wants it
    transform = from_origin(0, 0, step, -step)
    theirs = rasterize(polygons, out_shape=shape, transform=transform, dtype=np.uint8) > 0
    end = time.perf_counter()
    same = float((ours == theirs).mean())
    print(
        f"rasterise {len(polygons):,} polygons on {shape_px**2 / 1e6:.0f} Mpx: "
        f"{middle - start:.2f} s against {end - middle:.2f} s of rasterio: "
        f"{(middle - start) / (end - middle):.2f}x the time ({same:.5%} of the pixels are the same)"
    )


def main() -> None:
    from slideconcord.plugin.annotate_dock import AnnotateDock
    from slideconcord.samples.repeating import write_repeating_slide

    quick = "--quick" in sys.argv
    side_px, edited, many = (16_384, 1_000, 10_000) if quick else (100_000, EDITED, MANY)
    polygons = scattered(many, side_px)
    rasterising(polygons, side_px)
    with tempfile.TemporaryDirectory() as folder:
        slide = Path(folder) / "slide.tif"
        for _ in write_repeating_slide(slide, side_px):
            pass
        window = Window(slide, Path(folder) / "few")
        dock = AnnotateDock(window.viewer)
        window.wait(lambda: dock.editor is not None)
        edits(window, dock, scattered(edited, side_px), side_px)
        dock.close_down()
        window.viewer.close()
        opening(slide, Path(folder) / "many", polygons, side_px)


if __name__ == "__main__":
    main()
