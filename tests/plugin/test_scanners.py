"""The Scanners dock and its views, over a viewer without a window where none is needed."""

from __future__ import annotations

import gc
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtGui import QDesktopServices

from conftest import tissue_like, write_pyramid
from slideconcord.comparison.registration.manual import from_points
from slideconcord.comparison.views.combine import Checkerboard
from slideconcord.errors import MismatchError, ParameterError
from slideconcord.plugin import actions
from slideconcord.plugin.looking import PLAIN
from slideconcord.plugin.rescue import moved_scan
from slideconcord.plugin.scanners_dock import ScannersDock
from slideconcord.plugin.scans import Case, own_words
from slideconcord.plugin.session import session_of
from slideconcord.plugin.views.table import VIEWS

WAIT_MS = 30_000
SIDE = 768
MPP = 0.5
# the second scan shows the same tissue turned by a right angle
TURNED = np.array([[100.0, 100.0], [100.0, 600.0], [600.0, 300.0]])


@pytest.fixture(scope="module")
def scan_paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("case")
    image = tissue_like(SIDE, SIDE)
    return [
        write_pyramid(folder / "a.tif", image, MPP, levels=2),
        write_pyramid(folder / "b.tif", np.rot90(image).copy(), MPP, levels=2),
        write_pyramid(folder / "c.tif", tissue_like(SIDE, SIDE, seed=5), MPP, levels=2),
    ]


@pytest.fixture
def viewer(viewer_model, scan_paths):
    actions.open_slides(viewer_model, scan_paths)
    return viewer_model


@pytest.fixture
def dock(viewer, qtbot):
    dock = ScannersDock(viewer)
    qtbot.addWidget(dock)
    dock.take_open_slides()
    yield dock
    dock.close()


@pytest.fixture
def said(monkeypatch):
    """Return what the dock tells the user."""
    texts: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_warning", texts.append)
    return texts


def on_b(points):
    """Return where ``b`` shows level-0 pixel centres of ``a``: numpy's turn to the left."""
    return np.stack([SIDE - 1 - points[:, 1], points[:, 0]], 1)


def place_b(dock):
    """Lay ``b`` on ``a`` exactly, without a search."""
    a, b = (scan.entry.slide for scan in dock.case.scans[:2])
    registration = from_points(b, a, on_b(TURNED), TURNED)
    dock.case.scans[1].settle(replace(registration, status="ok", reason=""))
    dock._follow_placement()


def key(viewer, name):
    """Do what a key is bound to."""
    return next(act for bound, act in viewer.keymap.items() if str(bound) == name)(viewer)


def names(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


def test_a_case_of_open_slides_shows_all_in_a_grid_and_says_what_is_not_aligned(dock, viewer):
    assert [scan.name for scan in dock.case.scans] == ["a", "b", "c"]
    assert dock.looking.name == "grid"
    assert viewer.canvas.grid.enabled
    shown = names(viewer)
    assert "a (hub)" in shown
    assert "b: NOT ALIGNED" in shown
    rows = [dock.case_box.table.topLevelItem(i) for i in range(3)]
    assert [row.text(1) for row in rows] == ["hub", "failed", "failed"]
    assert "b: It is not registered yet." in dock.case_box.state.text()


def test_each_cell_of_the_grid_holds_one_scan(dock, viewer):
    place_b(dock)
    grid = viewer.canvas.grid
    cells = [inside for _, inside in grid.iter_viewboxes(viewer.layers) if inside]
    first = [viewer.layers[min(inside)].name for inside in cells]
    assert len(cells) == 3
    assert [name[0] for name in first] == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["overlay", "flicker", "curtain", "checkerboard", "difference"])
def test_a_scan_that_is_not_aligned_is_laid_over_nothing(dock, viewer, said, name):
    before = {layer.name: layer.visible for layer in viewer.layers}
    dock.show_view(PLAIN)
    own = names(viewer)
    dock.show_view(name)
    assert "b is not aligned" in said[-1]
    assert "three pairs" in said[-1]
    assert dock.looking.name == PLAIN
    assert names(viewer) == own == ["a", "b", "c"]
    assert len(before) > len(viewer.layers)


@pytest.mark.parametrize("name", ["overlay", "flicker", "grid"])
def test_layers_lie_where_the_registration_says(dock, viewer, name):
    place_b(dock)
    dock.show_view(name)
    layer = next(layer for layer in viewer.layers if layer.visible and "b (" in layer.name)
    for at, there in zip(TURNED, on_b(TURNED), strict=True):
        np.testing.assert_allclose(layer.data_to_world(there)[-2:], at * MPP, atol=1e-6)


