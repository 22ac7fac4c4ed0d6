"""The pan-cancer paper's network and its checkpoints: items 7 to 10 of the checklist for paper (e).

The network has 73 million parameters: it is built once, and sees tiles of a few pixels.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slideconcord.cli import main
from slideconcord.errors import ModelError
from slideconcord.segmentation.folding import folded
from slideconcord.segmentation.model import Model, import_checkpoint, load_model
from slideconcord.segmentation.networks import build
from slideconcord.segmentation.published import PAN_CANCER, describe_checkpoint
from slideconcord.segmentation.spec import read_spec

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytest.importorskip("segmentation_models_pytorch")

from torch import nn  # noqa: E402


@pytest.fixture(scope="module")
def network() -> Any:
    """The network with weights whose effects all show: no gain is 1, no bias is 0."""
    torch.manual_seed(0)
    module = build(PAN_CANCER)
    for name, parameter in module.named_parameters():
        if name.endswith(("gain", "bias")):
            nn.init.normal_(parameter, 1.0 if name.endswith("gain") else 0.0, 0.1)
    nn.init.normal_(module.segmentation_head[0].weight, std=0.5)
    return module.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def tile() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (33, 50, 3), dtype=np.uint8)


def by_the_paper(network: Any, tile: np.ndarray) -> np.ndarray:
    """The slow twin: input and output as the paper's code has them, step by step."""
    mean, std = (0.8297992, 0.7106879, 0.8241846), (0.1051075, 0.1543867, 0.09917571)
    height, width = -(-tile.shape[0] // 16) * 16, -(-tile.shape[1] // 16) * 16
    top, left = (height - tile.shape[0]) // 2, (width - tile.shape[1]) // 2
    inside = np.s_[top : top + tile.shape[0], left : left + tile.shape[1]]
    padded = np.zeros((height, width, 3))
    padded[inside] = tile
    image = ((padded / 255 - mean) / std).astype(np.float32)
    with torch.inference_mode():
        logits = network(torch.from_numpy(image.transpose(2, 0, 1))[None])
        scores = torch.exp(torch.log_softmax(logits.float(), dim=1))[0].numpy()
    return np.floor(np.clip(scores * 255, 0, 255)).astype(np.uint8)[:, *inside]


def test_item_7_padding_to_16_is_centred_raw_black_and_removed():
    from slideconcord.segmentation.torch_runner import TorchRunner

    seen: list[Any] = []

    class Looks(nn.Module):
        def forward(self, images: Any) -> Any:
            seen.append(images.clone())
            return images

    model = Model(PAN_CANCER, TorchRunner(Looks(), PAN_CANCER, "cpu", "fp32"))
    white = np.full((20, 40, 3), 255, np.uint8)
    assert model(white).shape == (3, 20, 40)
    mean, std = np.array(PAN_CANCER.mean), np.array(PAN_CANCER.std)
    expected = np.empty((3, 32, 48), np.float32)
    expected[:] = (-mean / std)[:, None, None]
    expected[:, 6:26, 4:44] = ((1 - mean) / std)[:, None, None]
    np.testing.assert_array_equal(seen[0][0].numpy(), expected)


def test_item_8_every_value_is_standardised_by_the_published_mean_and_std():
    from slideconcord.segmentation.standardise import Standardise

    values = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    images, _ = Standardise(PAN_CANCER, torch.device("cpu"))(torch.from_numpy(values))
    mean, std = (0.8297992, 0.7106879, 0.8241846), (0.1051075, 0.1543867, 0.09917571)
    expected = ((values[0] / 255.0 - mean) / std).astype(np.float32)
    np.testing.assert_array_equal(images[0].permute(1, 2, 0).numpy(), expected)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_item_9_has_73_472_403_parameters_and_only_with_three_classes(network: Any):
    assert sum(p.numel() for p in network.parameters()) == 73_472_403
    assert PAN_CANCER.parameter_count == 73_472_403
    head = sum(p.numel() for p in network.segmentation_head.parameters())
    assert head == 3 * 257
    assert PAN_CANCER.classes[-1] == PAN_CANCER.target_class == "tumour"


def test_item_10_normalises_in_groups_of_8_channels(network: Any):
    groups = {m.num_channels: m.num_groups for m in network.modules() if type(m) is nn.GroupNorm}
    assert groups == {256: 32, 48: 6}
    assert not [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def test_the_network_is_that_of_the_paper_part_by_part(network: Any):
    encoder, decoder = network.encoder, network.decoder
    assert encoder.feature_info.reduction() == [2, 4, 8, 16, 16]
    assert encoder.feature_info.channels() == [64, 256, 512, 1536, 3072]
    # Output stride 16: the last stage is dilated, and pools 2 x 2 without a stride.
    assert type(encoder.stages_3[0].downsample.pool) is timm.layers.AvgPool2dSame
    assert encoder.stages_3[0].downsample.pool.stride == (1, 1)
    assert {block.conv2b.dilation for block in encoder.stages_3} == {(2, 2)}
    # The last feature is the final convolution itself, before any activation.
    assert "final_conv" in encoder.return_layers
    assert not hasattr(encoder, "final_act")
    aspp = decoder.aspp[0]
    rates = [conv[0][0].dilation[0] for conv in aspp.convs[1:4]]
    assert rates == [12, 24, 36]
    assert all(conv[0][0].groups == 3072 for conv in aspp.convs[1:4])
    assert aspp.project[-1].p == 0.5
    assert decoder.block1[0].out_channels == 48
    assert decoder.up.align_corners
    assert network.segmentation_head[1].align_corners
    assert (decoder.up.scale_factor, network.segmentation_head[1].scale_factor) == (4, 4)
    assert network.segmentation_head[0].kernel_size == (1, 1)


def test_folding_the_weight_standardisation_changes_no_bit(network: Any, tile: np.ndarray):
    plain = folded(network)
    image = torch.from_numpy(tile[:32, :48].copy()).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        assert torch.equal(plain(image), network(image))
    kinds = {type(m).__name__ for m in plain.modules()}
    assert "ScaledStdConv2d" not in kinds
    assert "ScaledStdConv2d" in {type(m).__name__ for m in network.modules()}


def test_a_network_without_standardised_weights_is_not_copied():
    module = nn.Sequential(nn.Conv2d(3, 3, 1))
    assert folded(module) is module


def spelled_by_timm_0_4_12(key: str) -> str:
    key = key.replace("encoder.stem_conv", "encoder.stem.conv")
    return "module." + key.replace("encoder.stages_", "encoder.stages.")


def spelled_universally(key: str) -> str:
    return key.replace("encoder.", "encoder.model.", 1)


def training_state(network: Any, spell: Any) -> dict[str, Any]:
    """A checkpoint laid out as the authors' training code writes it."""
    weights = {spell(key): tensor for key, tensor in network.state_dict().items()}
    decoys = {key: torch.zeros(()) for key in weights}
    return {
        "epoch": 12,
        "step": 500_000,
        "network_state": weights,
        "optimiser_state": {"state": {0: {"momentum_buffer": None}}, "param_groups": [{"lr": 0.1}]},
        "schedule_1_state": {"last_epoch": 3},
        "network_state_ema": decoys,
    }


def test_the_authors_checkpoint_is_imported_and_answers_as_its_network(
    network: Any, tile: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "model-state_step-500000.tar"
    torch.save(training_state(network, spelled_by_timm_0_4_12), path)
    assert main(["models", "import", str(path), "--out", str(tmp_path / "model")]) == 0
    assert "pan-cancer step-500000 is in" in capsys.readouterr().out
    spec = read_spec(tmp_path / "model")
    assert (spec.tile_px, spec.overlap_px, spec.mpp) == (7680, 1024, 1.0)
    model = load_model(tmp_path / "model", "cpu", "fp32")
    found, expected = model.quantise_batch(tile[None])[0], by_the_paper(network, tile)
    # Another order of memory may round a value that lies on the edge of a level otherwise.
    off = np.abs(found.astype(int) - expected)
    assert off.max() <= 1
    assert (off > 0).mean() < 0.001
    assert np.ptp(expected) > 50


@pytest.mark.parametrize(
    "spell", [spelled_by_timm_0_4_12, spelled_universally, str, lambda key: f"module.{key}"]
)
def test_every_spelling_of_a_key_becomes_the_present_one(network: Any, spell: Any):
    for key in network.state_dict():
        other = spell(key).removeprefix("module.")
        assert network.present_key(other) == key


def test_the_universal_spelling_in_half_precision_is_imported_as_float32(
    network: Any, tmp_path: Path
):
    from safetensors.torch import load_file, save_file

    halves = {spelled_universally(k): t.bfloat16() for k, t in network.state_dict().items()}
    save_file(halves, tmp_path / "universal.safetensors")
    spec = describe_checkpoint(tmp_path / "universal.safetensors", name="mine")
    assert (spec.name, spec.version) == ("mine", "unknown")
    import_checkpoint(tmp_path / "universal.safetensors", spec, tmp_path / "model")
    kept = load_file(tmp_path / "model" / "weights.safetensors")
    assert set(kept) == set(network.state_dict())
    assert {tensor.dtype for tensor in kept.values()} == {torch.float32}


def test_a_checkpoint_of_two_classes_is_refused_with_its_differences(
    network: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    state = training_state(network, spelled_by_timm_0_4_12)
    weights = state["network_state"]
    weights["module.segmentation_head.0.weight"] = torch.zeros(2, 256, 1, 1)
    weights["module.encoder.head.fc.weight"] = torch.zeros(1)
    del weights["module.encoder.final_conv.gain"]
    torch.save(state, tmp_path / "c.tar")
    assert main(["models", "import", str(tmp_path / "c.tar"), "--out", str(tmp_path / "m")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "1 missing: encoder.final_conv.gain; 1 unknown: encoder.head.fc.weight; " in told
    assert "segmentation_head.0.weight (2, 256, 1, 1) instead of (3, 256, 1, 1)" in told
    assert not (tmp_path / "m").exists()


def test_a_real_tar_is_no_checkpoint(tmp_path: Path):
    with tarfile.open(tmp_path / "c.tar", "w") as archive:
        archive.add(__file__, "code.py")
    with pytest.raises(ModelError, match=r"c\.tar is no checkpoint of PyTorch|c\.tar is refused"):
        import_checkpoint(tmp_path / "c.tar", PAN_CANCER, tmp_path / "m")
