"""Decoded tiles: one byte-bounded store and one small pool of threads for all open slides.

A tile that is wanted is a *job*. Whoever comes first runs it: a thread of the pool, or the
thread that needs the tile now. Jobs only ever wait for jobs of a finer level that already
run, so building a coarse tile from finer ones cannot deadlock the pool.
"""

from __future__ import annotations

import os
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import NamedTuple

from slideconcord.errors import SlideError
from slideconcord.slides.reader import Rgb

NativeTile = tuple[int, int, int]
"""A tile as the file stores it: (native level, row, column)."""


class Tile(NamedTuple):
    """Decoded pixels and the native tiles among them that could not be decoded."""

    rgb: Rgb
    damaged: frozenset[NativeTile] = frozenset()


class TileKey(NamedTuple):
    """Names a tile: the open slide it is of, and its place there."""

    owner: Hashable
    level: int
    row: int
    column: int


Build = Callable[[], Tile]


@dataclass(slots=True, eq=False)
class Job:
    """A tile on its way into the cache."""

    key: TileKey
    build: Build
    future: Future[Tile] = field(default_factory=Future)
    started: bool = False
    wanted_by: int = 0


def default_cache_bytes() -> int:
    """Return 1 GiB, or an eighth of the memory where that is less."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 1 << 30
    return min(1 << 30, memory // 8)


class TileCache:
    """Keep the tiles used last, at most ``max_bytes`` of them, and decode each only once.

    Parameters
    ----------
    max_bytes
        Bytes of decoded pixels to keep.
    threads
        Threads of the pool; the thread that waits for tiles decodes, too.
    """

    def __init__(self, max_bytes: int | None = None, threads: int | None = None) -> None:
        self.max_bytes = default_cache_bytes() if max_bytes is None else max_bytes
        self.threads = threads or min(4, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="slideconcord-tile")
        self._tiles: OrderedDict[TileKey, Tile] = OrderedDict()
        self._jobs: dict[TileKey, Job] = {}
        self._bytes = 0
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of pixels held now."""
        return self._bytes

    def peek(self, key: TileKey) -> Tile | None:
        """Return a tile if it is here, at once."""
        with self._lock:
            return self._look_up(key)

    def fetch(self, key: TileKey, build: Build) -> Tile:
        """Return a tile, decoding it in this thread unless another thread is at it."""
        with self._lock:
            if (tile := self._look_up(key)) is not None:
                return tile
            job = self._job(key, build)
        try:
            self._run(job)
            return job.future.result()
        finally:
            self.drop(job)

    def fetch_all(self, wanted: Sequence[tuple[TileKey, Build]]) -> list[Tile]:
        """Return tiles in the order asked for; pool and calling thread decode side by side."""
        jobs = deque(self.schedule(key, build) for key, build in wanted)
        tiles = []
        try:
            while jobs:
                tiles.append(self.take(jobs.popleft()))
        finally:
            for job in jobs:
                self.drop(job)
        return tiles

    def schedule(self, key: TileKey, build: Build) -> Job:
        """Let the pool decode a tile. Give the job back with `take` or `drop`."""
        with self._lock:
            if (tile := self._look_up(key)) is not None:
                done = Job(key, build, started=True)
                done.future.set_result(tile)
                return done
            job = self._job(key, build)
            first = job.wanted_by == 1 and not job.started
        if first:
            self._pool.submit(self._run, job)
        return job

    def take(self, job: Job) -> Tile:
        """Return the tile of a scheduled job, decoding it here if no thread began it yet."""
        try:
            self._run(job)
            return job.future.result()
        finally:
            self.drop(job)

    def drop(self, job: Job) -> bool:
        """Say that a job's tile is wanted no more; True when nobody will decode it now."""
        with self._lock:
            job.wanted_by -= 1
            if job.started or job.wanted_by > 0:
                return False
            job.started = True
            self._jobs.pop(job.key, None)
        job.future.cancel()
        job.future.set_running_or_notify_cancel()  # wakes whoever waits for it
        return True

    def submit(self, function: Callable[[], None]) -> None:
        """Run a short function on a thread of the pool."""
        self._pool.submit(function)

    def forget(self, owner: Hashable) -> None:
        """Drop every tile and every queued job of a slide; wait for those being decoded."""
        with self._lock:
            for key in [key for key in self._tiles if key.owner == owner]:
                self._bytes -= self._tiles.pop(key).rgb.nbytes
            jobs = [job for key, job in self._jobs.items() if key.owner == owner]
            queued = [job for job in jobs if not job.started]
            for job in queued:
                job.started = True
                del self._jobs[job.key]
        for job in queued:
            job.future.set_exception(SlideError("the slide was closed while it was being read"))
        # Their reader may be closed next.
        wait([job.future for job in jobs])

    def _look_up(self, key: TileKey) -> Tile | None:
        if key in self._tiles:
            self._tiles.move_to_end(key)
            return self._tiles[key]
        return None

    def _job(self, key: TileKey, build: Build) -> Job:
        job = self._jobs.setdefault(key, Job(key, build))
        job.wanted_by += 1
        return job

    def _run(self, job: Job) -> None:
        with self._lock:
            if job.started:
                return
            job.started = True
        try:
            tile = job.build()
        except BaseException as error:  # noqa: BLE001  a future carries it to all who wait
            with self._lock:
                self._jobs.pop(job.key, None)
            job.future.set_exception(error)
            return
        tile.rgb.setflags(write=False)
        self._keep(job.key, tile)
        job.future.set_result(tile)

    def _keep(self, key: TileKey, tile: Tile) -> None:
        with self._lock:
            self._jobs.pop(key, None)
            self._tiles[key] = tile
            self._bytes += tile.rgb.nbytes
            while self._bytes > self.max_bytes and len(self._tiles) > 1:
                self._bytes -= self._tiles.popitem(last=False)[1].rgb.nbytes


@cache
def shared_cache() -> TileCache:
    """Return the cache that all slides share unless told otherwise."""
    return TileCache()
