"""The whole path by script, in a viewer without a window."""

from __future__ import annotations

import gc
import json
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel

from slideconcord.errors import MismatchError, MissingMppError, OutputError, ParameterError
from slideconcord.geometry import Box
from slideconcord.plugin import actions
from slideconcord.plugin.layers import change_colour
from slideconcord.plugin.results import drawn_box, show_area
from slideconcord.plugin.session import session_of
from slideconcord.plugin.tags import find_layer, tag_of
from slideconcord.segmentation.hysteresis import hysteresis
from slideconcord.segmentation.mask import open_mask
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tuning import Tuning

BOX = Box(200, 300, 700, 900)


def segmented(viewer, path, folder, box=BOX):
    (layer,) = actions.open_slides(viewer, path)
    list(actions.run_segmentation(viewer, box=box, folder=folder))
    return layer, actions.slide_entry(viewer)


def test_open_segment_threshold_export(viewer_model, model, tiny_slide_path, tmp_path):
    _, entry = segmented(viewer_model, tiny_slide_path, tmp_path / "runs")
    assert entry.run.status == "done"
    assert entry.probability.complete
    mask_layer = actions.set_thresholds(viewer_model, 0.35, 0.6)
    files = actions.export_results(viewer_model, tmp_path / "out")
    assert [file.name for file in files] == [
        "tiny.regions.geojson", "tiny.mask.zarr", "tiny.overview.png",
    ]  # fmt: skip
    exact = hysteresis(entry.probability, 0.35, 0.6)
    assert 0 < exact.array.sum() < exact.array.size
    entry.style = "filled"
    np.testing.assert_array_equal(np.asarray(mask_layer.data[0]), exact.array)
    saved = open_mask(files[1])
    np.testing.assert_array_equal(np.asarray(saved.array), exact.array)
    assert saved.provenance["low"] == 0.35
    collection = json.loads(files[0].read_text(encoding="utf-8"))
    assert len(collection["features"]) == entry.index.areas(0.35, 0.6).region_count


def test_results_lie_where_the_slide_says(viewer_model, model, tiny_slide_path, tmp_path):
    """The corners of a pixel of the map are those of the level-0 pixels it came from."""
    layer, entry = segmented(viewer_model, tiny_slide_path, tmp_path)
    probability = find_layer(viewer_model.layers, entry.id, "probability")
    frame = entry.probability.frame
    assert (frame.origin_y, frame.origin_x, frame.step_y) == (200, 300, 2)
    for row, column in ((0, 0), (17, 33)):
        corner = probability.data_to_world((row - 0.5, column - 0.5))
        level0 = np.array(frame.to_level0(row, column)) - 0.5
        np.testing.assert_allclose(corner, layer.data_to_world(level0))


def test_the_probability_layer_shows_the_stored_map(viewer_model, model, tiny_slide_path, tmp_path):
    _, entry = segmented(viewer_model, tiny_slide_path, tmp_path)
    layer = find_layer(viewer_model.layers, entry.id, "probability")
    np.testing.assert_array_equal(np.asarray(layer.data[0]), entry.probability.array())
    assert layer.colormap.map(0.0)[..., 3] == 0
    assert layer.contrast_limits == [0, 255]


def test_slides_opened_together_keep_their_results_apart(
    viewer_model, model, tiny_slide_path, tmp_path
):
    first, second = actions.open_slides(viewer_model, [tiny_slide_path] * 2)
    viewer_model.layers.selection.active = second
    other = actions.slide_entry(viewer_model)
    list(actions.run_segmentation(viewer_model, box=BOX, folder=tmp_path))
    assert tag_of(first)["id"] != other.id
    assert find_layer(viewer_model.layers, tag_of(first)["id"], "probability") is None
    assert find_layer(viewer_model.layers, other.id, "probability") is not None
    viewer_model.layers.selection.active = first
    with pytest.raises(MismatchError, match="has no probability map yet"):
        actions.set_thresholds(viewer_model, 0.2, 0.5)


def test_a_cancelled_run_goes_on_where_it_stopped(viewer_model, model, tiny_slide_path, tmp_path):
    actions.open_slides(viewer_model, tiny_slide_path)
    run = actions.run_segmentation(viewer_model, folder=tmp_path)
    first = next(run)
    run.close()
    assert 1 <= first.done < first.total
    left = list(actions.run_segmentation(viewer_model, folder=tmp_path))
    assert left[0].done > first.done
    assert left[-1].done == first.total


def test_a_finished_run_is_found_again(viewer_model, model, tiny_slide_path, tmp_path):
    segmented(viewer_model, tiny_slide_path, tmp_path)
    assert list(actions.run_segmentation(viewer_model, box=BOX, folder=tmp_path)) == []
    assert actions.slide_entry(viewer_model).probability is not None


def test_thresholds_start_at_the_model_s_own(viewer_model, model, tiny_slide_path, tmp_path):
    _, entry = segmented(viewer_model, tiny_slide_path, tmp_path)
    assert entry.tuning == Tuning(Thresholds(0.3, 0.5))
    assert not entry.history.can_undo


def test_thresholds_that_were_set_survive_a_new_run(viewer_model, model, tiny_slide_path, tmp_path):
    _, entry = segmented(viewer_model, tiny_slide_path, tmp_path)
    actions.set_thresholds(viewer_model, 0.2, 0.8)
    list(actions.run_segmentation(viewer_model, box=Box(0, 0, 400, 400), folder=tmp_path))
    assert entry.tuning.thresholds == Thresholds(0.2, 0.8)
    assert entry.index is None


def test_low_above_high_is_refused(viewer_model, model, tiny_slide_path, tmp_path):
    segmented(viewer_model, tiny_slide_path, tmp_path)
    with pytest.raises(MismatchError, match=r"low \(0.8\) is above high \(0.5\)"):
        actions.set_thresholds(viewer_model, low=0.8)


