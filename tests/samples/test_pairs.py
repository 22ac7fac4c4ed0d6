"""Seeded pairs for registration: different scanners, poses within their ranges."""

from __future__ import annotations

import numpy as np

from slideconcord.samples import FIVE_SCANNERS, PoseRange, VirtualTissue, random_pair
from slideconcord.samples import random_scanner as drawn

TISSUE = VirtualTissue(3, 900.0, 700.0)


def test_poses_fill_their_ranges_and_are_named_by_their_seed():
    base = FIVE_SCANNERS["virtual-AT2"]
    scanners = [drawn(seed, base, PoseRange(shear_deg=0.1)) for seed in range(60)]
    assert scanners[7] == drawn(7, base, PoseRange(shear_deg=0.1))
    rotations = np.array([s.rotation_deg for s in scanners])
    assert rotations.min() < -150
    assert rotations.max() > 150
    stretches = np.array([s.stretch for s in scanners])
    assert 0.015 < np.abs(stretches - 1).max() <= 0.02
    assert all(abs(s.shear_deg) <= 0.1 for s in scanners)
    kinds = {np.isfinite(s.stitching.height_um) for s in scanners}
    assert kinds == {True, False}
    assert all(0.5 <= s.stitching.jitter_um <= 2.0 for s in scanners)


def test_a_pair_is_of_two_scanners_that_hold_the_whole_tissue():
    for seed in range(20):
        moving, fixed = random_pair(seed, TISSUE)
        assert moving.name.rsplit("-", 1)[0] != fixed.name.rsplit("-", 1)[0]
        assert fixed.rotation_deg == 0
        for scanner in (moving, fixed):
            placed = scanner.map(TISSUE)
            y, x = placed.affine(np.array([5.0, 895.0]), np.array([5.0, 695.0]))
            assert placed.shows(y, x).all()
            assert "virtual" in scanner.name


def test_truth_from_scan_to_scan_goes_through_the_tissue():
    moving, fixed = (scanner.map(TISSUE) for scanner in random_pair(5, TISSUE))
    rng = np.random.default_rng(0)
    y, x = rng.uniform(100, 800, 200), rng.uniform(100, 600, 200)
    at = moving.to_scan(y, x)
    there = ~np.isnan(at[0])
    again = fixed.to_scan(*moving.to_tissue(at[0][there], at[1][there]))
    np.testing.assert_allclose(again, np.array(fixed.to_scan(y, x))[:, there], atol=1e-6)
