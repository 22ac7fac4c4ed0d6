"""Pins drawn on the slide, without a window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from slideconcord.plugin import actions
from slideconcord.plugin.pins_layer import IN_COLOUR, OUT_COLOUR, SIZE_PX
from slideconcord.plugin.tags import find_layer
from slideconcord.segmentation.tuning import Edit

IN, OUT = Edit(100.5, 200.5, keep=True), Edit(300.0, 50.0, keep=False)


@pytest.fixture
def entry(viewer_model, tiny_slide_path):
    actions.open_slides(viewer_model, tiny_slide_path)
    return actions.slide_entry(viewer_model)


def pins(viewer, entry):
    return find_layer(viewer.layers, entry.id, "pins")


def settle(entry, *edits):
    entry.settle(replace(entry.tuning, edits=edits))


def test_pins_lie_where_they_were_set_and_look_as_they_decide(viewer_model, entry):
    settle(entry, IN, OUT)
    layer, slide_layer = (
        pins(viewer_model, entry),
        find_layer(viewer_model.layers, entry.id, "slide"),
    )
    np.testing.assert_allclose(layer.data, [(100, 200), (299.5, 49.5)])
    np.testing.assert_allclose(
        layer.data_to_world((100, 200)), slide_layer.data_to_world((100, 200))
    )
    np.testing.assert_allclose(layer.border_color, [IN_COLOUR, OUT_COLOUR], atol=0.01)
    assert len(set(layer.symbol)) == 2
    assert layer.canvas_size_limits == (SIZE_PX, SIZE_PX)


def test_pins_follow_undo_and_redo_and_go_with_the_last(viewer_model, entry):
    settle(entry, IN)
    settle(entry, IN, OUT)
    first = pins(viewer_model, entry)
    entry.undo()
    assert pins(viewer_model, entry) is first
    np.testing.assert_allclose(first.data, [(100, 200)])
    np.testing.assert_allclose(first.border_color, [IN_COLOUR], atol=0.01)
    entry.redo()
    np.testing.assert_allclose(first.border_color, [IN_COLOUR, OUT_COLOUR], atol=0.01)
    settle(entry, OUT)
    np.testing.assert_allclose(first.border_color, [OUT_COLOUR], atol=0.01)
    settle(entry)
    assert pins(viewer_model, entry) is None
    entry.undo()
    np.testing.assert_allclose(pins(viewer_model, entry).data, [(299.5, 49.5)])


def test_pins_can_neither_be_edited_nor_take_the_selection(viewer_model, entry):
    slide_layer = viewer_model.layers.selection.active
    settle(entry, IN)
    layer = pins(viewer_model, entry)
    assert viewer_model.layers.selection.active is slide_layer
    for mode in ("add", "select"):
        layer.mode = mode
        assert layer.mode == "pan_zoom"
    viewer_model.dims.ndisplay = 2
    viewer_model.reset_view()
    assert not layer.editable


def test_pins_go_with_their_slide(viewer_model, entry, tiny_slide_path):
    settle(entry, IN)
    other = actions.open_slides(viewer_model, tiny_slide_path)[0]
    viewer_model.layers.remove(find_layer(viewer_model.layers, entry.id, "slide"))
    assert list(viewer_model.layers) == [other]
    settle(entry, IN, OUT)
    assert list(viewer_model.layers) == [other]


def test_all_layers_can_be_cleared_at_once(viewer_model, entry):
    settle(entry, IN)
    viewer_model.layers.clear()
    assert not viewer_model.layers
