"""Where a run stands, on disk as safetensors: tensors and JSON, no pickle; whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slideconcord.annotations.exchange import atomic
from slideconcord.errors import OutputError

_NETWORK, _OPTIMISER, _AVERAGED = "network.", "optimiser.", "averaged."
_STANDS = "stands"


@dataclass(frozen=True)
class Checkpoint:
    """Network, optimiser and everything else that the next step depends on."""

    step: int
    """Steps done."""
    network: Mapping[str, Tensor]
    optimiser: Mapping[str, Tensor]
    """``<parameter number>.<what>`` -> tensor."""
    scores: dict[str, Any] = field(default_factory=dict)
    """The best check so far, and how many have not been better since."""
    plain: dict[str, Any] = field(default_factory=dict)
    """What else is plain JSON, such as the gradient scaler's state."""
    averaged: Mapping[str, Tensor] = field(default_factory=dict)
    """The running mean of the network, where one is kept."""

    def write(self, path: Path) -> None:
        """Write the file.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        tensors = {_NETWORK + name: tensor for name, tensor in self.network.items()}
        tensors |= {_OPTIMISER + name: tensor for name, tensor in self.optimiser.items()}
        tensors |= {_AVERAGED + name: tensor for name, tensor in self.averaged.items()}
        stands = {"step": self.step, "scores": self.scores, "plain": self.plain}
        with atomic(path) as partial:
            # Tensors that share storage or are views cannot be stored as such.
            own = {name: t.detach().cpu().clone().contiguous() for name, t in tensors.items()}
            try:
                save_file(own, partial, {_STANDS: json.dumps(stands)})
            except SafetensorError as error:
                raise OutputError(
                    f"{path} cannot be written ({error}). Make room and run the same again: it "
                    "goes on from its last check.",
                    path,
                ) from error


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    OutputError
        When the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            stands = json.loads(file.metadata()[_STANDS])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{path} is damaged ({error}): remove it to begin anew.", path) from error

    def under(prefix: str) -> dict[str, Tensor]:
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }

    return Checkpoint(
        stands["step"],
        under(_NETWORK),
        under(_OPTIMISER),
        stands["scores"],
        stands["plain"],
        under(_AVERAGED),
    )


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return what an optimiser remembers of each parameter, by ``<number>.<what>``."""
    state = optimiser.state_dict()["state"]
    return {
        f"{number}.{what}": torch.as_tensor(value)
        for number, memory in state.items()
        for what, value in memory.items()
        if value is not None
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser back what it remembered."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, what = name.split(".", 1)
        state.setdefault(int(number), {})[what] = tensor
    now = optimiser.state_dict()
    optimiser.load_state_dict({"state": state, "param_groups": now["param_groups"]})
