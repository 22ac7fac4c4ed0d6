from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from slideconcord.annotations import Annotation, write_annotations
from slideconcord.errors import ParameterError
from slideconcord.geometry import Mpp
from slideconcord.plugin import actions
from slideconcord.plugin.keys import nudge
from slideconcord.plugin.landscape_dock import LandscapeDock
from slideconcord.plugin.landscape_subject import NO_REFERENCE, NO_SLIDE
from slideconcord.plugin.landscape_view import LandscapeView, Surface, picture, spread
from slideconcord.plugin.latest import Latest
from slideconcord.plugin.live import GAINED, LOST
from slideconcord.plugin.masks import finish
from slideconcord.plugin.pointer import standing_at
from slideconcord.plugin.session import session_of
from slideconcord.plugin.tags import find_layer
from slideconcord.plugin.threshold_dock import ThresholdDock
from slideconcord.plugin.tissue_finder import tissue_in
from slideconcord.plugin.workspace import Tissue
from slideconcord.segmentation.mask import open_mask
from slideconcord.segmentation.threshold_build import index_thresholds
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tissue import find_tissue
from slideconcord.segmentation.tissue_pixels import TissueOptions
from slideconcord.segmentation.tune import tune
from slideconcord.segmentation.tuning import Edit, Tuning, read_tuning

WAIT_MS = 20_000


@pytest.fixture
def viewer(viewer_model, tiny_slide_path):
    actions.open_slides(viewer_model, tiny_slide_path)
    return viewer_model


@pytest.fixture
def dock(viewer, model, qtbot, tmp_path):
    docks = [ThresholdDock(viewer)]
    qtbot.addWidget(docks[0])
    list(actions.run_segmentation(viewer, folder=tmp_path / "runs"))
    entry = actions.slide_entry(viewer)
    qtbot.waitUntil(lambda: entry.index is not None, timeout=WAIT_MS)
    yield docks[0]
    docks[0].close_down()


def shown(viewer, entry):
    """Return the whole mask as the layer shows it, filled and without lights."""
    entry.style = "filled"
    return np.asarray(find_layer(viewer.layers, entry.id, "mask").data[0]).astype(bool)


def arrived(dock, qtbot):
    """Wait until the tuning that the hand wants is the entry's."""
    qtbot.waitUntil(lambda: dock.mover.wanted == dock.entry.tuning, timeout=WAIT_MS)


def settled(dock, qtbot):
    arrived(dock, qtbot)
    qtbot.waitUntil(lambda: not dock.numbers.note.text().startswith("Preview"), timeout=WAIT_MS)


