"""Checklist (e) 12 and 13: the exceptions from weight decay, and the step length at named steps."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from slideconcord.errors import ParameterError
from slideconcord.training.optimisers import (
    OPTIMISERS,
    SCHEDULES,
    Sgd,
    WarmUpCosine,
    decay_groups,
    set_rate,
)

STEPS = 500_000


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 1e-4),
        (9, 1e-4),
        (10, 2e-4),
        (19, 2e-4),
        (500, 51e-4),
        (989, 99e-4),
        (990, 1e-2),
        (999, 1e-2),
        (1000, 1e-2),
        ((1000 + STEPS) // 2, 0.5e-2),
        (STEPS, 0.0),
    ],
)
def test_the_papers_step_length_at_named_steps(step, rate):
    assert WarmUpCosine().rate(step, STEPS) == pytest.approx(rate, abs=1e-12)


def test_the_cosine_falls_all_the_way():
    rates = [WarmUpCosine().rate(step, STEPS) for step in range(1000, STEPS + 1, 997)]
    assert all(a > b for a, b in pairwise(rates))
    quarter = WarmUpCosine().rate(1000 + (STEPS - 1000) // 4, STEPS)
    assert quarter == pytest.approx(0.5e-2 * (1 + math.sqrt(0.5)), rel=1e-4)


@pytest.mark.parametrize("name", SCHEDULES)
def test_no_schedule_ever_goes_backwards_or_stops_early(name):
    rates = [SCHEDULES[name]().rate(step, 3000) for step in range(3000)]
    assert min(rates) > 0


def test_a_warm_up_that_begins_above_its_peak_is_refused():
    with pytest.raises(ParameterError, match=r"first 0\.1 is above peak 0\.01"):
        WarmUpCosine(first=0.1)


class Scaled(nn.Module):
    """Parameters named as in normaliser-free networks."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 3, 1, 1))
        self.gain = nn.Parameter(torch.ones(4, 1, 1, 1))
        self.skipinit_gain = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(4))


def test_weight_decay_spares_biases_gains_and_what_has_one_dimension():
    network = nn.Sequential(Scaled(), nn.GroupNorm(2, 4), nn.Conv2d(4, 2, 1))
    names = {id(p): name for name, p in network.named_parameters()}
    decayed, free = decay_groups(network, 2e-5)
    assert (decayed["weight_decay"], free["weight_decay"]) == (2e-5, 0.0)
    assert [names[id(p)] for p in decayed["params"]] == ["0.weight", "2.weight"]
    assert len(free["params"]) == 6


def test_weight_decay_spares_what_it_must_in_the_papers_network():
    timm = pytest.importorskip("timm")
    encoder = timm.create_model("eca_nfnet_l0", features_only=True, output_stride=16)
    names = {id(p): name for name, p in encoder.named_parameters()}
    decayed, free = decay_groups(encoder, 2e-5)
    assert {names[id(p)].split(".")[-1] for p in decayed["params"]} == {"weight"}
    assert {"gain", "bias"} <= {names[id(p)].split(".")[-1] for p in free["params"]}


def test_sgd_is_nesterovs_with_momentum():
    group = Sgd().make(nn.Conv2d(3, 2, 1)).param_groups[0]
    assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.9, True, 2e-5)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_takes_a_step_of_the_length_that_was_set(name):
    layer = nn.Conv2d(1, 1, 1)
    optimiser = OPTIMISERS[name]().make(layer)
    before = layer.weight.detach().clone()
    for rate, moves in ((0.0, False), (0.1, True)):
        set_rate(optimiser, rate)
        layer(torch.ones(1, 1, 2, 2)).sum().backward()
        optimiser.step()
        assert bool((layer.weight != before).any()) == moves
