"""Distances of borders against a map of distances, against MONAI, and on shapes of known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from slideconcord.comparison.observers.surfaces import Border, compare_borders, find_border
from slideconcord.geometry import Mpp

SQUARE, OBLONG = Mpp(1.0, 1.0), Mpp(0.5, 0.4)
MASKS = arrays(np.bool_, (2, 23, 31))


def border_of(mask, mpp, rows=1000):
    """Return a border that was found ``rows`` at a time."""
    padded = np.pad(mask, ((1, 1), (0, 0)))
    tops = range(0, len(mask), rows)
    return Border.of([find_border(padded[t : t + rows + 2], t) for t in tops], mpp)


def compared(masks, mpp=SQUARE, tolerance_um=1.0, rows=1000):
    return compare_borders(*(border_of(mask, mpp, rows) for mask in masks), tolerance_um)


def blobs(seed, shape=(90, 110)):
    rng = np.random.default_rng(seed)
    ground = ndimage.gaussian_filter(rng.standard_normal(shape), 6)
    both = [ground + 0.4 * ndimage.gaussian_filter(rng.standard_normal(shape), 4) for _ in range(2)]
    return np.array([each > 0.5 * each.std() for each in both])


def slow(masks, mpp, tolerance_um):
    """Return the same through maps of exact distances."""
    borders = [m & ~ndimage.binary_erosion(m) for m in masks]
    maps = [ndimage.distance_transform_edt(~b, sampling=mpp) for b in borders]
    ways = maps[1][borders[0]], maps[0][borders[1]]
    everything = np.concatenate(ways)
    return {
        "hd_um": everything.max(),
        "hd95_um": max(np.percentile(way, 95) for way in ways),
        "mean_um": everything.mean(),
        "dice": (everything <= tolerance_um + 1e-9).mean(),
        "first_px": len(ways[0]),
        "second_px": len(ways[1]),
    }


def require_same(found, expected):
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-9), name


@given(MASKS, st.sampled_from([SQUARE, OBLONG]), st.floats(0, 4), st.integers(1, 23))
def test_any_masks_as_by_maps_of_distances(masks, mpp, tolerance_um, rows):
    if masks.any(axis=(1, 2)).all():
        expected = slow(masks, mpp, tolerance_um)
        require_same(compared(masks, mpp, tolerance_um, rows), expected)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("mpp", [SQUARE, OBLONG])
def test_large_shapes_as_by_maps_of_distances(seed, mpp):
    masks = blobs(seed, (300, 400))
    assert masks.any(axis=(1, 2)).all()
    require_same(compared(masks, mpp, 3.0, 37), slow(masks, mpp, 3.0))


def test_borders_far_apart_as_by_maps_of_distances():
    masks = np.zeros((2, 400, 300), np.bool_)
    masks[0, 10:60, 20:90] = True
    masks[1, 300:390, 5:280] = masks[1, 200:210, 100] = True
    require_same(compared(masks, OBLONG, 100.0), slow(masks, OBLONG, 100.0))


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("seed", range(4))
def test_as_monai(seed):
    metrics = pytest.importorskip("monai.metrics")
    torch = pytest.importorskip("torch")
    masks = blobs(seed)
    first, second = (torch.from_numpy(m[None, None].astype(np.float32)) for m in masks)
    found = compared(masks, OBLONG, 2.0)
    given_ = {"include_background": True, "spacing": list(OBLONG)}
    hd = metrics.compute_hausdorff_distance(first, second, **given_)
    hd95 = metrics.compute_hausdorff_distance(first, second, percentile=95, **given_)
    mean = metrics.compute_average_surface_distance(first, second, symmetric=True, **given_)
    dice = metrics.compute_surface_dice(first, second, class_thresholds=[2.0], **given_)
    assert found.hd_um == pytest.approx(float(hd), rel=1e-5)
    assert found.hd95_um == pytest.approx(float(hd95), rel=1e-5)
    assert found.mean_um == pytest.approx(float(mean), rel=1e-5)
    assert found.dice == pytest.approx(float(dice), rel=1e-5)


def test_a_square_and_the_same_moved():
    masks = np.zeros((2, 60, 60), np.bool_)
    masks[0, 10:30, 10:30] = masks[1, 10:30, 15:35] = True
    found = compared(masks, Mpp(2.0, 2.0), 10.0)
    assert found.first_px == found.second_px == 4 * 20 - 4
    assert found.hd_um == found.hd95_um == 5 * 2.0
    assert found.dice == 1
    assert compared(masks, Mpp(2.0, 2.0), 9.9).dice < 1


@given(MASKS, st.floats(0, 5))
def test_order_does_not_matter_and_the_same_is_the_same(masks, tolerance_um):
    there, back = (compared(each, OBLONG, tolerance_um) for each in (masks, masks[::-1]))
    for name in ("hd_um", "hd95_um", "mean_um", "dice"):
        assert getattr(there, name) == pytest.approx(getattr(back, name), nan_ok=True)
    alone = compared(masks[[0, 0]], OBLONG, 0.0)
    if masks[0].any():
        assert (alone.hd_um, alone.hd95_um, alone.mean_um, alone.dice) == (0, 0, 0, 1)


def test_a_tolerance_that_floats_miss_by_a_hair_is_met():
    masks = np.zeros((2, 20, 20), np.bool_)
    masks[0, 5, 5] = masks[1, 5, 8] = True
    # 3 x 0.1 is more than 0.3
    assert compared(masks, Mpp(0.1, 0.1), 0.3).dice == 1


def test_nothing_marked_has_no_distance_and_shares_no_border():
    masks = np.zeros((2, 20, 20), np.bool_)
    both = compared(masks)
    assert all(math.isnan(v) for v in (both.hd_um, both.hd95_um, both.mean_um, both.dice))
    masks[0, 3:9, 3:9] = True
    one = compared(masks)
    assert math.isnan(one.hd95_um)
    assert math.isnan(one.mean_um)
    assert (one.dice, one.first_px, one.second_px) == (0, 20, 0)
