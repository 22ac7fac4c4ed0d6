"""uint8 tiles -> what a network takes: padded, standardised, channels first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from slideconcord.segmentation.spec import ModelSpec

Crop = tuple[slice, slice]


class Standardise:
    """Pads evenly to a multiple with raw pixels, then ``(v / 255 - mean) / std``, on the device.

    The arithmetic is that of the pan-cancer paper's code: in float64, then cast to float32. There
    are only 256 values a channel, so it is done once and looked up.
    """

    def __init__(self, spec: ModelSpec, device: torch.device) -> None:
        import torch

        self._multiple, self._pad_value = spec.input_multiple, spec.pad_value
        levels = np.arange(256, dtype=np.float64) / 255
        table = (levels - np.array(spec.mean)[:, None]) / np.array(spec.std)[:, None]
        self._table = torch.from_numpy(table.astype(np.float32).ravel()).to(device)
        # Where each channel begins in the table.
        self._first = torch.tensor([0, 256, 512], dtype=torch.int32, device=device)

    def __call__(self, tiles: Tensor) -> tuple[Tensor, Crop]:
        """Return float32 (n, 3, y, x) of uint8 (n, y, x, 3), and where the tile lies in it."""
        tiles, crop = self._padded(tiles)
        places = tiles.int().add_(self._first)
        values = self._table.index_select(0, places.view(-1)).view(places.shape)
        # (n, y, x, 3) seen as (n, 3, y, x) is channels_last already.
        return values.permute(0, 3, 1, 2), crop

    def _padded(self, tiles: Tensor) -> tuple[Tensor, Crop]:
        from torch.nn.functional import pad

        height, width = tiles.shape[1:3]
        extra_y, extra_x = -height % self._multiple, -width % self._multiple
        top, left = extra_y // 2, extra_x // 2
        if extra_y or extra_x:
            sides = (0, 0, left, extra_x - left, top, extra_y - top)
            tiles = pad(tiles, sides, value=self._pad_value)
        return tiles.contiguous(), (slice(top, top + height), slice(left, left + width))