def test_composites_show_both_scans_of_one_tissue_as_one(dock, viewer):
    place_b(dock)
    truth = viewer.layers["a"].data[0][:].astype(int)
    inner = np.s_[40:-40, 40:-40]
    for name in ("curtain", "checkerboard"):
        dock.show_view(name)
        shown = np.asarray(viewer.layers[0].data[0][:]).astype(int)
        # JPEG of a turned picture is not the turned JPEG
        assert np.abs(shown - truth)[inner].mean() < 2
    dock.show_view("difference")
    shown = np.asarray(viewer.layers[0].data[0][:]).astype(int)
    assert np.abs(shown[..., 0] - shown[..., 1])[inner].mean() < 3


def test_the_users_layers_come_back_as_they_were(dock, viewer):
    dock.show_view(PLAIN)
    viewer.layers["b"].visible = False
    place_b(dock)
    for name in ("overlay", "grid", "curtain", PLAIN):
        dock.show_view(name)
    assert [layer.name for layer in viewer.layers] == ["a", "b", "c"]
    assert names(viewer) == ["a", "c"]
    assert not viewer.canvas.grid.enabled


def test_a_layer_that_comes_meanwhile_stays_out_of_sight_and_out_of_the_cells(dock, viewer):
    added = viewer.add_image(np.zeros((4, 4)), name="late")
    assert not added.visible
    assert viewer.layers.index(added) >= len(dock.looking.stage.layers)
    dock.show_view(PLAIN)
    assert added.visible


def test_taking_a_views_layer_away_ends_the_view(dock, viewer):
    viewer.layers.remove(dock.looking.stage.layers[1])
    assert dock.looking.name == PLAIN
    assert names(viewer) == ["a", "b", "c"]


def test_dials_turn_and_stay_turned(dock, viewer):
    place_b(dock)
    dock.show_view("overlay")
    dock.view_box.dial.setValue(250)
    assert viewer.layers[1].opacity == pytest.approx(0.25)
    assert dock.view_box.dial_text.text() == "Opacity of B: 25 %"
    dock.looking.refresh()
    assert viewer.layers[1].opacity == pytest.approx(0.25)
    dock.show_view("checkerboard")
    dock.looking.view.turn(50.0)
    assert dock.looking.view._view.combine == Checkerboard((100.0, 100.0))
    dock.show_view("curtain")
    dock.looking.view.turn(120.0)
    assert dock.looking.view._view.combine.edge_x == pytest.approx(240.5)
    assert viewer.layers["edge"].translate[-1] == pytest.approx(120.0)


def test_shift_and_the_mouse_move_the_curtain(dock, viewer):
    place_b(dock)
    dock.show_view("curtain")
    move = viewer.mouse_move_callbacks[-1]
    before = dock.looking.view.dial.value
    move(viewer, SimpleNamespace(modifiers=(), is_dragging=False, position=(10.0, 77.0)))
    assert dock.looking.view.dial.value == before
    move(viewer, SimpleNamespace(modifiers=("Shift",), is_dragging=False, position=(10.0, 77.0)))
    assert dock.looking.view.dial.value == 77.0


def test_flicker_swaps_by_the_clock_and_by_a_held_key(dock, viewer, qtbot):
    place_b(dock)
    dock.show_view("flicker")
    view = dock.looking.view
    view.turn(5)
    qtbot.waitUntil(lambda: view.shows_b)
    qtbot.waitUntil(lambda: not view.shows_b)
    held = key(viewer, "F")
    next(held)
    assert view.shows_b
    assert viewer.layers[1].opacity == 1
    assert not viewer.layers[0].name_overlay.visible
    with pytest.raises(StopIteration):
        next(held)
    assert not view.shows_b
    assert not view._clock.isActive()
    dock.show_view("flicker")
    assert view._clock.isActive()


def test_the_cross_marks_one_place_in_every_cell(dock, viewer, qtbot):
    place_b(dock)
    move = viewer.mouse_move_callbacks[-1]
    move(viewer, SimpleNamespace(position=(33.0, 44.0)))
    crosses = [layer for layer in viewer.layers if layer.name.startswith("cross-hair")]
    assert len(crosses) == 3
    qtbot.waitUntil(lambda: all(tuple(c.translate[-2:]) == (33.0, 44.0) for c in crosses))
    assert "y 33.0 µm, x 44.0 µm" in dock.view_box.where.text()


