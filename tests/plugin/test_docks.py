"""The docks, over a viewer without a window: what they do does not need one."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from slideconcord.errors import ModelMemoryError
from slideconcord.geometry import Box
from slideconcord.plugin import actions
from slideconcord.plugin.segment_dock import SegmentDock
from slideconcord.plugin.segmenting import SegmentRequest, segment
from slideconcord.plugin.session import session_of
from slideconcord.plugin.slide_dock import SlideDock
from slideconcord.plugin.tags import find_layer
from slideconcord.plugin.threshold_dock import ThresholdDock
from slideconcord.segmentation.hysteresis import hysteresis
from slideconcord.segmentation.mask import open_mask
from slideconcord.segmentation.model_files import model_folder
from slideconcord.segmentation.options import PredictOptions
from slideconcord.segmentation.published import PAN_CANCER
from slideconcord.segmentation.spec import write_spec
from slideconcord.segmentation.thresholds import Thresholds

WAIT_MS = 20_000


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


def add_dock(viewer, dock_class, qtbot):
    dock = dock_class(viewer)
    qtbot.addWidget(dock)
    return dock


def job_threads():
    return [t.name for t in threading.enumerate() if t.name.startswith("slideconcord-job")]


@pytest.fixture
def slide_layer(viewer, tiny_slide_path):
    (layer,) = actions.open_slides(viewer, tiny_slide_path)
    return layer


def start(viewer, tmp_path, qtbot):
    dock = add_dock(viewer, SegmentDock, qtbot)
    dock.folder.setText(str(tmp_path / "runs"))
    dock.start()
    return dock


@pytest.fixture
def gate(model, monkeypatch):
    """Return an event that lets the model's tiles pass, one wait at a time."""
    gate, answer = threading.Event(), model.begin_batch

    def slow(tiles):
        gate.wait(5)
        return answer(tiles)

    monkeypatch.setattr(model, "on", lambda *_: model)
    monkeypatch.setattr(model, "begin_batch", slow)
    yield gate
    gate.set()


def test_facts_and_map_follow_the_active_slide(viewer, slide_layer, qtbot):
    dock = add_dock(viewer, SlideDock, qtbot)
    texts = [dock._facts.itemAt(i).widget().text() for i in range(dock._facts.count())]
    assert "tiny" in texts
    assert any("2,000 × 1,500 px" in text for text in texts)
    assert any("0.5 µm, from the file" in text for text in texts)
    viewer.layers.clear()
    texts = [dock._facts.itemAt(i).widget().text() for i in range(dock._facts.count())]
    assert any("No slide is open" in text for text in texts)


def test_the_map_moves_the_camera_and_shows_where_it_is(viewer, slide_layer, qtbot):
    dock = add_dock(viewer, SlideDock, qtbot)
    dock.minimap.pointed.emit(300.0, 700.0)
    assert viewer.scene.camera.center[-2:] == pytest.approx((150, 350))
    qtbot.waitUntil(
        lambda: np.mean(dock.minimap._corners, axis=0) == pytest.approx((300, 700), abs=1)
    )


def test_the_camera_goes_home_and_close(viewer, slide_layer, qtbot):
    dock = add_dock(viewer, SlideDock, qtbot)
    dock._look_closely()
    assert viewer.scene.camera.zoom == pytest.approx(2)
    dock._look_at_all()
    assert viewer.scene.camera.center[-2:] == pytest.approx((374.75, 499.75))
    assert viewer.scene.camera.zoom < 2


def test_the_map_fills_in_while_it_runs(viewer, slide_layer, gate, qtbot, tmp_path):
    start(viewer, tmp_path, qtbot)
    entry = actions.slide_entry(viewer)
    assert find_layer(viewer.layers, entry.id, "probability") is None
    gate.set()
    qtbot.waitUntil(
        lambda: find_layer(viewer.layers, entry.id, "probability") is not None, timeout=WAIT_MS
    )
    assert entry.run.is_busy or entry.run.status == "done"
    qtbot.waitUntil(lambda: not entry.run.is_busy, timeout=WAIT_MS)


