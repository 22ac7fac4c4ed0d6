"""Where the time of a prediction goes, and how near it is to the limit of the machine.

Run ``python benchmarks/bench_stages.py [SIDE_PX] [--tile PX] [--network NAME]``. Each stage runs
alone over the same tiles, then all run together:

    read      tiles from the slide, one thread
    forward   the network alone, on images that are on the device
    write     blend, compress and write what the network gave, which is at hand
    predict   all of it

T_cpu = processor seconds of the stages that compute on the processor / cores; T_gpu = forward on a
GPU; the limit T_lim = the larger of both. phi = T_lim / T is the share of the limit that is
reached; eta = (sum of stages - T) / (sum of stages - T_lim) the share of the possible overlap.
Processor seconds of the forward pass are its wall time on all cores, which OpenMP keeps busy.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import slideconcord as sc
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
from slideconcord.segmentation.model import Model
from slideconcord.slides import Slide


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Return (wall seconds, processor seconds) of all threads."""
    start = time.process_time()
    wall = timed(work)
    return wall, time.process_time() - start


class Replay:
    """Answers with what is at hand: all of a prediction but its network."""

    device, precision, engine = "cpu", "fp32", "eager"

    def __init__(self, answers: list[np.ndarray]) -> None:
        self._answers = iter(answers)

    def begin(self, tiles: np.ndarray) -> Callable[[], np.ndarray]:
        answer = next(self._answers)
        return lambda: answer


def main(given: list[str] | None = None) -> int:
    options = arguments(__doc__ or "", 4_096, 512, given)
    model = random_model(options.network, options.tile, options.engine, options.precision)
    with repeating_slide(options.side) as (slide, folder):
        measure(slide, folder, model)
    return 0


def measure(slide: Slide, folder: Path, model: Model) -> None:
    where = boxes(slide, model)
    print(headline(slide, model, where, 1))
    tiles = read_all(slide, where)
    read = measured(lambda: read_all(slide, where))
    answers = [model.quantise_batch(tile[None]) for tile in tiles]
    images = resident(tiles, model)
    forward = timed(lambda: bare_forward(images, model))
    replayed = Model(model.spec, Replay(answers))
    rest = measured(lambda: sc.predict(slide, replayed, folder / "replay", batch=1, readers=1))
    whole = timed(pipelined(slide, model, folder))
    write = max(rest[0] - read[0], 0.0), max(rest[1] - read[1], 0.0)
    report(model, {"read": read, "write": write}, forward, whole)


def report(
    model: Model, stages: dict[str, tuple[float, float]], forward: float, whole: float
) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    on_gpu = model.device.startswith("cuda")
    processor = sum(seconds for _, seconds in stages.values())
    t_cpu = processor / (cores or 1) + (0.0 if on_gpu else forward)
    t_gpu = forward if on_gpu else 0.0
    limit = max(t_cpu, t_gpu)
    alone = sum(wall for wall, _ in stages.values()) + forward
    for name, (wall, seconds) in stages.items():
        each = f"{wall / forward:6.3f} x the forward pass"
        print(f"  {name:8s} alone {wall:7.2f} s, {seconds:6.2f} processor s, {each}")
    print(f"  forward  alone {forward:7.2f} s")
    print(f"  predict        {whole:7.2f} s, {whole / forward:5.2f} x the forward pass")
    print(f"  T_cpu {t_cpu:.2f} s, T_gpu {t_gpu:.2f} s, T_lim {limit:.2f} s on {cores} cores")
    eta = (alone - whole) / (alone - limit) if alone > limit else float("nan")
    print(f"  phi = T_lim / T = {limit / whole:.2f}; eta = {eta:.2f}; stages in turn {alone:.2f} s")


if __name__ == "__main__":
    sys.exit(main())
