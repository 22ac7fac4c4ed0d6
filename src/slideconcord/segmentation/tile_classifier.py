"""A classifier of whole tiles in the place of a segmentation network."""

from __future__ import annotations

from typing import Any

import timm
from torch import Tensor, nn


class TileClassifier(nn.Module):
    """One answer for a tile, given at each of its pixels.

    Parameters
    ----------
    classes
        How many.
    encoder_name
        A classifier of timm, built without weights.
    parameters
        What else timm's ``create_model`` takes, such as ``drop_rate``.
    """

    def __init__(self, classes: int, encoder_name: str, **parameters: Any) -> None:
        super().__init__()
        self.network = timm.create_model(
            encoder_name, pretrained=False, num_classes=classes, **parameters
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (tile, class, y, x) of images (tile, 3, y, x)."""
        logits: Tensor = self.network(images)
        return logits[:, :, None, None].expand(-1, -1, *images.shape[2:])
