"""How the weights of a network begin. One function and one line in `INITIALISATIONS` add one."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType

from torch import nn

from slideconcord.errors import TrainingError
from slideconcord.segmentation.model_files import model_folder, model_weights

Initialisation = Callable[[nn.Module], None]


def as_built(network: nn.Module) -> None:
    """Leave the weights as the architecture's own code made them."""


def fan_in(network: nn.Module) -> None:
    """Begin as the pan-cancer paper does (equations 3 and 4).

    Convolutions of encoders: normal with variance 1 / fan, biases 0. All others, those of decoders
    and heads: weights and biases uniform within sqrt(3 / fan). ``fan`` is the volume of a
    convolution's input. A network in which nothing is called an encoder counts as one.
    """
    convolutions = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv1d | nn.Conv2d)
    }
    encoding = {name for name in convolutions if "encoder" in name.split(".")} or {*convolutions}
    for name, convolution in convolutions.items():
        (_begin_encoding if name in encoding else _begin_decoding)(convolution)


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


def _begin_encoding(convolution: nn.Conv1d | nn.Conv2d) -> None:
    nn.init.normal_(convolution.weight, std=1 / math.sqrt(_fan(convolution)))
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)


def _begin_decoding(convolution: nn.Conv1d | nn.Conv2d) -> None:
    reach = math.sqrt(3 / _fan(convolution))
    nn.init.uniform_(convolution.weight, -reach, reach)
    if convolution.bias is not None:
        nn.init.uniform_(convolution.bias, -reach, reach)


def _fan(convolution: nn.Conv1d | nn.Conv2d) -> int:
    return convolution.in_channels // convolution.groups * math.prod(convolution.kernel_size)


INITIALISATIONS: MappingProxyType[str, Initialisation] = MappingProxyType(
    {"as-built": as_built, "fan-in": fan_in}
)
