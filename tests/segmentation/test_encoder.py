"""ResNet-50 features: weights of a file, or random ones that say so."""

from __future__ import annotations

import numpy as np
import pytest

from slideconcord.errors import ModelError, ParameterError

torch = pytest.importorskip("torch")
models = pytest.importorskip("torchvision.models")
from safetensors.torch import save_file  # noqa: E402

from slideconcord.segmentation.encoder import resnet50  # noqa: E402

RGB = np.random.default_rng(0).integers(0, 255, (96, 80, 3), np.uint8)


def test_features_are_those_before_the_classifier_of_the_weights_in_the_file(tmp_path):
    torch.manual_seed(5)
    network = models.resnet50(weights=None).eval()
    state = {k: v for k, v in network.state_dict().items() if "num_batches" not in k}
    save_file(state, tmp_path / "mine.safetensors")
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    encode = resnet50(tmp_path / "mine.safetensors")
    assert encode.label == "ResNet-50, weights mine.safetensors"
    found = encode(RGB)
    assert found.shape == (2048,)
    # the classifier on our features gives what the whole network gives
    values = (RGB / 255.0 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    with torch.inference_mode():
        whole = network(torch.tensor(values.transpose(2, 0, 1)[None], dtype=torch.float32))
        ours = network.fc(torch.from_numpy(found))
    np.testing.assert_allclose(ours.numpy(), whole[0].numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(resnet50(tmp_path / "mine.pth")(RGB), found)


def test_random_weights_say_so_and_are_the_same_each_time():
    before = torch.random.get_rng_state()
    one, two = resnet50(), resnet50()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert "random weights" in one.label
    assert "nothing learned" in one.label
    np.testing.assert_array_equal(one(RGB), two(RGB))


def test_another_network_and_small_pictures_are_refused_in_words(tmp_path):
    save_file({"conv1.weight": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ModelError, match=r"x\.safetensors is not a ResNet-50 .* lacks bn1"):
        resnet50(tmp_path / "x.safetensors")
    state = models.resnet50(weights=None).state_dict()
    state["conv1.weight"] = torch.zeros(64, 3, 3, 3)
    save_file(state, tmp_path / "y.safetensors")
    with pytest.raises(ModelError, match=r"y\.safetensors is another network"):
        resnet50(tmp_path / "y.safetensors")
    with pytest.raises(ModelError, match="is no file"):
        resnet50(tmp_path / "none.pth")
    with pytest.raises(ParameterError, match=r"at least 32 px a side, not \(8, 8, 3\)"):
        resnet50()(np.zeros((8, 8, 3), np.uint8))
