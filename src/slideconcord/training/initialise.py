"""How the weights of a network begin. One function and one line in `INITIALISATIONS` add one."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from torch import nn

from slideconcord.errors import TrainingError
from slideconcord.segmentation.model_files import model_folder, model_weights

Initialisation = Callable[[nn.Module], None]


def as_built(network: nn.Module) -> None:
    """Leave the weights as the architecture's own code made them."""


def fan_in(network: nn.Module) -> None:
    """Begin as the pan-cancer paper does (equations 3 and 4).

    Convolutions of the encoder: normal with variance 1 / fan, biases 0. Those of decoder and head:
    weights and biases uniform within sqrt(3 / fan). ``fan`` is the volume of a convolution's input.
    """
    parts: Any = network
    for convolution in _convolutions(parts.encoder):
        nn.init.normal_(convolution.weight, std=1 / math.sqrt(_fan(convolution)))
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)
    for convolution in [*_convolutions(parts.decoder), *_convolutions(parts.segmentation_head)]:
        reach = math.sqrt(3 / _fan(convolution))
        nn.init.uniform_(convolution.weight, -reach, reach)
        if convolution.bias is not None:
            nn.init.uniform_(convolution.bias, -reach, reach)


def take_over(network: nn.Module, model: str) -> list[str]:
    """Take over the weights of a trained model; return the names that begin anew.

    A head for other classes has another shape and begins anew.

    Raises
    ------
    ModelError
        When there is no such model, or its weights are damaged.
    TrainingError
        When nothing of it fits.
    """
    own = network.state_dict()
    found = model_weights(model_folder(model))
    fit = {name: t for name, t in found.items() if name in own and own[name].shape == t.shape}
    if not fit:
        raise TrainingError(
            f"network.weights: nothing of the model {model} fits this architecture: "
            "give the same architecture and parameters, or leave it out."
        )
    network.load_state_dict(fit, strict=False)
    return sorted(own.keys() - fit.keys())


def _convolutions(module: nn.Module) -> list[nn.Conv1d | nn.Conv2d]:
    return [m for m in module.modules() if isinstance(m, nn.Conv1d | nn.Conv2d)]


def _fan(convolution: nn.Conv1d | nn.Conv2d) -> int:
    return convolution.in_channels // convolution.groups * math.prod(convolution.kernel_size)


INITIALISATIONS: MappingProxyType[str, Initialisation] = MappingProxyType(
    {"as-built": as_built, "fan-in": fan_in}
)
