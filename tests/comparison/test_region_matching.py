"""Checklist (e) 23: regions are 4-connected and correspond one to one above an IoU of one half."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from comparison.comparison_maps import masks, picture, placed
from slideconcord.comparison.counts import ConfusionCounts
from slideconcord.comparison.labelling import BandLabels, RunLabels
from slideconcord.comparison.operands import bring_together
from slideconcord.comparison.regions import match_operands, match_regions
from slideconcord.errors import ParameterError
from slideconcord.segmentation.mask import open_mask


def slowly(prediction, reference):
    """Return areas and pairs by looking at every region with every other."""
    regions = []
    for mask in (prediction, reference):
        labels, count = ndimage.label(mask)
        regions.append([labels == number for number in range(1, count + 1)])
    pairs = {}
    for i, a in enumerate(regions[0]):
        for j, b in enumerate(regions[1]):
            shared, union = int((a & b).sum()), int((a | b).sum())
            if 2 * shared > union:
                pairs[i, j] = (shared, int(a.sum()) - shared, int(b.sum()) - shared)
    areas = [tuple(int(region.sum()) for region in side) for side in regions]
    return areas[0], areas[1], pairs


@given(masks(14), st.integers(1, 5))
def test_bands_of_any_height_find_what_a_plain_loop_finds(three, band_rows):
    prediction, reference, tissue = three
    found = match_operands(bring_together(*three), band_rows=band_rows)
    areas_a, areas_b, pairs = slowly(prediction & tissue, reference & tissue)
    assert found.prediction_areas_px == areas_a
    assert found.reference_areas_px == areas_b
    assert {
        (p.prediction, p.reference): (p.counts.tp, p.counts.fp, p.counts.fn) for p in found.pairs
    } == pairs


def shaken(seed):
    """Return two masks of which many regions correspond."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.random((80, 90)), 3)
    other = smooth + ndimage.gaussian_filter(rng.random((80, 90)), 3) * 0.3
    return smooth > np.median(smooth), other > np.median(other)


@given(st.integers(0, 2**32 - 1))
def test_correspondence_is_one_to_one(seed):
    found = match_regions(*shaken(seed))
    assume(found.pairs)
    predictions = [pair.prediction for pair in found.pairs]
    references = [pair.reference for pair in found.pairs]
    assert len(set(predictions)) == len(predictions)
    assert len(set(references)) == len(references)
    assert all(pair.iou > 0.5 for pair in found.pairs)


def test_an_iou_of_exactly_one_half_does_not_correspond():
    found = match_regions(picture("##.."), picture("#..."))
    assert found.counts == ConfusionCounts(0, 1, 1)
    # of 7 pixels 4 are shared
    found = match_regions(picture("####..."), picture("#######"))
    assert [pair.iou for pair in found.pairs] == [4 / 7]


def test_pixels_that_touch_at_a_corner_are_two_regions():
    assert match_regions(picture("#. .#"), picture("## ##")).prediction_areas_px == (1, 1)


def test_two_halves_of_a_reference_region_are_no_match_for_it():
    found = match_regions(picture("###.###"), picture("#######"))
    assert found.counts == ConfusionCounts(0, 2, 1)
    assert (found.precision, found.recall, found.f1) == (0, 0, 0)
    assert math.isnan(found.pixel_dsc)


def test_ratios_and_the_dsc_of_true_positive_regions():
    found = match_regions(picture("####..#..##"), picture("###......##"))
    assert found.counts == ConfusionCounts(tp=2, fp=1, fn=0)
    assert (found.precision, found.recall) == (2 / 3, 1)
    assert found.f1 == pytest.approx(0.8)
    assert found.pixel_dsc == pytest.approx(2 * 5 / (2 * 5 + 1))


def test_nothing_to_match_is_undefined_not_perfect():
    empty = np.zeros((4, 5), bool)
    nothing = match_regions(empty, empty)
    assert nothing.counts == ConfusionCounts()
    assert math.isnan(nothing.f1)
    assert nothing.to_json()["f1"] is None
    one_sided = match_regions(empty, ~empty)
    assert (one_sided.recall, one_sided.f1) == (0, 0)
    assert math.isnan(one_sided.precision)


def test_regions_are_cut_to_the_tissue_first():
    whole = picture("#######")
    found = match_regions(whole, whole, picture("###.###"))
    assert found.reference_areas_px == (3, 3)
    assert found.counts.tp == 2


def test_small_reference_regions_can_be_left_out():
    found = match_regions(picture("#.###.##"), picture("#.###.##"), min_reference_px=3)
    assert found.reference_areas_px == (3,)
    assert found.prediction_areas_px == (1, 3, 2)
    assert [(p.prediction, p.reference) for p in found.pairs] == [(1, 0)]
    with pytest.raises(ParameterError, match="min_reference_px=-1 must be 0 or more pixels"):
        match_regions(picture("#"), picture("#"), min_reference_px=-1)


def test_a_table_names_every_region_and_its_partner():
    rows = match_regions(picture("#.###"), picture("..###")).table().records()
    assert [(r["mask"], r["region"], r["area_px"], r["corresponds_to"]) for r in rows] == [
        ("prediction", 0, 1, None),
        ("prediction", 1, 3, 0),
        ("reference", 0, 3, 1),
    ]
    assert rows[1]["iou"] == 1


def test_masks_on_disk_match_the_same(tmp_path):
    arrays = shaken(7)
    for name, array in zip("ab", arrays, strict=True):
        placed(array).save(tmp_path / f"{name}.zarr")
    opened = [open_mask(tmp_path / f"{name}.zarr") for name in "ab"]
    assert match_operands(bring_together(*opened), band_rows=17) == match_regions(*arrays)


@pytest.mark.parametrize("labels_of", [BandLabels, RunLabels])
def test_a_region_that_parts_and_meets_again_over_many_bands_is_one(labels_of):
    comb = np.zeros((40, 21), bool)
    comb[:, ::2] = True
    comb[-1] = True
    bands = labels_of()
    for y in range(0, 40, 3):
        bands.add(comb[y : y + 3])
    assert bands.finish().areas.tolist() == [int(comb.sum())]


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_a_mask_of_no_pixel_has_no_regions(shape):
    assert match_regions(np.zeros(shape, bool), np.zeros(shape, bool)).counts == ConfusionCounts()


def painted(runs, width):
    labels = np.zeros((len(runs.firsts) - 1, width), np.int64)
    for y, row in enumerate(labels):
        for run in range(runs.firsts[y], runs.firsts[y + 1]):
            row[slice(*runs.bounds[run])] = runs.labels[run]
    return labels


@given(arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 19))), st.integers(1, 9))
def test_runs_are_the_regions_of_pixels(mask, rows):
    bands = RunLabels()
    parts = [bands.add(mask[y : y + rows]) for y in range(0, len(mask), rows)]
    found = bands.finish()
    labels = np.concatenate([painted(runs, mask.shape[1]) for runs in parts])
    number = found.number[labels] + 1
    expected, count = ndimage.label(mask)
    assert np.array_equal(number > 0, mask)
    both = np.unique(np.stack([number[mask], expected[mask]]), axis=1)
    assert both.shape[1] == len(found.areas) == count
    assert np.array_equal(found.areas, np.bincount(number[mask], minlength=count + 1)[1:])
