"""What every architecture keeps: subclass `NetworkTests` and name a spec."""

from __future__ import annotations

import numpy as np
import pytest

from slideconcord.segmentation.model import Model, ModelSpec
from slideconcord.segmentation.networks import build


def spec_of(architecture: str, **fields: object) -> ModelSpec:
    """Return a small spec of an architecture, for tests."""
    made = {
        "name": "test",
        "version": "1",
        "architecture": architecture,
        "mpp": 1.0,
        "tile_px": 64,
        "overlap_px": 16,
        "classes": ("background", "tumour"),
        "activation": "softmax",
        "licence": "none",
        "training_data": "none",
        **fields,
    }
    return ModelSpec.model_validate(made)


def model_of(spec: ModelSpec) -> Model:
    """Return the architecture with weights of its own making, from a fixed seed."""
    network = build(spec)
    if not hasattr(network, "state_dict"):
        return Model.from_function(spec, network)
    from slideconcord.segmentation.torch_runner import TorchRunner

    return Model(spec, TorchRunner(network, spec, "cpu", "fp32"))


class NetworkTests:
    """The contract of an architecture, through the model that runs it."""

    spec: ModelSpec
    shape: tuple[int, int] = (96, 64)
    """Of the tiles that are tried: small where the network is large."""

    @pytest.fixture(scope="class")
    def model(self) -> Model:
        return model_of(self.spec)

    @pytest.fixture
    def tiles(self) -> np.ndarray:
        return np.random.default_rng(3).integers(0, 256, (2, *self.shape, 3), dtype=np.uint8)

    def test_gives_a_probability_for_each_class_and_pixel(self, model: Model, tiles: np.ndarray):
        scores = model.predict_batch(tiles)
        assert scores.shape == (2, len(self.spec.classes), *self.shape)
        assert scores.dtype == np.float32
        assert 0 <= scores.min() <= scores.max() <= 1
        assert np.ptp(scores) > 0
        if self.spec.activation == "softmax":
            np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)

    def test_answers_the_same_again(self, model: Model, tiles: np.ndarray):
        np.testing.assert_array_equal(model.predict_batch(tiles), model.predict_batch(tiles))

    def test_does_not_depend_on_the_batch(self, model: Model, tiles: np.ndarray):
        alone = np.stack([model(tile) for tile in tiles])
        np.testing.assert_allclose(model.predict_batch(tiles), alone, atol=1e-5)

    def test_quantises_by_cutting_off(self, model: Model, tiles: np.ndarray):
        floors = np.floor(model.predict_batch(tiles) * np.float32(255))
        np.testing.assert_array_equal(model.quantise_batch(tiles), floors)

    def test_takes_any_size(self, model: Model):
        size = self.shape[0] - 3, self.shape[1] + 5
        tile = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        assert model(tile).shape == (len(self.spec.classes), *size)

    def test_leaves_the_input_alone(self, model: Model, tiles: np.ndarray):
        before = tiles.copy()
        model.quantise_batch(tiles)
        np.testing.assert_array_equal(tiles, before)
