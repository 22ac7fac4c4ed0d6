from __future__ import annotations

from threading import Barrier, Event, Thread

import numpy as np
import pytest

from slideconcord.errors import SlideError
from slideconcord.slides.cache import Tile, TileCache, TileKey, default_cache_bytes


def key(number: int, owner: object = "slide") -> TileKey:
    return TileKey(owner, 0, 0, number)


def tile(size: int = 1000) -> Tile:
    return Tile(np.zeros((size, 1, 1), np.uint8))


def test_keeps_at_most_max_bytes_and_lets_go_of_what_was_used_longest_ago():
    cache = TileCache(3000, threads=1)
    for number in range(3):
        cache.fetch(key(number), tile)
    cache.peek(key(0))
    cache.fetch(key(3), tile)
    assert cache.nbytes == 3000
    assert [n for n in range(4) if cache.peek(key(n))] == [0, 2, 3]


def test_a_tile_larger_than_the_cache_is_given_all_the_same():
    cache = TileCache(10, threads=1)
    assert cache.fetch(key(0), lambda: tile(5000)).rgb.size == 5000
    assert cache.fetch(key(1), lambda: tile(5000)).rgb.size == 5000
    assert cache.nbytes == 5000


def test_decodes_once_when_many_threads_ask():
    cache = TileCache(threads=3)
    built, start, got = [], Barrier(6), []

    def build():
        built.append(1)
        return tile()

    def ask():
        start.wait()
        got.append(cache.fetch(key(0), build))

    threads = [Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert len({id(t.rgb) for t in got}) == 1


def test_cached_pixels_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        TileCache(threads=1).fetch(key(0), tile).rgb[:] = 1


def test_a_job_nobody_wants_is_never_decoded():
    cache, gate, built = TileCache(threads=1), Event(), []
    cache.submit(lambda: gate.wait(10) and None)
    job = cache.schedule(key(0), lambda: built.append(1) or tile())
    assert cache.drop(job)
    gate.set()
    cache.fetch(key(1), tile)
    cache.take(cache.schedule(key(2), tile))
    assert built == []
    assert job.future.cancelled()


def test_a_job_two_want_survives_when_one_drops_it():
    cache, gate = TileCache(threads=1), Event()
    cache.submit(lambda: gate.wait(10) and None)
    first, second = cache.schedule(key(0), tile), cache.schedule(key(0), tile)
    assert first is second
    assert not cache.drop(first)
    gate.set()
    assert cache.take(second).rgb.size == 1000


def test_whoever_waits_decodes_a_queued_tile_so_a_blocked_pool_stops_nobody():
    cache, gate = TileCache(threads=1), Event()
    cache.submit(lambda: gate.wait(10) and None)
    job = cache.schedule(key(0), tile)
    assert cache.take(job).rgb.size == 1000
    gate.set()


def test_tiles_made_of_tiles_do_not_deadlock_a_pool_of_one():
    cache = TileCache(threads=1)

    def build(level: int, at: int):
        def make():
            if level == 0:
                return tile(1)
            keys = [TileKey("slide", level - 1, 0, 2 * at + i) for i in (0, 1)]
            parts = cache.fetch_all([(k, build(k.level, k.column)) for k in keys])
            return tile(sum(part.rgb.size for part in parts))

        return make

    jobs = [cache.schedule(TileKey("slide", 6, 0, i), build(6, i)) for i in range(4)]
    assert [cache.take(job).rgb.size for job in jobs] == [64] * 4


def test_when_one_of_many_fails_the_others_are_wanted_no_more():
    cache, gate = TileCache(threads=1), Event()
    cache.submit(lambda: gate.wait(10) and None)

    def fail():
        raise SlideError("no such tile")

    with pytest.raises(SlideError, match="no such tile"):
        cache.fetch_all([(key(0), tile), (key(1), fail), (key(2), tile)])
    assert cache.peek(key(0)) is not None
    assert cache._jobs == {}
    gate.set()


def test_an_error_reaches_all_who_wait_and_is_not_kept():
    cache = TileCache(threads=1)

    def fail():
        raise SlideError("no such tile")

    job = cache.schedule(key(0), fail)
    with pytest.raises(SlideError, match="no such tile"):
        cache.fetch(key(0), fail)
    with pytest.raises(SlideError, match="no such tile"):
        cache.take(job)
    assert cache.fetch(key(0), tile).rgb.size == 1000


def test_forget_drops_the_tiles_and_queued_jobs_of_one_slide_only():
    cache, gate = TileCache(threads=1), Event()
    cache.fetch(key(0, "a"), tile)
    cache.fetch(key(0, "b"), tile)
    cache.submit(lambda: gate.wait(10) and None)
    job = cache.schedule(key(1, "a"), tile)
    cache.forget("a")
    gate.set()
    assert cache.nbytes == 1000
    with pytest.raises(SlideError, match="closed while it was being read"):
        cache.take(job)


def test_the_default_size_is_bounded():
    assert 0 < default_cache_bytes() <= 1 << 30
