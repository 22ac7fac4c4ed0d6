"""Test-time augmentation over four turns: exact inverse, exact mean, told in the origin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contracts.network import model_of, spec_of
from segmentation.predict_helpers import OPTIONS, edgy, edgy_model, pixel_model
from slideconcord.errors import ParameterError
from slideconcord.segmentation.model import Model
from slideconcord.segmentation.options import PredictOptions
from slideconcord.segmentation.plan import plan_run
from slideconcord.segmentation.predict import predict
from slideconcord.slides import open_slide

UNET = spec_of(
    "smp-unet",
    parameters={"encoder_name": "resnet18", "encoder_depth": 3, "decoder_channels": [16, 8, 8]},
    input_multiple=8,
)


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def unet() -> Model:
    pytest.importorskip("segmentation_models_pytorch")
    return model_of(UNET)


def turned(scores: np.ndarray, k: int) -> np.ndarray:
    return np.rot90(scores, k, axes=(1, 2))


def test_the_mean_is_that_of_the_four_answers_turned_back(rgb: np.ndarray):
    mean = edgy_model().rotated()(rgb)
    each = [turned(edgy(np.rot90(rgb, k)), -k) for k in range(4)]
    np.testing.assert_allclose(mean, np.mean(each, axis=0), atol=1e-6)
    assert np.abs(mean - edgy(rgb)).max() > 0.1


def test_logits_are_averaged_not_probabilities(unet: Model, rgb: np.ndarray):
    torch = pytest.importorskip("torch")
    network = unet._runner.module
    image = torch.from_numpy(rgb.transpose(2, 0, 1)[None] / np.float32(255))
    with torch.inference_mode():
        logits = [network(image.rot90(k, (2, 3)).contiguous()).rot90(-k, (2, 3)) for k in range(4)]
    expected = torch.stack(logits).mean(0).softmax(1)[0].numpy()
    np.testing.assert_allclose(unet.rotated()(rgb), expected, atol=1e-5)


@pytest.mark.parametrize("k", range(4))
def test_a_turned_image_has_the_turned_answer_to_the_last_bit(unet: Model, rgb, k: int):
    for model in (unet.rotated(), edgy_model().rotated()):
        np.testing.assert_array_equal(model(np.rot90(rgb, k).copy()), turned(model(rgb), k))
    plain = np.abs(unet(np.rot90(rgb, 1).copy()) - turned(unet(rgb), 1)).max()
    assert plain > 1e-3, "without it, the answer to a turned image is another"


def test_a_model_that_turns_with_its_input_answers_as_without(rgb: np.ndarray):
    model = pixel_model()
    np.testing.assert_array_equal(model.rotated()(rgb), model(rgb))


def test_tiles_need_not_be_square(unet: Model):
    tile = np.random.default_rng(1).integers(0, 256, (37, 64, 3), dtype=np.uint8)
    assert unet.rotated()(tile).shape == (2, 37, 64)
    assert edgy_model().rotated()(tile).shape == (2, 37, 64)


def test_turning_twice_is_turning_once(unet: Model, rgb: np.ndarray):
    for model in (unet.rotated(), edgy_model().rotated()):
        assert model.rotated()._runner is model._runner
        np.testing.assert_array_equal(model.on("cpu", "fp32", "eager").rotated()(rgb), model(rgb))


def test_openvino_turns_as_pytorch_does(unet: Model):
    pytest.importorskip("openvino")
    tiles = np.random.default_rng(2).integers(0, 256, (2, 40, 64, 3), dtype=np.uint8)
    plain = unet.on("cpu", "fp32", "openvino")
    turning = plain.rotated()
    assert turning.engine == "openvino"
    answer = turning.predict_batch(tiles)
    np.testing.assert_allclose(answer, unet.rotated().predict_batch(tiles), atol=1e-4)
    assert np.abs(answer - plain.predict_batch(tiles)).max() > 1e-3


def test_it_is_an_option_of_predict_and_told_in_the_origin(tiny_slide_path, tmp_path):
    with open_slide(tiny_slide_path) as slide:
        plain, mean = (
            predict(slide, edgy_model(), tmp_path / tta, tile_px=420, overlap_px=50, tta=tta)
            for tta in ("none", "rotations")
        )
    assert mean.provenance["parameters"]["tta"] == "rotations"
    assert "tta" not in plain.provenance["parameters"], "runs of older versions keep their key"
    assert not np.array_equal(np.asarray(mean.array), np.asarray(plain.array))


def test_another_run_is_never_taken_for_it(tiny_slide_path):
    with open_slide(tiny_slide_path) as slide:
        keys = {
            plan_run(slide, edgy_model(), replace(OPTIONS, tta=tta)).key
            for tta in ("none", "rotations")
        }
    assert len(keys) == 2


def test_an_unknown_augmentation_lists_the_known():
    with pytest.raises(ParameterError, match=r"tta='flips' is not known\. Choose none, rotations"):
        PredictOptions(tta="flips")
