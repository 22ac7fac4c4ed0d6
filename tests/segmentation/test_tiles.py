"""Where tiles lie, against the vectors of the pan-cancer paper's code and brute force."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slideconcord.errors import ParameterError
from slideconcord.geometry import Box
from slideconcord.segmentation.tiles import TileGrid, TileQueue, tile_starts

PAPER_VECTORS = {
    7680: [0],
    7681: [0, 1],
    14336: [0, 6656],
    14337: [0, 3328, 6657],
    20000: [0, 6160, 12320],
    20001: [0, 6160, 12321],
    23040: [0, 5120, 10240, 15360],
    50003: [0, 6046, 12092, 18138, 24184, 30230, 36276, 42323],
}
sizes = st.tuples(st.integers(1, 3000), st.integers(1, 400), st.integers(0, 399)).filter(
    lambda size: size[2] < size[1]
)


@pytest.mark.parametrize("length", PAPER_VECTORS)
def test_paper_inference_vectors(length: int):
    assert tile_starts(length, 7680, 1024) == PAPER_VECTORS[length]


def test_paper_training_vector():
    assert tile_starts(8000, 2048, 0) == [0, 1984, 3968, 5952]


def as_the_paper_lists_it(length: int, tile: int, least: int) -> list[int]:
    """Return the starts as methods.md tells them, in floats and step by step."""
    if length <= tile:
        return [0]
    count = math.ceil(length / tile)
    overlap = (tile * count - length) / (count - 1)
    if overlap < least:
        count = math.ceil((length - least) / (tile - least))
        overlap = (tile * count - length) / (count - 1)
    larger = math.floor(count * (overlap - math.floor(overlap)) + 1e-9)
    starts = [0]
    for k in range(1, count):
        back = math.ceil(overlap) if k <= larger else math.floor(overlap)
        starts.append(min(starts[-1] + tile - back, length - tile))
    return starts


@given(sizes)
def test_equals_the_listing(size: tuple[int, int, int]):
    assert tile_starts(*size) == as_the_paper_lists_it(*size)


@given(sizes)
def test_tiles_cover_the_side_evenly(size: tuple[int, int, int]):
    length, tile, least = size
    starts = tile_starts(*size)
    assert starts[0] == 0
    assert starts[-1] + min(tile, length) == length
    overlaps = [before + tile - after for before, after in pairwise(starts)]
    assert all(overlap >= least for overlap in overlaps)
    assert overlaps == sorted(overlaps, reverse=True)
    assert not overlaps or max(overlaps) - min(overlaps) <= 1


@pytest.mark.parametrize("size", [(0, 10, 1), (10, 0, 0), (10, 5, -1)])
def test_impossible_sizes_are_refused(size: tuple[int, int, int]):
    with pytest.raises(ParameterError, match="positive length and tile_px"):
        tile_starts(*size)


def test_an_overlap_as_large_as_the_tile_is_refused():
    with pytest.raises(ParameterError, match="overlap_px 10 must be smaller than tile_px 10"):
        tile_starts(30, 10, 10)


def test_a_short_side_needs_no_overlap():
    assert tile_starts(10, 10, 10) == [0]


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.integers(2, 40),
    st.integers(0, 39),
    st.data(),
)
def test_touching_equals_asking_every_tile(
    shape: tuple[int, int], tile: int, overlap: int, data: st.DataObject
):
    grid = TileGrid(shape, tile, min(overlap, tile - 1))
    y = data.draw(st.integers(0, shape[0] - 1))
    x = data.draw(st.integers(0, shape[1] - 1))
    box = Box(y, x, data.draw(st.integers(1, 50)), data.draw(st.integers(1, 50)))
    asked = [i for i in range(len(grid)) if grid.box(i).intersect(box).area]
    assert grid.touching(box) == asked


def test_queue_goes_in_reading_order_without_a_focus():
    queue = TileQueue(TileGrid((100, 100), 40, 10), done=[0, 2])
    assert [queue.take() for _ in range(len(queue))] == [1, 3, 4, 5, 6, 7, 8]
    assert queue.take() is None


def test_queue_takes_the_nearest_to_a_focus_that_moves():
    grid = TileGrid((100, 100), 40, 10)
    queue = TileQueue(grid)
    assert queue.take((95, 95)) == 8
    assert queue.take((95, 95)) == 5
    assert queue.take((0, 0)) == 0
    rest = [queue.take((50, 50)) for _ in range(len(queue))]
    assert rest[0] == 4
    assert sorted(rest) == [1, 2, 3, 4, 6, 7]
    assert queue.take((50, 50)) is None
