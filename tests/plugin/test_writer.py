from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels, Shapes

from slideconcord.annotations import read_annotations
from slideconcord.errors import AnnotationError
from slideconcord.plugin import actions
from slideconcord.plugin.results import show_area
from slideconcord.plugin.writer import write_geojson


def saved(path, *layers):
    assert write_geojson(str(path), [layer.as_layer_data_tuple() for layer in layers]) == [
        str(path)
    ]
    return read_annotations(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "drawn.geojson"


def test_a_rectangle_drawn_on_a_slide_is_in_its_pixels(viewer_model, tiny_slide_path, path):
    actions.open_slides(viewer_model, tiny_slide_path)
    layer = show_area(viewer_model, actions.slide_entry(viewer_model))
    layer.add_rectangles([[99.5, 199.5], [299.5, 499.5]])
    (annotation,) = saved(path, layer)
    assert annotation.geometry.bounds == (200, 100, 500, 300)
    assert annotation.geometry.area == 200 * 300


def test_classes_come_from_a_feature(path):
    square = np.array([[0, 0], [0, 10], [10, 10], [10, 0]])
    layer = Shapes([square, square + 20], shape_type="polygon", features={"class": ["a", "b"]})
    assert saved(path, layer).class_names == ("a", "b")


def test_an_ellipse_keeps_its_area(path):
    corners = np.array([[0, 0], [0, 40], [20, 40], [20, 0]])
    (annotation,) = saved(path, Shapes([corners], shape_type="ellipse"))
    assert annotation.geometry.area == pytest.approx(np.pi * 10 * 20, rel=0.01)


def test_labels_become_polygons_with_holes(path):
    values = np.zeros((20, 30), np.uint8)
    values[2:12, 3:13] = 1
    values[5:8, 6:9] = 0
    values[15:18, 20:25] = 7
    first, second = saved(path, Labels(values))
    assert first.geometry.area == 100 - 9
    assert len(first.geometry.interiors) == 1
    assert second.geometry.bounds == (20, 15, 25, 18)
    assert second.name == "label 7"


def test_a_mask_layer_is_saved_as_thresholded_not_as_drawn(
    viewer_model, model, tiny_slide_path, tmp_path, path
):
    actions.open_slides(viewer_model, tiny_slide_path)
    list(actions.run_segmentation(viewer_model, folder=tmp_path / "runs"))
    layer = actions.set_thresholds(viewer_model, 0.4, 0.6)
    entry = actions.slide_entry(viewer_model)
    assert entry.style == "outline"
    pixel_area = entry.probability.frame.step_y * entry.probability.frame.step_x
    area = sum(annotation.geometry.area for annotation in saved(path, layer))
    assert area / pixel_area == pytest.approx(entry.index.areas(0.4, 0.6).area_px)


def test_lines_have_no_area(path):
    layer = Shapes([np.array([[0, 0], [5, 5]])], shape_type="line")
    with pytest.raises(AnnotationError, match="no area to write"):
        write_geojson(str(path), [layer.as_layer_data_tuple()])
    assert not path.exists()


def test_layers_of_several_slides_are_not_mixed(viewer_model, tiny_slide_path, path):
    for layer in actions.open_slides(viewer_model, [tiny_slide_path] * 2):
        viewer_model.layers.selection.active = layer
        area = show_area(viewer_model, actions.slide_entry(viewer_model))
        area.add_rectangles([[0, 0], [10, 10]])
    areas = [layer for layer in viewer_model.layers if isinstance(layer, Shapes)]
    with pytest.raises(AnnotationError, match=r"several slides \(tiny, tiny\)"):
        write_geojson(str(path), [layer.as_layer_data_tuple() for layer in areas])
