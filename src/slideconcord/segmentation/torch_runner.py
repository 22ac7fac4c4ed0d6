"""Running a torch network on tiles: transfer, standardisation, forward pass, probabilities."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ModelError, ModelMemoryError, first_sentence
from slideconcord.segmentation.device import choose_device, choose_precision, is_out_of_memory
from slideconcord.segmentation.engines import is_compile_failure, run_by
from slideconcord.segmentation.folding import folded
from slideconcord.segmentation.standardise import Standardise
from slideconcord.segmentation.transfer import Finish, Transfer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from slideconcord.segmentation.spec import ModelSpec

Tiles = NDArray[np.uint8]


class TorchRunner:
    """A network on a device. Sets nothing global in torch.

    Parameters
    ----------
    module, spec
        The network, which this runner takes over, and what it is.
    device, precision
        See `choose_device` and `choose_precision`.
    engine
        What executes its layers: see `run_by`.
    """

    def __init__(
        self,
        module: nn.Module,
        spec: ModelSpec,
        device: str = "auto",
        precision: str = "auto",
        engine: str = "eager",
    ) -> None:
        import torch

        self.spec = spec
        self._device = choose_device(device)
        self.device = str(self._device)
        self.precision: str = choose_precision(self._device, precision)
        self.engine = engine
        try:
            module = folded(module).eval().requires_grad_(False)
            self.module: Any = module.to(self._device)
            self.module.to(memory_format=torch.channels_last)
        except RuntimeError as error:
            raise self._too_large(error, "the network itself does") from error
        self._network = run_by(self.module, engine, self._device.type, self.precision)
        self._standardise = Standardise(spec, self._device)
        self._transfer = Transfer(self._device)
        # The most tiles at once that memory has been seen to allow.
        self._most = 1 << 30

    def moved(self, device: str, precision: str, engine: str) -> TorchRunner:
        """Return a runner of the same network elsewhere, at another precision, or by another."""
        is_here = choose_device(device) == self._device
        # nn.Module.to moves in place, and this runner still needs its own.
        module = self.module if is_here else copy.deepcopy(self.module)
        return TorchRunner(module, self.spec, device, precision, engine)

    def rotated(self) -> TorchRunner:
        """Return a runner that averages over four turns of each tile; itself where it does."""
        from slideconcord.segmentation.rotated_network import RotatedNetwork

        if isinstance(self.module, RotatedNetwork):
            return self
        turned = RotatedNetwork(self.module)
        return TorchRunner(turned, self.spec, self.device, self.precision, self.engine)

    def probabilities(self, tiles: Tiles) -> NDArray[np.float32]:
        """Return (n, class, y, x) float32 in 0..1 for tiles (n, y, x, 3) or (n, level, y, x, 3)."""
        return self._begin(tiles, lambda scores: scores)()

    def begin(self, tiles: Tiles) -> Finish:
        """Begin to compute floor(255 p) as uint8; the returned call waits for it and gives it.

        On a GPU the next tiles can begin before; a quarter of the bytes come back from it.
        """
        return self._begin(tiles, _quantised)

    def _begin(self, tiles: Tiles, finish: Callable[[Tensor], Tensor]) -> Finish:
        """Compute in as large parts as memory allows."""
        import torch

        begun: list[Finish] = []
        start = 0
        while start < len(tiles):
            part = tiles[start : start + self._most]
            try:
                with torch.inference_mode():
                    scores = finish(self._forward(part)).contiguous()
                    begun.append(self._transfer.down(scores))
            except RuntimeError as error:
                self._make_room(error, part)
            else:
                start += len(part)
        return begun[0] if len(begun) == 1 else lambda: np.concatenate([end() for end in begun])

    def _make_room(self, error: RuntimeError, part: Tiles) -> None:
        """Halve the number of tiles at once after a lack of memory; a tile is never made smaller.

        Raises
        ------
        ModelMemoryError
            When one tile alone is too much.
        ModelError
            When it was no lack of memory, but the network cannot be compiled.
        """
        import torch

        if is_compile_failure(error):
            raise ModelError(
                f"Model {self.spec.name!r} cannot be compiled here ({first_sentence(error)}). "
                "Choose --engine eager, or install what is missing.",
                self.spec.name,
            ) from error
        if not is_out_of_memory(error):
            raise error
        if len(part) == 1:
            shape = f"a tile of {part.shape[-3]} x {part.shape[-2]} px does"
            raise self._too_large(error, shape) from error
        self._most = len(part) // 2
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _forward(self, tiles: Tiles) -> Tensor:
        """Return probabilities (n, class, y, x) float32 on the device."""
        import torch

        # torch warns of arrays that may not be written to, such as those of a picture.
        there = self._transfer.up(torch.from_numpy(np.require(tiles, requirements=["C", "W"])))
        images, crop = self._standardise(there.flatten(0, -4))
        if there.ndim == 5:  # a tile's levels become channels: RGB of the tile, RGB of its context
            images = images.reshape(len(there), -1, *images.shape[2:])
        with self._autocast():
            output = self._network(images)
        if output.ndim != 4 or output.shape[1] != len(self.spec.classes):
            raise ModelError(
                f"Model {self.spec.name!r} names {len(self.spec.classes)} classes, but its "
                f"network answers with the shape {tuple(output.shape)}.",
                self.spec.name,
            )
        if output.shape[2:] != images.shape[2:]:
            raise ModelError(
                f"Model {self.spec.name!r} answers {images.shape[2]} x {images.shape[3]} px with "
                f"{output.shape[2]} x {output.shape[3]}: correct the parameters in its model.json.",
                self.spec.name,
            )
        return self._activated(output[:, :, crop[0], crop[1]].float())

    def _autocast(self) -> Any:
        import torch

        # OpenVINO rounds by itself, and cannot convert a network that torch casts meanwhile.
        if self.precision == "fp32" or self.engine == "openvino":
            return nullcontext()
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float16
        return torch.autocast(self._device.type, dtype)

    def _activated(self, output: Tensor) -> Tensor:
        if self.spec.activation == "softmax":
            # log_softmax, then exp, is what the pan-cancer paper's code does.
            return output.log_softmax(dim=1).exp_()
        return output.sigmoid() if self.spec.activation == "sigmoid" else output.clamp_(0, 1)

    def _too_large(self, error: RuntimeError, what: str) -> ModelError:
        if not is_out_of_memory(error):
            return ModelError(f"Model {self.spec.name!r} cannot run: {error}", self.spec.name)
        elsewhere = "" if self._device.type == "cpu" else "compute on the CPU (--device cpu), "
        return ModelMemoryError(
            f"Model {self.spec.name!r}: {what} not fit into the memory of {self.device}. "
            f"Close other programs, {elsewhere}or choose a model with smaller tiles.",
            self.spec.name,
            self.device,
        )


def _quantised(scores: Tensor) -> Tensor:
    import torch

    return scores.mul(255).floor_().clamp_(0, 255).to(torch.uint8)
