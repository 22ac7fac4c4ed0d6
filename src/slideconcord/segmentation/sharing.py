"""Dividing work among threads whose kernels leave the GIL alone."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

Part = TypeVar("Part")
Done = TypeVar("Done")


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


def in_order(
    work: Callable[[Part], Done], parts: Iterable[Part], threads: int
) -> Iterator[tuple[Part, Done]]:
    """Do all parts in threads of their own, a few ahead, and give the results in order."""
    waiting: deque[tuple[Part, Future[Done]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="in-order") as pool:
        try:
            for part in parts:
                waiting.append((part, pool.submit(work, part)))
                if len(waiting) > 2 * threads:
                    ready, result = waiting.popleft()
                    yield ready, result.result()
            while waiting:
                ready, result = waiting.popleft()
                yield ready, result.result()
        finally:
            for _, future in waiting:
                future.cancel()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(workers() - 1, 1), thread_name_prefix="share")
