"""Prediction of a slide against the bare forward pass on the same tiles, already in memory.

Run ``python benchmarks/bench_predict.py [SIDE_PX] [--tile PX] [--runs N] [--network NAME]``. The
networks are the pan-cancer paper's and a Unet with a ResNet-18 encoder (a light one, so that all
else weighs more), with random weights at the precision that is chosen for the device; the slide is
repeating virtual tissue at 0.25 µm/px, read at 1 µm/px. The bare pass is the network alone, on
images that are standardised and on the device already. Both sides run once to warm up, then in
turns; medians. On a GPU give ``40000 --tile 7680``.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from predicting import (
    UNET,
    arguments,
    bare_forward,
    boxes,
    headline,
    pipelined,
    random_model,
    read_all,
    repeating_slide,
    resident,
    share_of_peak,
    timed,
)
from slideconcord.segmentation.model import Model
from slideconcord.slides import Slide

GOAL_RATIO = 1.10


def main(given: list[str] | None = None) -> int:
    options = arguments(__doc__ or "", 4_096, 512, given)
    with repeating_slide(options.side) as (slide, folder):
        for name in dict.fromkeys((options.network, UNET.name)):
            model = random_model(name, options.tile, options.engine, options.precision)
            compare(slide, folder, model, options.runs)
    return 0


def compare(slide: Slide, folder: Path, model: Model, runs: int) -> None:
    where = boxes(slide, model)
    images = resident(read_all(slide, where), model)
    computed = sum(box.area for box in where) / 1e6
    print(headline(slide, model, where, runs))
    bare_forward(images[:1], model)
    forward, whole = [], []
    for _ in range(runs):
        forward.append(timed(lambda: bare_forward(images, model)))
        whole.append(timed(pipelined(slide, model, folder)))
    for what, times in (("bare forward pass", forward), ("predict", whole)):
        middle = statistics.median(times)
        speed = computed / middle
        print(f"  {what:20s} {middle:7.2f} s  {speed:8.3f} Mpx/s  {share_of_peak(model, speed)}")
    ratio = statistics.median(whole) / statistics.median(forward)
    print(f"  {model.name}: predict over the bare forward pass {ratio:.2f} x (goal {GOAL_RATIO} x)")


if __name__ == "__main__":
    sys.exit(main())
