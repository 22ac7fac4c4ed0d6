import gc
import threading
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.filters import apply_hysteresis_threshold
from skimage.measure import label

from segmentation.probability_double import ProbabilityDouble, hills
from segmentation.threshold_maps import ADVERSARIAL, grey_pairs, maps, spiral
from slideconcord.errors import MismatchError, OutputError, ParameterError
from slideconcord.geometry import Box
from slideconcord.segmentation import (
    block_tree,
    component_tree,
    components,
    high_facts,
    joined_tree,
    percentiles,
    reference_counts,
    threshold_build,
    tree_choice,
    tree_query,
    tree_tally,
)
from slideconcord.segmentation.hysteresis import (
    hysteresis,
    index_blocks,
    index_thresholds,
    warm_up,
)
from slideconcord.segmentation.threshold_index import Pin

TREE = (
    block_tree, component_tree, joined_tree, tree_query, tree_choice, tree_tally,
    high_facts, percentiles, reference_counts,
)  # fmt: skip
GREYS = [(0, 0), (0, 254), (2, 99), (85, 229), (100, 100), (199, 200), (254, 254), (254, 255)]


def check_pair(index, values, low, high):
    expected = apply_hysteresis_threshold(values, low, high)
    assert np.array_equal(index.mask(low / 255, high / 255), expected), (low, high)
    regions, count = label(expected, connectivity=1, return_num=True)
    assert index.areas(low / 255, high / 255) == (int(expected.sum()), count)
    return expected, np.bincount(regions.ravel())[1:], regions


