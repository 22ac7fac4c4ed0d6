"""What the benchmarks of prediction share: networks with random weights, a slide, bare passes."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import slideconcord as sc
from slideconcord.geometry import Box
from slideconcord.segmentation.model import Model, ModelSpec
from slideconcord.segmentation.networks import build
from slideconcord.segmentation.published import PAN_CANCER
from slideconcord.segmentation.tiles import TileGrid
from slideconcord.segmentation.torch_runner import TorchRunner
from slideconcord.slides import Slide

UNET = PAN_CANCER.changed(
    name="unet-resnet18",
    architecture="smp-unet",
    parameters={"encoder_name": "resnet18"},
    input_multiple=32,
    classes=("background", "tumour"),
    parameter_count=None,
)
SPECS = {spec.name: spec for spec in (PAN_CANCER, UNET)}
# Operations of one pixel, counted by hand for the output stride 16 (facts: 347 kMAC).
PAN_CANCER_FLOP = 0.694e6
# Dense bf16, from the makers' data sheets.
PEAK_TFLOPS = {"H200": 989, "H100": 989, "A100": 312, "L40S": 362, "RTX 4090": 165}


def random_model(name: str, tile_px: int, engine: str = "eager", precision: str = "auto") -> Model:
    import torch

    torch.manual_seed(0)
    spec: ModelSpec = SPECS[name].changed(tile_px=tile_px, overlap_px=tile_px // 8)
    return Model(spec, TorchRunner(build(spec), spec, "auto", precision, engine))


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


def read_all(slide: Slide, where: list[Box]) -> list[np.ndarray]:
    fresh = slide.apart(128 << 20)
    return [fresh.read_grid(1.0, box) for box in where]


def resident(tiles: list[np.ndarray], model: Model) -> list:
    """Return what the network takes, on the device already."""
    import torch

    runner = model._runner
    there = [torch.from_numpy(tile[None]).to(runner._device) for tile in tiles]
    return [runner._standardise(tile)[0] for tile in there]


def bare_forward(images: list, model: Model) -> None:
    """Run nothing but the network over images that are there, and throw the result away."""
    import torch

    runner = model._runner
    with torch.inference_mode(), runner._autocast():
        for image in images:
            runner._network(image)
    if runner._device.type == "cuda":
        torch.cuda.synchronize(runner._device)


def pipelined(slide: Slide, model: Model, folder: Path) -> Callable[[], object]:
    """Return a call that predicts the slide once, into a new folder each time."""

    def work() -> object:
        return sc.predict(slide, model, tempfile.mkdtemp(dir=folder), batch=1)

    return work


@contextmanager
def repeating_slide(side_px: int) -> Iterator[tuple[Slide, Path]]:
    """Give repeating virtual tissue at 0.25 µm/px, and a folder for results."""
    from slideconcord.samples.repeating import write_repeating_slide

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in write_repeating_slide(folder / "slide.tif", side_px):
            pass
        with sc.open_slide(folder / "slide.tif") as slide:
            yield slide, folder


def arguments(text: str, side_px: int, tile_px: int, given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("side", nargs="?", type=int, default=side_px)
    parser.add_argument("--tile", type=int, default=tile_px)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--network", choices=SPECS, default=PAN_CANCER.name)
    parser.add_argument("--engine", choices=("eager", "compile", "openvino"), default="eager")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16", "fp16"), default="auto")
    return parser.parse_args(given)


def headline(slide: Slide, model: Model, where: list[Box], runs: int) -> str:
    computed = sum(box.area for box in where) / 1e6
    return (
        f"{slide.shape[0]} px slide, {len(where)} tiles of {model.spec.tile_px} px at 1 µm/px "
        f"({computed:.1f} Mpx computed), {model.name} on {model.device} {model.precision} "
        f"{model.engine}, median of {runs}"
    )


def share_of_peak(model: Model, mpx_per_s: float) -> str:
    """Return how much of the GPU's arithmetic that is, where both are known."""
    import torch

    if not model.device.startswith("cuda") or model.spec.architecture != PAN_CANCER.architecture:
        return ""
    name = torch.cuda.get_device_name(model.device)
    peak = next((peak for gpu, peak in PEAK_TFLOPS.items() if gpu in name), None)
    tflops = mpx_per_s * PAN_CANCER_FLOP / 1e6
    share = "" if peak is None else f", {tflops / peak:.1%} of its peak"
    return f"{name}: {tflops:.1f} TFLOPS{share}"
