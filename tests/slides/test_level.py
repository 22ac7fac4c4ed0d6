from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_slides import array_slide, noise
from slideconcord.geometry import Box, Mpp
from slideconcord.slides.level import split_index
from slideconcord.slides.plan import chunk_side, chunks_of, plan_levels
from slideconcord.slides.pyramid import halve, hatch
from slideconcord.slides.reader import NativeLevel


def native(shape, downsample, tile=(256, 256)):
    return NativeLevel(shape, (downsample, downsample), tile)


@given(
    st.tuples(st.integers(1, 200_000), st.integers(1, 200_000)),
    st.lists(st.floats(1.05, 20), max_size=5),
)
def test_neighbouring_levels_differ_by_about_two_and_the_coarsest_is_small(shape, steps):
    downsamples = np.cumprod([1, *steps])
    shapes = [tuple(max(int(side / d), 1) for side in shape) for d in downsamples]
    levels = [native(shape, d) for shape, d in zip(shapes, downsamples, strict=True)]
    plans = plan_levels(tuple(levels))
    assert [plan.native for plan in plans if plan.native is not None] == list(range(len(levels)))
    ratios = [b.downsample[0] / a.downsample[0] for a, b in pairwise(plans)]
    assert all(1 < ratio <= 2.5 for ratio in ratios)
    assert max(plans[-1].shape) <= 1024


def test_an_aperio_pyramid_of_fours_gets_the_twos_between():
    plans = plan_levels(
        (native((32914, 46000), 1), native((8228, 11500), 4.00012), native((2057, 2875), 16.0005))
    )
    assert [plan.native for plan in plans] == [0, None, 1, None, 2, None, None]
    assert [plan.downsample[0] for plan in plans] == [
        1,
        2,
        4.00012,
        8.00024,
        16.0005,
        32.001,
        64.002,
    ]
    assert plans[1].shape == (16457, 23000)


def test_a_pyramid_of_twos_is_left_alone():
    plans = plan_levels((native((2000, 1000), 1), native((1000, 500), 2)))
    assert [plan.native for plan in plans] == [0, 1]


@pytest.mark.parametrize(
    ("tile_px", "chunk_px"),
    [
        (1, 512),
        (8, 512),
        (240, 480),
        (256, 512),
        (300, 600),
        (512, 512),
        (1000, 1000),
        (4096, 1024),
    ],
)
def test_chunks_are_whole_tiles_near_512_px(tile_px, chunk_px):
    assert chunk_side(tile_px) == chunk_px


def test_chunks_of_a_box_are_those_it_touches():
    assert list(chunks_of((100, 100), (32, 32), Box(31, 33, 2, 31))) == [(0, 1), (1, 1)]
    assert list(chunks_of((100, 100), (32, 32), Box(200, 0, 5, 5))) == []


INDEX = st.one_of(st.integers(-40, 39), st.slices(40))


@given(
    st.one_of(
        INDEX, st.tuples(INDEX), st.tuples(INDEX, INDEX), st.tuples(INDEX, INDEX, st.slices(3))
    )
)
def test_an_index_is_split_into_a_box_and_the_rest(index):
    image = noise(40, 40)
    box, rest = split_index(index, image.shape)
    assert np.array_equal(image[box.slices][rest], image[index])


def test_split_index_knows_the_ellipsis_and_refuses_a_fourth_axis():
    image = noise(40, 40)
    for index in [..., (..., 0), (3, ..., 1), (slice(2, 4), ...)]:
        box, rest = split_index(index, image.shape)
        assert np.array_equal(image[box.slices][rest], image[index])
    with pytest.raises(IndexError, match="3 axes"):
        split_index((0, 0, 0, 0), image.shape)


