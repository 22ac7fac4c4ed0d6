"""Read, compute and write at the same time, each bounded: memory does not grow with the work.

Reader threads keep a few tiles ahead of the computing thread; one thread writes. The caller
iterates over what is written. An error anywhere ends all of it and is raised to the caller.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_WAIT_S = 0.1
# How often what is unfinished is written for the eye: often enough to look alive.
_SHOW_S = 0.5


@dataclass(frozen=True, slots=True)
class Stages:
    """What the threads do."""

    take: Callable[[], int | None]
    """Give the next item, or None when there is none left."""
    read: Callable[[int], Bytes]
    """Item -> tile (y, x, 3), or with context (level, y, x, 3). Called from several threads."""
    compute: Callable[[Bytes], Callable[[], Bytes]]
    """Tiles (n, ...) -> a call that waits for (n, class, y, x); the writing thread makes it,
    so that a GPU is given the next tiles before it has finished these."""
    write: Callable[[int, Bytes], None]
    """Called from one thread, like `show`."""
    show: Callable[[], None]
    """Called at times, and at the end however it comes."""


class Pipeline:
    """Runs `Stages`; iterate over it for the items written, and close it."""

    def __init__(self, stages: Stages, *, readers: int, batch: int, ahead: int) -> None:
        self._stages = stages
        self._batch, self._ahead = batch, max(ahead, batch)
        self._stop = threading.Event()
        self._computed: Queue[tuple[tuple[int, ...], Callable[[], Bytes]] | None] = Queue(maxsize=2)
        self._written: Queue[int | None] = Queue(maxsize=8)
        self._error: BaseException | None = None
        self._pool = ThreadPoolExecutor(readers, thread_name_prefix="slideconcord-read")
        self._threads = [
            threading.Thread(target=self._guarded, args=(work, after), name=name, daemon=True)
            for work, after, name in (
                (self._compute, self._computed, "slideconcord-compute"),
                (self._write, self._written, "slideconcord-write"),
            )
        ]
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Iterator[int]:
        while (item := self._next()) is not None:
            yield item
        self.close()

    def close(self) -> None:
        """Stop. What is computed is still written; raises the first error of any thread."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _next(self) -> int | None:
        while True:
            try:
                return self._written.get(timeout=_WAIT_S)
            except Empty:
                if self._stop.is_set():
                    return None

    def _guarded(self, work: Callable[[], None], after: Queue[Any]) -> None:
        """Run a thread's work; tell the next one that no more comes."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._error = self._error or error
            self._stop.set()
        self._put(after, None, always=after is self._computed)

    def _compute(self) -> None:
        reading: deque[tuple[int, Future[Bytes]]] = deque()
        try:
            while not self._stop.is_set():
                self._read_ahead(reading)
                if not reading:
                    return
                items, futures = zip(
                    *(reading.popleft() for _ in range(min(self._batch, len(reading)))),
                    strict=True,
                )
                tiles = _stacked([future.result() for future in futures])
                self._read_ahead(reading)
                # The writer takes until it is told that no more comes, so this ends.
                self._put(self._computed, (items, self._stages.compute(tiles)), always=True)
        finally:
            for _, future in reading:
                future.cancel()

    def _read_ahead(self, reading: deque[tuple[int, Future[Bytes]]]) -> None:
        while len(reading) < self._ahead and not self._stop.is_set():
            item = self._stages.take()
            if item is None:
                return
            reading.append((item, self._pool.submit(self._stages.read, item)))

    def _write(self) -> None:
        shown = time.monotonic()
        try:
            while (work := self._computed.get()) is not None:
                items, finish = work
                for item, result in zip(items, finish(), strict=True):
                    self._stages.write(item, result)
                    if time.monotonic() - shown > _SHOW_S:
                        self._stages.show()
                        shown = time.monotonic()
                    self._put(self._written, item)
        except BaseException:
            self._stop.set()
            # The computing thread must not wait for room for ever.
            while self._computed.get() is not None:
                continue
            raise
        self._stages.show()

    def _put(self, queue: Queue[Any], item: Any, *, always: bool = False) -> None:
        while True:
            try:
                queue.put(item, timeout=_WAIT_S)
            except Full:
                if self._stop.is_set() and not always:
                    return
            else:
                return


def _stacked(tiles: list[Bytes]) -> Bytes:
    # One tile may be as large as hundreds of MB: no copy.
    return tiles[0][None] if len(tiles) == 1 else np.stack(tiles)
