"""Running a torch network on tiles: transfer, normalisation, forward pass, probabilities."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ModelError
from slideconcord.segmentation.device import choose_device, choose_precision, is_out_of_memory

if TYPE_CHECKING:
    from torch import Tensor, nn

    from slideconcord.segmentation.spec import ModelSpec

Tiles = NDArray[np.uint8]


class TorchRunner:
    """A network on a device. Sets nothing global in torch."""

    def __init__(
        self, module: nn.Module, spec: ModelSpec, device: str = "auto", precision: str = "auto"
    ) -> None:
        import torch

        self.spec = spec
        self._device = choose_device(device)
        self.device = str(self._device)
        self.precision: str = choose_precision(self._device, precision)
        try:
            module = module.eval().requires_grad_(False)
            self.module: Any = module.to(self._device)
            self.module.to(memory_format=torch.channels_last)
        except RuntimeError as error:
            raise self._too_large(error, "the network itself does") from error
        self._mean, self._std = (
            torch.tensor(values, dtype=torch.float32, device=self._device).view(1, 3, 1, 1)
            for values in (spec.mean, spec.std)
        )
        # The most tiles at once that memory has been seen to allow.
        self._most = 1 << 30

    def moved(self, device: str, precision: str) -> TorchRunner:
        """Return a runner of the same network elsewhere or at another precision."""
        is_here = choose_device(device) == self._device
        # nn.Module.to moves in place, and this runner still needs its own.
        module = self.module if is_here else copy.deepcopy(self.module)
        return TorchRunner(module, self.spec, device, precision)

    def probabilities(self, tiles: Tiles) -> NDArray[np.float32]:
        """Return (n, class, y, x) float32 in 0..1 for tiles (n, y, x, 3)."""
        return self._in_parts(tiles, quantise=False)

    def quantised(self, tiles: Tiles) -> NDArray[np.uint8]:
        """Return floor(255 p); a quarter of the bytes that come back from a GPU."""
        return self._in_parts(tiles, quantise=True)

    def _in_parts(self, tiles: Tiles, *, quantise: bool) -> NDArray[Any]:
        import torch

        done: list[NDArray[Any]] = []
        start = 0
        while start < len(tiles):
            part = tiles[start : start + self._most]
            try:
                with torch.inference_mode():
                    done.append(self._forward(part, quantise))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if len(part) == 1:
                    shape = f"a tile of {part.shape[1]} x {part.shape[2]} px does"
                    raise self._too_large(error, shape) from error
                self._most = len(part) // 2
                if self._device.type == "cuda":
                    torch.cuda.empty_cache()
            else:
                start += len(part)
        return done[0] if len(done) == 1 else np.concatenate(done)

    def _forward(self, tiles: Tiles, quantise: bool) -> NDArray[Any]:
        import torch

        images, crop = self._images(torch.from_numpy(np.ascontiguousarray(tiles)))
        with self._autocast():
            output = self.module(images)
        if output.ndim != 4 or output.shape[1] != len(self.spec.classes):
            raise ModelError(
                f"Model {self.spec.name!r} names {len(self.spec.classes)} classes, but its "
                f"network answers with the shape {tuple(output.shape)}.",
                self.spec.name,
            )
        scores = self._activated(output[:, :, crop[0], crop[1]].float())
        if quantise:
            scores = scores.mul(255).floor_().clamp_(0, 255).to(torch.uint8)
        return np.asarray(scores.contiguous().cpu().numpy())

    def _images(self, tiles: Tensor) -> tuple[Tensor, tuple[slice, slice]]:
        """Return normalised, padded images (n, 3, y, x) and where the tile lies in them."""
        from torch.nn.functional import pad

        if self._device.type == "cuda":
            tiles = tiles.pin_memory()
        # (n, y, x, 3) seen as (n, 3, y, x) is channels_last already.
        images = tiles.to(self._device, non_blocking=True).permute(0, 3, 1, 2)
        multiple = self.spec.input_multiple
        height, width = images.shape[2:]
        extra_y, extra_x = -height % multiple, -width % multiple
        top, left = extra_y // 2, extra_x // 2
        if extra_y or extra_x:
            sides = (left, extra_x - left, top, extra_y - top)
            images = pad(images, sides, value=self.spec.pad_value)
        images = images.float().div_(255).sub_(self._mean).div_(self._std)
        return images, (slice(top, top + height), slice(left, left + width))

    def _autocast(self) -> Any:
        import torch

        if self.precision == "fp32":
            return nullcontext()
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float16
        return torch.autocast(self._device.type, dtype)

    def _activated(self, output: Tensor) -> Tensor:
        if self.spec.activation == "softmax":
            return output.softmax(dim=1)
        return output.sigmoid() if self.spec.activation == "sigmoid" else output.clamp_(0, 1)

    def _too_large(self, error: RuntimeError, what: str) -> ModelError:
        if not is_out_of_memory(error):
            return ModelError(f"Model {self.spec.name!r} cannot run: {error}", self.spec.name)
        return ModelError(
            f"Model {self.spec.name!r}: {what} not fit into the memory of {self.device}. "
            "Close other programs, use --device cpu, or choose a model with smaller tiles.",
            self.spec.name,
        )
