from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from slideconcord.comparison.placed_map import PlacedMap, bring_mask
from slideconcord.comparison.registration.facts import Scan
from slideconcord.comparison.registration.field import ResidualField
from slideconcord.comparison.registration.value import Registration
from slideconcord.comparison.scan_grid import IndexedScan
from slideconcord.comparison.views.placed import PlacedScan
from slideconcord.errors import MismatchError, RegistrationError
from slideconcord.geometry import Affine, Frame, Mpp
from slideconcord.segmentation.hysteresis import index_thresholds
from slideconcord.segmentation.index_values import Place
from slideconcord.segmentation.mask import Mask

HUB_MPP, MPP = Mpp(0.5, 0.5), Mpp(0.4, 0.4)
ON_HUB = Affine(((0.39, -0.05, 8.0), (0.05, 0.39, -6.0)))
FRAME, HUB_FRAME = Frame(20.0, 10.0, 3.0, 3.0), Frame(4.0, 0.0, 2.0, 2.0)


def bends():
    nodes = np.zeros((9, 9, 2))
    nodes[1:-1, 1:-1] = np.random.default_rng(3).uniform(-1, 1, (7, 7, 2))
    return ResidualField((0.0, 0.0), 120.0, nodes)


@pytest.fixture
def registration():
    sides = Scan("moving", "m", MPP, (900, 900)), Scan("fixed", "f", HUB_MPP, (800, 800))
    return Registration(*sides, ON_HUB, "ok", field=bends())


def placed(mpp, registration=None):
    slide = SimpleNamespace(mpp=mpp, name="s", fingerprint="moving" if registration else "fixed")
    return PlacedScan(slide, "s", registration)


def blobs(shape):
    return gaussian_filter(np.random.default_rng(1).random(shape), 6) > 0.5


def test_a_mask_is_brought_as_point_by_point_to_the_nearest_pixel(registration):
    pixels = blobs((280, 290))
    mask = Mask(pixels, FRAME, MPP)
    shape = (300, 310)
    steps = bring_mask(
        mask, placed(MPP, registration), PlacedMap(placed(HUB_MPP), HUB_FRAME), shape
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found = end.value
            break
    y, x = (v.ravel() for v in np.mgrid[0 : shape[0], 0 : shape[1]])
    level0 = np.stack(HUB_FRAME.to_level0(y + 0.5, x + 0.5), 1) - 0.5
    there = registration.fixed_to_moving_px(level0) + 0.5
    at = np.stack(FRAME.from_level0(there[:, 0], there[:, 1]), 1)
    rows, columns = np.floor(at).astype(int).T
    inside = (rows >= 0) & (rows < 280) & (columns >= 0) & (columns < 290)
    expected = np.zeros(y.shape, bool)
    expected[inside] = pixels[rows[inside], columns[inside]]
    # Whose place lies on a pixel's border may go either way: the field is followed between nodes.
    clear = np.abs(at - np.round(at)).min(axis=1) > 0.15
    np.testing.assert_array_equal(found.ravel()[clear], expected[clear])
    assert 0.2 < found.mean() < 0.8
    assert clear.mean() > 0.4


def test_there_and_back_is_where_one_began(registration):
    one = PlacedMap(placed(MPP, registration), FRAME)
    points = np.random.default_rng(2).uniform(0, 250, (50, 2))
    np.testing.assert_allclose(one.from_um(one.to_um(points)), points, atol=1e-4)
    y, x = one.to_map(*one.to_um(points).T)
    np.testing.assert_allclose(np.stack([y, x], 1), points + 0.5, atol=1e-4)


def test_a_scan_knows_what_its_map_reaches_and_refuses_what_is_not_its_own(registration):
    values = np.zeros((280, 290), np.uint8)
    index = index_thresholds(values)
    slide = placed(MPP, registration).slide
    with pytest.raises(MismatchError, match=r"The index of B is not of a map of s"):
        IndexedScan.of("B", index, slide, registration)
    index.place = Place(FRAME, MPP, "moving")
    scan = IndexedScan.of("B", index, slide, registration)
    assert scan.mpp == pytest.approx(1.2)
    corners = PlacedMap(placed(MPP, registration), FRAME).to_um(
        np.array([[-0.5, -0.5], [279.5, 289.5]])
    )
    for y, x in corners:
        assert scan.box_um.y <= y <= scan.box_um.stop_y
        assert scan.box_um.x <= x <= scan.box_um.stop_x
    other = replace(registration, moving=replace(registration.moving, fingerprint="else"))
    with pytest.raises(MismatchError, match=r"The registration of B places m"):
        IndexedScan.of("B", index, slide, other)
    failed = replace(registration, status="failed", reason="No tissue.")
    with pytest.raises(RegistrationError, match=r"No tissue\."):
        IndexedScan.of("B", index, slide, failed)