def test_cancel_keeps_tiles_and_run_goes_on(viewer, slide_layer, gate, qtbot, tmp_path):
    dock = start(viewer, tmp_path, qtbot)
    entry = actions.slide_entry(viewer)
    assert not dock.run.isEnabled()
    qtbot.waitUntil(lambda: dock.cancel.isEnabled(), timeout=WAIT_MS)
    dock.cancel.click()
    assert entry.run.status == "cancelling"
    gate.set()
    qtbot.waitUntil(lambda: entry.run.status == "cancelled", timeout=WAIT_MS)
    assert "Run goes on from there" in dock.state.text()
    qtbot.waitUntil(lambda: not job_threads(), timeout=WAIT_MS)
    dock.run.click()
    qtbot.waitUntil(lambda: entry.run.status == "done", timeout=WAIT_MS)


def test_a_gpu_too_small_offers_the_cpu(viewer, slide_layer, model, monkeypatch, qtbot, tmp_path):
    answer = model.begin_batch

    def too_small(tiles):
        raise ModelMemoryError("a tile does not fit into the memory of cuda", "double", "cuda")

    monkeypatch.setattr(model, "on", lambda *_: model)
    monkeypatch.setattr(model, "begin_batch", too_small)
    dock = start(viewer, tmp_path, qtbot)
    entry = actions.slide_entry(viewer)
    qtbot.waitUntil(lambda: entry.run.status == "failed", timeout=WAIT_MS)
    assert "does not fit into the memory of cuda" in dock.state.text()
    assert not dock.on_cpu.isHidden()
    monkeypatch.setattr(model, "begin_batch", answer)
    qtbot.waitUntil(lambda: not job_threads(), timeout=WAIT_MS)
    dock.on_cpu.click()
    assert dock.device.currentData() == "cpu"
    assert dock.on_cpu.isHidden()
    qtbot.waitUntil(lambda: entry.run.status == "done", timeout=WAIT_MS)


def test_another_tile_size_is_said_to_matter_and_keeps_its_share_of_overlap(
    viewer, slide_layer, qtbot, tmp_path
):
    folder = tmp_path / "pan-cancer"
    folder.mkdir()
    write_spec(PAN_CANCER.changed(weights_sha256="0" * 64), folder)
    dock = add_dock(viewer, SegmentDock, qtbot)
    dock.model.insertItem(0, "pan-cancer", str(folder))
    dock.model.setCurrentIndex(0)
    dock.tile.setValue(1024)
    assert "Tiles of 1024 px are not the 7680 px that model 'pan-cancer'" in dock.tile_note.text()
    dock.tile.setValue(0)
    assert dock.tile_note.text() == ""
    entry = actions.slide_entry(viewer)
    request = SegmentRequest("stain-density", "cpu", None, tmp_path / "runs", tile_px=512)
    tiles = segment(entry.slide, request)
    assert next(tiles).probability.provenance["parameters"]["overlap_px"] == 32
    tiles.close()


def test_tiles_are_turned_when_asked_for_and_the_map_says_so(viewer, slide_layer, qtbot, tmp_path):
    dock = add_dock(viewer, SegmentDock, qtbot)
    shown = [(dock.tta.itemData(i), dock.tta.itemText(i)) for i in range(dock.tta.count())]
    assert shown == [("none", "None"), ("rotations", "Rotations (4x)")]
    assert dock.tta.currentData() == PredictOptions().tta
    dock.session.workspace.model = str(model_folder("stain-density"))
    dock.folder.setText(str(tmp_path / "runs"))
    entry, found = actions.slide_entry(viewer), []
    for tta in ("none", "rotations"):
        dock.tta.setCurrentIndex(dock.tta.findData(tta))
        dock.start()
        qtbot.waitUntil(lambda: entry.run.status == "done", timeout=WAIT_MS)
        found.append(entry.probability)
    plain, turned = (each.provenance["parameters"].get("tta") for each in found)
    assert (plain, turned) == (None, "rotations")
    assert found[0].path.parent != found[1].path.parent, "one is never taken for the other"
    assert "tiny · stain-density" in viewer.layers, "by its name, wherever its folder is"


