"""Keeping a long run's memory level."""

from __future__ import annotations

import ctypes
import sys
import time
from functools import cache
from typing import Any

_EVERY_S = 0.2


@cache
def _trim() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    # Absent where the C library is not glibc.
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


class Trimmer:
    """Gives freed memory back to the system now and then.

    glibc keeps what a thread freed for that thread: with images passed from thread to thread a
    process slowly grows to a multiple of what it uses.
    """

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self) -> None:
        """Trim, if the last time is long enough ago."""
        trim = _trim()
        if trim is not None and time.monotonic() - self._last > _EVERY_S:
            trim(0)
            self._last = time.monotonic()
