"""Augmenting a tile together with its context: one map about one centre, one look for both."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from slideconcord.training.augment.chain import Augment
    from slideconcord.training.augment.random import Draws


def augment_levels(
    augment: Augment, images: Tensor, masks: Tensor, draws: Draws, downsample: int
) -> tuple[Tensor, Tensor]:
    """Return tiles with their contexts, augmented.

    Parameters
    ----------
    augment
        The chain of the recipe.
    images, masks
        (tile, 6, y, x) float32, 0 to 255: RGB of the tile, then of its context; and (tile, 2, y, x)
        whole numbers.
    draws
        The randomness of these tiles.
    downsample
        How many times wider the context's pixels are.
    """
    warp = augment.warp(images[:, :3], draws)
    levels = list(images.split(3, 1))  # type: ignore[no-untyped-call]
    truths = list(masks.unbind(1))
    if warp is not None:
        warps = warp, warp.around(downsample)
        levels = [w.images(level) for w, level in zip(warps, levels, strict=True)]
        truths = [w.masks(truth) for w, truth in zip(warps, truths, strict=True)]
    # Both are one scan: what is drawn for the tile is drawn for its context too.
    again = copy.deepcopy(draws)
    seen = [augment.seen(level, of) for level, of in zip(levels, (draws, again), strict=True)]
    return torch.cat(seen, 1), torch.stack(truths, 1)
