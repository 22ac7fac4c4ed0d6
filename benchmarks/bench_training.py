"""Training as `slideconcord train` does it against a plain PyTorch loop over tensors in memory.

Run ``python benchmarks/bench_training.py [--quick] [--tile PX] [--batch N] [--steps N]``. Network,
losses, optimiser and augmentations are those of the recipe that made the default model. Ours reads
PNG pictures from the disk, keeps what a run keeps, and can be stopped and resumed; the plain loop
has all tiles in memory, on the device, and nothing but forward, backward and step. Both see the
same tiles in the same order from the same weights: their mean losses must be alike, or nothing is
said. In turns, medians; checks are left out. Then one more run of ours says where its time goes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

from slideconcord.geometry import Box
from slideconcord.samples import FIVE_SCANNERS, VirtualTissue
from slideconcord.training.augment.chain import Augment
from slideconcord.training.augment.random import Draws
from slideconcord.training.data.prepare import prepare
from slideconcord.training.learning import Learning, make_fabric
from slideconcord.training.losses import weighted_sum
from slideconcord.training.options import TrainOptions
from slideconcord.training.recipe import Recipe, read_recipe
from slideconcord.training.run import _spec, train_steps

RECIPE = "colon-epithelium-first"
THREADS, GOAL_RATIO, ALIKE = 2, 0.95, 0.02
TRAIN_TILES, VAL_TILES, TILES_ACROSS = 40, 8, 7
LOG_EVERY = 20
LABELS = "{other: ['0'], epithelium: ['1', '2', '3']}"


@dataclass(frozen=True)
class Plan:
    """What both sides do."""

    recipe: Recipe
    device: torch.device
    precision: str
    warm_up: int
    """Steps before the clock starts."""

    @property
    def images(self) -> int:
        """Images that pass while the clock runs; the last step, which is checked, is left out."""
        return (self.recipe.train.steps - self.warm_up - 1) * self.recipe.train.batch

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


@dataclass(frozen=True)
class Ran:
    images_per_s: float
    loss: float
    """Mean over the first steps, as many as a line of the log stands for."""


def main(given: list[str] | None = None) -> None:
    options = arguments(given)
    torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pictures(folder / "data", options.tile)
        precision = "bf16" if device.type == "cuda" else "fp32"
        plan = Plan(recipe_of(options, folder / "data"), device, precision, options.warm_up)
        print(
            f"{RECIPE}: {options.steps} steps of {options.batch} tiles of {options.tile} px on "
            f"{device} {precision} ({options.threads} threads), median of {options.runs}"
        )
        report([(plain(plan), ours(plan, folder / f"run-{k}")) for k in range(options.runs)])
        shares = watched(plan, folder / "watched")
    print("  of the time of slideconcord: " + ", ".join(f"{k} {v:.1%}" for k, v in shares.items()))


def report(pairs: list[tuple[Ran, Ran]]) -> None:
    for bare, full in pairs:
        if abs(bare.loss - full.loss) > ALIKE * abs(bare.loss):
            raise SystemExit(f"Not the same training: loss {bare.loss:.4f} and {full.loss:.4f}.")
    bare_speed, full_speed = (
        statistics.median(ran.images_per_s for ran in side) for side in zip(*pairs, strict=True)
    )
    print(f"  plain PyTorch loop   {bare_speed:9.1f} images/s")
    print(f"  slideconcord train   {full_speed:9.1f} images/s")
    ratio = full_speed / bare_speed
    print(f"  training over the plain loop {ratio:.2f} x (goal {GOAL_RATIO} x with a GPU)")


def ours(plan: Plan, out: Path) -> Ran:
    """Train into a folder, as the command does."""
    options = TrainOptions(device=plan.device.type, precision=plan.precision)
    first, start, seconds = None, 0.0, 0.0
    for step in train_steps(plan.recipe, out, options):
        first = step.loss if first is None else first
        if step.step == plan.warm_up:
            start = plan.now()
        elif step.step == step.steps - 1:
            seconds = plan.now() - start
    return Ran(plan.images / seconds, first or 0.0)


def plain(plan: Plan) -> Ran:
    """Train over tensors on the device: forward, backward, step."""
    recipe, device = plan.recipe, plan.device
    prepared = prepare(recipe)
    tiles = [prepared.source.read(index) for index in prepared.train]
    images = torch.from_numpy(np.stack([rgb for rgb, _ in tiles])).permute(0, 3, 1, 2).to(device)
    masks = torch.from_numpy(np.stack([mask for _, mask in tiles])).long().to(device)
    options = TrainOptions(device=device.type, precision=plan.precision)
    # For network and optimiser alone, both torch's own, in the state that a run begins with.
    begun = Learning(recipe, prepared, options, _spec(recipe, prepared), make_fabric(options))
    network, optimiser = begun.module.train(), begun.optimiser
    mean, std, losses = begun.learner.mean, begun.learner.std, recipe.losses
    seen, start = [], 0.0
    for step in range(recipe.train.steps - 1):
        if step == plan.warm_up:
            start = plan.now()
        places = range(step * recipe.train.batch, (step + 1) * recipe.train.batch)
        index = [prepared.order[place] for place in places]
        draws = Draws(recipe.seed, places, device)
        x, y = prepared.augment(images[index].float(), masks[index], draws)
        with torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bf16"):
            loss = weighted_sum(losses, network((x - mean) / std), y)["loss"]
        optimiser.zero_grad()
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = recipe.rates.rate(step, recipe.train.steps)
        optimiser.step()
        if step < recipe.train.log_every:
            seen.append(loss.detach())
    return Ran(plan.images / (plan.now() - start), float(torch.stack(seen).mean()))


def watched(plan: Plan, out: Path) -> dict[str, float]:
    """Train once more, waiting for the device at each turn; return what takes what share."""
    spent: Counter[str] = Counter()

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watch(*given: Any, **named: Any) -> Any:
            start = plan.now()
            try:
                return call(*given, **named)
            finally:
                spent[name] += plan.now() - start

        return watch

    def batches(self: Learning) -> Iterator[Any]:
        read = iter(wanted(self))
        following = timed("data", lambda: next(read, None))
        while (batch := following()) is not None:
            yield batch

    wanted = Learning.batches
    options = TrainOptions(device=plan.device.type, precision=plan.precision)
    with ExitStack() as patches:
        for place, name, call in (
            (Learning, "batches", batches),
            (Learning, "step", timed("step", Learning.step)),
            (Augment, "__call__", timed("augmentation", Augment.__call__)),
        ):
            patches.enter_context(patch.object(place, name, call))
        start = 0.0
        for step in train_steps(plan.recipe, out, options):
            if step.step == plan.warm_up:
                spent.clear()
                start = plan.now()
            elif step.step == step.steps - 1:
                whole = plan.now() - start
                break
    network = spent["step"] - spent["augmentation"]
    shares = {"the network's step": network, "augmentation": spent["augmentation"],
              "waiting for data": spent["data"]}  # fmt: skip
    shares = {name: seconds / whole for name, seconds in shares.items()}
    return {**shares, "log and all else": 1 - sum(shares.values())}


def recipe_of(options: argparse.Namespace, data: Path) -> Recipe:
    changes = {
        "data.source": "{folder: {}}",
        "data.tile_px": options.tile,
        "classes": LABELS,
        "train.steps": options.warm_up + options.steps + 1,
        "train.check_every": options.warm_up + options.steps + 1,
        # The last step is not in the plain loop: the first line of the log must come before it.
        "train.log_every": min(LOG_EVERY, options.warm_up + options.steps),
        "train.batch": options.batch,
        "train.average": 0.0,
        # What it drops is drawn anew in each loop: the losses would not be alike.
        "network.parameters.decoder_dropout": 0.0,
    }
    return read_recipe(RECIPE, [f"{key}={value}" for key, value in changes.items()], data)


def write_pictures(folder: Path, side: int) -> None:
    """Write tiles of virtual tissue with their masks, as PNG."""
    for sub in ("image", "mask"):
        (folder / sub).mkdir(parents=True)
    rows = ["name,patient,split"]
    for number, (rgb, mask) in enumerate(pictures(side)):
        name, split = f"tile-{number}", "val" if number < VAL_TILES else "train"
        Image.fromarray(rgb).save(folder / "image" / f"{name}.png")
        Image.fromarray(mask).save(folder / "mask" / f"{name}.png")
        rows.append(f"{name},{split},{split}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def pictures(side: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    tissue = VirtualTissue(5, TILES_ACROSS * side, TILES_ACROSS * side)
    scanner = replace(next(iter(FIVE_SCANNERS.values())), mpp=1.0)
    for number in range(TRAIN_TILES + VAL_TILES):
        y, x = divmod(number, TILES_ACROSS)
        box = Box(y * side, x * side, side, side)
        yield scanner.view(tissue, box), scanner.truth(tissue, box)


def arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    there = torch.cuda.is_available()
    parser.add_argument("--quick", action="store_true", help="small: to see that it runs")
    parser.add_argument("--tile", type=int, default=224)
    parser.add_argument("--batch", type=int, default=64 if there else 16)
    parser.add_argument("--steps", type=int, default=400 if there else 30)
    parser.add_argument("--warm-up", type=int, default=20 if there else 4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=THREADS)
    options = parser.parse_args(given)
    if options.quick:
        options.tile, options.batch, options.steps, options.runs = 64, 4, 16, 1
    return options


if __name__ == "__main__":
    main()
