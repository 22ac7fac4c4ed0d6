from __future__ import annotations

from threading import Event, Thread, get_ident

import numpy as np
import pytest

from fake_slides import array_slide, noise
from slideconcord.errors import SlideError
from slideconcord.slides import TileCache
from slideconcord.slides.view import SlideView

WAIT_S = 20


def big_slide(threads=1, **reader):
    """A slide of 2 x 5 chunks at level 0, whose coarsest level is one tile."""
    return array_slide(noise(1024, 2560), cache=TileCache(threads=threads), **reader)


@pytest.fixture
def slide():
    slide = big_slide()
    yield slide
    slide._reader.gate.set()
    slide.close()


def gated(slide, **options):
    """Return a view whose coarsest level is there and whose next reads wait for the gate."""
    view = SlideView(slide, wait_s=0.0, prefetch=False, **options)
    view.prepare()
    slide.pyramid.cache.forget(slide.pyramid._owner)
    slide._reader.gate.clear()
    slide._reader.entered.clear()
    return view


def test_a_view_that_waits_gives_the_levels_pixels(slide):
    view = SlideView(slide, wait_s=None)
    for fine, level in zip(view.levels, slide.levels, strict=True):
        assert np.array_equal(fine[100:400, 30:700], level[100:400, 30:700])
        assert np.array_equal(fine[5, ::3, 1], level[5, ::3, 1])
        assert (fine.shape, fine.dtype, fine.ndim, fine.chunks) == (
            level.shape,
            np.uint8,
            3,
            level.chunks,
        )
        assert fine.size == level.size
    assert view.pending == 0


def test_the_coarsest_level_is_always_complete(slide):
    view = SlideView(slide, wait_s=0.0)
    assert np.array_equal(np.asarray(view.levels[-1]), slide.levels[-1][:])


def test_missing_tiles_are_filled_from_the_coarsest_level_and_told_when_they_come(slide):
    ready, threads = Event(), []
    view = gated(slide, on_ready=lambda: (threads.append(get_ident()), ready.set()))
    first = view.levels[0][:512, :1024]
    coarse = slide_coarse(view)
    rows, columns = np.arange(512) // 4, np.arange(1024) // 4
    assert np.array_equal(first, coarse[np.ix_(rows, columns)])
    assert view.pending == 2
    slide._reader.gate.set()
    assert ready.wait(WAIT_S)
    assert view.wait_complete(WAIT_S)
    assert get_ident() not in threads
    assert np.array_equal(view.levels[0][:512, :1024], slide.levels[0][:512, :1024])


def slide_coarse(view):
    return np.asarray(view.levels[-1])


def test_the_finest_decoded_level_stands_in(slide):
    view = SlideView(slide, wait_s=None, prefetch=False)
    half = view.levels[1][:512, :512]
    slide.pyramid.cache.forget(slide.pyramid._owner)
    view.levels[1][:512, :512]
    for key in [k for k in slide.pyramid.cache._tiles if k.level == 0]:
        del slide.pyramid.cache._tiles[key]
    slide._reader.gate.clear()
    view.wait_s = 0.0
    shown = view.levels[0][:512, :512]
    assert np.array_equal(shown, half[:256, :256].repeat(2, 0).repeat(2, 1))


def test_queued_tiles_of_an_older_request_are_dropped(slide):
    view = gated(slide)
    view.levels[0][:1024, :1024]
    assert view.pending == 4
    assert slide._reader.entered.wait(WAIT_S)
    view.levels[0][:512, 2048:]
    assert view.counters.dropped == 3  # the first was being decoded by the one thread
    assert view.pending == 1
    slide._reader.gate.set()
    assert view.wait_complete(WAIT_S)
    boxes = {box.x for _, box in slide._reader.read_boxes[-2:]}
    assert 2048 in boxes


def test_tiles_that_both_requests_want_are_kept(slide):
    view = gated(slide)
    view.levels[0][:512, :1536]
    view.levels[0][:512, 512:2048]
    assert view.counters.dropped <= 1
    assert view.pending == 3
    slide._reader.gate.set()
    assert view.wait_complete(WAIT_S)
    decoded = [box.x for _, box in slide._reader.read_boxes[10:]]
    assert len(decoded) == len(set(decoded))


def test_the_middle_of_the_view_comes_first(slide):
    view = gated(slide)
    before = len(slide._reader.read_boxes)
    view.levels[0][:512, :]
    slide._reader.gate.set()
    assert view.wait_complete(WAIT_S)
    order = [box.x for _, box in slide._reader.read_boxes[before:]]
    assert order[0] == 1024
    assert set(order[-2:]) == {0, 2048}


