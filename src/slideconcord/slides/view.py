"""A slide for display: arrays that answer soon with what there is, and tell when there is more.

napari asks a level for the box in view and has no progressive loading of its own. A view waits a
moment for missing tiles, fills the rest from coarser ones, and calls back when they have come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from threading import Condition
from time import monotonic
from typing import Any, Protocol

import numpy as np

from slideconcord.geometry import Box
from slideconcord.slides.cache import Job, Tile, TileKey
from slideconcord.slides.level import Level, split_index
from slideconcord.slides.plan import chunks_of
from slideconcord.slides.pyramid import hatch, paste
from slideconcord.slides.reader import Rgb
from slideconcord.slides.slide import Slide
from slideconcord.slides.standin import StandIn

_WAIT_S = 0.025
_NOTIFY_EVERY_S = 0.1
# Prefetched tiles may take this share of the cache, so that they never push out what is seen.
_PREFETCH_SHARE = 0.25


@dataclass(slots=True)
class ViewCounters:
    """What a view cost so far."""

    tiles_decoded: int = 0
    bytes_decoded: int = 0
    """Bytes of pixels those tiles hold."""
    dropped: int = 0
    """Tiles that went out of view before anybody began to decode them."""


class SlideView:
    """The levels of one slide as one display sees them.

    Every request replaces the one before: its tiles that still queue are dropped, those being
    decoded finish into the shared cache. Use one view per layer.

    Parameters
    ----------
    slide
        The slide to show.
    wait_s
        How long a request waits for missing tiles; None waits for all of them.
    on_ready
        Called from a worker thread, at most ten times a second and always at the end, when tiles
        that an answer lacked have come: ask again for the same box.
    prefetch
        Whether to decode the ring of tiles around the view when nothing else is wanted.
    """

    def __init__(
        self,
        slide: Slide,
        *,
        wait_s: float | None = _WAIT_S,
        on_ready: Callable[[], None] | None = None,
        prefetch: bool = True,
    ) -> None:
        self.slide = slide
        self.wait_s = wait_s
        self.on_ready = on_ready
        self.prefetch = prefetch
        self.counters = ViewCounters()
        self.errors: dict[TileKey, BaseException] = {}
        """Tiles that failed for another reason than damage; they are hatched, not tried again."""
        self.levels = tuple(ViewLevel(self, level) for level in slide.levels)
        self._pyramid = slide.pyramid
        self._stand_in = StandIn(slide.pyramid)
        self._changed = Condition()
        self._generation = 0
        self._jobs: list[Job] = []
        self._pending: set[TileKey] = set()
        self._counted: set[TileKey] = set()
        self._answer_lacks = False
        self._told_at = 0.0

    @property
    def pending(self) -> int:
        """How many tiles of the last request are still to come."""
        return len(self._pending)

    @property
    def complete(self) -> bool:
        """Whether the last answer had all its tiles; if not, ask again when `on_ready` calls."""
        return not (self._pending or self._answer_lacks)

    def wait_complete(self, timeout_s: float | None = None) -> bool:
        """Wait until the last request has all its tiles; False when time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending, timeout_s)

    def prepare(self) -> None:
        """Decode the coarsest level, which answers fall back on; worth a thread of its own."""
        _ = self._stand_in.coarsest

    def close(self) -> None:
        """Drop what is queued and call back no more."""
        self.on_ready = None
        self._begin([])

    def read(self, level: int, box: Box) -> Rgb:
        """Return a box inside a level, as complete as ``wait_s`` allows."""
        if level == len(self.levels) - 1:
            return self._stand_in.coarsest[box.slices]
        self.prepare()
        places = sorted(self._places(level, box), key=lambda place: self._off_centre(place, box))
        generation, jobs = self._begin(places)
        wait([job.future for job in jobs.values()], self.wait_s)
        tiles = {key: self._ready(job) for key, job in jobs.items()}
        out = self._assemble(level, box, tiles)
        self._answered(generation, places, lacks=any(t is None for t in tiles.values()))
        return out

    def _places(self, level: int, box: Box) -> Iterable[TileKey]:
        plan = self._pyramid.plans[level]
        for row, column in chunks_of(plan.shape, plan.chunk, box):
            yield self._pyramid.key(level, row, column)

    def _off_centre(self, key: TileKey, box: Box) -> float:
        tile = self._pyramid.box_of(key.level, key.row, key.column)
        dy = tile.y + tile.stop_y - box.y - box.stop_y
        dx = tile.x + tile.stop_x - box.x - box.stop_x
        return float(dy * dy + dx * dx)

    def _begin(self, places: list[TileKey]) -> tuple[int, dict[TileKey, Job]]:
        """Schedule the tiles of a new request, then drop those that only the last one wanted."""
        jobs = {key: self._schedule(key) for key in places if key not in self.errors}
        with self._changed:
            self._generation += 1
            generation = self._generation
            stale, self._jobs = self._jobs, list(jobs.values())
            self._pending = {key for key, job in jobs.items() if not job.future.done()}
            self._answer_lacks = False
            waiting = [jobs[key] for key in self._pending]
            self._changed.notify_all()
        self._drop(stale)
        for job in waiting:
            job.future.add_done_callback(partial(self._arrived, generation, job.key))
        return generation, jobs

    def _schedule(self, key: TileKey) -> Job:
        job = self._pyramid.schedule(key.level, key.row, key.column)
        with self._changed:
            known = key in self._counted or job.future.done()
            self._counted |= set() if known else {key}
        if not known:
            job.future.add_done_callback(partial(self._count, key))
        return job

    def _count(self, key: TileKey, future: Future[Tile]) -> None:
        with self._changed:
            self._counted.discard(key)
            if future.cancelled():
                return
            if (error := future.exception()) is not None:
                self.errors[key] = error
                return
            self.counters.tiles_decoded += 1
            self.counters.bytes_decoded += future.result().rgb.nbytes

    def _drop(self, jobs: Iterable[Job]) -> None:
        dropped = sum(self._pyramid.cache.drop(job) for job in jobs)
        with self._changed:
            self.counters.dropped += dropped

    def _ready(self, job: Job) -> Tile | None:
        """Return the tile of a job if it has come."""
        future = job.future
        came = future.done() and not future.cancelled() and future.exception() is None
        return future.result() if came else None

    def _arrived(self, generation: int, key: TileKey, future: Future[Tile]) -> None:
        if future.cancelled():
            return
        with self._changed:
            if generation != self._generation:
                return
            self._pending.discard(key)
            tell = self._answer_lacks and self._is_time_to_tell()
            self._changed.notify_all()
        if tell:
            self._tell()

    def _is_time_to_tell(self) -> bool:
        now = monotonic()
        if self._pending and now - self._told_at < _NOTIFY_EVERY_S:
            return False
        self._told_at = now
        return True

    def _tell(self) -> None:
        if (on_ready := self.on_ready) is not None:
            on_ready()

    def _answered(self, generation: int, places: list[TileKey], *, lacks: bool) -> None:
        with self._changed:
            if generation != self._generation:
                return
            self._answer_lacks = lacks
            came_meanwhile = lacks and not self._pending
        if came_meanwhile:
            # never from here: the caller is in the middle of a draw
            self._pyramid.cache.submit(self._tell)
        elif not lacks and self.prefetch:
            self._fetch_ring(generation, places)

    def _fetch_ring(self, generation: int, places: list[TileKey]) -> None:
        """Let the pool decode the tiles around a complete view, until the next request."""
        ring = [key for key in self._ring(places) if self._pyramid.cache.peek(key) is None]
        jobs = [self._schedule(key) for key in ring]
        with self._changed:
            current = generation == self._generation
            self._jobs += jobs if current else []
        if not current:
            self._drop(jobs)

    def _ring(self, places: list[TileKey]) -> list[TileKey]:
        if not places:
            return []
        owner, level = places[0].owner, places[0].level
        rows = [key.row for key in places]
        columns = [key.column for key in places]
        last_row, last_column = (n - 1 for n in self.slide.levels[level].grid)
        around = {
            TileKey(owner, level, row, column)
            for row in range(max(min(rows) - 1, 0), min(max(rows) + 1, last_row) + 1)
            for column in range(max(min(columns) - 1, 0), min(max(columns) + 1, last_column) + 1)
        }
        height, width = self._pyramid.plans[level].chunk
        room = int(self._pyramid.cache.max_bytes * _PREFETCH_SHARE) // (height * width * 3)
        return sorted(around.difference(places))[:room]

    def _assemble(self, level: int, box: Box, tiles: dict[TileKey, Tile | None]) -> Rgb:
        out = np.empty((*box.shape, 3), np.uint8)
        for key in self._places(level, box):
            place = self._pyramid.box_of(*key[1:])
            tile = tiles.get(key)
            if tile is not None:
                paste(out, box, self._pyramid.show(tile, *key[1:]), place)
                continue
            paste(out, box, self._stand_in.read(level, place), place)
            if key in self.errors:
                hatch(out, box, place)
        return out


class Readable(Protocol):
    """What a level can be read from."""

    def read(self, index: int, box: Box, /) -> Rgb: ...


class ViewLevel:
    """One level of a view as an array (y, x, 3) uint8, for napari's ``add_image``."""

    ndim = 3

    def __init__(self, view: Readable, level: Level) -> None:
        self._view = view
        self.level = level
        self.shape = level.shape
        self.chunks = level.chunks
        self.dtype = level.dtype
        self.size = level.size

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Rgb:
        box, rest = split_index(index, self.shape)
        return self._view.read(self.level.index, box)[rest]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self[:], dtype=dtype)
