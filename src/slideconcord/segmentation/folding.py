"""Weight standardisation, done once instead of at every forward pass.

Norm-free networks (NFNet) standardise the weights of each convolution whenever it is called. While
nothing trains, the outcome is always the same: it is computed once, by the same operation on the
same numbers, and put into a plain convolution, whose output is therefore the same to the last bit
in fp32.
"""

from __future__ import annotations

import copy
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def folded(module: nn.Module) -> nn.Module:
    """Return ``module`` with plain convolutions for weight-standardised ones, for inference.

    The given module is left as it is; one without such convolutions is returned itself. Those that
    pad by the size of their input (timm's ``...Same``) are kept.
    """
    # A network can hold such convolutions only if timm was imported to make them.
    timm: Any = sys.modules.get("timm.layers.std_conv")
    kinds = () if timm is None else (timm.StdConv2d, timm.ScaledStdConv2d)
    plain = {id(each): _plain(each) for each in module.modules() if type(each) in kinds}
    # What is in the memo counts as copied already, so each convolution becomes its plain one.
    return copy.deepcopy(module, dict(plain)) if plain else module


def _plain(conv: Any) -> Any:
    """Return a convolution whose weights are what ``conv`` computes with."""
    import torch
    from torch import nn
    from torch.nn.functional import batch_norm

    made: Any = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        stride=conv.stride,
        padding=conv.padding,
        dilation=conv.dilation,
        groups=conv.groups,
        bias=conv.bias is not None,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
    )
    gain = getattr(conv, "gain", None)
    with torch.no_grad():
        # As timm's forward does, operation by operation: only so the bits agree.
        weight = batch_norm(
            conv.weight.reshape(1, conv.out_channels, -1),
            None,
            None,
            weight=None if gain is None else (gain * conv.scale).view(-1),
            training=True,
            momentum=0.0,
            eps=conv.eps,
        )
        made.weight.copy_(weight.reshape_as(conv.weight))
        if conv.bias is not None:
            made.bias.copy_(conv.bias)
    return made.train(conv.training)
