"""One way to compile a kernel: cached on disk where a cache can be kept, and without the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(kernel: Kernel) -> Kernel:
    """Compile ``kernel`` at its first use; threads run it at the same time.

    A kernel may call other kernels of its own file only: numba's cache does not see changes
    elsewhere.
    """
    try:
        return njit(cache=True, nogil=True)(kernel)
    except RuntimeError:  # numba found no folder that it may write a cache to
        return njit(nogil=True)(kernel)
