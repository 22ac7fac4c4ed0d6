"""Scans of one case as references for one another, and the landscape of their agreement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt

from conftest import tissue_like, write_pyramid
from slideconcord.comparison.registration.manual import from_points
from slideconcord.plugin import actions
from slideconcord.plugin.landscape_dock import LandscapeDock
from slideconcord.plugin.landscape_subject import ALONE, NO_SCANS
from slideconcord.plugin.scanners_dock import ScannersDock
from slideconcord.plugin.scans import unregistered
from slideconcord.plugin.threshold_dock import ThresholdDock
from slideconcord.segmentation.tune import tune

WAIT_MS = 30_000
SIDE = 768
MARKS = np.array([[100.0, 100.0], [100.0, 600.0], [600.0, 300.0]])
TURNED = np.stack([SIDE - 1 - MARKS[:, 1], MARKS[:, 0]], 1)


@pytest.fixture(scope="module")
def scan_paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("case")
    image = tissue_like(SIDE, SIDE)
    return [
        write_pyramid(folder / "a.tif", image, 0.5, levels=2),
        write_pyramid(folder / "b.tif", np.rot90(image).copy(), 0.5, levels=2),
    ]


@pytest.fixture
def viewer(viewer_model, scan_paths, model, tmp_path):
    actions.open_slides(viewer_model, scan_paths)
    for name in ("a", "b"):
        list(actions.run_segmentation(viewer_model, name, folder=tmp_path / "runs"))
    viewer_model.layers.selection.active = viewer_model.layers["a"]
    return viewer_model


@pytest.fixture
def scanners(viewer, qtbot):
    dock = ScannersDock(viewer)
    qtbot.addWidget(dock)
    dock.take_open_slides()
    yield dock
    dock.close_down()


@pytest.fixture
def threshold(viewer, scanners, qtbot):
    dock = ThresholdDock(viewer)
    qtbot.addWidget(dock)
    qtbot.waitUntil(lambda: dock.entry.index is not None, timeout=WAIT_MS)
    yield dock
    dock.close_down()


def place_b(scanners, status="ok", reason=""):
    """Lay ``b``, which is ``a`` turned by a right angle, on ``a`` exactly."""
    a, b = scanners.case.scans
    found = from_points(b.entry.slide, a.entry.slide, TURNED, MARKS)
    b.settle(replace(found, status=status, reason=reason))


def choose(threshold, name):
    box = threshold.numbers.reference
    box.setCurrentIndex(box.findText(name))
    box.activated.emit(box.currentIndex())


def mask_of(entry):
    return np.asarray(tune(entry.probability, entry.tuning).array)


def test_the_mask_of_another_scan_is_a_live_reference(threshold, scanners, viewer, qtbot):
    place_b(scanners)
    a, b = (scan.entry for scan in scanners.case.scans)
    actions.set_thresholds(viewer, 0.4, 0.6, slide="b")
    choose(threshold, "mask of b")
    qtbot.waitUntil(lambda: a.reference is not None, timeout=WAIT_MS)
    assert a.reference.name == "mask of b at 0.40 / 0.60"
    assert threshold.numbers.reference.currentText() == a.reference.name
    expected = np.rot90(mask_of(b), -1)
    np.testing.assert_array_equal(a.reference.pixels, expected)
    for low, high in ((0.3, 0.5), (0.6, 0.7)):
        actions.set_thresholds(viewer, low, high, slide="a")
        mask = mask_of(a)
        dsc = f"{2 * (mask & expected).sum() / (mask.sum() + expected.sum()):.3f}"
        value = threshold.numbers.values["DSC"]
        qtbot.waitUntil(lambda dsc=dsc, value=value: value.text() == dsc, timeout=WAIT_MS)


def test_the_hub_is_a_reference_for_a_scan_on_it_and_coarse_is_said(
    threshold, scanners, viewer, qtbot
):
    place_b(scanners, "coarse", "three points")
    a, b = (scan.entry for scan in scanners.case.scans)
    viewer.layers.selection.active = viewer.layers["b"]
    qtbot.waitUntil(lambda: b.index is not None, timeout=WAIT_MS)
    choose(threshold, "mask of a")
    qtbot.waitUntil(lambda: b.reference is not None, timeout=WAIT_MS)
    assert b.reference.name.endswith(", coarsely registered")
    np.testing.assert_array_equal(b.reference.pixels, np.rot90(mask_of(a)))


def test_a_scan_that_is_not_registered_is_refused_with_reason_and_remedy(threshold, scanners):
    choose(threshold, "mask of b")
    text = threshold.numbers.message.text()
    assert "b does not lie on the hub: It is not registered yet." in text
    assert "three pairs of points" in text
    assert threshold.entry.reference is None


def test_a_scan_without_a_map_is_refused(threshold, scanners):
    place_b(scanners)
    scanners.case.scans[1].entry.probability = None
    choose(threshold, "mask of b")
    assert "b has no mask yet: segment it first" in threshold.numbers.message.text()


def test_scans_are_offered_as_long_as_there_is_a_case(threshold, scanners):
    offered = threshold.numbers.reference
    assert offered.findText("mask of b") > 0
    assert offered.findText("mask of a") < 0
    scanners.case.clear()
    assert offered.findText("mask of b") < 0


@pytest.fixture
def landscape(viewer, scanners, qtbot):
    dock = LandscapeDock(viewer)
    qtbot.addWidget(dock)
    dock.resize(700, 400)
    dock.show()
    yield dock
    dock.close_down()


def show(landscape, kind):
    shows = landscape.subject.shows
    shows.setCurrentIndex(shows.findData(kind))
    shows.activated.emit(shows.currentIndex())


def is_offered(landscape):
    return landscape.subject.shows.model().item(1).isEnabled()


def test_the_landscape_of_scans_is_their_agreement_and_a_click_cuts_all(
    landscape, scanners, viewer, qtbot
):
    assert not is_offered(landscape)
    place_b(scanners)
    assert is_offered(landscape)
    show(landscape, "mean")
    surveyor = landscape.surveyor
    assert "Comparing the scans" in landscape.view.missing
    qtbot.waitUntil(lambda: surveyor.found is not None, timeout=WAIT_MS)
    assert landscape.view.missing == ""
    assert not landscape.curves.isVisibleTo(landscape)  # there is no reference
    goal = landscape.view.axes().point(0.4, 0.6).toPoint()
    qtbot.mouseClick(landscape.view, Qt.MouseButton.LeftButton, pos=goal)
    a, b = (scan.entry for scan in scanners.case.scans)
    assert a.tuning.thresholds == b.tuning.thresholds
    assert a.tuning.low == pytest.approx(0.4, abs=0.02)
    mask_a, mask_b = mask_of(a), np.rot90(mask_of(b), -1)
    dice = 2 * (mask_a & mask_b).sum() / (mask_a.sum() + mask_b.sum())
    i, j = (int(np.abs(np.subtract(surveyor.found.lows, v)).argmin())
            for v in (a.tuning.low, a.tuning.high))  # fmt: skip
    assert surveyor.found.mean[i, j] == pytest.approx(dice, abs=0.02)
    assert surveyor.found.points == mask_a.size
    show(landscape, "worst")
    np.testing.assert_array_equal(surveyor.found.worst, surveyor.found.mean)  # one pair
    assert not landscape.view.grab().isNull()
    assert ALONE not in landscape.subject.note.text()
    assert "different pairs" not in landscape.subject.note.text()
    actions.set_thresholds(viewer, 0.1, 0.2, slide="b", prune_percentile=95)
    assert "Now they are cut at different pairs" in landscape.subject.note.text()
    assert ALONE in landscape.subject.note.text()


def test_another_placement_is_surveyed_anew_and_no_case_is_said(landscape, scanners, qtbot):
    place_b(scanners)
    show(landscape, "worst")
    qtbot.waitUntil(lambda: landscape.surveyor.found is not None, timeout=WAIT_MS)
    before = landscape.surveyor.found
    place_b(scanners, "coarse", "three points")
    qtbot.waitUntil(lambda: landscape.surveyor.found not in (None, before), timeout=WAIT_MS)
    assert "Coarsely registered: b." in landscape.subject.note.text()
    b = scanners.case.scans[1].entry
    b.settle(replace(b.tuning, smoothing_um=2.0))  # another map
    assert landscape.surveyor.found is None
    qtbot.waitUntil(lambda: landscape.surveyor.found is not None, timeout=WAIT_MS)
    scanners.case.scans[1].settle(unregistered(scanners.case.scans[1], scanners.case.hub))
    assert landscape.surveyor.found is None
    assert NO_SCANS in landscape.view.missing
    assert "b is not registered" in landscape.view.missing


def test_a_survey_can_be_stopped_and_begun_again(landscape, scanners, qtbot):
    place_b(scanners)
    show(landscape, "mean")
    job = landscape.surveyor._job
    show(landscape, "worst")
    assert landscape.surveyor._job is job  # one survey holds both
    landscape.subject.stop.click()
    assert not landscape.surveyor.is_running
    assert "Stopped." in landscape.view.missing
    show(landscape, "mean")
    qtbot.waitUntil(lambda: landscape.surveyor.found is not None, timeout=WAIT_MS)


def test_the_curves_stay_beside_the_agreement_of_scans(threshold, landscape, scanners, qtbot):
    place_b(scanners)
    choose(threshold, "mask of b")
    qtbot.waitUntil(lambda: threshold.entry.landscape is not None, timeout=WAIT_MS)
    assert "With mask of b at" in landscape.subject.note.text()
    assert landscape.curves.isVisibleTo(landscape)
    show(landscape, "mean")
    qtbot.waitUntil(lambda: landscape.surveyor.found is not None, timeout=WAIT_MS)
    assert landscape.curves.isVisibleTo(landscape)
    assert not landscape.curves.grab().isNull()
    found = landscape.surveyor.found
    assert (
        landscape.view.dsc_at(0.3, 0.6) == found.mean[found.lows.index(0.3), found.highs.index(0.6)]
    )
