from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image, Labels

from slideconcord.geometry import Frame, Mpp
from slideconcord.plugin.finishing import facts_of
from slideconcord.plugin.live import (
    OUTLINE_PX,
    TINY_PX,
    LiveLevel,
    MaskSource,
    refresh_live,
    with_tiny_level,
)
from slideconcord.plugin.masks import finish, measure
from slideconcord.segmentation.exact import exact_mask
from slideconcord.segmentation.hysteresis import hysteresis
from slideconcord.segmentation.regions import find_regions
from slideconcord.segmentation.threshold_build import index_thresholds
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tuning import Tuning

LOW, HIGH = 0.55, 0.65
TUNING = Tuning(Thresholds(LOW, HIGH))


def blobs(shape=(300, 410), seed=0):
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    noise -= noise.min()
    return np.round(noise / noise.max() * 255).astype(np.uint8)


def a_map(values):
    """Return what stands in for a ProbabilityMap of an array."""
    levels = [values]
    while max(levels[-1].shape) > 100:
        levels.append(levels[-1][::2, ::2])
    return SimpleNamespace(
        level=lambda i, _class=None: levels[i], levels=lambda _class=None: levels,
        level_count=len(levels),
        shape=values.shape, frame=Frame(10, 20, 2, 2), mpp=Mpp(1, 1), slide_mpp=Mpp(0.5, 0.5),
        slide_fingerprint="f", slide_bounds=None, target="dark", complete=True, provenance={},
        low=0.3, high=0.6,
    )  # fmt: skip


def exact(source, tuning):
    return finish(exact_mask(source.probability, tuning, index=source.index))


@pytest.fixture(scope="module")
def values():
    return blobs()


@pytest.fixture
def source(values):
    source = MaskSource(a_map(values), TUNING, style="filled")
    source.index = index_thresholds(source.probability)
    return source


def test_a_level_is_read_at_every_look():
    pixels = np.zeros((60, 70), np.uint8)
    level = LiveLevel(pixels.shape, lambda box: pixels[box.slices])
    assert level[10:20, 5:9].sum() == 0
    pixels[:] = 1
    assert level[10:20, 5:9].shape == (10, 4)
    assert level[10:20, 5:9].all()
    assert np.asarray(level).all()
    assert (level.size, len(level)) == (4200, 60)


@pytest.mark.parametrize("shape", [(300, 410), (49, 48), (48, 48), (3, 1), (1, 5000)])
def test_the_last_level_is_tiny_and_smaller_than_the_one_before(shape):
    levels = with_tiny_level([LiveLevel(shape, lambda box: np.zeros(box.shape, np.uint8))])
    tiny = levels[-1]
    assert max(tiny.shape) <= max(TINY_PX, 1)
    assert np.asarray(tiny).shape == tiny.shape
    assert tiny[0:1, 0:1].shape == (1, 1)


def test_every_level_shows_the_exact_mask(source, values):
    exact = hysteresis(values, LOW, HIGH)
    for number, level in enumerate(source.levels[:-1]):
        step = 2**number
        np.testing.assert_array_equal(np.asarray(level), exact[::step, ::step])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_box_of_any_level_is_part_of_the_mask(data):
    values = blobs()
    source = MaskSource(a_map(values), TUNING, style="filled")
    source.index = _INDEX
    number = data.draw(st.integers(0, len(source.levels) - 2))
    height, width = source.levels[number].shape
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    stop_y, stop_x = data.draw(st.integers(y, height)), data.draw(st.integers(x, width))
    whole = np.asarray(source.levels[number])
    part = source.levels[number][y:stop_y, x:stop_x]
    np.testing.assert_array_equal(part, whole[y:stop_y, x:stop_x])


_INDEX = index_thresholds(a_map(blobs()))


def test_outlines_do_not_depend_on_the_box(source):
    source.style = "outline"
    whole = np.asarray(source.levels[0])
    part = source.levels[0][37:181, 64:333]
    np.testing.assert_array_equal(part, whole[37:181, 64:333])
    assert 0 < whole.sum() < _INDEX.areas(LOW, HIGH).area_px