def test_changing_a_cut_by_script_moves_the_mask_layer(
    viewer_model, model, tiny_slide_path, tmp_path
):
    _, entry = segmented(viewer_model, tiny_slide_path, tmp_path)
    layer = actions.set_thresholds(viewer_model, 0.3, 0.5)
    before = np.asarray(layer.data[0]).copy()
    entry.tuning = Tuning(Thresholds(0.45, 0.5))
    assert (np.asarray(layer.data[0]) != before).any()


def test_export_without_a_map_is_refused(viewer_model, tiny_slide_path, tmp_path):
    actions.open_slides(viewer_model, tiny_slide_path)
    with pytest.raises(MismatchError, match="segment it first"):
        actions.export_results(viewer_model, tmp_path)


def test_export_into_a_file_is_refused(viewer_model, model, tiny_slide_path, tmp_path):
    segmented(viewer_model, tiny_slide_path, tmp_path / "runs")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be made"):
        actions.export_results(viewer_model, tmp_path / "file")


def test_no_slide_and_unknown_slides_are_named(viewer_model, tiny_slide_path):
    with pytest.raises(ParameterError, match="No slide is open"):
        actions.slide_entry(viewer_model)
    actions.open_slides(viewer_model, [tiny_slide_path] * 2)
    with pytest.raises(ParameterError, match="no slide is called 'x' here; open are: tiny, tiny"):
        actions.slide_entry(viewer_model, "x")
    with pytest.raises(ParameterError, match="several slides are called 'tiny'"):
        actions.slide_entry(viewer_model, "tiny")


def test_a_script_never_guesses_a_pixel_size(viewer_model, tmp_path):
    import tifffile

    path = tmp_path / "bare.tif"
    tifffile.imwrite(path, np.zeros((64, 64, 3), np.uint8), photometric="rgb")
    with pytest.raises(MissingMppError):
        actions.open_slides(viewer_model, path)
    (layer,) = actions.open_slides(viewer_model, path, mpp=0.5)
    assert layer.scale == pytest.approx((0.5, 0.5))


def test_removing_the_layer_forgets_the_slide(viewer_model, tiny_slide_path):
    (layer,) = actions.open_slides(viewer_model, tiny_slide_path)
    workspace = session_of(viewer_model).workspace
    viewer_model.layers.remove(layer)
    assert len(workspace.entries) == 0
    assert workspace.active is None


def test_the_scale_bar_is_on_and_a_slide_fills_the_view(viewer_model, tiny_slide_path):
    actions.open_slides(viewer_model, tiny_slide_path)
    assert viewer_model.canvas.overlays.scale_bar.visible


def test_other_layers_are_left_alone(viewer_model, tiny_slide_path):
    actions.open_slides(viewer_model, tiny_slide_path)
    entry = actions.slide_entry(viewer_model)
    viewer_model.add_points([[0, 0]])
    assert actions.slide_entry(viewer_model) is entry


def test_a_drawn_rectangle_is_a_box_of_level_0(viewer_model, tiny_slide_path):
    actions.open_slides(viewer_model, tiny_slide_path)
    entry = actions.slide_entry(viewer_model)
    assert drawn_box(viewer_model, entry) is None
    layer = show_area(viewer_model, entry)
    assert layer.mode == "add_rectangle"
    assert show_area(viewer_model, entry) is layer
    # napari's (99.5, 199.5) is the corner between pixels 99 and 100, 199 and 200
    layer.add_rectangles([[99.5, 199.5], [299.5, 499.5]])
    assert drawn_box(viewer_model, entry) == Box(100, 200, 200, 300)
    layer.add_rectangles([[-500, -500], [50.4, 60.4]])
    assert drawn_box(viewer_model, entry) == Box(0, 0, 51, 61)
    layer.add_rectangles([[-500, -500], [-100, -100]])
    assert drawn_box(viewer_model, entry) is None


def test_another_colour_keeps_the_slide_s_results(viewer_model, model, tiny_slide_path, tmp_path):
    layer, entry = segmented(viewer_model, tiny_slide_path, tmp_path)
    old = entry.slide
    change_colour(entry, layer, "srgb")
    assert entry.slide is not old
    assert entry.slide.colour == "srgb"
    assert tag_of(layer)["slide"] is entry.slide
    assert find_layer(viewer_model.layers, entry.id, "probability") is not None
    change_colour(entry, layer, "srgb")


def test_a_copied_layer_streams_by_itself(viewer_model, tiny_slide_path, qapp):
    from copy import deepcopy

    from napari.layers import Layer

    (layer,) = actions.open_slides(viewer_model, tiny_slide_path)
    data, state, kind = layer.as_layer_data_tuple()
    copy = viewer_model.add_layer(Layer.create(deepcopy(data), deepcopy(state), kind))
    first, second = tag_of(layer), tag_of(copy)
    assert first["id"] == second["id"]
    assert first["slide"] is second["slide"]
    assert first["view"] is not second["view"]
    assert first["view"].on_ready is not None
    np.testing.assert_array_equal(copy.data[1][10:20, 30:40], layer.data[1][10:20, 30:40])
    viewer_model.layers.remove(layer)
    assert second["view"].on_ready is not None
    assert actions.slide_entry(viewer_model).slide is second["slide"]


def test_a_closed_viewer_is_let_go(tiny_slide_path):
    viewer = ViewerModel()
    actions.open_slides(viewer, tiny_slide_path)
    session = session_of(viewer)
    gone = weakref.ref(viewer)
    del viewer
    gc.collect()
    assert gone() is None
    with pytest.raises(ReferenceError, match="viewer is gone"):
        _ = session.viewer