TUNINGS = {
    "smallest region": {"min_area_um2": 300.0},
    "pruned": {"prune_percentile": 80.0},
    "holes": {"hole_area_um2": 5000.0},
    "smoothed": {"smoothing_um": 2.0},
    "all": {
        "min_area_um2": 100.0, "prune_percentile": 60.0, "hole_area_um2": 900.0,
        "smoothing_um": 1.0, "edits": (Edit(700.5, 900.5, keep=False),),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", TUNINGS)
def test_what_is_shown_at_rest_is_what_is_exported(dock, viewer, qtbot, tmp_path, name):
    dock.look.highlight.setChecked(False)
    dock.mover.want(thresholds=Thresholds(0.4, 0.6), **TUNINGS[name])
    dock.mover.settle()
    settled(dock, qtbot)
    entry = dock.entry
    actions.export_results(viewer, tmp_path / "out", kinds=["mask"])
    saved = open_mask(tmp_path / "out" / f"{entry.name}.mask.zarr")
    exact = np.asarray(saved.array)
    np.testing.assert_array_equal(shown(viewer, entry), exact)
    np.testing.assert_array_equal(np.asarray(tune(entry.probability, entry.tuning).array), exact)
    assert read_tuning(saved.provenance) == entry.tuning
    area_um2 = exact.sum() * np.prod(saved.mpp)

    def counted():
        # None while the map is indexed anew, as another smoothing asks for
        return entry.facts is not None and abs(entry.facts.area_mm2 * 1e6 - area_um2) < 1e-3

    qtbot.waitUntil(counted, timeout=WAIT_MS)


def test_fields_change_the_tuning_and_can_be_undone(dock, qtbot):
    entry, before = dock.entry, dock.entry.tuning
    after = replace(before, min_area_um2=250, hole_area_um2=120, prune_percentile=95.0)
    dock.tuning.fields["min_area_um2"].setValue(250)
    dock.tuning.fields["hole_area_um2"].setValue(120)
    dock.tuning.prune.setChecked(True)
    qtbot.waitUntil(lambda: entry.tuning == after, timeout=WAIT_MS)
    for _ in range(3):
        dock.tuning.undo.click()
    qtbot.waitUntil(lambda: entry.tuning == before, timeout=WAIT_MS)
    assert not dock.tuning.undo.isEnabled()
    for _ in range(3):
        dock.tuning.redo.click()
    qtbot.waitUntil(lambda: entry.tuning == after, timeout=WAIT_MS)
    assert dock.tuning.fields["hole_area_um2"].value() == 120
    assert dock.tuning.prune.isChecked()
    dock.tuning.reset.click()
    qtbot.waitUntil(lambda: entry.tuning == before, timeout=WAIT_MS)


def test_what_takes_longer_than_a_frame_is_found_in_another_thread(
    dock, viewer, qtbot, monkeypatch
):
    import threading

    from slideconcord.segmentation import preview

    entry, threads = dock.entry, []
    draw = preview.preview
    pruned = replace(entry.tuning, prune_percentile=70.0)
    np.asarray(find_layer(viewer.layers, entry.id, "mask").data[0])

    def watched(index, tuning, *rest, **more):
        if tuning == pruned:
            threads.append(threading.current_thread())
        return draw(index, tuning, *rest, **more)

    monkeypatch.setattr(preview, "preview", watched)
    dock.mover.settle(pruned)
    assert entry.tuning != pruned
    qtbot.waitUntil(lambda: entry.tuning == pruned, timeout=WAIT_MS)
    assert threads[0] is not threading.main_thread()
    assert entry.history.can_undo


def test_every_press_of_a_key_counts_while_views_are_being_found(dock, viewer, qtbot):
    entry, workspace = dock.entry, session_of(viewer).workspace
    dock.mover.settle(Tuning(Thresholds(0.3, 0.6), prune_percentile=70.0))
    before = dock.mover.wanted
    for _ in range(3):
        nudge(workspace, "low", 0.01)
    assert entry.tuning.low < 0.33
    qtbot.waitUntil(lambda: entry.tuning.low == pytest.approx(0.33), timeout=WAIT_MS)
    for _ in range(3):
        dock.tuning.undo.click()
    qtbot.waitUntil(lambda: entry.tuning == before, timeout=WAIT_MS)
    dock.close_down()
    nudge(workspace, "low", 0.01)
    assert entry.tuning.low == pytest.approx(0.31)


def test_a_tuning_from_elsewhere_is_newer_than_one_on_its_way(dock, qtbot):
    entry = dock.entry
    dock.mover.settle(replace(entry.tuning, prune_percentile=70.0))
    newer = Tuning(Thresholds(0.2, 0.4))
    entry.settle(newer)
    qtbot.wait(200)
    assert entry.tuning == newer == dock.mover.wanted


def test_handles_push_each_other(dock):
    controls = dock.tuning.controls
    controls.high.setValue(0.6)
    controls.low.setValue(0.8)
    assert dock.entry.tuning.thresholds == Thresholds(0.8, 0.8)
    controls.high.setValue(0.2)
    assert dock.entry.tuning.thresholds == Thresholds(0.2, 0.2)


def test_a_preset_keeps_areas_and_pins(dock, qtbot):
    dock.tuning.fields["min_area_um2"].setValue(250)
    preset = dock.tuning.preset
    index = preset.findText("Paper, pruned")
    preset.setCurrentIndex(index)
    preset.activated.emit(index)
    arrived(dock, qtbot)
    assert dock.entry.tuning == Tuning(min_area_um2=250, prune_percentile=95.0)
    assert preset.currentText() == "Paper, pruned"


def test_changes_light_up_for_a_moment(dock, viewer, qtbot):
    entry = dock.entry
    entry.style = "filled"
    dock.mover.want(thresholds=Thresholds(0.6, 0.7))
    dock.mover.flush()
    layer = find_layer(viewer.layers, entry.id, "mask")
    qtbot.waitUntil(lambda: layer.metadata["slideconcord"]["source"].before is None)
    narrow = np.asarray(layer.data[0])
    dock.mover.want(thresholds=Thresholds(0.3, 0.7))
    dock.mover.flush()
    wide = np.asarray(layer.data[0])
    np.testing.assert_array_equal(wide == GAINED, (wide > 0) & (narrow == 0))
    assert (wide == GAINED).any()
    assert not (wide == LOST).any()
    qtbot.waitUntil(lambda: not (np.asarray(layer.data[0]) == GAINED).any())
    dock.look.highlight.setChecked(False)
    dock.mover.want(thresholds=Thresholds(0.6, 0.7))
    dock.mover.flush()
    assert not (np.asarray(layer.data[0]) > 1).any()


def test_heat_map_and_mask_are_shown_and_hidden(dock, viewer):
    entry = dock.entry
    mask, heat = (find_layer(viewer.layers, entry.id, kind) for kind in ("mask", "probability"))
    dock.look.heat.setChecked(False)
    dock.look.styles["none"].setChecked(True)
    assert not heat.visible
    assert not mask.visible
    dock.look.heat.setChecked(True)
    dock.look.styles["filled"].setChecked(True)
    assert heat.visible
    assert mask.visible
    assert not dock.look.class_name.isVisibleTo(dock)


def truth_of(entry, path):
    """Write a square of the slide as an annotation; return its pixels on the map."""
    from shapely import box

    square = box(200, 100, 1400, 1100)
    write_annotations([Annotation(geometry=square)], path, mpp=Mpp(0.5, 0.5))
    pixels = np.zeros(entry.probability.shape, bool)
    pixels[50:550, 100:700] = True
    return pixels


def test_numbers_against_a_reference_are_live(dock, viewer, qtbot, tmp_path):
    entry = dock.entry
    truth = truth_of(entry, tmp_path / "truth.geojson")
    dock.compare_with_file(tmp_path / "truth.geojson")
    qtbot.waitUntil(lambda: entry.reference is not None, timeout=WAIT_MS)
    np.testing.assert_array_equal(entry.reference.pixels, truth)
    for pair in (Thresholds(0.3, 0.5), Thresholds(0.6, 0.7)):
        dock.mover.want(thresholds=pair)
        dock.mover.settle()
        mask = np.asarray(tune(entry.probability, entry.tuning).array)
        dsc = f"{2 * (mask & truth).sum() / (mask.sum() + truth.sum()):.3f}"
        value = dock.numbers.values["DSC"]
        qtbot.waitUntil(lambda dsc=dsc, value=value: value.text() == dsc)
    assert dock.numbers.reference.currentText() == "truth.geojson"
    dock.numbers.dropped.emit()
    assert entry.reference is None
    assert not dock.numbers.values["DSC"].isVisibleTo(dock)


def test_a_shapes_layer_is_a_reference(dock, viewer, qtbot):
    entry = dock.entry
    layer = viewer.add_shapes(
        [np.array([[99.5, 199.5], [99.5, 1399.5], [1099.5, 1399.5], [1099.5, 199.5]])],
        shape_type="polygon", scale=(0.5, 0.5), name="by hand",
    )  # fmt: skip
    assert dock.numbers.reference.findText("by hand") > 0
    dock.compare_with_layer(layer)
    qtbot.waitUntil(lambda: entry.reference is not None, timeout=WAIT_MS)
    assert entry.reference.pixels[50:550, 100:700].all()
    assert entry.reference.pixels.sum() == 500 * 600


def test_a_labels_layer_is_a_reference(dock, viewer, qtbot):
    labels = np.zeros((150, 200), np.uint8)
    labels[20:40, 50:90] = 7
    layer = viewer.add_labels(labels, scale=(5, 5), translate=(2.25, 2.25), name="painted")
    dock.compare_with_layer(layer)
    entry = dock.entry
    qtbot.waitUntil(lambda: entry.reference is not None, timeout=WAIT_MS)
    assert entry.reference.pixels[100:200, 250:450].all()
    assert entry.reference.pixels.sum() == 100 * 200


def test_a_reference_of_another_slide_is_refused_in_one_line(dock, viewer, qtbot, tiny_slide_path):
    other = actions.open_slides(viewer, tiny_slide_path)[0]
    foreign = session_of(viewer).workspace.entries[-1]
    from slideconcord.plugin.results import show_area

    layer = show_area(viewer, foreign)
    viewer.layers.selection.active = viewer.layers[0]
    assert other is not viewer.layers[0]
    dock.compare_with_layer(layer)
    text = dock.numbers.message.text()
    assert "belongs to another slide" in text
    assert "register the slides first" in text
    assert dock.entry.reference is None


def test_a_reference_beside_the_map_is_refused_in_one_line(dock, viewer, qtbot):
    layer = viewer.add_shapes(
        [np.array([[9000, 9000], [9000, 9100], [9100, 9100], [9100, 9000]])],
        shape_type="polygon",
    )
    dock.compare_with_layer(layer)
    qtbot.waitUntil(lambda: "do not overlap" in dock.numbers.message.text(), timeout=WAIT_MS)


def test_a_click_pins_and_a_second_one_frees(dock, viewer, qtbot, tmp_path):
    entry = dock.entry
    mask = np.asarray(tune(entry.probability, entry.tuning).array)
    y, x = np.argwhere(mask)[len(np.argwhere(mask)) // 2]
    at = (float(y) + 0.25, float(x) + 0.25)  # µm of the world; a pixel of the map is 1 µm
    dock.pointer.pin(at)
    qtbot.waitUntil(lambda: bool(entry.tuning.edits), timeout=WAIT_MS)
    assert [edit.keep for edit in entry.tuning.edits] == [False]
    assert not np.asarray(tune(entry.probability, entry.tuning).array)[y, x]
    dock.pointer.say(at)
    why = dock.numbers.why
    qtbot.waitUntil(lambda: why.text() == "Out: pinned out by hand", timeout=WAIT_MS)
    assert dock.pins.list.count() == 1
    dock.pointer.pin(at)
    qtbot.waitUntil(lambda: entry.tuning.edits == (), timeout=WAIT_MS)
    dock.tuning.undo.click()
    assert len(entry.tuning.edits) == 1
    dock.pins.clear.click()
    assert entry.tuning.edits == ()


def test_the_mouse_hears_why(dock, qtbot):
    entry = dock.entry
    dock.mover.want(thresholds=Thresholds(0.3, 0.9))
    dock.mover.settle()
    values = entry.probability.array()
    y, x = np.argwhere(values < 60)[0]
    dock.pointer.say((float(y) + 0.25, float(x) + 0.25))
    why = dock.numbers.why
    qtbot.waitUntil(lambda: why.text().startswith("Out: "), timeout=WAIT_MS)
    assert "low 0.3" in why.text()
    dock.pointer.say((-50.0, -50.0))
    qtbot.waitUntil(lambda: "Point at a region" in why.text(), timeout=WAIT_MS)
    assert standing_at(entry, -5, -5) is None


def test_the_landscape_says_what_is_missing_and_moves_the_thresholds(dock, viewer, qtbot, tmp_path):
    landscape = LandscapeDock(viewer)
    qtbot.addWidget(landscape)
    landscape.resize(700, 320)
    landscape.show()
    entry = dock.entry
    assert landscape.view.missing == NO_REFERENCE
    truth_of(entry, tmp_path / "truth.geojson")
    dock.compare_with_file(tmp_path / "truth.geojson")
    qtbot.waitUntil(lambda: entry.landscape is not None, timeout=WAIT_MS)
    assert landscape.view.missing == ""
    view = landscape.view
    qtbot.wait(20)
    goal = view.axes().point(0.2, 0.75).toPoint()
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=goal)
    assert entry.tuning.low == pytest.approx(0.2, abs=0.02)
    assert entry.tuning.high == pytest.approx(0.75, abs=0.02)
    assert entry.history.can_undo
    below = view.axes().point(0.8, 0.1).toPoint()
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=below)
    assert entry.tuning.low == entry.tuning.high == pytest.approx(0.8, abs=0.02)
    assert not view.grab().isNull()
    assert not landscape.curves.grab().isNull()
    landscape.close_down()


def test_without_a_slide_the_landscape_says_so(viewer_model, qtbot):
    landscape = LandscapeDock(viewer_model)
    qtbot.addWidget(landscape)
    assert landscape.view.missing == NO_SLIDE
    landscape.close_down()


def test_a_landscape_s_picture_is_clear_where_low_is_above_high():
    values = np.arange(100, dtype=np.uint8).reshape(10, 10) * 2
    reference = values > 120
    landscape = index_thresholds(values).landscape(reference)
    image = picture(landscape.dsc, *spread(landscape.dsc))
    side = len(landscape.lows)
    assert (image.width(), image.height()) == (side, side)
    assert image.pixelColor(0, 0).alpha() == 255  # low is lowest, high is highest
    assert image.pixelColor(side - 1, side - 1).alpha() == 0


def test_an_empty_landscape_can_be_shown(qtbot):
    view = LandscapeView()
    qtbot.addWidget(view)
    empty = index_thresholds(np.zeros((5, 5), np.uint8)).landscape(np.zeros((5, 5), bool))
    view.show_surface(Surface.of_reference(empty))
    assert not view.grab().isNull()
    qtbot.mouseMove(view, QPoint(5, 5))


def test_of_many_questions_the_first_and_the_newest_are_answered(qtbot):
    import threading

    gate, asked, heard = threading.Event(), [], []
    latest = Latest()
    latest.answered.connect(heard.append)

    def ask(number):
        asked.append(number)
        gate.wait(5)
        return number

    for number in range(5):
        latest.ask(lambda number=number: ask(number))
    gate.set()
    qtbot.waitUntil(lambda: heard == [0, 4])
    assert asked == [0, 4]
    latest.ask(lambda: 9)
    latest.close()
    latest.ask(lambda: 10)
    qtbot.wait(20)
    assert heard == [0, 4]


def test_a_growing_map_is_indexed_so_far(viewer, qtbot, model, tmp_path, monkeypatch):
    from slideconcord.plugin import indexing
    from slideconcord.plugin.live_numbers import note_for

    monkeypatch.setattr(indexing, "LEAST_PAUSE_S", 0.05)
    monkeypatch.setattr(indexing, "PAUSE", 0)
    dock = ThresholdDock(viewer)
    qtbot.addWidget(dock)
    entry = actions.slide_entry(viewer)
    running = actions.run_segmentation(viewer, folder=tmp_path / "runs")
    progress = next(running)
    from slideconcord.plugin.results import take_map

    take_map(entry, progress.probability)
    qtbot.waitUntil(lambda: entry.index is not None, timeout=WAIT_MS)
    assert not entry.index.place.complete
    assert note_for(entry).startswith("So far")
    first = entry.index
    list(running)
    qtbot.waitUntil(lambda: entry.index is not None and entry.index.place.complete, timeout=WAIT_MS)
    assert entry.index is not first
    dock.close_down()


def test_classes_are_offered_where_there_are_several(viewer, qtbot):
    dock = ThresholdDock(viewer)
    qtbot.addWidget(dock)
    classes = SimpleNamespace(classes=("gland", "tumour"), target="tumour")
    entry = SimpleNamespace(
        style="outline", heat=True, highlight=False, class_name=None, probability=classes
    )
    dock.look.show_entry(entry)
    assert dock.look.class_name.currentText() == "tumour"
    assert dock.look.class_name.isVisibleTo(dock.look)
    dock.close_down()


def test_undo_is_offered_whoever_moved_the_thresholds(dock, viewer):
    landscape = LandscapeDock(viewer)
    landscape.view.moved.emit(Thresholds(0.2, 0.4))
    landscape.view.settled.emit()
    assert dock.tuning.undo.isEnabled()
    dock.tuning.undo.click()
    assert not dock.tuning.undo.isEnabled()
    assert dock.tuning.redo.isEnabled()
    landscape.close_down()


def on_map_by_hand(tissue, probability):
    """Return the tissue pixel in which each pixel centre of the map lies, one by one."""
    frame, own, found = probability.frame, tissue.frame, np.asarray(tissue.array)
    pixels = np.zeros(probability.shape, bool)
    for y in range(pixels.shape[0]):
        row = int((frame.origin_y + (y + 0.5) * frame.step_y - own.origin_y) // own.step_y)
        for x in range(pixels.shape[1]):
            column = int((frame.origin_x + (x + 0.5) * frame.step_x - own.origin_x) // own.step_x)
            if row < found.shape[0] and column < found.shape[1]:
                pixels[y, x] = found[row, column]
    return pixels


def known_tissue(monkeypatch, options):
    """Let the dock look for tissue with other constants: the paper's find none in a tiny slide."""
    from slideconcord.segmentation import tissue

    steps = tissue.tissue_steps
    monkeypatch.setattr(
        tissue, "tissue_steps", lambda slide, _=None, **more: steps(slide, options, **more)
    )


@pytest.mark.parametrize("name", ["smallest region", "pruned", "holes", "smoothed"])
def test_the_share_is_that_of_the_tissue(
    viewer, model, qtbot, tmp_path, monkeypatch, tiny_slide_path, name
):
    options = TissueOptions(hole_px=20, object_px=20)
    known_tissue(monkeypatch, options)
    dock = ThresholdDock(viewer)
    qtbot.addWidget(dock)
    list(actions.run_segmentation(viewer, folder=tmp_path / "runs"))
    entry = dock.entry
    qtbot.waitUntil(lambda: entry.tissue is not None, timeout=WAIT_MS)
    tissue = on_map_by_hand(find_tissue(entry.slide, options), entry.probability)
    assert 0 < tissue.sum() < tissue.size
    dock.mover.settle(replace(Tuning(Thresholds(0.4, 0.6)), **TUNINGS[name]))
    settled(dock, qtbot)
    mask = np.asarray(tune(entry.probability, entry.tuning).array)
    text = f"{100 * (mask & tissue).sum() / tissue.sum():.1f} % of tissue"
    share = dock.numbers.values["Share"]
    qtbot.waitUntil(lambda: share.text() == text, timeout=WAIT_MS)
    assert "tissue in the map" in share.toolTip()
    dock.close_down()


def test_without_tissue_the_share_is_that_of_the_map_and_says_why(dock, qtbot):
    entry, share = dock.entry, dock.numbers.values["Share"]
    qtbot.waitUntil(lambda: entry.tissue is not None, timeout=WAIT_MS)
    entry.tissue = Tissue(entry.index, problem="tiny.tif is coarser than 5 µm per pixel.")
    qtbot.waitUntil(lambda: share.text().endswith(" % of the map"), timeout=WAIT_MS)
    assert share.text() == f"{100 * entry.facts.share:.1f} % of the map"
    assert "coarser than 5 µm" in share.toolTip()


def test_tissue_that_cannot_be_found_is_told(dock, monkeypatch):
    from slideconcord.segmentation import tissue

    def fail(slide):
        raise ParameterError("The slide is too coarse.")

    monkeypatch.setattr(tissue, "tissue_steps", fail)
    entry = dock.entry
    found = finish(tissue_in(entry.slide, None, entry.probability, entry.index))
    assert (found.counts, found.problem) == (None, "The slide is too coarse.")


def test_numbers_of_filled_holes_follow_a_reference_chosen_later(dock, qtbot, tmp_path):
    entry = dock.entry
    dock.mover.settle(Tuning(Thresholds(0.4, 0.6), hole_area_um2=5000.0))
    settled(dock, qtbot)
    truth = truth_of(entry, tmp_path / "truth.geojson")
    dock.compare_with_file(tmp_path / "truth.geojson")
    mask = np.asarray(tune(entry.probability, entry.tuning).array)
    dsc = f"{2 * (mask & truth).sum() / (mask.sum() + truth.sum()):.3f}"
    value = dock.numbers.values["DSC"]
    qtbot.waitUntil(lambda: value.text() == dsc, timeout=WAIT_MS)