def large_maps(seed: int) -> dict[str, np.ndarray]:
    """Maps of several blocks each way, whose regions cross seams."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(500, 800, 2)
    smooth = gaussian_filter(rng.random((height, width)), 12)
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return {
        "noise": rng.integers(0, 256, (height, width)).astype(np.uint8),
        "smooth": (smooth * 255).astype(np.uint8),
        "smooth with noise": (smooth * 225 + rng.integers(0, 30, smooth.shape)).astype(np.uint8),
        "plateaus": rng.choice([0, 50, 120, 255], (height, width), p=[0.1, 0.4, 0.4, 0.1]).astype(
            np.uint8
        ),
        "spiral": spiral(601),
        "dark spiral": 255 - spiral(600),
        "full": np.full((300, 513), 255, np.uint8),
        "empty": np.zeros((513, 300), np.uint8),
    }


@settings(max_examples=150, deadline=None)
@given(maps(), st.lists(grey_pairs, min_size=1, max_size=6))
def test_every_pair_is_that_of_scikit_image(values, pairs):
    index = index_thresholds(values)
    for low, high in pairs:
        check_pair(index, values, low, high)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_hard_maps(name):
    index = index_thresholds(ADVERSARIAL[name])
    for low, high in GREYS:
        check_pair(index, ADVERSARIAL[name], low, high)


@pytest.mark.parametrize("name", large_maps(0))
def test_maps_of_many_blocks(name):
    values = large_maps(1)[name]
    index = index_thresholds(values)
    for low, high in [*GREYS, (128, 140), (150, 200)]:
        check_pair(index, values, low, high)


def test_every_one_of_256_times_256_pairs_is_the_slow_twins():
    values = hills(14, 13)
    index = index_thresholds(values)
    for low in range(256):
        regions, count = label(values > low, connectivity=1, return_num=True)
        peaks = np.zeros(count + 1, int)
        np.maximum.at(peaks, regions.ravel(), np.where(values > low, values, 0).ravel())
        for high in range(low, 256):
            assert np.array_equal(index.mask(low / 255, high / 255), (peaks > high)[regions])


@settings(max_examples=60, deadline=None)
@given(maps(), grey_pairs, st.integers(0, 30))
def test_small_regions_are_left_out(values, greys, least):
    low, high = greys
    index = index_thresholds(values)
    _, areas, regions = check_pair(index, values, low, high)
    kept = np.concatenate([[False], areas >= least])
    fractions = low / 255, high / 255
    assert np.array_equal(index.mask(*fractions, min_area_px=least), kept[regions])
    expected = (int(areas[areas >= least].sum()), int((areas >= least).sum()))
    assert index.areas(*fractions, min_area_px=least) == expected


@pytest.mark.parametrize("name", ["smooth", "smooth with noise", "spiral", "full"])
@pytest.mark.parametrize("least", [2, 40, 3000, 70_000])
def test_regions_that_cross_seams_count_whole(name, least):
    values = large_maps(2)[name]
    index = index_thresholds(values)
    for low, high in [(0, 0), (120, 150), (140, 200), (85, 229)]:
        _, areas, regions = check_pair(index, values, low, high)
        kept = np.concatenate([[False], areas >= least])
        got = index.mask(low / 255, high / 255, min_area_px=least)
        assert np.array_equal(got, kept[regions]), (low, high)


VALUES = large_maps(3)["smooth with noise"]
HEIGHT, WIDTH = VALUES.shape


@cache
def shared_index():
    return index_thresholds(VALUES)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_box_at_any_step_is_a_part_of_the_mask(data):
    low, high = sorted(data.draw(st.tuples(st.integers(90, 160), st.integers(90, 254))))
    y, x = data.draw(st.integers(0, HEIGHT - 1)), data.draw(st.integers(0, WIDTH - 1))
    height, width = data.draw(st.integers(1, HEIGHT - y)), data.draw(st.integers(1, WIDTH - x))
    if data.draw(st.booleans()):
        y, x = y // 16 * 16, x // 16 * 16
    step = data.draw(st.sampled_from([1, 1, 2, 3, 4, 6, 7, 8, 16, 64, 100, 1000]))
    expected = apply_hysteresis_threshold(VALUES, low, high)
    got = shared_index().mask(low / 255, high / 255, Box(y, x, height, width), step)
    assert np.array_equal(got, expected[y : y + height, x : x + width][::step, ::step])


def test_a_whole_map_at_a_step_is_every_so_manieth_pixel():
    expected = hysteresis(VALUES, 0.5, 0.7)
    for step in (1, 2, 3, 4, 8, 64, 128, 5000):
        assert np.array_equal(shared_index().mask(0.5, 0.7, step=step), expected[::step, ::step])


def test_a_given_array_is_filled():
    out = np.ones((40, 60), bool)
    box = Box(100, 200, 40, 60)
    assert shared_index().mask(0.5, 0.7, box, out=out) is out
    assert np.array_equal(out, hysteresis(VALUES, 0.5, 0.7)[box.slices])


@pytest.mark.parametrize("name", ["smooth", "smooth with noise"])
def test_a_pixel_knows_why_it_is_in_or_out(name):
    values = large_maps(4)[name]
    index = index_thresholds(values)
    low, high = 130, 160
    regions, count = label(values > low, connectivity=1, return_num=True)
    peaks = np.zeros(count + 1, int)
    np.maximum.at(peaks, regions.ravel(), values.ravel())
    areas = np.bincount(regions.ravel())
    rng = np.random.default_rng(0)
    for y, x in zip(*(rng.integers(0, side, 200) for side in values.shape), strict=True):
        got = index.standing(int(y), int(x), low / 255, high / 255)
        region = regions[y, x]
        assert got.value == values[y, x] / 255
        assert got.is_above_low == (region > 0)
        assert got.peak == (peaks[region] / 255 if region else 0)
        assert got.area_px == (areas[region] if region else 0)
        assert got.is_kept == bool(region and peaks[region] > high)


def test_an_array_of_any_layout_is_filled():
    out = np.ones((60, 40), bool).T
    shared_index().mask(0.5, 0.7, Box(100, 200, 40, 60), out=out)
    assert np.array_equal(out, shared_index().mask(0.5, 0.7, Box(100, 200, 40, 60)))


def test_after_warming_up_nothing_is_compiled_any_more():
    warm_up()
    kernels = [
        kernel
        for module in (
            component_tree,
            joined_tree,
            tree_query,
            tree_choice,
            reference_counts,
            components,
        )
        for kernel in vars(module).values()
        if hasattr(kernel, "signatures")
    ]
    before = [len(kernel.signatures) for kernel in kernels]
    assert sum(before) > 10
    for values in (VALUES, hills(), hills(256, 256), np.asfortranarray(VALUES)):
        index = index_thresholds(values)
        for step in (1, 2, 3):
            index.mask(0.4, 0.5, Box(0, 0, 80, 60), step, min_area_px=step)
        index.landscape(values > 100, np.asfortranarray(values > 9))
        index.areas(0.2, 0.3, min_area_px=3)
        index.mask(0.2, 0.3, prune_percentile=60.0, pins=[Pin(0, 0, True), Pin(3, 3, False)])
        index.standing(3, 4, 0.1)
        hysteresis(values)
    assert [len(kernel.signatures) for kernel in kernels] == before


def test_floats_are_indexed_as_maps_store_them():
    fractions = np.random.default_rng(0).random((70, 60))
    index = index_thresholds(fractions)
    stored = np.floor(fractions * 255).astype(np.uint8)
    assert np.array_equal(index.mask(0.4, 0.8), hysteresis(stored, 0.4, 0.8))


def test_an_index_knows_its_maps_place():
    probability = ProbabilityDouble(hills(), complete=False)
    index = index_thresholds(probability)
    assert (index.place.frame, index.place.slide_mpp) == (probability.frame, probability.slide_mpp)
    assert (index.place.class_name, index.place.slide_fingerprint) == ("tumour", "f00d")
    assert not index.place.complete
    assert np.array_equal(index.mask(0.5, 0.8), hysteresis(probability, 0.5, 0.8).array)


def test_the_index_keeps_its_own_copy():
    values = hills()
    index = index_thresholds(values)
    before = index.mask(0.5, 0.8)
    values[:] = 0
    assert np.array_equal(index.mask(0.5, 0.8), before)


def test_building_tells_how_far_it_is_and_can_be_left():
    steps = index_blocks(VALUES)
    first = next(steps)
    assert (first.done, first.total) == (1, -(-HEIGHT // 512))
    steps.close()


def test_an_index_beside_its_map_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(threshold_build, "_LARGEST_IN_MEMORY_PX", 1000)
    index = index_thresholds(VALUES, folder=tmp_path)
    assert isinstance(index.levels[0].values, np.memmap)
    assert np.array_equal(index.mask(0.5, 0.7), shared_index().mask(0.5, 0.7))
    del index
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_before_work_begins(tmp_path, monkeypatch):
    def no_room(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(threshold_build, "_LARGEST_IN_MEMORY_PX", 1000)
    monkeypatch.setattr(threshold_build.os, "posix_fallocate", no_room, raising=False)
    with pytest.raises(OutputError, match=r"No space left on device\): pass folder="):
        index_thresholds(VALUES, folder=tmp_path)


def test_many_threads_may_ask_at_once():
    pairs = [(low / 20, high / 20) for low in range(8, 14) for high in range(low, 19)]
    index = index_thresholds(VALUES)
    expected = {pair: shared_index().mask(*pair).sum() for pair in pairs}
    wrong = []

    def ask(order):
        wrong.extend(pair for pair in order if index.mask(*pair).sum() != expected[pair])

    threads = [threading.Thread(target=ask, args=(pairs[k:] + pairs[:k],)) for k in (0, 9, 23, 31)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"low": 0.9, "high": 0.1}, MismatchError, "lower low to 0.1"),
        ({"low": -1}, ParameterError, "fraction from 0 to 1"),
        ({"box": Box(0, 0, 5, 10_000)}, ParameterError, "does not lie in the map"),
        ({"box": Box(0, 0, 0, 3)}, ParameterError, "does not lie in the map"),
        ({"box": Box(-1, 0, 3, 3)}, ParameterError, "does not lie in the map"),
        ({"step": 0}, ParameterError, "step=0 must be 1 or more"),
        ({"out": np.zeros((3, 3), bool)}, ParameterError, "out is bool"),
        ({"out": np.zeros(VALUES.shape, np.uint8)}, ParameterError, "out is uint8"),
    ],
)
def test_questions_without_an_answer_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        shared_index().mask(**arguments)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((4, 4), np.nan), "never NaN"),
        (np.pad([[np.nan]], (0, 600)), "never NaN"),  # in one block of several
        (np.full((4, 4), 1.5), "probabilities lie from 0 to 1"),
        (np.full((4, 4), np.inf), "probabilities lie from 0 to 1"),
        (np.zeros((2, 4, 4), np.uint8), "choose one class"),
        (np.zeros((4, 4), np.int32), "not int32"),
        (np.zeros((0, 4), np.uint8), "at least one pixel"),
    ],
)
def test_what_is_no_map_is_not_indexed(values, message):
    with pytest.raises(ParameterError, match=message):
        index_thresholds(values)