def test_nudges_turns_undo_and_redo(dock, viewer, said):
    place_b(dock)
    start = dock.case.b.placed.affine_um.copy()
    dock.show_view("overlay")
    dock.rescue_box.step_um.setValue(2.5)
    key(viewer, "Shift+Right")
    key(viewer, "Shift+Up")
    moved = dock.case.b.placed.affine_um
    np.testing.assert_allclose(moved[:2, 2] - start[:2, 2], (-2.5, 2.5))
    np.testing.assert_allclose(viewer.layers[1].affine.affine_matrix[-3:-1, -1], moved[:2, 2])
    assert dock.case.b.registration.status == "coarse"
    assert "COARSE" in viewer.layers[1].name
    viewer.scene.camera.center = (0, 100, 200)
    dock.rotate(90.0)
    turned = dock.case.b.placed.affine_um
    # the middle of the view stays where it is, +x goes to +y
    np.testing.assert_allclose(turned @ np.linalg.inv(moved) @ (100, 200, 1), (100, 200, 1))
    np.testing.assert_allclose(turned @ np.linalg.inv(moved) @ (100, 201, 1), (101, 200, 1))
    for _ in range(3):
        dock.undo()
    np.testing.assert_allclose(dock.case.b.placed.affine_um, start)
    assert dock.case.b.registration.status == "ok"
    dock.redo()
    assert dock.case.b.registration.status == "coarse"
    assert not said


def test_the_hub_is_not_moved(dock, said):
    dock.case.a = dock.case.b = dock.case.hub
    dock.nudge(1.0, 0.0)
    assert "the hub itself does not move" in said[-1]
    with pytest.raises(ParameterError, match="as B"):
        moved_scan(dock.case)


def test_three_pairs_of_points_rescue_a_scan(dock, viewer, said):
    dock.mark_pairs(True)
    assert dock.looking.name == "pairs"
    assert not said
    view = dock.looking.pairs
    a, b = view.marks
    for at, there in zip(TURNED, on_b(TURNED), strict=True):
        view.mark(0, *a.data_to_world(at)[-2:])
        view.mark(1, *b.data_to_world(there)[-2:])
    assert "3 on a, 3 on b" in dock.rescue_box.note.text()
    dock.align()
    assert not said
    assert dock.case.b.registration.status == "coarse"
    assert dock.looking.name == "overlay"
    found = dock.case.b.registration.to_fixed_px(on_b(TURNED))
    np.testing.assert_allclose(found, TURNED, atol=1e-6)


def test_pairs_that_do_not_match_are_refused(dock, said):
    dock.align()
    assert "Mark point pairs first" in said[-1]
    dock.mark_pairs(True)
    dock.looking.pairs.mark(0, 10.0, 10.0)
    dock.align()
    assert "1 marks on a and 0 on b" in said[-1]
    assert dock.case.b.registration.status == "failed"


def test_a_placement_is_saved_and_read_back_for_its_own_scans_alone(dock, tmp_path, said):
    place_b(dock)
    file = tmp_path / "b.json"
    dock.save(file)
    dock.case.b.settle(None)
    dock.case.scans[1].begin(dock.case.scans[2].registration)
    dock.load(file)
    assert dock.case.b.registration.status == "ok"
    assert not said
    dock.choose_pair(dock.case.a.id, dock.case.scans[2].id)
    dock.load(file)
    assert "fingerprints differ" in said[-1]
    assert dock.case.scans[2].registration.status == "failed"


def test_registering_fills_the_table_and_can_be_cancelled(dock, qtbot, monkeypatch):
    gate = threading.Event()
    step = SimpleNamespace(name="features", index=0, total=2)

    def steps(moving, fixed):
        yield step
        gate.wait(10)
        yield step
        return from_points(moving, fixed, on_b(TURNED), TURNED)

    monkeypatch.setattr("slideconcord.comparison.registration.methods.register_steps", steps)
    dock.register()
    qtbot.waitUntil(lambda: "b: features" in dock.case_box.state.text(), timeout=WAIT_MS)
    assert not dock.case_box.register.isEnabled()
    gate.set()
    qtbot.waitUntil(lambda: not dock.registrar.is_running, timeout=WAIT_MS)
    assert [scan.registration.status for scan in dock.case.scans[1:]] == ["coarse", "coarse"]
    row = dock.case_box.table.topLevelItem(1)
    assert (row.text(1), row.text(2)) == ("coarse", "—")
    gate.clear()
    dock.register()
    qtbot.waitUntil(lambda: "b: features" in dock.case_box.state.text(), timeout=WAIT_MS)
    dock.case_box.cancel.click()
    gate.set()
    qtbot.waitUntil(lambda: not dock.registrar.is_running, timeout=WAIT_MS)
    assert "Stopped" in dock.case_box.state.text()


