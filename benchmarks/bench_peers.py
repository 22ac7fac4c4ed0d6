"""Prediction against a plain serial loop and MONAI's ``sliding_window_inference``.

Run ``python benchmarks/bench_peers.py [SIDE_PX] [--tile PX] [--runs N] [--network NAME]``. All
three take the same slide to the same kind of result, a uint8 Zarr of every class, with the same
network with random weights at the same precision and the same tiles. The serial loop reads,
computes and writes tile after tile, later tiles over earlier ones. MONAI gets the whole image,
standardised, in memory, and blends by a constant weight. One warm-up, then in turns; medians.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zarr

from predicting import (
    arguments,
    bare_forward,
    boxes,
    headline,
    pipelined,
    random_model,
    read_all,
    repeating_slide,
    resident,
    timed,
)
from slideconcord.geometry import Box
from slideconcord.segmentation.model import Model
from slideconcord.slides import Slide

CHUNK = 512


def new_zarr(folder: Path, model: Model, shape: tuple[int, int]) -> zarr.Array:
    return zarr.create_array(
        tempfile.mkdtemp(dir=folder),
        shape=(len(model.spec.classes), *shape),
        chunks=(1, CHUNK, CHUNK),
        dtype="uint8",
    )


def serial(slide: Slide, model: Model, folder: Path) -> Callable[[], object]:
    def work() -> None:
        source = slide.apart(48 << 20)
        out = new_zarr(folder, model, slide.grid_shape(1.0))
        for box in boxes(slide, model):
            tile = source.read_grid(1.0, box)
            out[:, *box.slices] = model.quantise_batch(tile[None])[0]

    return work


def monai(slide: Slide, model: Model, folder: Path) -> Callable[[], object]:
    import torch
    from monai.inferers import sliding_window_inference

    runner = model._runner

    def network(images: torch.Tensor) -> torch.Tensor:
        with runner._autocast():
            return runner._network(images.contiguous(memory_format=torch.channels_last)).float()

    def work() -> None:
        shape = slide.grid_shape(1.0)
        whole = slide.apart(48 << 20).read_grid(1.0, Box(0, 0, *shape))
        image = runner._standardise(torch.from_numpy(whole[None]).to(runner._device))[0]
        with torch.inference_mode():
            logits = sliding_window_inference(
                image,
                (model.spec.tile_px,) * 2,
                1,
                network,
                overlap=model.spec.overlap_px / model.spec.tile_px,
            )
            levels = logits[0].softmax(dim=0).mul_(255).to(torch.uint8).cpu().numpy()
        new_zarr(folder, model, shape)[:] = levels[:, : shape[0], : shape[1]]

    return work


def main(given: list[str] | None = None) -> int:
    options = arguments(__doc__ or "", 4_096, 512, given)
    model = random_model(options.network, options.tile, options.engine, options.precision)
    with repeating_slide(options.side) as (slide, folder):
        where = boxes(slide, model)
        print(headline(slide, model, where, options.runs))
        bare_forward(resident(read_all(slide, where[:1]), model), model)
        works = {
            "predict": pipelined(slide, model, folder),
            "serial loop": serial(slide, model, folder),
        }
        try:
            works["MONAI"] = monai(slide, model, folder)
        except ImportError as error:
            print(f"  MONAI was not measured: {error}")
        times: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(options.runs):
            for name, work in works.items():
                times[name].append(timed(work))
    base = float(np.median(times["predict"]))
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(f"  {name:12s} {middle:7.2f} s  {middle / base:5.2f} x the time of predict")
    return 0


if __name__ == "__main__":
    sys.exit(main())
