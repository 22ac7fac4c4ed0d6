"""The Stains dock, over a viewer without a window."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.network import spec_of
from slideconcord.plugin import actions
from slideconcord.plugin.stains_dock import StainsDock
from slideconcord.plugin.tags import tag_of
from slideconcord.segmentation.model_files import save_model
from slideconcord.segmentation.networks import build

WAIT_MS = 60_000
SPEC = spec_of(
    "stain-separation-unet",
    parameters={"encoder_name": "mobilenet_v2", "encoder_depth": 3, "decoder_channels": [16, 8, 8]},
    input_multiple=32,
    mpp=2.0,
)


@pytest.fixture
def model_folder(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("segmentation_models_pytorch")
    torch.manual_seed(0)
    folder = tmp_path / "taking-apart"
    save_model(folder, SPEC, build(SPEC).state_dict())
    return str(folder)


@pytest.fixture
def dock(viewer_model, qtbot):
    dock = StainsDock(viewer_model)
    qtbot.addWidget(dock)
    yield dock
    dock.close_down()


def stains(viewer):
    return [layer for layer in viewer.layers if (tag := tag_of(layer)) and tag["kind"] == "stains"]


def test_it_says_what_is_missing(dock, viewer_model, tiny_slide_path, tmp_path):
    assert dock.state.text() == "Open a slide first."
    actions.open_slides(viewer_model, tiny_slide_path)
    assert "train one with the recipe stain-separation" in dock.state.text()
    assert not dock.run.isEnabled()
    dock.take_model("stain-density")
    assert dock.state.text() == "stain-density holds no model of stain-separation-unet."


def test_the_view_is_taken_apart_into_layers_in_their_place(
    dock, viewer_model, tiny_slide_path, model_folder, qtbot
):
    (slide,) = actions.open_slides(viewer_model, tiny_slide_path)
    dock.session.workspace.model = model_folder
    assert dock.model.currentData() == model_folder
    dock.run.click()
    assert not dock.run.isEnabled()
    qtbot.waitUntil(lambda: bool(stains(viewer_model)), timeout=WAIT_MS)
    layers = stains(viewer_model)
    assert [layer.name.split(" · ")[1] for layer in layers] == [
        "rebuilt from its stains",
        "error (optical density)",
        "colour of stain 2",
        "colour of stain 1",
        "density of stain 2",
        "density of stain 1",
    ]
    assert [layer.visible for layer in layers] == [False] * 5 + [True]
    np.testing.assert_array_equal(layers[-1].data, dock.found.maps.density[0])
    np.testing.assert_allclose(layers[-1].extent.world, slide.extent.world, atol=2)
    assert "stain 1: " in dock.state.text()
    assert "off by" in dock.state.text()
    dock.run.click()
    qtbot.waitUntil(lambda: not dock.task.is_running, timeout=WAIT_MS)
    assert len(stains(viewer_model)) == 6, "another region takes their place"
    dock.clear.click()
    assert not stains(viewer_model)


def test_the_colour_map_is_the_stains_colour_at_one_unit():
    from slideconcord.plugin.stain_layers import fading_to

    colours = fading_to(np.array([120, 60, 180], np.uint8), 1)
    white, one, two = colours.map(np.array([0.0, 0.5, 1.0]))[:, :3]
    np.testing.assert_allclose(white, 1)
    np.testing.assert_allclose(one * 255, [120, 60, 180], atol=2)
    np.testing.assert_allclose(two, one**2, atol=0.02)
