"""The Compare dock: what it compares, what it shows, and how it says what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import slideconcord as sc
from slideconcord.annotations import Annotation, write_annotations
from slideconcord.comparison.metrics import METRICS
from slideconcord.comparison.overlay import confusion_overlay
from slideconcord.plugin import actions
from slideconcord.plugin.agreement import CUT, OverlayLevel
from slideconcord.plugin.compare_dock import (
    NO_MAP,
    NO_REFERENCE,
    NO_SLIDE,
    READY,
    CompareDock,
)
from slideconcord.plugin.tags import find_layer
from slideconcord.segmentation.exact import exact_mask
from slideconcord.segmentation.postprocess import PAN_CANCER, postprocess
from slideconcord.segmentation.reframe import in_frame_of

WAIT_MS = 20_000


@pytest.fixture
def viewer(viewer_model, tiny_slide_path):
    actions.open_slides(viewer_model, tiny_slide_path)
    return viewer_model


@pytest.fixture
def dock(viewer, qtbot):
    made = CompareDock(viewer)
    qtbot.addWidget(made)
    yield made
    made.close_down()


@pytest.fixture
def segmented(dock, viewer, model, tmp_path):
    list(actions.run_segmentation(viewer, folder=tmp_path / "runs"))
    return actions.slide_entry(viewer)


@pytest.fixture
def reference(tmp_path) -> Path:
    from shapely import box

    path = tmp_path / "reference.geojson"
    write_annotations([Annotation(box(200, 100, 1500, 1200), "Tumor")], path)
    return path


def compare(dock, qtbot, prediction=CUT):
    dock.prediction.setCurrentIndex(dock.prediction.findData(prediction))
    dock.compare()
    qtbot.waitUntil(lambda: dock._job is None, timeout=WAIT_MS)
    return dock.agreement


def run(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def expected_mask(entry, prediction, tissue):
    if prediction == CUT:
        return run(exact_mask(entry.probability, entry.tuning))
    return postprocess(entry.probability, tissue, PAN_CANCER[prediction].options)


@pytest.mark.parametrize("prediction", [CUT, *PAN_CANCER])
def test_numbers_are_those_of_compare_masks(dock, segmented, reference, qtbot, prediction):
    dock.choose_reference(reference)
    assert dock.message.text() == READY
    found = compare(dock, qtbot, prediction)
    tissue = sc.find_tissue(segmented.slide)
    mask = expected_mask(segmented, prediction, tissue)
    counted = in_frame_of(tissue, mask)
    expected = sc.compare_masks(mask, sc.read_annotations(reference), counted)
    assert found.scores.counts == expected.counts
    assert expected.counts.n == np.count_nonzero(counted.array[:, :])
    assert [dock.numbers.table.item(row, 0).text() for row in range(13)] == [
        metric.symbol for metric in METRICS.values()
    ]
    for row, name in enumerate(METRICS):
        value = expected[name]
        shown = "undefined" if np.isnan(value) else f"{value:.4f}"
        assert dock.numbers.table.item(row, 1).text() == shown
    assert dock.numbers.dsc.text().startswith("DSC ")


def test_the_overlay_lies_on_the_slide_in_the_papers_colours(
    dock, viewer, segmented, reference, qtbot
):
    dock.choose_reference(reference)
    dock.tissue_only.setChecked(False)
    found = compare(dock, qtbot)
    layer = find_layer(viewer.layers, segmented.id, "agreement")
    prediction = found.operands.prediction
    image = confusion_overlay(prediction, sc.read_annotations(reference), alpha=255)
    np.testing.assert_array_equal(np.asarray(layer.data[0]), image)
    assert {(0, 90, 220), (255, 210, 0), (0, 160, 70)} >= {
        tuple(colour) for colour in image[image[..., 3] > 0][:, :3]
    }
    assert tuple(layer.scale) == pytest.approx(tuple(prediction.mpp))
    compare(dock, qtbot)
    assert sum("Agreement" in each.name for each in viewer.layers) == 1


def test_coarser_levels_of_the_overlay_skip_pixels(dock, segmented, reference, qtbot):
    dock.choose_reference(reference)
    operands = compare(dock, qtbot).operands
    whole = np.asarray(OverlayLevel(operands, 1))
    level = OverlayLevel(operands, 4)
    np.testing.assert_array_equal(np.asarray(level), whole[::4, ::4])
    np.testing.assert_array_equal(level[3:40, 7:60], whole[::4, ::4][3:40, 7:60])


def test_a_layer_can_be_the_reference(dock, viewer, segmented, qtbot):
    shapes = viewer.add_shapes(
        [np.array([[100, 100], [100, 500], [400, 500], [400, 100]])], shape_type="polygon"
    )
    dock.reference.setCurrentIndex(dock.reference.findText(shapes.name))
    dock.reference.activated.emit(dock.reference.currentIndex())
    dock.tissue_only.setChecked(False)
    found = compare(dock, qtbot)
    pixel_um2 = found.operands.prediction.mpp.y * found.operands.prediction.mpp.x
    assert found.scores.counts.reference * pixel_um2 == pytest.approx(300 * 400, rel=0.01)


def test_a_saved_mask_can_be_both(dock, segmented, qtbot, tmp_path):
    mask = run(exact_mask(segmented.probability, segmented.tuning, tmp_path / "mask.zarr"))
    dock.choose_reference(mask.path)
    dock.choose_prediction(mask.path)
    dock.tissue_only.setChecked(False)
    dock.compare()
    qtbot.waitUntil(lambda: dock._job is None, timeout=WAIT_MS)
    assert dock.numbers.dsc.text() == "DSC 1.0000"


def test_another_frame_is_refused_with_the_remedy(dock, viewer, segmented, qtbot, tmp_path):
    coarse = postprocess(
        segmented.probability, None, PAN_CANCER["pan-cancer"].options, tmp_path / "coarse.zarr"
    )
    dock.choose_reference(coarse.path)
    assert compare(dock, qtbot) is None
    assert dock.message.text().endswith("make both from maps of the same mpp and box.")
    assert dock.numbers.dsc.text() == "DSC –"
    assert find_layer(viewer.layers, segmented.id, "agreement") is None


def test_a_file_that_cannot_be_read_says_why(dock, segmented, tmp_path):
    dock.choose_reference(tmp_path / "nowhere.geojson")
    dock.compare()
    assert "nowhere.geojson" in dock.message.text()
    assert dock.start.isEnabled()


def test_what_is_missing_is_said(dock, viewer, model, tmp_path):
    assert dock.message.text() == NO_MAP
    assert not dock.start.isEnabled()
    list(actions.run_segmentation(viewer, folder=tmp_path / "runs"))
    assert dock.message.text() == NO_REFERENCE
    viewer.layers.clear()
    assert dock.message.text() == NO_SLIDE


def test_an_empty_prediction_is_said_and_leaves_undefined_numbers(
    dock, viewer, segmented, reference, qtbot
):
    actions.set_thresholds(viewer, 1.0, 1.0)
    dock.choose_reference(reference)
    dock.tissue_only.setChecked(False)
    compare(dock, qtbot)
    assert dock.message.text() == "The prediction is empty where pixels count."
    row = list(METRICS).index("precision")
    assert dock.numbers.table.item(row, 1).text() == "undefined"
    assert dock.numbers.table.item(row, 1).toolTip() == METRICS["precision"].undefined


def test_another_slide_shows_nothing_of_the_first(dock, viewer, segmented, reference, qtbot):
    dock.choose_reference(reference)
    compare(dock, qtbot)
    layer = actions.open_slides(viewer, segmented.slide.path)[0]
    viewer.layers.selection.active = layer
    assert dock.entry is not segmented
    assert dock.numbers.dsc.text() == "DSC –"
    assert dock.message.text() == NO_MAP
