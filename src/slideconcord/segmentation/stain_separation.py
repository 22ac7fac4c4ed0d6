"""The stain-separation multitask U-Net: one network that takes the stains apart and segments.

One encoder feeds two U-Net decoders. The first predicts for each pixel a stain matrix W, a colour
(red, green, blue) for each of two stains; the second how dense each stain is, H. Their product
rebuilds the image. A convolution over both, eight channels, gives the logits (Kim et al. 2025, doi
10.3233/SHTI250272, section 2.1, equation 1). Encoders, decoders and heads are those of
segmentation-models-pytorch, as in the authors' code; with an EfficientNet-B7 and one class there
are 70,404,641 parameters.

The separation is learnt without a truth. A pixel has three values and the product eight factors,
so nothing makes a predicted stain be haematoxylin or eosin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

STAINS = 2


class Separated(NamedTuple):
    """What the network makes of images, part by part."""

    logits: Tensor
    """(n, class, y, x)."""
    matrix: Tensor
    """(n, stain, colour, y, x): what one unit of each stain does to red, green and blue."""
    density: Tensor
    """(n, stain, y, x)."""


@dataclass(frozen=True)
class Reconstruction:
    """What the product of matrix and density rebuilds."""

    target: Callable[[Tensor, Tensor], Tensor]
    """(images on the scale 0 to 255, the same as the network takes them) -> what is rebuilt."""
    factor: Callable[[Tensor], Tensor]
    """Makes matrix and density of the decoders' output."""
    product: Callable[[Tensor], Tensor]
    """Makes the image of the product."""
    shown: Callable[[Tensor, Tensor, Tensor], Tensor]
    """(what is rebuilt (n, colour, y, x), mean and std of the network's input) -> RGB, 0 to 1."""
    unit: str
    """Of what is rebuilt."""

    def rebuilt(self, matrix: Tensor, density: Tensor) -> Tensor:
        """Return the image (n, colour, y, x) that matrix and density stand for."""
        return self.product((matrix * density[:, :, None]).sum(1))


def optical_density(images: Tensor) -> Tensor:
    """Return ``-ln(v / 255)`` of images on the scale 0 to 255; black counts as grey level 1."""
    return -(images.clamp_min(1) / 255).log()


def _unchanged(values: Tensor) -> Tensor:
    return values


RECONSTRUCTIONS: MappingProxyType[str, Reconstruction] = MappingProxyType(
    {
        # The paper's text: Beer-Lambert. Light is only ever absorbed, so no factor is negative.
        "optical-density": Reconstruction(
            target=lambda images, _: optical_density(images),
            factor=softplus,
            product=_unchanged,
            shown=lambda values, mean, std: (-values).exp(),
            unit="optical density",
        ),
        # The authors' code: colours as the network takes them, cut to -1..1, of any sign.
        "normalised-rgb": Reconstruction(
            target=lambda _, normalised: normalised,
            factor=_unchanged,
            product=lambda values: values.clamp(-1, 1),
            shown=lambda values, mean, std: values * std + mean,
            unit="standard deviations",
        ),
    }
)


class StainSeparationUnet(nn.Module):
    """Normalised RGB (n, 3, y, x) -> logits (n, class, y, x), or all that is predicted.

    Parameters
    ----------
    classes
        Channels of the logits.
    encoder_name, encoder_depth, decoder_channels
        As segmentation-models-pytorch takes them; both decoders are alike.
    reconstruction
        A name in `RECONSTRUCTIONS`.

    Raises
    ------
    ValueError, KeyError
        When a parameter is not known or does not fit.
    """

    def __init__(
        self,
        classes: int,
        encoder_name: str = "efficientnet-b7",
        encoder_depth: int = 5,
        decoder_channels: Sequence[int] = (256, 128, 64, 32, 16),
        reconstruction: str = "optical-density",
    ) -> None:
        from segmentation_models_pytorch.base import SegmentationHead
        from segmentation_models_pytorch.base.initialization import (
            initialize_decoder,
            initialize_head,
        )
        from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
        from segmentation_models_pytorch.encoders import get_encoder

        if reconstruction not in RECONSTRUCTIONS:
            raise ValueError(f"reconstruction {reconstruction!r} is none of {[*RECONSTRUCTIONS]}")
        super().__init__()
        self.reconstruction = RECONSTRUCTIONS[reconstruction]
        # Pretrained weights would be fetched from the network.
        self.encoder = get_encoder(encoder_name, depth=encoder_depth, weights=None)
        self.matrix_decoder, self.density_decoder = (
            UnetDecoder(self.encoder.out_channels, decoder_channels, n_blocks=encoder_depth)
            for _ in range(2)
        )
        self.matrix_head = SegmentationHead(decoder_channels[-1], 3 * STAINS)
        self.density_head = SegmentationHead(decoder_channels[-1], STAINS)
        self.segmentation_head = SegmentationHead(4 * STAINS, classes)
        for decoder in (self.matrix_decoder, self.density_decoder):
            initialize_decoder(decoder)
        for head in (self.matrix_head, self.density_head, self.segmentation_head):
            initialize_head(head)

    def forward(self, images: Tensor, *, with_stains: bool = False) -> Tensor | Separated:
        """Return the logits; with ``with_stains`` also what they were made from."""
        features = self.encoder(images)
        factor = self.reconstruction.factor
        matrix = factor(self.matrix_head(self.matrix_decoder(features)))
        density = factor(self.density_head(self.density_decoder(features)))
        logits: Tensor = self.segmentation_head(torch.cat([matrix, density], 1))
        if not with_stains:
            return logits
        count, _, *shape = matrix.shape
        return Separated(logits, matrix.reshape(count, STAINS, 3, *shape), density)
