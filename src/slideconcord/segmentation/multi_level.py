"""The network of the multi-level multi-class paper: two U-Nets that see one place at two levels.

The paper's text and its figures 9 and 10 leave some of it open. What is chosen here, and why, is in
docs/methods/multi-level.md. Both pictures share their centre (see `context`), so all that has to be
known to lay a map of the context over one of the tile is how many times wider its pixels are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from segmentation_models_pytorch.encoders import get_encoder
from torch import Tensor, nn
from torch.nn.functional import interpolate

_DECODER = (256, 128, 64, 32, 16)
_LEAST_CHANNELS = 4
_FUSING = 16


class MultiLevelUnet(nn.Module):
    """Two encoders, two decoders, one merge between them, one fused output.

    While training, the answer is (fused, tile's own, context's own), each (n, class, y, x); the
    last covers the context. Else it is the fused one alone.

    Parameters
    ----------
    classes
        Channels of the output.
    downsample
        How many times wider the context's pixels are than the tile's.
    encoder_name
        Of both encoders, as segmentation-models-pytorch calls it; the paper's is efficientnet-b4,
        that of its base model efficientnet-b0.
    encoder_depth
        How many times an encoder halves.
    decoder_channels
        Of the maps of a decoder, the coarsest first; ``encoder_depth`` of them.
    """

    def __init__(
        self,
        classes: int,
        downsample: int,
        encoder_name: str = "efficientnet-b4",
        encoder_depth: int = 5,
        decoder_channels: Sequence[int] = _DECODER,
    ) -> None:
        super().__init__()
        self.multiple = 2**encoder_depth
        """Sides of the input must be multiples of this."""
        self._downsample = downsample
        # The map of the low decoder whose pixels are as wide as those of the block merged with.
        self._meets = downsample.bit_length() - 1
        if not 1 <= self._meets < encoder_depth:
            raise ValueError(
                f"a context of downsample {downsample} needs an encoder_depth above {self._meets}"
            )
        self.high, self.low = (
            Branch(classes, encoder_name, encoder_depth, decoder_channels) for _ in range(2)
        )
        self.merge = Merge(self.high.channels[-2], decoder_channels[self._meets])
        self.fuse = nn.Sequential(
            nn.Conv2d(2 * classes, _FUSING, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(_FUSING, classes, 1),
        )

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """Return logits of normalised RGB (n, 6, y, x): the tile, then its context."""
        tile, context = images[:, :3], images[:, 3:]
        wide = self.low.decoded(self.low.features(context))
        features = self.high.features(tile)
        # The paper: the second-last block of the high-resolution encoder.
        features[-2] = self.merge(features[-2], wide[self._meets], self._downsample)
        own = self.high.head(self.high.decoded(features)[-1])
        around = self.low.head(wide[-1])
        both = torch.cat([own, enlarged(around, self._downsample)], 1)
        fused: Tensor = self.fuse(both)
        return (fused, own, around) if self.training else fused


class Branch(nn.Module):
    """The U-Net of one level."""

    def __init__(self, classes: int, name: str, depth: int, decoder: Sequence[int]) -> None:
        super().__init__()
        if len(decoder) != depth:
            raise ValueError(
                f"decoder_channels has {len(decoder)} numbers where encoder_depth is {depth}"
            )
        self.encoder = get_encoder(name, in_channels=3, depth=depth, weights=None)
        self.channels: list[int] = list(self.encoder.out_channels[1:])
        skips = [*self.channels[-2::-1], 0]
        below = [self.channels[-1], *decoder[:-1]]
        self.ups = nn.ModuleList(map(Up, below, skips, decoder))
        self.head = nn.Conv2d(decoder[-1], classes, 1)

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the encoder's maps, the finest first, without the image itself."""
        return list(self.encoder(images)[1:])

    def decoded(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return the decoder's maps, the coarsest first, the last as fine as the image."""
        maps, below = [], features[-1]
        for up, skip in zip(self.ups, [*features[-2::-1], None], strict=True):
            below = up(below, skip)
            maps.append(below)
        return maps


class Up(nn.Module):
    """Double a map, lay the encoder's beside it, and convolve twice."""

    def __init__(self, below: int, skip: int, out: int) -> None:
        super().__init__()
        self.convolve = nn.Sequential(*_step(below + skip, out, 3), *_step(out, out, 3))

    def forward(self, below: Tensor, skip: Tensor | None) -> Tensor:
        # Nearest: each pixel becomes the four that it covers, about the same centre.
        large = interpolate(below, scale_factor=2.0, mode="nearest")
        both = large if skip is None else torch.cat([large, skip], 1)
        out: Tensor = self.convolve(both)
        return out


class Merge(nn.Module):
    """Bring the context into a block of the high-resolution encoder, by 1 x 1 convolutions alone.

    The whole map of the context is compressed step by step, without cropping first. Beside the
    block's pixels come those that show the same place, and the mean of all, so that nothing beyond
    the tile is lost. What has come together is compressed again.
    """

    def __init__(self, high: int, low: int) -> None:
        super().__init__()
        half, least = max(low // 2, _LEAST_CHANNELS), max(low // 4, _LEAST_CHANNELS)
        self.compress = nn.Sequential(*_step(low, half, 1), *_step(half, least, 1))
        between = (2 * high + 2 * least) // 2
        self.join = nn.Sequential(*_step(high + 2 * least, between, 1), *_step(between, high, 1))

    def forward(self, block: Tensor, wide: Tensor, downsample: int) -> Tensor:
        small = self.compress(wide)
        here = under_tile(small, downsample)
        around = small.mean((2, 3), keepdim=True).expand_as(here)
        joined: Tensor = self.join(torch.cat([block, here, around], 1))
        return joined


def under_tile(wide: Tensor, downsample: int, margin: int = 0) -> Tensor:
    """Return the centre of a map (n, channel, y, x) of the context: what lies under the tile."""
    height, width = (side // downsample for side in wide.shape[2:])
    top, left = (wide.shape[2] - height) // 2, (wide.shape[3] - width) // 2
    return wide[
        :,
        :,
        top - margin : top + height + margin,
        left - margin : left + width + margin,
    ]


def enlarged(wide: Tensor, downsample: int) -> Tensor:
    """Return what of the context's map lies under the tile, at the size of the tile."""
    # With a pixel around it, so that the outermost ones are interpolated like all others.
    part = under_tile(wide, downsample, margin=1)
    large = interpolate(part, scale_factor=float(downsample), mode="bilinear", align_corners=False)
    inner = slice(downsample, -downsample)
    return large[:, :, inner, inner]


def _step(channels: int, out: int, kernel: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    ]
