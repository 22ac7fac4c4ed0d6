"""Sharing short work between this thread and a few that wait for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

Part = TypeVar("Part")


def workers() -> int:
    """Return how many threads work at a time, the caller's among them."""
    return min(4, os.cpu_count() or 1)


def share(parts: Iterable[Part], work: Callable[[Part], None]) -> None:
    """Do all parts in this thread and those of the pool, each taking the next one."""
    waiting = list(parts)
    left = iter(waiting)

    def drain() -> None:
        for part in left:
            work(part)

    helpers = [_pool().submit(drain) for _ in range(min(workers(), len(waiting)) - 1)]
    drain()
    for helper in helpers:
        # One that waits behind somebody else's work has nothing left to do.
        if not helper.cancel():
            helper.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(workers() - 1, 1), thread_name_prefix="share")