def mean_of_existing(fine):
    """The slow twin of `halve`."""
    height, width = (fine.shape[0] + 1) // 2, (fine.shape[1] + 1) // 2
    out = np.empty((height, width, 3))
    for y in range(height):
        for x in range(width):
            out[y, x] = fine[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean((0, 1))
    return out


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_halve_is_the_mean_of_the_pixels_there_are(height, width, seed):
    fine = noise(height, width, seed)
    assert np.abs(halve(fine) - mean_of_existing(fine)).max() <= 0.5


def test_averaged_levels_are_the_mean_of_the_finer_level():
    slide = array_slide(noise(2301, 1603), tile=(64, 64))
    for finer, level in pairwise(slide.levels):
        assert level.shape[:2] == tuple((side + 1) // 2 for side in finer.shape[:2])
        assert np.array_equal(level[:], halve(finer[:]))
        assert level.downsample == tuple(2 * d for d in finer.downsample)


def test_a_level_says_what_an_array_says():
    level = array_slide(noise(1100, 1300)).levels[1]
    assert (level.shape, level.ndim, level.dtype, level.size) == (
        (550, 650, 3),
        3,
        np.uint8,
        550 * 650 * 3,
    )
    assert level.chunks == (512, 512, 3)
    assert level.mpp == Mpp(1.0, 1.0)
    assert (level.frame.step_y, level.frame.origin_y) == (2.0, 0.0)
    assert level.native is None
    assert np.array_equal(np.asarray(level), level[...])


@settings(max_examples=30)
@given(st.data())
def test_the_three_views_of_a_level_are_equal(data):
    slide = SLIDE
    level = slide.levels[data.draw(st.integers(0, len(slide.levels) - 1))]
    height, width, _ = level.shape
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    box = np.s_[y : y + data.draw(st.integers(1, 700)), x : x + data.draw(st.integers(1, 700))]
    pixels = level[box]
    assert np.array_equal(pixels, level.zarr[box])
    assert np.array_equal(pixels, level.dask[box].compute())
    whole = Box(y, x, *pixels.shape[:2])
    assert np.array_equal(pixels, slide.read_region(level.index, whole))


SLIDE = array_slide(noise(1100, 1300), tile=(240, 256))


def test_a_tile_is_cut_at_the_edge_and_equals_the_level_there():
    level = array_slide(noise(1100, 1300)).levels[0]
    assert level.tile_shape == (512, 512)
    assert np.array_equal(level.tile(2, 2), level[1024:1100, 1024:1300])


def test_the_shared_cache_answers_all_three_views():
    slide = array_slide(noise(600, 600))
    slide.levels[0][:]
    reads = len(slide._reader.read_boxes)
    _ = slide.levels[0].zarr[:], slide.levels[0].dask.compute(), slide.levels[0].tile(1, 1)
    assert len(slide._reader.read_boxes) == reads


def test_damage_is_hatched_where_it_is_and_nowhere_else():
    image = np.full((200, 200, 3), 90, np.uint8)
    slide = array_slide(image, tile=(32, 32), damaged=frozenset({(0, 1, 2)}))
    shown = slide.levels[0][:]
    inside = np.zeros((200, 200), bool)
    inside[32:64, 64:96] = True
    assert (shown[~inside] == 90).all()
    assert len(np.unique(shown[inside], axis=0)) == 2
    assert slide.damaged == {(0, 1, 2)}
    assert np.array_equal(slide.levels[0].zarr[:], shown)
    assert np.array_equal(slide.levels[0].tile(0, 0), shown)


def test_damage_is_hatched_in_averaged_levels_too():
    image = np.full((1500, 200, 3), 90, np.uint8)
    slide = array_slide(image, tile=(32, 32), damaged=frozenset({(0, 1, 2)}))
    shown = slide.levels[1][:]
    assert len(np.unique(shown[16:32, 32:48].reshape(-1, 3), axis=0)) == 2
    assert (shown[32:] == 90).all()


def test_hatch_stays_inside():
    image = np.zeros((20, 20, 3), np.uint8)
    hatch(image, Box(100, 100, 20, 20), Box(110, 90, 100, 100))
    assert image[10:].any()
    assert not image[:10].any()
