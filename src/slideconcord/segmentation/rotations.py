"""Test-time augmentation: the mean answer to an image turned by 0, 90, 180 and 270 degrees.

What is averaged is the network's output before softmax or sigmoid, each turned back (Kim et al.
2025, section 2.3, and the authors' code). Every turn is exact: no pixel is interpolated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUARTERS = range(4)


def mean_answer(answers: Sequence[Any]) -> Any:
    """Return the mean of four answers, arrays or tensors.

    Opposite turns are added first: a turn of the image only swaps what is added, so the mean turns
    with it to the last bit; and four equal answers are their own mean.
    """
    first, second, third, fourth = answers
    return ((first + third) + (second + fourth)) / 4


class RotatedFunction:
    """A plain function ([level,] y, x, 3) -> (class, y, x), averaged over four turns."""

    def __init__(self, function: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> None:
        self._function = function

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(mean_answer([self._answer(rgb, k) for k in QUARTERS]), np.float32)

    def _answer(self, rgb: NDArray[np.uint8], k: int) -> NDArray[np.float32]:
        turned = np.ascontiguousarray(np.rot90(rgb, k, axes=(-3, -2)))
        return np.rot90(np.asarray(self._function(turned), np.float32), -k, axes=(1, 2))
