"""Picture what augmentations make of one tile: ``python docs/appearance_picture.py OUT.jpg``.

Virtual tissue; what measures training tiles measures those of five virtual scanners.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from slideconcord.geometry import Box
from slideconcord.samples import FIVE_SCANNERS, VirtualTissue
from slideconcord.training.augment.chain import make_augment
from slideconcord.training.augment.fitting import TrainingTiles
from slideconcord.training.augment.normalise import fit_normaliser
from slideconcord.training.augment.random import Draws
from slideconcord.training.data.tile import Grid

SIDE_PX, MPP, GAP_PX, TEXT_PX = 160, 1.0, 4, 22
DRAWS = 3
ROWS: tuple[tuple[str, Any], ...] = (
    ("color_jitter", "color_jitter"),
    ("hed_jitter, strong", {"hed_jitter": {"sigma": 0.2}}),
    ("heavy_colour", "heavy_colour"),
    ("targeted_hsv", "targeted_hsv"),
    ("randstainna", "randstainna"),
    ("fda, beta 0.02", {"fda": {"beta": 0.02}}),
    ("spcn, perturb", {"spcn": {"sd": 0.1}}),
    ("spcn, swap", {"spcn": {"colours": "swap"}}),
    ("clahe", {"clahe": {"p": 1}}),
    ("pca, sd 0.5", {"pca": {"sd": 0.5, "p": 1}}),
    ("emboss", {"emboss": {"p": 1}}),
    ("motion_blur", {"motion_blur": {"p": 1}}),
    ("glass_blur", {"glass_blur": {"p": 1}}),
    ("blur", {"blur": {"kernel_px": [5, 9], "p": 1}}),
    ("noise", {"noise": {"variance": [100, 400], "p": 1}}),
    ("affine", {"affine": {"degrees": 30}}),
    ("elastic", {"elastic": {"nodes": 5, "sd_px": 6, "p": 1}}),
    ("grid_distortion", {"grid_distortion": {"p": 1}}),
)


def looks() -> Image.Image:
    """Return the page: each augmentation with three draws for one tile."""
    seen = scans()
    tile = seen[0]
    images = torch.from_numpy(np.stack([tile] * DRAWS)).permute(0, 3, 1, 2).float()
    tiles = TrainingTiles(lambda k: seen[k], len(seen), "", SIDE_PX, Grid(MPP, SIDE_PX))
    masks = torch.zeros(images[:, 0].shape, dtype=torch.long)
    blocks = [("the tile, and two other scanners", [seen[0], seen[1], seen[2]])]
    for title, part in ROWS:
        augment = make_augment([part]).fitted(tiles)
        blocks.append((title, pictures(augment(images, masks, Draws(4, range(DRAWS)))[0])))
    others = torch.from_numpy(np.stack(seen[1:4])).permute(0, 3, 1, 2).float()
    for name in ("reinhard", "vahadane"):
        title = f"other scanners normalised: {name}"
        blocks.append((title, pictures(fit_normaliser(tile, name)(others))))
    return in_two_columns(blocks)


def scans() -> list[np.ndarray]:
    """Return one place as five scanners see it."""
    tissue = VirtualTissue(5, 900, 900)
    centre = Box(370, 370, SIDE_PX, SIDE_PX)
    return [replace(s, mpp=MPP).view(tissue, centre) for s in FIVE_SCANNERS.values()]


def pictures(images: torch.Tensor) -> list[np.ndarray]:
    return list(images.permute(0, 2, 3, 1).round().byte().numpy())


def in_two_columns(blocks: list[tuple[str, list[np.ndarray]]]) -> Image.Image:
    """Return the blocks, each a title above its pictures, filled row by row."""
    width = DRAWS * (SIDE_PX + GAP_PX) + 4 * GAP_PX
    height = SIDE_PX + TEXT_PX + 2 * GAP_PX
    page = Image.new("RGB", (2 * width, -(-len(blocks) // 2) * height), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for number, (title, panels) in enumerate(blocks):
        left, top = number % 2 * width + GAP_PX, number // 2 * height
        pen.text((left, top + 2), title, fill="black", font=font)
        for k, panel in enumerate(panels):
            place = left + k * (SIDE_PX + GAP_PX), top + TEXT_PX
            page.paste(Image.fromarray(panel), place)
    return page


if __name__ == "__main__":
    looks().save(sys.argv[1], quality=88)
