"""One network being trained: a step, a check, and where it stands. Runs on Lightning Fabric."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from slideconcord.errors import OutputError, TrainingError
from slideconcord.segmentation.device import choose_device, choose_precision, is_out_of_memory
from slideconcord.segmentation.networks import build
from slideconcord.training.augment.random import Draws
from slideconcord.training.averaging import running_mean
from slideconcord.training.checkpoint import Checkpoint, optimiser_tensors, restore_optimiser
from slideconcord.training.checks import Scores, scores_of, summed, tile_counts
from slideconcord.training.data.batches import Loader, ReadBatch
from slideconcord.training.data.tile import IGNORE
from slideconcord.training.initialise import INITIALISATIONS, take_over
from slideconcord.training.learner import Batch, Learner
from slideconcord.training.optimisers import set_rate

if TYPE_CHECKING:
    from slideconcord.segmentation.spec import ModelSpec
    from slideconcord.training.data.prepare import Prepared
    from slideconcord.training.options import TrainOptions
    from slideconcord.training.recipe import Recipe

Terms = dict[str, Tensor]
_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def make_fabric(options: TrainOptions) -> Fabric:
    """Return where and how exactly to compute; with several devices, each its own process.

    Raises
    ------
    ModelError, ParameterError
        When the device or its precision is not there.
    """
    device = choose_device(options.device)
    chosen: Any = options.devices if device.index is None else [device.index]
    fabric = Fabric(
        accelerator=device.type,
        devices=chosen,
        # Encoders of segmentation-models-pytorch hold stages that a shallow decoder never uses.
        strategy="ddp_find_unused_parameters_true" if options.devices > 1 else "auto",
        precision=_PRECISIONS[choose_precision(device, options.precision)],
    )
    fabric.launch()
    return fabric


class Learning:
    """A network, its optimiser, and the data, on this process's device.

    Parameters
    ----------
    recipe, prepared, options
        What to learn, from what, and with what means.
    spec
        The model to be; its architecture is built anew.
    fabric
        From `make_fabric`.
    """

    def __init__(
        self,
        recipe: Recipe,
        prepared: Prepared,
        options: TrainOptions,
        spec: ModelSpec,
        fabric: Fabric,
    ) -> None:
        self.fabric = fabric
        self.step_number = 0
        """Steps done."""
        self.parts = options.parts
        self._recipe = recipe
        # Convolutions are faster when the channels of a pixel lie together.
        self.module = self._built(spec).to(memory_format=torch.channels_last)
        self.optimiser = recipe.optimiser_settings.make(self.module)
        network, self._stepping = fabric.setup(self.module, self.optimiser)
        decay = recipe.train.average
        self._averaged = running_mean(self.module, decay) if decay else None
        context = recipe.data.context
        self._downsample = None if context is None else context.downsample
        mean, std = (
            255 * torch.tensor(value * spec.levels, device=fabric.device)[:, None, None]
            for value in (prepared.mean, prepared.std)
        )
        pad_value = recipe.model.pad_value
        # What is around a tile with one label has none.
        pad_class = 0 if recipe.data.tile_labels is None else IGNORE
        self.learner = Learner(
            network, prepared.augment, recipe.losses, mean, std, pad_value, pad_class
        )
        self._objective = prepared.objective
        self._classes = prepared.source.classes
        rank, world = fabric.global_rank, fabric.world_size
        if recipe.train.batch < world:
            raise TrainingError(
                f"A batch of {recipe.train.batch} cannot be shared by {world} devices."
            )
        self._loader = Loader(
            prepared, recipe.data.tile_px, recipe.train.batch, rank, world, options.readers,
            pad_value,
        )  # fmt: skip

    @property
    def kept(self) -> torch.nn.Module:
        """The network that is checked and becomes the model: the running mean, if there is one."""
        return self.module if self._averaged is None else self._averaged.module

    def batches(self) -> Generator[ReadBatch]:
        """Yield the batches that are still to be learnt from."""
        yield from self._loader.training(self.step_number, self._recipe.train.steps)

    def step(self, batch: ReadBatch) -> Terms:
        """Learn from a batch; return the loss and its terms, on the device.

        When memory runs out the batch is worked through in twice as many parts.

        Raises
        ------
        TrainingError
            When not even one tile fits.
        """
        rate = self._recipe.rates.rate(self.step_number, self._recipe.train.steps)
        set_rate(self.optimiser, rate)
        self.module.train()
        while True:
            try:
                terms = self._learn(batch)
            except RuntimeError as error:
                self._share_memory(error, len(batch.places))
            else:
                self.step_number += 1
                if self._averaged is not None:
                    self._averaged.update_parameters(self.module)
                return self._over_devices(terms)

    def check(self) -> Scores:
        """Return how good the network is on the tiles that are checked on."""
        self.kept.eval()
        while True:
            try:
                sums = self._checked(max(self._own_batch // self.parts, 1))
            except RuntimeError as error:
                self._share_memory(error, self._own_batch)
            else:
                break
        total = self.fabric.all_reduce(sums, reduce_op="sum")
        return scores_of(torch.as_tensor(total).cpu(), self._classes)

    def checkpoint(self, scores: dict[str, Any], plain: dict[str, Any]) -> Checkpoint:
        """Return where the run stands."""
        scaler = self.fabric.strategy.precision.state_dict()
        return Checkpoint(
            self.step_number,
            self.module.state_dict(),
            optimiser_tensors(self.optimiser),
            scores,
            {**plain, "precision": scaler},
            {} if self._averaged is None else self.kept.state_dict(),
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to where a run stood.

        Raises
        ------
        OutputError
            When the checkpoint is of another network.
        """
        try:
            self.module.load_state_dict(checkpoint.network)
            restore_optimiser(self.optimiser, checkpoint.optimiser)
            if self._averaged is not None:
                self.kept.load_state_dict(checkpoint.averaged)
                self._averaged.n_averaged.fill_(checkpoint.step)
        except (RuntimeError, ValueError, KeyError) as error:
            raise OutputError(f"The checkpoint does not fit the recipe: {error}.") from error
        if scaler := checkpoint.plain.get("precision"):
            self.fabric.strategy.precision.load_state_dict(scaler)
        self.step_number = checkpoint.step

    @property
    def _own_batch(self) -> int:
        return -(-self._recipe.train.batch // self.fabric.world_size)

    def _built(self, spec: ModelSpec) -> torch.nn.Module:
        with self._seeded(0):
            module = build(spec)
            if not isinstance(module, torch.nn.Module):
                raise TrainingError(f"{spec.architecture} has no weights: it cannot be trained.")
            INITIALISATIONS[self._recipe.network.start](module)
        if self._recipe.network.weights:
            take_over(module, self._recipe.network.weights)
        return module

    def _learn(self, batch: ReadBatch) -> Terms:
        self._stepping.zero_grad()
        parts = list(batch.parts(min(self.parts, len(batch.places))))
        total: Terms = {}
        with self._seeded(1 + self.step_number):
            for number, part in enumerate(parts, 1):
                share = len(part.places) / len(batch.places)
                waits = number < len(parts)
                with self.fabric.no_backward_sync(self.learner.network, enabled=waits):
                    terms = self._terms(part)
                    self.fabric.backward(terms["loss"] * share)
                for name, term in terms.items():
                    total[name] = total.get(name, 0) + share * term.detach()
        self._stepping.step()
        return total

    def _over_devices(self, terms: Terms) -> Terms:
        """Return the means over all devices, so that all of them see a loss go astray."""
        if self.fabric.world_size == 1:
            return terms
        return {
            name: torch.as_tensor(self.fabric.all_reduce(term, reduce_op="mean"))
            for name, term in terms.items()
        }

    def _terms(self, part: ReadBatch) -> Terms:
        device = self.fabric.device
        draws = Draws(self._recipe.seed, part.places, device, part.scanners)
        images, masks = part.images.to(device), part.masks.to(device)
        moved = Batch(images, masks, draws, self._downsample)
        return self._objective.terms(self.learner, moved)

    def _checked(self, batch: int) -> Tensor:
        classes = len(self._classes)
        sums = torch.zeros((classes + 1, 3), dtype=torch.float64)
        learner = (
            self.learner if self._averaged is None else replace(self.learner, network=self.kept)
        )
        with torch.inference_mode(), self.fabric.autocast():
            for tiles in self._loader.checking(batch):
                images = tiles.images.to(self.fabric.device).float()
                logits = learner.logits(images).float()
                sums += summed(tile_counts(logits, tiles.truth.to(self.fabric.device))).cpu()
        return sums if self.fabric.device.type == "cpu" else sums.to(self.fabric.device)

    def _share_memory(self, error: RuntimeError, tiles: int) -> None:
        """Work in twice as many parts, or say that it cannot be done."""
        if not is_out_of_memory(error):
            raise error
        if self.fabric.world_size > 1 or self.parts >= tiles:
            raise TrainingError(
                "The memory of the device does not suffice. Give more --parts, a smaller "
                "augment.crop.size_px, a smaller train.batch, or a smaller network."
            ) from error
        self.parts *= 2
        self._stepping.zero_grad()
        if self.fabric.device.type == "cuda":
            torch.cuda.empty_cache()

    @contextmanager
    def _seeded(self, number: int) -> Generator[None]:
        """Let torch's own randomness, such as dropout's, follow from seed and step alone."""
        cuda = [self.fabric.device] if self.fabric.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            torch.manual_seed(_mixed(self._recipe.seed, number, self.fabric.global_rank))
            yield


def _mixed(*numbers: int) -> int:
    import numpy as np

    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def means(terms: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each term."""
    return {name: sum(each[name] for each in terms) / len(terms) for name in terms[0]}