def test_a_run_goes_on_when_another_slide_becomes_active(
    viewer, slide_layer, model, tiny_slide_path, qtbot, tmp_path
):
    (other,) = actions.open_slides(viewer, tiny_slide_path)
    viewer.layers.selection.active = slide_layer
    dock = start(viewer, tmp_path, qtbot)
    running = dock.runner.entry
    viewer.layers.selection.active = other
    assert actions.slide_entry(viewer) is not running
    qtbot.waitUntil(lambda: running.run.status == "done", timeout=WAIT_MS)
    assert running.probability is not None
    assert actions.slide_entry(viewer).probability is None


def test_closing_the_dock_stops_the_run(viewer, slide_layer, gate, qtbot, tmp_path):
    dock = start(viewer, tmp_path, qtbot)
    entry = actions.slide_entry(viewer)
    gate.set()
    dock.close()
    assert not job_threads()
    assert entry.run.status == "cancelled"


def test_removing_the_slide_stops_the_run(viewer, slide_layer, gate, qtbot, tmp_path):
    dock = start(viewer, tmp_path, qtbot)
    viewer.layers.remove(slide_layer)
    gate.set()
    qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=WAIT_MS)
    assert len(session_of(viewer).workspace.entries) == 0


def test_what_goes_wrong_is_one_line_in_the_dock(viewer, slide_layer, model, qtbot, tmp_path):
    (tmp_path / "runs").write_text("a file in the way")
    dock = start(viewer, tmp_path, qtbot)
    entry = actions.slide_entry(viewer)
    qtbot.waitUntil(lambda: entry.run.status == "failed", timeout=WAIT_MS)
    assert "cannot be made" in dock.state.text()
    assert "\n" not in dock.state.text()
    assert dock.run.isEnabled()


def test_areas_are_boxes_of_the_slide(viewer, slide_layer, qtbot):
    dock = add_dock(viewer, SegmentDock, qtbot)
    assert dock.chosen_box() is None
    dock.areas.button(1).click()
    viewer.scene.camera.center = (0, 100, 100)
    viewer.scene.camera.zoom = 20
    box = dock.chosen_box()
    assert box.contains(Box(195, 195, 10, 10))
    assert actions.slide_entry(viewer).slide.box.contains(box)
    dock.draw.click()
    assert dock.areas.checkedId() == 2
    dock.start()
    assert "Press Draw rectangle" in dock.state.text() or "press Draw" in dock.state.text()
    layer = viewer.layers.selection.active
    layer.add_rectangles([[99.5, 199.5], [299.5, 499.5]])
    viewer.layers.selection.active = slide_layer
    assert dock.chosen_box() == Box(100, 200, 200, 300)


def thresholded(viewer, tmp_path, qtbot):
    dock = add_dock(viewer, ThresholdDock, qtbot)
    list(actions.run_segmentation(viewer, folder=tmp_path / "runs"))
    return dock, actions.slide_entry(viewer)


def test_sliders_move_the_exact_mask_and_the_numbers(viewer, slide_layer, model, qtbot, tmp_path):
    dock, entry = thresholded(viewer, tmp_path, qtbot)
    qtbot.waitUntil(lambda: entry.index is not None, timeout=WAIT_MS)
    entry.style = "filled"
    dock.look.highlight.setChecked(False)
    dock.tuning.controls.slider.setValue((0.4, 0.7))
    qtbot.waitUntil(lambda: entry.tuning.thresholds == Thresholds(0.4, 0.7))
    layer = find_layer(viewer.layers, entry.id, "mask")
    exact = hysteresis(entry.probability, 0.4, 0.7)
    np.testing.assert_array_equal(np.asarray(layer.data[0]), exact.array)
    area = exact.area_um2 * 1e-6
    qtbot.waitUntil(lambda: entry.facts is not None and abs(entry.facts.area_mm2 - area) < 1e-9)
    assert dock.numbers.values["Area"].text() == f"{area:.4g} mm²"


def test_a_slider_move_draws_the_mask_anew(viewer, slide_layer, model, qtbot, tmp_path):
    dock, entry = thresholded(viewer, tmp_path, qtbot)
    qtbot.waitUntil(lambda: entry.index is not None, timeout=WAIT_MS)
    layer, drawn = find_layer(viewer.layers, entry.id, "mask"), []
    layer.events.set_data.connect(lambda _event: drawn.append(1))
    dock.tuning.controls.slider.setValue((0.45, 0.6))
    qtbot.waitUntil(lambda: bool(drawn))


