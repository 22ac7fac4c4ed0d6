"""What refines a tile whose colours are mapped to another scanner's, against a discriminator.

An adversary alone may end in false colours that no measure of structure sees: here it begins with
the other scanner's mean and covariance of colours and is held to them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from slideconcord.training.augment.colour_map import WHITE, ColourMap, Parts
from slideconcord.training.augment.ssim import ssim

PART_PX = 64
_BATCH = 8
_RATE = 1e-3
_LUMA = (0.299, 0.587, 0.114)


class Generator(nn.Module):
    """Adds to each pixel what two layers of 16 channels make of its 5 x 5 neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, padding_mode="reflect"),
            nn.LeakyReLU(0.1),
            nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect"),
            nn.LeakyReLU(0.1),
            last := nn.Conv2d(16, 3, 1),
        )
        for parameter in last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        """Return images (n, 3, y, x), 0 to 1; of an untrained generator the same."""
        changed: Tensor = (images + self.change(images)).clamp(0, 1)
        return changed


def discriminator() -> nn.Module:
    """Return what judges patches of 22 px: a number for each, 1 for the real scanner."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 1, 4),
    )


def trained(
    mapped: Parts, targets: Parts, steps: int, structure: float, colour: float, seed: int
) -> Generator:
    """Train a generator from other scanners' parts, their colours mapped, to a scanner's.

    Least-squares adversarial losses (Mao et al. 2017), plus ``structure`` times 1 - SSIM, plus
    ``colour`` times how far each channel's mean and standard deviation over the batch move: over
    all parts those of the mapped ones are the target's, and tissue is compared with itself.
    """
    random = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, judge = Generator(), discriminator()
    make, tell = (torch.optim.Adam(m.parameters(), _RATE, (0.5, 0.99)) for m in (generator, judge))
    for _ in range(steps):
        before, real = (_batch(parts, random) for parts in (mapped, targets))
        after = generator(before)
        judged = (judge(real) - 1).square().mean() + judge(after.detach()).square().mean()
        _step(tell, judged)
        fooled = (judge(after) - 1).square().mean()
        lost = (1 - ssim(luma(before), luma(after))).mean()
        off = (_tones(after) - _tones(before)).abs().mean()
        _step(make, fooled + structure * lost + colour * off)
    return generator.eval().requires_grad_(False)


def recoloured(parts: Parts, colours: ColourMap) -> Parts:
    """Return parts with their colours mapped."""
    mapped = colours(as_images(parts)).mul_(WHITE).round_().byte()
    return np.asarray(mapped.permute(0, 2, 3, 1))


def luma(images: Tensor) -> Tensor:
    """Return the brightness (n, 1, y, x) of images (n, 3, y, x)."""
    weights = images.new_tensor(_LUMA)[:, None, None]
    return (images * weights).sum(1, keepdim=True)


def as_images(parts: Parts) -> Tensor:
    """Return parts as (n, 3, y, x), 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(parts)).permute(0, 3, 1, 2) / WHITE


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _tones(images: Tensor) -> Tensor:
    """Return mean and standard deviation of each channel of a batch (2, 3)."""
    pixels = images.transpose(0, 1).flatten(1)
    # The gradient of a root has no end where nothing varies.
    return torch.stack([pixels.mean(1), (pixels.var(1) + 1e-6).sqrt()])


def _batch(parts: Parts, random: np.random.Generator) -> Tensor:
    """Return parts at random places (n, 3, y, x), 0 to 1, mirrored at random."""
    picked = parts[random.integers(0, len(parts), _BATCH)]
    side = min(PART_PX, *picked.shape[1:3])
    y, x = (int(random.integers(0, length - side + 1)) for length in picked.shape[1:3])
    cut = picked[:, y : y + side, x : x + side]
    return as_images(cut[:, :, ::-1] if random.random() < 0.5 else cut)
