"""Blending, against the paper's formula in exact fractions over the whole image."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slideconcord.geometry import Box
from slideconcord.segmentation.blend import Blend, side_weights
from slideconcord.segmentation.tiles import TileGrid


def paper_side(grid: TileGrid, index: int, axis: int) -> list[Fraction]:
    """Return a tile's weights along one axis as the paper words them."""
    start = grid.starts[axis][grid.place(index)[axis]]
    tile = grid.tile_shape[axis]
    weights = [Fraction(1)] * tile
    later = [s for s in grid.starts[axis] if start < s < start + tile]
    if later:
        length = start + tile - min(later)
        for d in range(length):
            weights[min(later) - start + d] *= 1 - Fraction(d, length + 1)
    earlier = [s for s in grid.starts[axis] if s < start < s + tile]
    if earlier:
        length = max(earlier) + tile - start
        for d in range(length):
            weights[length - 1 - d] *= 1 - Fraction(d, length + 1)
    return weights


def slow_twin(grid: TileGrid, tiles: list[np.ndarray]) -> np.ndarray:
    """Merge the whole image pixel by pixel; Python rounds fractions half to even."""
    sums: dict[tuple[int, int], Fraction] = {}
    values: dict[tuple[int, int], Fraction] = {}
    for index, tile in enumerate(tiles):
        box = grid.box(index)
        rows, columns = paper_side(grid, index, 0), paper_side(grid, index, 1)
        for y in range(box.height):
            for x in range(box.width):
                place = box.y + y, box.x + x
                weight = rows[y] * columns[x]
                sums[place] = sums.get(place, Fraction(0)) + weight
                values[place] = values.get(place, Fraction(0)) + weight * int(tile[0, y, x])
    merged = np.zeros((1, *grid.shape), np.uint8)
    for (y, x), total in sums.items():
        merged[0, y, x] = round(values[y, x] / total)
    return merged


def pieces(grid: TileGrid, tiles: list[np.ndarray], box: Box) -> dict[int, np.ndarray]:
    found = {}
    for index in grid.touching(box):
        tile = grid.box(index)
        inside = tile.intersect(box).shift(-tile.y, -tile.x)
        found[index] = tiles[index][:, *inside.slices]
    return found


grids = st.builds(
    lambda height, width, tile, overlap: TileGrid((height, width), tile, min(overlap, tile - 1)),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(3, 24),
    st.integers(0, 20),
)


@settings(max_examples=40, deadline=None)
@given(grids, st.integers(0, 2**32 - 1))
def test_equals_the_slow_twin(grid: TileGrid, seed: int):
    rng = np.random.default_rng(seed)
    # Few values make ties, where rounding half to even shows.
    tiles = [rng.integers(0, 4, (1, *grid.tile_shape), np.uint8) for _ in range(len(grid))]
    whole = Box(0, 0, *grid.shape)
    merged = Blend(grid)(whole, pieces(grid, tiles, whole))
    np.testing.assert_array_equal(merged, slow_twin(grid, tiles))


@given(grids, st.integers(0, 255))
def test_constant_tiles_give_a_constant_map(grid: TileGrid, value: int):
    tiles = [np.full((2, *grid.tile_shape), value, np.uint8)] * len(grid)
    whole = Box(0, 0, *grid.shape)
    assert (Blend(grid)(whole, pieces(grid, tiles, whole)) == value).all()


def test_large_overlaps_stay_constant_where_the_weights_leave_exact_range():
    grid = TileGrid((9000, 30), 2048, 2000)
    whole = Box(4000, 0, 300, 30)
    parts = {i: np.full((1, 300, 30), 201, np.uint8) for i in grid.touching(whole)}
    cut = {i: part[:, : grid.box(i).intersect(whole).height] for i, part in parts.items()}
    assert (Blend(grid)(whole, cut) == 201).all()


@settings(max_examples=30)
@given(grids, st.integers(0, 2**32 - 1), st.data())
def test_a_part_is_a_part_of_the_whole(grid: TileGrid, seed: int, data: st.DataObject):
    rng = np.random.default_rng(seed)
    tiles = [rng.integers(0, 256, (1, *grid.tile_shape), np.uint8) for _ in range(len(grid))]
    whole = Box(0, 0, *grid.shape)
    y = data.draw(st.integers(0, grid.shape[0] - 1))
    x = data.draw(st.integers(0, grid.shape[1] - 1))
    part = Box(y, x, grid.shape[0] - y, data.draw(st.integers(1, grid.shape[1] - x)))
    blend = Blend(grid)
    merged = blend(whole, pieces(grid, tiles, whole))
    np.testing.assert_array_equal(blend(part, pieces(grid, tiles, part)), merged[:, *part.slices])


def test_missing_tiles_are_stood_in_for():
    grid = TileGrid((20, 32), 20, 8)
    box = Box(0, 0, 20, 32)
    left = {0: np.full((1, 20, 20), 90, np.uint8)}
    merged = Blend(grid)(box, left)
    assert (merged[:, :, :20] == 90).all()
    assert (merged[:, :, 20:] == 0).all()


def test_two_tile_weights_sum_to_what_the_paper_leaves_to_normalise():
    length, tile = 30, 20
    first, second = side_weights([0, 10], tile, length)
    # (l + 3) / (l + 1) times the common factor l + 1.
    assert (first[10:] + second[:10] == 13).all()
    assert first[9] == second[10] == 1
    assert first[10] == 11
    assert first[19] == 2


@pytest.mark.parametrize("value", [0, 1, 254, 255])
def test_ties_round_to_even(value: int):
    # Two tiles that overlap in one pixel weigh the same there.
    grid = TileGrid((4, 19), 10, 1)
    parts = {0: np.full((1, 4, 10), value, np.uint8), 1: np.full((1, 4, 10), 1, np.uint8)}
    merged = Blend(grid)(Box(0, 0, 4, 19), parts)
    assert merged[0, 0, 9] == round((value + 1) / 2)
