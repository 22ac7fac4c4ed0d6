"""Make a study of three observers by mouse: ``python docs/study_pictures.py STUDY WINDOW.png``.

Everything an observer does is done with mouse and keyboard in the real viewer: choose who they
are, open the slide, take the polygon and the brush, click from vertex to vertex, finish. What they
outline is what a model found on the slide, each in a way of their own: one tightly, one widely, one
with a steady hand who misses a part. ``--slide FILE`` takes another slide than the small virtual
sample, ``--picture N`` the window of another observer.

    slideconcord compare observers STUDY --out report
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

import slideconcord as sc
from slideconcord.cli import main as command
from slideconcord.plugin.demo import SAMPLE, paint, wait_for
from slideconcord.plugin.dock import bring_up

WINDOW = (1600, 1000)
CLASSES = ("Tumor=#00a046,t", "Stroma=#005adc,s")
INSTRUCTIONS = "Outline every tumour region, and mark some stroma with the brush."
# how far outside the model's outline each draws, how much the hand shakes (µm), what is missed
OBSERVERS = {"o1": (-4.0, 1.5, 0), "o2": (6.0, 3.0, 0), "o3": (0.0, 1.0, 1)}
MPP, MOST_REGIONS, MOST_VERTICES = 2.0, 3, 36
LEFT, PAUSE_S = Qt.MouseButton.LeftButton, 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("window", type=Path)
    parser.add_argument("--slide", type=Path)
    parser.add_argument("--picture", default="o2", choices=OBSERVERS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        slide = given.slide or sample(Path(folder) / "slides")
        make_study(given.study, slide)
        truth = outlines(slide, Path(folder) / "run")
        for number, observer in enumerate(OBSERVERS):
            read(given.study, observer, list(drawn_by(observer, truth, number)),
                 given.window if observer == given.picture else None)  # fmt: skip


def sample(folder: Path) -> Path:
    from slideconcord.plugin.sample_data import sample_slides

    return sample_slides(SAMPLE, folder)[0]


def make_study(folder: Path, slide: Path) -> None:
    words = ["study", "new", str(folder), "--slide", str(slide), "--instructions", INSTRUCTIONS]
    for observer in OBSERVERS:
        words += ["--observer", observer]
    for each in CLASSES:
        words += ["--class", each]
    if command(words):
        raise SystemExit("the study could not be made: see above")


def outlines(path: Path, run: Path) -> list[shapely.Polygon]:
    """Return the largest regions that a model finds, in level-0 pixels."""
    with sc.open_slide(path) as slide:
        probability = sc.predict(slide, sc.load_model("stain-density"), out=run)
        regions = sc.find_regions(sc.hysteresis(probability, 0.35, 0.8))
        least = slide.box.area / 400
    whole = [shapely.Polygon(part.exterior) for r in regions for part in parts(r.geometry)]
    return sorted((p for p in whole if p.area > least), key=lambda p: -p.area)[:MOST_REGIONS]


def parts(geometry: Any) -> Iterator[shapely.Polygon]:
    yield from getattr(geometry, "geoms", (geometry,))


def drawn_by(observer: str, truth: list[shapely.Polygon], seed: int) -> Iterator[np.ndarray]:
    """Yield the vertices (x, y) that an observer clicks, region by region."""
    wider_um, shake_um, missed = OBSERVERS[observer]
    shakes = np.random.default_rng(seed)
    for region in truth[: len(truth) - missed]:
        wide = region.buffer(wider_um / MPP)
        whole = max(parts(wide), key=lambda part: part.area)
        step = whole.length / MOST_VERTICES
        ring = np.array(
            [whole.exterior.interpolate(n * step).coords[0] for n in range(MOST_VERTICES)]
        )
        yield ring + shakes.normal(0, shake_um / MPP, ring.shape)


def read(study: Path, observer: str, rings: list[np.ndarray], picture: Path | None) -> None:
    """Take one observer through the study in a window of their own."""
    import napari

    from slideconcord.plugin.annotate_dock import AnnotateDock

    viewer = napari.Viewer(show=True)
    viewer.window.resize(*WINDOW)
    _, dock = viewer.window.add_plugin_dock_widget("slideconcord", "Study")
    dock.open_study(study)
    paint()
    while dock.who.observer.currentData() != observer:
        QTest.keyClick(dock.who.observer, Qt.Key.Key_Down)
    QTest.mouseClick(dock.slides.next, LEFT)
    annotate = next(w for w in QApplication.allWidgets() if isinstance(w, AnnotateDock))
    wait_for(lambda: annotate.editor is not None)
    paint()
    hand = Hand(viewer, annotate)
    for ring in rings:
        hand.polygon(ring)
    hand.choose_class("s")
    hand.stroke(rings[0] + np.ptp(rings[0], 0) * (0.0, 0.55))
    bring_up(annotate)
    paint()
    drawn = len(annotate.editor.sheet)
    print(f"{observer}: {drawn} annotations of {len(rings)} outlines and a stroke")
    if picture is not None:
        viewer.screenshot(str(picture), canvas_only=False, flash=False)
    QTest.mouseClick(dock.slides.finish, LEFT)
    wait_for(lambda: dock.work.reading is None)
    print(dock.slides.state.text())
    viewer.close()


class Hand:
    """A mouse over the picture of a slide."""

    def __init__(self, viewer: Any, annotate: Any) -> None:
        self._viewer, self._annotate = viewer, annotate
        self._canvas = next(
            w for w in QApplication.allWidgets() if type(w).__name__ == "CanvasBackendDesktop"
        )

    def polygon(self, ring: np.ndarray) -> None:
        """Click from vertex to vertex; a double click on the last one ends."""
        self._take("polygon")
        for x, y in ring[:-1]:
            self._move(x, y)
            QTest.mouseClick(self._canvas, LEFT, pos=self._at(x, y))
            paint(PAUSE_S)
        self._move(*ring[-1])
        QTest.mouseDClick(self._canvas, LEFT, pos=self._at(*ring[-1]))
        paint(PAUSE_S)

    def stroke(self, path: np.ndarray) -> None:
        """Press, move, let go."""
        self._take("brush")
        self._move(*path[0])
        QTest.mousePress(self._canvas, LEFT, pos=self._at(*path[0]))
        for x, y in path[: len(path) // 3]:
            self._move(x, y)
        QTest.mouseRelease(self._canvas, LEFT, pos=self._at(*path[len(path) // 3 - 1]))
        paint(PAUSE_S)

    def choose_class(self, key: str) -> None:
        QTest.keyClick(self._canvas, key)
        paint(PAUSE_S)

    def _take(self, tool: str) -> None:
        QTest.mouseClick(self._annotate.box.tools[tool], LEFT)
        paint(PAUSE_S)

    def _move(self, x: float, y: float) -> None:
        QTest.mouseMove(self._canvas, self._at(x, y))
        paint(PAUSE_S)

    def _at(self, x: float, y: float) -> QPoint:
        """Return where a level-0 point (x, y) is on the screen."""
        mpp, camera = self._annotate.editor.entry.slide.mpp, self._viewer.scene.camera
        middle_y, middle_x = camera.center[-2:]
        column = self._canvas.width() / 2 + ((x - 0.5) * mpp.x - middle_x) * camera.zoom
        row = self._canvas.height() / 2 + ((y - 0.5) * mpp.y - middle_y) * camera.zoom
        return QPoint(round(column), round(row))


if __name__ == "__main__":
    main()
