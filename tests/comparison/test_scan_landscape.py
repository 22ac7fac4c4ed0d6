from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.filters import apply_hysteresis_threshold

from slideconcord.comparison.scan_grid import IndexedScan, common_grid, places_between
from slideconcord.comparison.scan_landscape import survey_scans
from slideconcord.errors import MismatchError, ParameterError
from slideconcord.geometry import Affine, Box
from slideconcord.segmentation.hysteresis import index_thresholds

LOWS, HIGHS = (0.2, 0.4, 0.6), (0.3, 0.5, 0.7)


def hills(seed, shape=(120, 150)):
    smooth = gaussian_filter(np.random.default_rng(seed).random(shape), 6)
    return np.uint8((smooth - smooth.min()) / np.ptp(smooth) * 255)


def scan(name, values, y=0.0, x=0.0, scale=1.0):
    """Place a map whose pixels are 1 / scale µm, its corner at (-y, -x) pixels."""
    return IndexedScan(name, index_thresholds(values), Affine(((scale, 0.0, y), (0.0, scale, x))))


def landscape(scans, box=None, mpp=1.0, **rest):
    steps = survey_scans(scans, box or Box(0, 0, 120, 150), mpp, lows=LOWS, highs=HIGHS, **rest)
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return end.value, seen


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum()) if a.any() or b.any() else np.nan


def test_each_pair_is_that_of_whole_masks_looked_up_where_scans_meet():
    maps = [hills(seed) for seed in range(3)]
    found, seen = landscape([scan("A", maps[0]), scan("B", maps[1], -20, 10), scan("C", maps[2])])
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert found.pairs == (("A", "B"), ("A", "C"), ("B", "C"))
    assert found.points == 100 * 140
    for i, low in enumerate(LOWS):
        for j, high in enumerate(HIGHS):
            if low > high:
                assert np.isnan(found.by_pair[:, i, j]).all()
                continue
            a, b, c = (
                apply_hysteresis_threshold(
                    v, np.floor(low * 255 + 1e-6), np.floor(high * 255 + 1e-6)
                )
                for v in maps
            )
            a, b, c = a[20:, :140], b[:100, 10:], c[20:, :140]
            expected = [dice(a, b), dice(a, c), dice(b, c)]
            np.testing.assert_allclose(found.by_pair[:, i, j], expected)
            assert found.worst[i, j] == pytest.approx(min(expected), nan_ok=True)
            assert found.mean[i, j] == pytest.approx(np.mean(expected), nan_ok=True)


def test_scans_of_other_pixel_sizes_agree_where_they_show_the_same():
    values = hills(4)
    twice = np.kron(values, np.ones((2, 2), np.uint8))
    found, _ = landscape([scan("A", values), scan("B", twice, scale=2.0)])
    assert found.mean[~np.isnan(found.mean)] == pytest.approx(1.0)
    assert np.isfinite(found.mean).any()


def test_scans_that_do_not_meet_and_too_few_are_refused():
    values = hills(5)
    with pytest.raises(MismatchError, match="no place in common"):
        landscape([scan("A", values), scan("B", values, y=500.0)])
    with pytest.raises(MismatchError, match="no place in common"):
        landscape([scan("A", values), scan("B", values)], Box(0, 0, 0, 0))
    with pytest.raises(ParameterError, match="give two scans or more"):
        landscape([scan("A", values)])
    with pytest.raises(ParameterError, match="0 to 1"):
        list(survey_scans([scan("A", values)] * 2, Box(0, 0, 9, 9), 1.0, lows=(1.2,)))
    with pytest.raises(ParameterError, match="a step above 0"):
        landscape([scan("A", values), scan("B", values)], mpp=0.0)


def test_scans_say_themselves_what_they_share_and_a_whole_map_takes_few_points():
    a, b = (scan(name, hills(seed)) for seed, name in enumerate("AB"))
    with pytest.raises(ParameterError, match="does not say what its map reaches"):
        next(survey_scans([a, b]))
    a = replace(a, box_um=Box(0, 0, 120, 150), mpp=1.0)
    b = replace(b, box_um=Box(20, -10, 120, 150), mpp=2.0)
    assert common_grid([a, b]) == (Box(20, 0, 100, 140), 2.0)
    assert common_grid([a, b], most_points=140) == (Box(20, 0, 100, 140), 10.0)
    with pytest.raises(MismatchError, match="no place in common"):
        common_grid([a, replace(b, box_um=Box(500, 0, 9, 9))])


def bent(y, x):
    """Do as a residual field: bend slowly, far less than a pixel between two nodes."""
    return y + 4 * np.sin(x / 200), x + 3 * np.cos(y / 150)


def test_a_map_that_bends_is_looked_up_to_a_hundredth_of_a_pixel():
    one = IndexedScan("A", index_thresholds(hills(1)), bent)
    y, x = (v.astype(float) for v in np.mgrid[0:120, 0:150])
    expected = np.stack(bent(y + 0.5, x + 0.5))
    found = np.stack(places_between(one, Box(0, 0, 120, 150), 1.0, (0, 120), 150))
    assert np.abs(found - expected).max() < 0.01
