"""Pruning by percentile, pins, areas and scores of the index, beside twins that look at pixels."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from skimage.measure import label

from segmentation.test_threshold_index import large_maps
from segmentation.threshold_maps import ADVERSARIAL, grey_pairs, maps
from slideconcord.errors import ParameterError
from slideconcord.segmentation.hysteresis import index_thresholds
from slideconcord.segmentation.threshold_index import Pin

percentiles = st.one_of(st.none(), st.sampled_from([0, 50, 95, 100]), st.floats(0, 100))


def twin(values, low, high, least=0, percentile=None, pins=()):
    """Return the mask, component by component."""
    regions, count = label(values > low, connectivity=1, return_num=True)
    keep = np.zeros(count + 1, bool)
    by_region = values.ravel()[np.argsort(regions, axis=None, kind="stable")]
    ends = np.cumsum(np.bincount(regions.ravel(), minlength=count + 1))
    for region in range(1, count + 1):
        inside = by_region[ends[region - 1] : ends[region]]
        keep[region] = (
            inside.max() > high
            and inside.size >= least
            and (percentile is None or np.percentile(inside, percentile) > high)
        )
    for pin in pins:
        if regions[pin.y, pin.x]:
            keep[regions[pin.y, pin.x]] = pin.keep
    return keep[regions]


def draw_pins(data, values):
    height, width = values.shape
    pin = st.builds(Pin, st.integers(0, height - 1), st.integers(0, width - 1), st.booleans())
    return data.draw(st.lists(pin, max_size=5))


def check(values, low, high, reference, **rest):
    index = index_thresholds(values)
    expected = twin(
        values, low, high, rest.get("min_area_px", 0), rest["prune_percentile"], rest["pins"]
    )
    fractions = low / 255, high / 255
    assert np.array_equal(index.mask(*fractions, **rest), expected)
    regions = label(expected, connectivity=1).max()
    assert index.areas(*fractions, **rest) == (expected.sum(), regions)
    got = index.scores(index.count_reference(reference), *fractions, **rest)
    assert (got.true_positive, got.false_positive) == (
        (expected & reference).sum(),
        (expected & ~reference).sum(),
    )
    assert (got.false_negative, got.true_negative) == (
        (~expected & reference).sum(),
        (~expected & ~reference).sum(),
    )


@settings(max_examples=150, deadline=None)
@given(maps(30), grey_pairs, percentiles, st.integers(0, 12), st.data())
def test_what_stays_is_what_each_component_says(values, greys, percentile, least, data):
    reference = np.random.default_rng(values.size).random(values.shape) < 0.5
    pins = draw_pins(data, values)
    check(values, *greys, reference, prune_percentile=percentile, min_area_px=least, pins=pins)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(1, 255), min_size=1, max_size=30), st.integers(0, 254), st.floats(0, 100)
)
@example([200, 230], 229, 95.0)
@example([229] * 2 + [231] * 19, 229, 5.0)
@example([1, 255], 128, 50.0)
def test_a_percentile_between_two_pixels_is_that_of_numpy(row, high, percentile):
    values = np.array([row], np.uint8)
    got = index_thresholds(values).mask(0, high / 255, prune_percentile=percentile)
    assert got.all() == got.any() == (np.percentile(values, percentile) > high)


def check_moves(values, moves, percentile, least=0, pins=(), reference=None):
    """Ask one index move after move, as a hand does: what it remembers must change nothing."""
    index = index_thresholds(values)
    counts = None if reference is None else index.count_reference(reference)
    rest = {"prune_percentile": percentile, "min_area_px": least, "pins": pins}
    for low, high in moves:
        fractions = low / 255, high / 255
        expected = twin(values, low, high, least, percentile, pins)
        assert np.array_equal(index.mask(*fractions, **rest), expected), (low, high)
        area, regions = expected.sum(), label(expected, connectivity=1).max()
        assert index.areas(*fractions, **rest) == (area, regions)
        if counts is not None:
            got = index.scores(counts, *fractions, **rest)
            assert got.true_positive == (expected & reference).sum()
            assert got.false_positive == (expected & ~reference).sum()


def drags(low, high):
    """Return a drag of high, one of low, one of high again, and the ends."""
    highs = [(low, h) for h in (high, high + 1, high - 3, 255, high) if low <= h <= 255]
    lows = [(max(low - k, 0), high) for k in (1, 2, 9)]
    return [*highs, *lows, *((lows[-1][0], h) for _, h in highs), (high, high)]


@settings(max_examples=60, deadline=None)
@given(maps(24), grey_pairs, st.floats(0, 100), st.integers(0, 9), st.data())
def test_what_is_remembered_from_move_to_move_changes_nothing(
    values, greys, percentile, least, data
):
    reference = np.random.default_rng(values.size).random(values.shape) < 0.5
    pins = draw_pins(data, values)
    check_moves(values, drags(*greys), percentile, least, pins, reference)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 255), min_size=1, max_size=30), st.floats(0, 100))
@example([200, 230], 95.0)
@example([229] * 2 + [231] * 19, 5.0)
@example([1, 255], 50.0)
def test_a_percentile_that_is_remembered_is_that_of_numpy(row, percentile):
    values = np.array([row], np.uint8)
    index, true = index_thresholds(values), np.percentile(row, percentile)
    for high in {0, *row, *(v - 1 for v in row), int(true), min(int(true) + 1, 255)}:
        got = index.mask(0, high / 255, prune_percentile=percentile)
        assert got.all() == got.any() == (true > high)


@pytest.mark.parametrize("name", ["smooth", "smooth with noise", "plateaus", "spiral", "full"])
def test_moves_over_seams_change_nothing(name):
    values = large_maps(5)[name][:300, :300]
    reference = np.random.default_rng(2).random(values.shape) < 0.4
    pins = [Pin(120, 200, True), Pin(256, 255, False)]
    for percentile, least in [(70.0, 0), (95.0, 40)]:
        check_moves(values, drags(140, 160), percentile, least, pins, reference)


@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("percentile", [5.0, 95.0])
def test_pruning_hard_maps(name, percentile):
    values = ADVERSARIAL[name]
    reference = np.random.default_rng(1).random(values.shape) < 0.5
    for low, high in [(0, 0), (2, 99), (85, 229), (254, 254)]:
        check(values, low, high, reference, prune_percentile=percentile, pins=())


@pytest.mark.parametrize("name", ["smooth", "smooth with noise", "plateaus", "spiral", "full"])
def test_regions_that_cross_seams_are_pruned_whole(name):
    values = large_maps(5)[name][:520, :]
    reference = np.random.default_rng(2).random(values.shape) < 0.4
    rng = np.random.default_rng(3)
    ys, xs = rng.integers(0, values.shape[0], 6), rng.integers(0, values.shape[1], 6)
    pins = [Pin(int(y), int(x), bool(y % 2)) for y, x in zip(ys, xs, strict=True)]
    for low, high, percentile in [(150, 180, 70.0), (130, 160, 40.0), (49, 119, 30.0)]:
        check(values, low, high, reference, prune_percentile=percentile, pins=pins)


def test_tissue_alone_counts():
    values = large_maps(6)["smooth with noise"][:300, :300]
    rng = np.random.default_rng(4)
    reference, tissue = rng.random((2, *values.shape)) < 0.6
    index = index_thresholds(values)
    counts = index.count_reference(reference, tissue)
    for rest in ({}, {"prune_percentile": 60.0}, {"min_area_px": 40}):
        mask = index.mask(0.5, 0.6, **rest)
        got = index.scores(counts, 0.5, 0.6, **rest)
        assert got.true_positive == (mask & reference & tissue).sum()
        assert got.false_positive == (mask & ~reference & tissue).sum()
        assert got.false_negative == (~mask & reference & tissue).sum()
        assert got.true_negative == (~mask & ~reference & tissue).sum()


def test_ratios_of_scores_are_what_their_names_say():
    index = index_thresholds(np.array([[200, 200, 0, 100]], np.uint8))
    counts = index.count_reference(np.array([[True, False, False, True]]))
    got = index.scores(counts, 0.5, 0.6)
    assert (got.dsc, got.iou, got.sensitivity, got.precision) == (1 / 2, 1 / 3, 1 / 2, 1 / 2)
    nothing = index.scores(counts, 1.0, 1.0)
    assert (nothing.dsc, nothing.sensitivity) == (0, 0)
    assert np.isnan(nothing.precision)


def test_a_curve_is_that_of_single_thresholds():
    values = large_maps(7)["smooth"][:90, :90]
    reference = values > 128
    index = index_thresholds(values)
    curve = index.curve(index.count_reference(reference), [0.3, 0.5, 0.7])
    for threshold, scores in zip([0.3, 0.5, 0.7], curve, strict=True):
        mask = values / 255 > threshold
        assert scores.true_positive == (mask & reference).sum()
        assert scores.false_positive == (mask & ~reference).sum()


ROW = np.array([[0, 100, 150, 0, 250, 0, 120]], np.uint8)


def test_a_pin_is_stronger_than_all_else():
    index = index_thresholds(ROW)
    pins = [Pin(0, 1, True), Pin(0, 4, False)]
    assert index.mask(0.3, 0.9, pins=pins).tolist() == [[False, True, True, *[False] * 4]]
    assert index.mask(0.3, 1.0, pins=pins).tolist() == [[False, True, True, *[False] * 4]]
    assert index.areas(0.3, 0.9, pins=pins, min_area_px=9) == (2, 1)


def test_of_two_pins_on_one_region_the_last_counts():
    index = index_thresholds(ROW)
    for keep in (True, False):
        pins = [Pin(0, 1, not keep), Pin(0, 2, keep)]
        assert index.mask(0.3, 0.9, pins=pins)[0, 1] == keep


def test_a_pin_follows_the_region_at_the_present_low():
    index = index_thresholds(ROW)
    pins = [Pin(0, 2, True)]
    assert index.mask(0.3, 0.9, pins=pins)[0].nonzero()[0].tolist() == [1, 2, 4]
    assert index.mask(0.5, 0.9, pins=pins)[0].nonzero()[0].tolist() == [2, 4]


def test_a_pin_that_does_nothing_is_told():
    index = index_thresholds(ROW)
    pins = [Pin(0, 0, True), Pin(0, 1, True), Pin(0, 7, False), Pin(-1, 0, False)]
    assert index.inactive(0.3, pins) == [True, False, True, True]
    assert index.inactive(0.5, pins) == [True, True, True, True]
    assert np.array_equal(index.mask(0.5, 0.9, pins=pins), index.mask(0.5, 0.9))


@pytest.mark.parametrize(
    ("x", "rest", "why"),
    [
        (0, {}, "below low"),
        (1, {}, "below high"),
        (4, {}, "kept"),
        (4, {"min_area_px": 2}, "small"),
        (1, {"pins": [Pin(0, 2, True)]}, "pinned in"),
        (4, {"pins": [Pin(0, 4, False)]}, "pinned out"),
        (4, {"pins": [Pin(0, 2, True)]}, "kept"),
    ],
)
def test_a_pixel_knows_what_decided(x, rest, why):
    standing = index_thresholds(ROW).standing(0, x, 0.3, 0.9, **rest)
    assert standing.why == why
    assert standing.is_kept == (why in ("kept", "pinned in"))


def test_a_pruned_pixel_knows_it():
    values = np.array([[100] * 30 + [250]], np.uint8)
    index = index_thresholds(values)
    assert index.standing(0, 3, 0.3, 0.9, prune_percentile=95).why == "pruned"
    assert index.standing(0, 3, 0.3, 0.9, prune_percentile=100).why == "kept"


@pytest.mark.parametrize("percentile", [-1, 101, float("nan")])
def test_what_is_no_percentile_is_refused(percentile):
    with pytest.raises(ParameterError, match="give 0 to 100, or None"):
        index_thresholds(ROW).mask(prune_percentile=percentile)
