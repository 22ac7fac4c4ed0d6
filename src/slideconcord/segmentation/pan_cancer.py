"""The network of the pan-cancer paper: eca_nfnet_l3 with a DeepLabV3+ decoder.

With its three classes it has 73,472,403 parameters, the number the paper gives. The encoder
computes at output stride 16 and gives the first stage (256 channels, 1/4) and the final
convolution without its activation (3072 channels, 1/16). The decoder is that of
segmentation-models-pytorch (256 channels, rates 12, 24, 36, separable, dropout 0.5, 48 channels
from the first stage), in which every batch normalisation is a group normalisation of 8 channels
a group. Both fourfold enlargements align corners.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

CHANNELS_PER_GROUP = 8
# timm 0.4.12, which the authors used, and smp's wrapper of timm spell the encoder otherwise.
_OTHER_SPELLINGS = (
    (re.compile(r"^encoder\.model\."), "encoder."),
    (re.compile(r"^encoder\.stem\.conv(\d)\."), r"encoder.stem_conv\1."),
    (re.compile(r"^encoder\.stages\.(\d)\."), r"encoder.stages_\1."),
)


class EcaNfnetDeepLab(nn.Module):
    """RGB (n, 3, y, x), sides multiples of 16 -> logits (n, class, y, x)."""

    def __init__(self, classes: int) -> None:
        import timm
        from segmentation_models_pytorch.base import SegmentationHead
        from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3PlusDecoder

        super().__init__()
        encoder: Any = timm.create_model(
            "eca_nfnet_l3", pretrained=False, features_only=True, output_stride=16
        )
        self.encoder = encoder
        channels: list[int] = encoder.feature_info.channels()
        self.decoder = DeepLabV3PlusDecoder(
            # smp counts the image as the first feature.
            encoder_channels=[3, *channels],
            encoder_depth=5,
            out_channels=256,
            atrous_rates=(12, 24, 36),
            output_stride=16,
            aspp_separable=True,
            aspp_dropout=0.5,
        )
        use_group_norm(self.decoder)
        self.segmentation_head = SegmentationHead(256, classes, kernel_size=1, upsampling=4)

    def forward(self, images: Tensor) -> Tensor:
        features = self.encoder(images)
        logits: Tensor = self.segmentation_head(self.decoder([images, *features]))
        return logits

    @staticmethod
    def present_key(key: str) -> str:
        """Return how this version of timm spells a key of the state."""
        for spelling, present in _OTHER_SPELLINGS:
            key = spelling.sub(present, key)
        return key


def use_group_norm(module: nn.Module) -> None:
    """Replace every batch normalisation inside ``module`` by groups of 8 channels."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            groups = child.num_features // CHANNELS_PER_GROUP
            setattr(module, name, nn.GroupNorm(groups, child.num_features))
        else:
            use_group_norm(child)
