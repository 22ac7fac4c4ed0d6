"""What needs a real napari window: drawing, closing, opening through its menus."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from slideconcord.geometry import Box
from slideconcord.plugin import actions
from slideconcord.plugin.scanners_dock import ScannersDock
from slideconcord.plugin.segment_dock import SegmentDock
from slideconcord.plugin.slide_dock import SlideDock
from slideconcord.plugin.tags import find_layer
from slideconcord.plugin.threshold_dock import ThresholdDock

pytestmark = pytest.mark.viewer
WAIT_MS = 20_000


def add_dock(window, dock_class):
    dock = dock_class(window)
    window.window.add_dock_widget(dock, name=dock_class.__name__)
    QApplication.processEvents()
    return dock


def job_threads():
    return [t.name for t in threading.enumerate() if t.name.startswith("slideconcord-job")]


@pytest.fixture
def slide_layer(window, tiny_slide_path):
    (layer,) = actions.open_slides(window, tiny_slide_path)
    return layer


def start(window, tmp_path):
    dock = add_dock(window, SegmentDock)
    dock.folder.setText(str(tmp_path / "runs"))
    dock.start()
    return dock


def test_run_shows_the_growing_map_and_ends_with_the_whole(
    window, slide_layer, model, qtbot, tmp_path
):
    dock = start(window, tmp_path)
    entry = actions.slide_entry(window)
    qtbot.waitUntil(lambda: entry.run.status == "done", timeout=WAIT_MS)
    assert entry.probability.complete
    assert dock.progress.value() == dock.progress.maximum() > 1
    assert "Done." in dock.state.text()
    layer = find_layer(window.layers, entry.id, "probability")
    np.testing.assert_array_equal(np.asarray(layer.data[0]), entry.probability.array())
    assert window.layers.selection.active.name == "tiny"


def test_closing_the_window_stops_the_run(window, slide_layer, model, qtbot, tmp_path):
    start(window, tmp_path)
    window.close()
    assert not job_threads()


def test_the_reader_streams_without_any_dock(window, tiny_slide_path, qtbot):
    (layer,) = window.open(str(tiny_slide_path), plugin="slideconcord")
    view = layer.metadata["slideconcord"]["view"]
    assert view.on_ready is not None
    assert view.wait_s == pytest.approx(0.04)
    drawn = []
    layer.events.set_data.connect(lambda _event: drawn.append(1))
    view.on_ready()
    qtbot.waitUntil(lambda: bool(drawn))
    window.layers.remove(layer)
    assert view.on_ready is None


def test_every_dock_fits_its_width(window, slide_layer, qtbot):
    for kind in (SlideDock, SegmentDock, ThresholdDock, ScannersDock):
        dock = add_dock(window, kind)
        QApplication.processEvents()
        inner = dock.body.parentWidget()
        assert inner.minimumSizeHint().width() <= dock.minimumWidth(), kind


def test_real_slide_end_to_end(window, real_data: Path, qtbot, tmp_path):
    path = real_data / "slides" / "CMU-1-Small-Region.svs"
    (layer,) = window.open(str(path), plugin="slideconcord")
    assert layer.scale == pytest.approx((0.499, 0.499))
    dock = add_dock(window, ThresholdDock)
    box = Box(1000, 1000, 800, 800)
    list(actions.run_segmentation(window, box=box, folder=tmp_path))
    entry = actions.slide_entry(window)
    qtbot.waitUntil(lambda: entry.index is not None, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: entry.facts is not None, timeout=WAIT_MS)
    assert entry.facts.region_count >= 1
    assert dock.numbers.note.text() == ""
