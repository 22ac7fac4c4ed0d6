"""A network averaged over four turns of its input; see `rotations`."""

from __future__ import annotations

from torch import Tensor, nn

from slideconcord.segmentation.rotations import QUARTERS, mean_answer


class RotatedNetwork(nn.Module):
    """Images (n, 3, y, x) -> mean output (n, class, y, x). Four passes, one after another."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        mean: Tensor = mean_answer([self._answer(images, k) for k in QUARTERS])
        return mean

    def _answer(self, images: Tensor, k: int) -> Tensor:
        answer: Tensor = self.network(images.rot90(k, (2, 3)).contiguous())
        return answer.rot90(-k, (2, 3))
