"""Bringing tiles to where a network computes, and results back, beside the computing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Finish = Callable[[], NDArray[Any]]
"""Waits for a result and gives it."""


class Transfer:
    """Moves arrays to a device and back.

    On CUDA both ways go through page-locked memory and a stream of their own, so that the GPU
    computes one tile while the next one comes and the last one leaves. Elsewhere they are plain.
    """

    def __init__(self, device: torch.device) -> None:
        import torch

        self._device = device
        # PyTorch's streams and events carry no types.
        cuda: Any = torch.cuda
        self._up, self._down = (
            cuda.Stream(device) if device.type == "cuda" else None for _ in range(2)
        )

    def up(self, tiles: Tensor) -> Tensor:
        """Return ``tiles`` on the device, for use in the device's current stream."""
        import torch

        if self._up is None:
            return tiles.to(self._device)
        with torch.cuda.stream(self._up):
            moved = tiles.pin_memory().to(self._device, non_blocking=True)
        computing = torch.cuda.current_stream(self._device)
        computing.wait_stream(self._up)
        # Its memory was taken in the other stream: it must not be given away while this one reads.
        moved.record_stream(computing)
        return moved

    def down(self, scores: Tensor) -> Finish:
        """Begin to bring ``scores`` back; the returned call waits until they are there."""
        import torch

        if self._down is None:
            array = scores.cpu().numpy()
            return lambda: array
        self._down.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._down):
            host = torch.empty(scores.shape, dtype=scores.dtype, pin_memory=True)
            host.copy_(scores, non_blocking=True)
            arrived = self._down.record_event()
        scores.record_stream(self._down)

        def finish() -> NDArray[Any]:
            arrived.synchronize()
            return host.numpy()

        return finish
