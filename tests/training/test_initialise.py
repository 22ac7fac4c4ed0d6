"""How weights begin: equations 3 and 4 of the pan-cancer paper."""

from __future__ import annotations

import math

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from slideconcord.segmentation.networks import build
from slideconcord.segmentation.spec import make_spec
from slideconcord.training.initialise import fan_in


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=3)
    fan_in(made)
    return made


def convolutions(module):
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)]


def fan(convolution) -> int:
    """Return the volume of the input of one output value."""
    return convolution.weight[0].numel()


def test_the_encoder_is_normal_with_variance_1_over_fan(network):
    for convolution in convolutions(network.encoder):
        weight = convolution.weight.detach() * math.sqrt(fan(convolution))
        assert float(weight.std()) == pytest.approx(1, rel=0.05)
        assert weight.abs().max() > 2  # not uniform
        assert convolution.bias is None or not convolution.bias.any()


def test_decoder_and_head_are_uniform_within_the_root_of_3_over_fan(network):
    found = [*convolutions(network.decoder), *convolutions(network.segmentation_head)]
    for convolution in found:
        reach = math.sqrt(3 / fan(convolution))
        largest = float(convolution.weight.detach().abs().max())
        assert 0.9 * reach < largest <= reach
        if convolution.bias is not None:
            assert 0 < float(convolution.bias.detach().abs().max()) <= reach


SMALL = {"encoder_name": "mobilenet_v2", "encoder_depth": 3, "decoder_channels": [16, 8, 8]}


def built(architecture: str):
    """Return a network of an architecture, begun by `fan_in`."""
    parameters = {"encoder_name": "mobilenetv3_small_050"} if "tile" in architecture else SMALL
    context = {"downsample": 4} if architecture == "multi-level-unet" else None
    spec = make_spec(
        {"name": "x", "version": "1", "architecture": architecture, "parameters": parameters,
         "mpp": 1.0, "tile_px": 64, "overlap_px": 0, "classes": ["a", "b"], "licence": "CC0-1.0",
         "training_data": "none", "context": context, "input_multiple": 8, "activation": "none",
         "mean": [0.5] * 3, "std": [0.1] * 3},
        "x",
    )  # fmt: skip
    torch.manual_seed(0)
    made = build(spec)
    fan_in(made)
    return made


@pytest.mark.parametrize(
    ("architecture", "encoders", "others"),
    [
        ("stain-separation-unet", ["encoder"],
         ["matrix_decoder", "density_decoder", "matrix_head", "density_head", "segmentation_head"]),
        ("multi-level-unet", ["high.encoder", "low.encoder"],
         ["high.ups", "low.ups", "high.head", "low.head", "merge", "fuse"]),
        ("tile-classifier", ["network"], []),
    ],
)  # fmt: skip
def test_networks_of_several_parts_begin_so_in_every_part(architecture, encoders, others):
    made = built(architecture)
    parts = [*encoders, *others]
    found = {part: convolutions(made.get_submodule(part)) for part in parts}
    assert sum(map(len, found.values())) == len(convolutions(made)), "every convolution is seen"
    for part, those in found.items():
        scaled = torch.cat([(c.weight * math.sqrt(fan(c))).detach().ravel() for c in those])
        beyond = float((scaled.abs() > math.sqrt(3)).float().mean())
        assert beyond == (pytest.approx(0.083, abs=0.02) if part in encoders else 0)
