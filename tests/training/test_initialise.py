"""How weights begin: equations 3 and 4 of the pan-cancer paper."""

from __future__ import annotations

import math

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

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
