"""Prediction of a slide against the bare forward pass on the same tiles, already in memory.

Run ``python benchmarks/bench_predict.py [SIDE_PX] [--tile PX] [--runs N]``. The network is a Unet
with a ResNet-18 encoder and random weights in fp32 (bf16 on a GPU); the slide is repeating virtual
tissue at 0.25 µm/px, read at 1 µm/px. Both sides run once to warm up, then in turns; medians. The
stages are timed alone as well: reading without a network, and stain-density for the rest.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import slideconcord as sc
from slideconcord.geometry import Box
from slideconcord.segmentation.model import Model, ModelSpec
from slideconcord.segmentation.networks import build
from slideconcord.segmentation.tiles import TileGrid
from slideconcord.segmentation.torch_runner import TorchRunner
from slideconcord.slides import Slide

GOAL_RATIO = 1.15


def random_unet(tile_px: int) -> Model:
    import torch

    torch.manual_seed(0)
    spec = ModelSpec(
        name="random-unet",
        version="1",
        architecture="smp-unet",
        parameters={"encoder_name": "resnet18"},
        mpp=1.0,
        tile_px=tile_px,
        overlap_px=tile_px // 8,
        mean=(0.8, 0.7, 0.8),
        std=(0.1, 0.15, 0.1),
        input_multiple=32,
        classes=("background", "tumour"),
        activation="softmax",
        licence="none",
        training_data="none",
    )
    return Model(spec, TorchRunner(build(spec), spec))


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of ``work`` in a thread of its own.

    Prediction computes in one, and where other programs take part of the processor OpenMP waits
    differently in the main thread: up to twice as long for the same network.
    """
    start = time.perf_counter()
    with ThreadPoolExecutor(1) as thread:
        thread.submit(work).result()
    return time.perf_counter() - start


def boxes(slide: Slide, model: Model) -> list[Box]:
    grid = TileGrid(slide.grid_shape(1.0), model.spec.tile_px, model.spec.overlap_px)
    return [grid.box(i) for i in range(len(grid))]


def bare_forward(tiles: list[np.ndarray], model: Model) -> None:
    """Compute every tile, one by one, and throw the result away."""
    for tile in tiles:
        model.quantise_batch(tile[None])


def read_all(slide: Slide, where: list[Box]) -> list[np.ndarray]:
    fresh = slide.apart(128 << 20)
    return [fresh.read_grid(1.0, box) for box in where]


def main(arguments: list[str] | None = None) -> int:
    from slideconcord.samples.repeating import write_repeating_slide

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", nargs="?", type=int, default=8_192)
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in write_repeating_slide(folder / "slide.tif", given.side):
            pass
        with sc.open_slide(folder / "slide.tif") as slide:
            compare(slide, folder, given.tile, given.runs)
    return 0


def compare(slide: Slide, folder: Path, tile_px: int, runs: int) -> None:
    model, baseline = random_unet(tile_px), sc.load_model("stain-density")
    where = boxes(slide, model)
    tiles = read_all(slide, where)
    computed = sum(box.area for box in where) / 1e6
    print(
        f"{slide.shape[0]} px slide, {len(where)} tiles of {tile_px} px at 1 µm/px "
        f"({computed:.0f} Mpx computed), {model.device} {model.precision}, median of {runs}"
    )
    bare_forward(tiles[:1], model)
    forward, whole, reading, plain = [], [], [], []
    for run in range(runs):
        forward.append(timed(lambda: bare_forward(tiles, model)))
        out = folder / f"unet{run}"
        whole.append(timed(lambda out=out: sc.predict(slide, model, out, batch=1)))
        reading.append(timed(lambda: read_all(slide, where)))
        out = folder / f"stain{run}"
        plain.append(timed(lambda out=out: sc.predict(slide, baseline, out)))
    base = statistics.median(forward)
    unique = slide.grid_shape(1.0)[0] * slide.grid_shape(1.0)[1] / 1e6
    for what, times, pixels in (
        ("bare forward pass, Unet ResNet-18", forward, computed),
        ("reading alone, one thread", reading, computed),
        ("predict with stain-density", plain, unique),
        ("predict with the Unet", whole, computed),
    ):
        middle = statistics.median(times)
        print(f"{what:36s} {middle:7.2f} s  {pixels / middle:7.2f} Mpx/s  {middle / base:5.2f} x")
    ratio = statistics.median(whole) / base
    print(f"predict against the bare forward pass: {ratio:.2f} x (goal {GOAL_RATIO:.2f} x)")


if __name__ == "__main__":
    sys.exit(main())