def test_another_hub_means_registering_anew(dock):
    place_b(dock)
    dock.choose_hub(dock.case.scans[1].id)
    assert dock.case.hub.name == "b"
    assert dock.case.scans[0].registration.reason == "It is not registered yet."
    assert (dock.case.a.name, dock.case.b.name) == ("b", "a")


def test_closing_a_slide_leaves_it_out_and_closing_the_hub_ends_the_case(dock, viewer):
    dock.show_view(PLAIN)
    viewer.layers.remove("c")
    assert [scan.name for scan in dock.case.scans] == ["a", "b"]
    viewer.layers.remove("a")
    assert dock.case.scans == ()
    assert not dock.case_box.register.isEnabled()


def test_what_cannot_be_a_case_is_named(viewer_model, scan_paths, qtbot, said, tmp_path):
    dock = ScannersDock(viewer_model)
    qtbot.addWidget(dock)
    dock.take_open_slides()
    assert "needs two scans or more" in said[-1]
    dock.show_view("grid")
    assert "no case yet" in said[-1]
    actions.open_slides(viewer_model, [scan_paths[0], scan_paths[0]])
    dock.take_open_slides()
    assert "are the same file" in said[-1]
    dock.open_folder(tmp_path)
    assert "holds no slide" in said[-1]
    assert dock.case.scans == ()
    dock.close()


def test_a_folder_and_a_case_file_make_a_case(viewer_model, scan_paths, qtbot, said, tmp_path):
    dock = ScannersDock(viewer_model)
    qtbot.addWidget(dock)
    dock.open_folder(scan_paths[0].parent)
    assert [scan.name for scan in dock.case.scans] == ["a", "b", "c"]
    file = tmp_path / "case.yaml"
    file.write_text(
        f"name: one\nhub: second\nscans:\n  - {{path: {scan_paths[0]}, scanner: first}}\n"
        f"  - {{path: {scan_paths[1]}, scanner: second}}\n"
    )
    dock.open_case(file)
    assert not said
    assert [scan.name for scan in dock.case.scans] == ["first", "second"]
    assert dock.case.hub.name == "second"
    assert len(session_of(viewer_model).workspace.entries) == 3  # none was opened twice
    dock.close()


def test_agreement_and_the_walk_over_disagreements(dock, viewer, model, qtbot, said, tmp_path):
    place_b(dock)
    dock.show_view("agreement")
    assert "a has no mask yet" in said[-1]
    for name in ("a", "b"):
        list(actions.run_segmentation(viewer, name, folder=tmp_path))
        actions.set_thresholds(viewer, 0.3, 0.5, slide=name)
    dock.show_view("agreement")
    kinds = np.asarray(viewer.layers[1].data[0][40:-40, 40:-40])
    counts = np.bincount(kinds.ravel(), minlength=4) / kinds.size
    assert counts[3] > 0.2
    assert counts[1] + counts[2] < 0.02
    actions.set_thresholds(viewer, 0.6, 0.9, slide="b")
    kinds = np.asarray(viewer.layers[1].data[0][40:-40, 40:-40])
    assert (kinds == 1).mean() > 0.1
    assert (kinds == 2).mean() < 0.01
    dock.next_disagreement()
    qtbot.waitUntil(lambda: dock.looking.walk.found is not None, timeout=WAIT_MS)
    first = dock.looking.walk.found[0]
    assert viewer.scene.camera.center[-2:] == pytest.approx(first.centre_um)
    assert f"1 of {len(dock.looking.walk.found)}" in dock.view_box.walk.text()
    dock.next_disagreement(-1)
    last = dock.looking.walk.found[-1]
    assert viewer.scene.camera.center[-2:] == pytest.approx(last.centre_um)
    actions.set_thresholds(viewer, 0.3, 0.5, slide="b")
    assert dock.looking.walk.found is None