def test_presets_undo_redo_and_reset(viewer, slide_layer, model, qtbot, tmp_path):
    dock, entry = thresholded(viewer, tmp_path, qtbot)
    assert entry.tuning.thresholds == Thresholds(0.3, 0.5)

    def comes_to(thresholds):
        qtbot.waitUntil(lambda: entry.tuning.thresholds == thresholds, timeout=WAIT_MS)

    index = dock.tuning.preset.findText("Fragmented")
    dock.tuning.preset.setCurrentIndex(index)
    dock.tuning.preset.activated.emit(index)
    comes_to(Thresholds(0.05, 0.1))
    assert dock.tuning.undo.isEnabled()
    dock.tuning.undo.click()
    comes_to(Thresholds(0.3, 0.5))
    assert dock.tuning.preset.currentText().startswith("Model's own")
    dock.tuning.redo.click()
    comes_to(Thresholds(0.05, 0.1))
    dock.tuning.reset.click()
    comes_to(Thresholds(0.3, 0.5))
    assert dock.tuning.controls.thresholds == Thresholds(0.3, 0.5)


def test_until_the_index_is_built_the_dock_says_preview(
    viewer, slide_layer, model, qtbot, tmp_path, monkeypatch
):
    gate = threading.Event()

    def slow(probability, class_name, smoothing_um):
        gate.wait(5)
        yield 0
        from slideconcord.segmentation.threshold_build import index_blocks

        return (yield from index_blocks(probability))

    monkeypatch.setattr("slideconcord.plugin.indexing.index_map", slow)
    dock, entry = thresholded(viewer, tmp_path, qtbot)
    qtbot.waitUntil(lambda: dock.numbers.note.text().startswith("Preview"))
    layer = find_layer(viewer.layers, entry.id, "mask")
    assert layer.metadata["slideconcord"]["source"].is_preview
    gate.set()
    qtbot.waitUntil(lambda: entry.index is not None, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: dock.numbers.note.text() == "")
    assert not layer.metadata["slideconcord"]["source"].is_preview


def test_export_from_the_dock(viewer, slide_layer, model, qtbot, tmp_path):
    dock, entry = thresholded(viewer, tmp_path, qtbot)
    dock.tuning.controls.slider.setValue((0.4, 0.7))
    dock.export.kinds["png"].setChecked(False)
    dock.export.export_to(tmp_path / "out")
    qtbot.waitUntil(lambda: dock.export.save.isEnabled(), timeout=WAIT_MS)
    assert "Exported." in dock.export.state.text()
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["tiny.mask.zarr", "tiny.regions.geojson"]
    saved = open_mask(tmp_path / "out" / "tiny.mask.zarr")
    exact = hysteresis(entry.probability, 0.4, 0.7)
    np.testing.assert_array_equal(np.asarray(saved.array), exact.array)


def test_a_failed_export_is_one_line(viewer, slide_layer, model, qtbot, tmp_path):
    dock, _ = thresholded(viewer, tmp_path, qtbot)
    (tmp_path / "file").write_text("in the way")
    dock.export.export_to(tmp_path / "file")
    qtbot.waitUntil(lambda: dock.export.save.isEnabled(), timeout=WAIT_MS)
    assert "cannot be made" in dock.export.state.text()


def test_docks_leave_nothing_behind(viewer, slide_layer, qtbot):
    workspace = session_of(viewer).workspace
    before = len(workspace.events.active)
    docks = [add_dock(viewer, kind, qtbot) for kind in (SlideDock, SegmentDock, ThresholdDock)]
    camera = viewer.scene.camera.events.center
    assert len(workspace.events.active) == before + 3
    for dock in docks:
        dock.close_down()
        dock.close_down()
    assert len(workspace.events.active) == before
    assert not [c for c in camera.callbacks if "slideconcord" in str(c)]


def test_progress_bar_rests_until_something_runs(viewer, slide_layer, qtbot):
    dock = add_dock(viewer, SegmentDock, qtbot)
    # Qt draws a bar from 0 to 0 as busy.
    assert (dock.progress.minimum(), dock.progress.maximum()) == (0, 1)
