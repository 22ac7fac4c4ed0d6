"""Changing the looks of training tiles, batched, against the same one tile at a time.

Run ``python benchmarks/bench_appearance.py [--quick]``. Images a second of each augmentation, on
two threads of the processor and on the GPU where there is one. The straightforward versions take
a tile at a time, as their authors' code does: RandStainNA with OpenCV in 8 bits, FDA with numpy's
full transforms, SPCN and the normalisations with numpy, ColorJitter with torchvision, elastic
displacement with scipy. Both must show the same picture of one tile, or nothing is measured.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from appearance_twins import Rgb, Twins
from slideconcord.geometry import Box
from slideconcord.samples import FIVE_SCANNERS, VirtualTissue
from slideconcord.training.augment.appearance import Appearance
from slideconcord.training.augment.bending import Elastic
from slideconcord.training.augment.fda import FittedFda, low_frequencies, reach_of
from slideconcord.training.augment.geometry import Warp
from slideconcord.training.augment.givers import Givers
from slideconcord.training.augment.jitter import ColorJitter, HedJitter, orders
from slideconcord.training.augment.normalise import fit_normaliser
from slideconcord.training.augment.random import Draws
from slideconcord.training.augment.randstainna import RandStainNA, StainTemplate
from slideconcord.training.augment.spcn import SwappedSpcn

THREADS = 2
SIDE, TILES, SECONDS = 224, 16, 4.0
BETA = 0.05
MEAN, SD = (150.0, 155.0, 115.0), (35.0, 8.0, 6.0)
MATRIX = np.array([[0.60, 0.72, 0.35], [0.15, 0.95, 0.27]])


@dataclass(frozen=True)
class Rival:
    """One augmentation in both versions, with nothing left to chance."""

    name: str
    ours: Callable[[torch.Tensor], torch.Tensor]
    slow: Callable[[Rgb], np.ndarray]
    alike: float
    """Largest mean difference of the two pictures, grey levels."""


def make_tiles(count: int, side: int) -> list[Rgb]:
    """Return virtual tissue of one scanner at 1 µm per pixel, tiles with the least glass first."""
    tissue = VirtualTissue(5, 5 * side, 5 * side)
    scanner = replace(next(iter(FIVE_SCANNERS.values())), mpp=1.0)
    boxes = [Box(y * side, x * side, side, side) for y in range(5) for x in range(5)]
    return sorted((scanner.view(tissue, box) for box in boxes), key=np.mean)[:count]


def rivals(reference: Rgb, device: torch.device) -> list[Rival]:
    twins = Twins(reference, BETA, MEAN, SD, MATRIX)
    still = (0.0, 0.0, 0.0)
    stain = RandStainNA(template=StainTemplate("lab", MEAN, still, SD, still, 1, ""))
    style = torch.from_numpy(reference.astype(np.float32)).permute(2, 0, 1)[None]
    amplitudes = low_frequencies(style, reach_of(reference.shape[:2], BETA)).abs()
    fda = FittedFda(BETA, 1.0, amplitudes, Givers("any", ("",)), "")
    matrix = torch.tensor(MATRIX / np.linalg.norm(MATRIX, axis=1, keepdims=True))[None].float()
    spcn = SwappedSpcn(1.0, matrix, fda.givers, "")
    jitter, hed, elastic = ColorJitter(), HedJitter(), Elastic(3, 10.0, 1.0)

    def drawn(images: torch.Tensor) -> Draws:
        return Draws(0, range(len(images)), device)

    def bent(images: torch.Tensor) -> torch.Tensor:
        still = Warp.identity(len(images), (images.shape[2], images.shape[3]), device)
        return elastic.warped(still, drawn(images)).images(images)

    def acts(part: Appearance) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda images: part.seen(images, drawn(images))

    return [
        Rival("RandStainNA", acts(stain), twins.randstainna, 2.0),
        Rival("FDA", acts(fda), twins.fda, 0.1),
        Rival("SPCN", acts(spcn), twins.spcn, 1.0),
        Rival("ColorJitter", acts(jitter), twins.jitter(first_jitter()), 2.5),
        Rival("HED jitter", acts(hed), twins.hed(first_hed()), 1.0),
        Rival("elastic", bent, twins.elastic(first_moves()), 1.0),
        *(Rival(name, fit_normaliser(reference, name), getattr(twins, name), 3.0)
          for name in ("reinhard", "macenko", "vahadane")),
    ]  # fmt: skip


def first_jitter() -> tuple[list[float], list[int]]:
    """Return what ColorJitter draws for the first tile: factors, and their order."""
    draws = Draws(0, range(1))
    draws.chosen(1)
    return ColorJitter().factors(draws)[0].tolist(), orders(draws)[0]


def first_hed() -> tuple[np.ndarray, np.ndarray]:
    draws = Draws(0, range(1))
    draws.chosen(1)
    even = np.array([float(draws.uniform(-1, 1)) for _ in range(6)])
    return 1 + 0.05 * even[:3], 0.05 * even[3:]


def first_moves() -> np.ndarray:
    draws = Draws(0, range(1))
    draws.chance(1)
    return 10.0 * draws.normal(2, 3, 3)[0].numpy()


def rate(work: Callable[[], object], images: int, seconds: float) -> float:
    """Return images a second: of the quickest run, after one that is not counted."""
    work()
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return images / best


def measure(device: torch.device, tiles: list[Rgb], reference: Rgb, seconds: float) -> None:
    images = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).float().to(device)
    for rival in rivals(reference, device):
        seen = rival.ours(images[:1])[0].permute(1, 2, 0).cpu().numpy()
        apart = float(np.abs(seen - rival.slow(tiles[0])).mean())
        if apart > rival.alike:
            raise SystemExit(f"{rival.name}: the two pictures differ by {apart:.2f} grey levels.")

        def ours(act: Callable[[torch.Tensor], torch.Tensor] = rival.ours) -> None:
            act(images)
            if device.type == "cuda":
                torch.cuda.synchronize()

        def slow(act: Callable[[Rgb], np.ndarray] = rival.slow) -> None:
            for tile in tiles[:4]:
                act(tile)

        there, here = rate(slow, 4, seconds), rate(ours, len(tiles), seconds)
        print(f"  {rival.name:12s} {device.type:5s} {there:9.1f} {here:9.1f} "
              f"{here / there:7.1f} x", flush=True)  # fmt: skip


def main() -> None:
    torch.set_num_threads(THREADS)
    quick = "--quick" in sys.argv
    count, seconds = (4, 0.2) if quick else (TILES, SECONDS)
    reference, *tiles = make_tiles(count + 1, SIDE)
    devices = [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available()
    print(f"{len(tiles)} tiles of {SIDE} px, images a second ({THREADS} threads)")
    print(f"  {'':12s} {'':5s} {'one by one':>9s} {'batched':>8s}")
    for device in devices:
        measure(device, tiles, reference, seconds)


if __name__ == "__main__":
    main()
