"""Architectures. One function and one line in `NETWORKS` add one.

A builder takes the `ModelSpec` and returns either a ``torch.nn.Module`` from normalised RGB
(n, 3, y, x) to one channel of output a class (n, class, y, x), without weights; or, for an
architecture that has none, a plain function from (y, x, 3) uint8 to (class, y, x) float32 in 0..1.
Those named in `SEES_CONTEXT` take (n, 6, y, x): the tile's RGB, then its context's.
torch is imported inside builders only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ModelError

if TYPE_CHECKING:
    from torch import nn

    from slideconcord.segmentation.spec import ModelSpec

Function = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
Builder = Callable[["ModelSpec"], "nn.Module | Function"]


def stain_density(spec: ModelSpec) -> Function:
    """Regional haematoxylin density; see `stain_density.StainDensity`."""
    from slideconcord.segmentation.stain_density import StainDensity

    numbers: dict[str, Any] = dict(spec.parameters)
    return StainDensity(**numbers, mpp=spec.mpp)


def smp_network(family: str, spec: ModelSpec) -> nn.Module:
    """Return an architecture of segmentation-models-pytorch, such as Unet, without weights."""
    import segmentation_models_pytorch as smp

    given: dict[str, Any] = dict(spec.parameters)
    # Pretrained weights would be fetched from the network, and replaced by the model's own.
    return getattr(smp, family)(
        **given, encoder_weights=None, in_channels=3, classes=len(spec.classes), activation=None
    )


def tile_classifier(spec: ModelSpec) -> nn.Module:
    """Return a classifier of whole tiles from timm, whose answer stands at every pixel."""
    from slideconcord.segmentation.tile_classifier import TileClassifier

    given: dict[str, Any] = dict(spec.parameters)
    return TileClassifier(len(spec.classes), **given)


def pan_cancer(spec: ModelSpec) -> nn.Module:
    """Return the pan-cancer paper's network, without weights; it takes no parameters."""
    from slideconcord.segmentation.pan_cancer import EcaNfnetDeepLab

    if spec.parameters:
        raise ValueError("this architecture takes no parameters")
    return EcaNfnetDeepLab(len(spec.classes))


def multi_level(spec: ModelSpec) -> nn.Module:
    """Return two U-Nets of two levels, merged; see `multi_level.MultiLevelUnet`."""
    from slideconcord.segmentation.multi_level import MultiLevelUnet

    given: dict[str, Any] = dict(spec.parameters)
    assert spec.context is not None  # `build` has seen to it
    network = MultiLevelUnet(len(spec.classes), spec.context.downsample, **given)
    if spec.input_multiple % network.multiple:
        raise ValueError(f"input_multiple must be a multiple of {network.multiple}")
    return network


def stain_separation(spec: ModelSpec) -> nn.Module:
    """Return the stain-separation multitask U-Net, without weights."""
    from slideconcord.segmentation.stain_separation import StainSeparationUnet

    given: dict[str, Any] = dict(spec.parameters)
    return StainSeparationUnet(len(spec.classes), **given)


NETWORKS: MappingProxyType[str, Builder] = MappingProxyType(
    {
        "stain-density": stain_density,
        "smp-unet": partial(smp_network, "Unet"),
        "smp-unetplusplus": partial(smp_network, "UnetPlusPlus"),
        "smp-fpn": partial(smp_network, "FPN"),
        "smp-deeplabv3plus": partial(smp_network, "DeepLabV3Plus"),
        "smp-segformer": partial(smp_network, "Segformer"),
        "tile-classifier": tile_classifier,
        "eca_nfnet_l3-deeplabv3plus": pan_cancer,
        "multi-level-unet": multi_level,
        "stain-separation-unet": stain_separation,
    }
)
SEES_CONTEXT = frozenset({"multi-level-unet"})
"""The architectures whose models declare a `context`."""
TAKES_STAINS_APART = frozenset({"stain-separation-unet"})
"""The architectures whose networks also give stain matrix and density."""


def build(spec: ModelSpec) -> nn.Module | Function:
    """Return the architecture that ``spec`` names, without weights.

    Raises
    ------
    ModelError
        When nobody knows it, its parameters do not fit, or a library is missing.
    """
    builder = NETWORKS.get(spec.architecture)
    if builder is None:
        raise ModelError(
            f"Model {spec.name!r} wants the architecture {spec.architecture!r}; "
            f"known are {', '.join(NETWORKS)}.",
            spec.name,
        )
    if (spec.architecture in SEES_CONTEXT) != (spec.context is not None):
        does = 'needs a context in its description, such as {"downsample": 4}'
        raise ModelError(
            f"Model {spec.name!r}: {spec.architecture} "
            f"{does if spec.context is None else 'sees no context: take it out of model.json'}.",
            spec.name,
        )
    try:
        network = builder(spec)
    except ImportError as error:
        raise ModelError(
            f"Model {spec.name!r} needs {error.name}. Run: pip install 'slideconcord[torch]'",
            spec.name,
        ) from error
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"Model {spec.name!r}: {spec.architecture} cannot be built from "
            f"{spec.parameters}: {error}",
            spec.name,
        ) from error
    return network