def test_an_outline_runs_inside_the_mask_and_not_along_the_map_s_edge():
    values = np.zeros((40, 40), np.uint8)
    values[:20, :20] = 255
    source = MaskSource(a_map(values), TUNING, style="outline")
    source.index = index_thresholds(values)
    outline = np.asarray(source.levels[0])
    assert outline[10, 20 - OUTLINE_PX : 20].all()
    assert not outline[10, : 20 - OUTLINE_PX].any()
    assert not outline[10, 20:].any()


@pytest.mark.parametrize(("value", "shown"), [(255, True), (0, False)])
def test_a_map_of_one_pixel_is_shown(value, shown):
    values = np.full((1, 1), value, np.uint8)
    source = MaskSource(a_map(values), TUNING, style="filled")
    for index in (None, index_thresholds(source.probability)):
        source.index = index
        assert [np.asarray(level).tolist() for level in source.levels] == [[[int(shown)]]] * 2
    facts = measure(source.probability, source.index, TUNING)
    assert (facts.region_count, facts.share) == (int(shown), float(shown))
    assert facts == facts_of(np.asarray(source.levels[0]) > 0, source.probability)


def test_without_an_index_a_view_is_previewed_by_itself(values):
    source = MaskSource(a_map(values), TUNING, style="filled")
    assert source.is_preview
    part = source.levels[0][50:150, 60:200]
    np.testing.assert_array_equal(part, hysteresis(values[50:150, 60:200], LOW, HIGH))
    assert source.levels[0][0:0, 0:0].shape == (0, 0)


def test_what_is_shown_and_what_is_exported_is_the_same_mask(source, values):
    source.tuning = Tuning(Thresholds(LOW, HIGH), min_area_um2=300)
    mask = exact(source, source.tuning)
    np.testing.assert_array_equal(np.asarray(source.levels[0]), np.asarray(mask.array))
    regions = find_regions(mask)
    assert len(regions) == source.index.areas(LOW, HIGH, min_area_px=300).region_count
    everything = hysteresis(values, LOW, HIGH)
    assert 0 < np.asarray(mask.array).sum() < everything.sum()
    assert not (np.asarray(mask.array) & ~everything).any()


def test_a_smallest_area_counts_as_find_regions_counts(source):
    mask = exact(source, Tuning(Thresholds(LOW, HIGH)))
    sizes = sorted(region.measurements["Area um^2"] for region in find_regions(mask))
    least = sizes[len(sizes) // 2]
    tuning = Tuning(Thresholds(LOW, HIGH), min_area_um2=least)
    kept = find_regions(exact(source, tuning))
    assert len(kept) == sum(size >= least for size in sizes)


@pytest.mark.parametrize(
    ("area_um2", "pixel_um2", "least"), [(0, 1, 1), (1, 0.25, 4), (1.1, 0.25, 5), (3, 0.1, 30)]
)
def test_smallest_areas_in_pixels(area_um2, pixel_um2, least):
    assert Tuning(min_area_um2=area_um2).min_area_px(pixel_um2) == least


def test_an_empty_box_is_an_empty_mask():
    source = MaskSource(a_map(blobs()), TUNING)
    assert source.levels[0][3:3, 0:9].shape == (0, 9)
    source.index = _INDEX
    assert source.levels[0][3:3, 0:9].shape == (0, 9)


@pytest.mark.parametrize("kind", [Image, Labels])
def test_a_refreshed_layer_shows_the_new_pixels(kind):
    pixels = np.zeros((400, 400), np.uint8)
    levels = with_tiny_level([LiveLevel((400, 400), lambda box: pixels[box.slices])])
    layer = kind(levels, multiscale=True)
    seen = []
    layer.events.set_data.connect(lambda event: seen.append(1))
    pixels[:] = 1
    assert layer.data_level == 1  # the tiny one: napari starts with the coarsest
    refresh_live(layer)
    assert seen
    assert layer.get_value((200, 200)) is not None
    assert np.asarray(layer.data[-1]).all()