def test_contours_follow_the_thresholds(dock, viewer, model, tmp_path):
    list(actions.run_segmentation(viewer, "a", folder=tmp_path))
    dock.looking.refresh()
    actions.set_thresholds(viewer, 0.3, 0.5, slide="a")
    contour = viewer.layers["a: regions"]
    assert contour.visible
    before = np.asarray(contour.data[0][:])
    actions.set_thresholds(viewer, 0.7, 0.9, slide="a")
    assert (np.asarray(contour.data[0][:]) != before).any()


def test_measuring_gives_the_matrix_of_the_masks_as_they_are_tuned(
    dock, viewer, model, qtbot, said, tmp_path, monkeypatch
):
    place_b(dock)
    for name in ("a", "b"):
        list(actions.run_segmentation(viewer, name, folder=tmp_path))
        actions.set_thresholds(viewer, 0.3, 0.5, slide=name)
    dock.measure()
    qtbot.waitUntil(lambda: not dock.measurer.is_running, timeout=WAIT_MS)
    found = dock.measurer.found
    assert not dock.measurer.message
    assert found.scanners == ("a", "b")
    assert found.dice()[0, 1] > 0.95
    text = dock.measure_box.text.text()
    assert "DSC of 1 pair(s)" in text
    assert "Left out: c. " in text
    assert "It is not registered yet." in text
    assert "Consistency alone" in text
    assert f"{found.dice()[0, 1]:.3f}" in dock.measure_box.matrix.text()
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    dock.write_report(tmp_path)
    assert Path(opened[0].toLocalFile()) == (tmp_path / "report.html").resolve()
    assert "0.9" in (tmp_path / "report.html").read_text(encoding="utf-8")
    actions.set_thresholds(viewer, 0.6, 0.9, slide="b")
    dock.measure()
    qtbot.waitUntil(lambda: not dock.measurer.is_running, timeout=WAIT_MS)
    assert dock.measurer.found.dice()[0, 1] < 0.9
    dock.nudge(1.0, 0.0)
    assert dock.measurer.found is None
    dock.measure()
    qtbot.waitUntil(lambda: not dock.measurer.is_running, timeout=WAIT_MS)
    assert "coarse" in dock.measure_box.text.text()
    assert not said


def test_arrows_show_what_is_left(dock, viewer, qtbot):
    place_b(dock)
    dock.nudge(3.0, -2.0)
    dock.show_view("arrows")
    qtbot.waitUntil(lambda: len(viewer.layers) > 4, timeout=WAIT_MS)
    layer = next(layer for layer in viewer.layers if layer.name.startswith("residuals"))
    times = dock.looking.view.dial.value
    np.testing.assert_allclose(
        layer.data[:, 1] / times, np.tile((3.0, -2.0), (len(layer.data), 1)), atol=0.4
    )
    assert "p50 3." in viewer.layers[0].name
    dock.looking.view.turn(1.0)
    assert np.abs(layer.data[:, 1]).max() < 4


def test_nothing_is_left_behind(viewer, qtbot):
    dock = ScannersDock(viewer)
    qtbot.addWidget(dock)
    dock.take_open_slides()
    place_b(dock)
    for name in VIEWS:
        if name != "agreement":
            dock.show_view(name)
    dock.close()
    gc.collect()
    assert [layer.name for layer in viewer.layers] == ["a", "b", "c"]
    assert not viewer.mouse_move_callbacks
    assert "Alt+1" not in map(str, viewer.keymap)
    assert not [t for t in threading.enumerate() if t.name.startswith("slideconcord-job")]


def test_every_view_has_a_key_of_its_own():
    keys = [view.key for view in VIEWS.values()]
    assert len(set(keys)) == len(keys) == 8
    assert all(view.tip and view.title for view in VIEWS.values())


def test_napari_can_ask_every_key_for_its_functions_name(dock, viewer):
    assert all(act.__name__ for act in viewer.keymap.values())


def test_names_lose_what_they_share():
    assert own_words(["Aperio AT2", "Aperio GT 450"]) == ["AT2", "GT 450"]
    assert own_words(["One", "Two"]) == ["One", "Two"]
    assert own_words(["Same", "Same"]) == ["Same", "Same"]


def test_a_case_refuses_one_scan_and_copies():
    entry = SimpleNamespace(id="1", name="x", slide=SimpleNamespace(scanner="", fingerprint="f"))
    with pytest.raises(ParameterError, match="two scans or more"):
        Case().take([entry])
    with pytest.raises(MismatchError, match="same file"):
        Case().take([entry, SimpleNamespace(**{**vars(entry), "id": "2"})])
