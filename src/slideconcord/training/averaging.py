"""The running mean of the weights over the steps: steadier than the weights of any one step."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

_WARM_UP = 10
"""The first weights are random: their share falls faster than by the decay."""


def running_mean(module: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of ``module`` that follows it, ``decay`` of itself and the rest of the new.

    In its first steps it follows closer: with (1 + step) / (10 + step) where that is less.
    """

    def update(averaged: Any, current: Any, steps: Any) -> None:
        done = int(steps)
        share = 1 - min(decay, (1 + done) / (_WARM_UP + done))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, share)
        else:  # batch normalisation counts its batches
            torch._foreach_copy_(averaged, current)

    return AveragedModel(module, multi_avg_fn=torch.no_grad()(update), use_buffers=True)
