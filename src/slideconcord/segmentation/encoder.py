"""Features of a picture from ResNet-50, with weights from a file that the user gives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ModelError, ParameterError
from slideconcord.segmentation.checkpoint import read_checkpoint

if TYPE_CHECKING:
    from torch import nn

# Of ImageNet, as every published ResNet-50 wants it.
_MEAN = np.array((0.485, 0.456, 0.406), np.float32)
_DEVIATION = np.array((0.229, 0.224, 0.225), np.float32)
FEATURES = 2048
_SEED = 0


class ResNet50:
    """ResNet-50 up to its average pool: a picture of any size becomes 2048 numbers.

    SCORPION (section 2.2) projects such features of whole 1024 px patches; its weights were
    trained on ImageNet. Made by `resnet50`.
    """

    def __init__(self, network: nn.Module, label: str) -> None:
        self.label = label
        self._network = network

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (2048,) features of a (y, x, 3) uint8 picture of at least 32 px a side."""
        import torch

        if rgb.ndim != 3 or rgb.shape[2] != 3 or min(rgb.shape[:2]) < 32:
            raise ParameterError(
                f"ResNet-50 wants (y, x, 3) of at least 32 px a side, not {rgb.shape}."
            )
        scaled = (rgb.astype(np.float32) / 255 - _MEAN) / _DEVIATION
        with torch.inference_mode():
            found = self._network(torch.from_numpy(scaled.transpose(2, 0, 1)[None].copy()))
        return np.asarray(found[0].numpy(), np.float32)


def resnet50(weights: str | os.PathLike[str] | None = None) -> ResNet50:
    """Return the encoder.

    Parameters
    ----------
    weights
        ``.safetensors`` or ``.pth`` with the keys of torchvision or timm (they are the same), such
        as torchvision's for ImageNet. None: random weights of a fixed seed. Random filters do see
        colour and texture, but nothing learned; the label says so.

    Raises
    ------
    ModelError
        When torchvision is not installed, or the file is not that of a ResNet-50.
    """
    try:
        from torchvision.models import resnet50 as build
    except ImportError as error:
        raise ModelError(
            "ResNet-50 needs torch and torchvision, which are not installed. "
            "Run: pip install 'slideconcord[torch]'"
        ) from error
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = build(weights=None)
    label = f"ResNet-50 with random weights (seed {_SEED}; nothing learned)"
    if weights is not None:
        _load(network, Path(weights))
        label = f"ResNet-50, weights {Path(weights).name}"
    network.fc = torch.nn.Identity()
    return ResNet50(network.eval(), label)


def _load(network: nn.Module, path: Path) -> None:
    """Load all but the classifier, whose size depends on what it was trained for."""
    state = {k: v for k, v in read_checkpoint(path, "resnet50").items() if not k.startswith("fc.")}
    wanted = {k for k in network.state_dict() if not k.startswith("fc.")}
    # timm leaves the counters out, and nothing is computed from them
    counters = {k for k in wanted if k.endswith("num_batches_tracked")}
    missing, strange = wanted - set(state) - counters, set(state) - wanted
    if missing or strange:
        what = f"lacks {min(missing)}" if missing else f"also has {min(strange)}"
        raise ModelError(
            f"{path.name} is not a ResNet-50 of torchvision or timm: it {what} "
            f"({len(missing)} keys missing, {len(strange)} too many).",
            "resnet50",
        )
    try:
        network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ModelError(f"{path.name} is another network: {error}", "resnet50") from error