def test_the_ring_around_a_complete_view_is_prefetched_and_dropped_when_stale():
    slide = array_slide(noise(1536, 2560), cache=TileCache(threads=1))
    view = SlideView(slide, wait_s=None)
    view.prepare()
    slide.pyramid.cache.forget(slide.pyramid._owner)
    view.levels[0][:512, :512]
    jobs = list(view._jobs)
    for job in jobs:
        job.future.exception(WAIT_S)
    assert {(j.key.row, j.key.column) for j in jobs} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert slide.pyramid.peek(0, 1, 1) is not None
    assert slide.pyramid.peek(0, 2, 2) is None


def test_prefetching_never_takes_more_than_a_part_of_the_cache():
    slide = array_slide(noise(1536, 2560), cache=TileCache(4 * 512 * 512 * 3, threads=1))
    view = SlideView(slide, wait_s=None)
    view.levels[0][512:1024, 512:1024]
    assert len(view._jobs) == 2  # the visible tile and a quarter of the cache


def test_counters_tell_what_was_decoded(slide):
    view = gated(slide)
    slide._reader.gate.set()
    view.levels[0][:512, :1024]
    view.wait_complete(WAIT_S)
    view.levels[0][:512, :1024]
    assert (view.counters.tiles_decoded, view.counters.bytes_decoded) == (2, 2 * 512 * 512 * 3)


def test_a_damaged_tile_is_hatched():
    slide = big_slide(tile=(64, 64), damaged=frozenset({(0, 1, 1)}))
    view = SlideView(slide, wait_s=None)
    assert np.array_equal(view.levels[0][:512, :512], slide.levels[0][:512, :512])
    assert slide.damaged == {(0, 1, 1)}


def test_a_tile_that_fails_is_hatched_kept_as_an_error_and_not_tried_for_ever(slide):
    view = gated(slide)
    told = Event()
    view.on_ready = told.set

    def gone(level, box):
        raise SlideError("the disk went away")

    slide._reader.before_read = gone
    view.levels[0][:512, :512]
    slide._reader.gate.set()
    assert told.wait(WAIT_S)
    reads = len(slide._reader.read_boxes)
    shown = view.levels[0][:512, :512]
    view.levels[0][:512, :512]
    assert len(slide._reader.read_boxes) == reads
    assert [str(error) for error in view.errors.values()] == ["the disk went away"]
    assert (shown == (200, 60, 160)).all(-1).any()


def test_an_older_request_that_still_waits_is_let_go(slide):
    view = gated(slide)
    view.wait_s = None
    answers = []
    slow = Thread(target=lambda: answers.append(view.levels[0][:1024, :1024]))
    slow.start()
    while view.pending < 4:
        pass
    view.wait_s = 0.0
    view.levels[0][:512, 2048:]
    slide._reader.gate.set()
    slow.join(WAIT_S)
    assert answers[0].shape == (1024, 1024, 3)


def test_a_closed_view_calls_back_no_more(slide):
    told = []
    view = gated(slide, on_ready=lambda: told.append(1))
    view.levels[0][:512, :1024]
    view.close()
    slide._reader.gate.set()
    slide.levels[0][:]
    assert told == []


def test_two_views_share_the_cache(slide):
    SlideView(slide, wait_s=None, prefetch=False).levels[0][:512, :512]
    reads = len(slide._reader.read_boxes)
    SlideView(slide, wait_s=None, prefetch=False).levels[0][:512, :512]
    assert len([b for b in slide._reader.read_boxes[reads:] if b[1].x == 0 and b[1].y == 0]) == 0


def test_callbacks_are_coalesced(slide):
    told, done = [], Event()
    view = gated(
        slide, on_ready=lambda: told.append(view.pending) or (view.pending == 0 and done.set())
    )
    view.levels[0][:, :]
    slide._reader.gate.set()
    assert done.wait(WAIT_S)
    assert told[-1] == 0
    assert len(told) < 10


def test_any_order_of_requests_from_any_thread_ends_in_the_right_picture():
    slide = array_slide(noise(1536, 2560), cache=TileCache(6_000_000, threads=2))
    told = Event()
    view = SlideView(slide, wait_s=0.001, on_ready=told.set)

    def pan(seed):
        rng = np.random.default_rng(seed)
        for _ in range(30):
            y, x, level = rng.integers(0, 1000), rng.integers(0, 1500), rng.integers(0, 3)
            view.levels[level][y : y + 600, x : x + 700]

    threads = [Thread(target=pan, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert not any(thread.is_alive() for thread in threads)
    box = np.s_[300:900, 400:1100]
    for _ in range(50):
        shown = view.levels[0][box]
        assert view.wait_complete(WAIT_S)
        if np.array_equal(shown, slide.levels[0][box]):
            break
    else:
        pytest.fail("the picture never became complete")
    assert not view.errors


def test_a_missing_tile_stays_inside_the_slide_at_its_edge():
    slide = array_slide(noise(1101, 2563), cache=TileCache(threads=1))
    view = gated(slide)
    assert view.levels[0][1000:, 2500:].shape == (101, 63, 3)
    assert view.levels[1][500:, 1200:].shape == (51, 82, 3)
    slide._reader.gate.set()
