"""Fields, seams and the exact map between tissue and scan, whatever the pose."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slideconcord.errors import ParameterError
from slideconcord.geometry import Affine, Box
from slideconcord.samples import FIVE_SCANNERS, Part, Stitching, VirtualScanner, VirtualTissue
from slideconcord.samples.stitching import Fields

TISSUE = VirtualTissue(4, 700.0, 900.0)
TILES = Stitching(height_um=110.0, width_um=90.0, jitter_um=2.0, walk_um=1.5)
STRIPS = Stitching(width_um=140.0, jitter_um=2.0, drift_um=3.0, drift_every_um=150.0)
JITTERED = VirtualScanner("jittered", rotation_deg=20.0, stitching=TILES, noise=0.0, seed=3)

fractions = st.floats(0.0, 1.0)
poses = st.builds(
    VirtualScanner,
    name=st.just("any"),
    mpp=st.sampled_from([0.25, 0.5, 1.1]),
    rotation_deg=st.floats(-360, 360),
    shift_um=st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
    flip=st.booleans(),
    stretch=st.tuples(st.floats(0.98, 1.02), st.floats(0.98, 1.02)),
    shear_deg=st.floats(-0.5, 0.5),
    margin_um=st.floats(0, 100),
    stitching=st.sampled_from([None, TILES, STRIPS]),
    crop=st.sampled_from([Part(), Part(0.1, 0.3, 0.8, 0.9)]),
    seed=st.integers(0, 5),
)


@settings(max_examples=60, deadline=None)
@given(poses, st.integers(0, 1000))
def test_the_map_back_undoes_the_map_to_a_millionth_of_a_um(pose: VirtualScanner, seed: int):
    placed, rng = pose.map(TISSUE), np.random.default_rng(seed)
    y, x = rng.uniform(-100, 800, 300), rng.uniform(-100, 1000, 300)
    py, px = placed.to_scan(y, x)
    seen = ~np.isnan(py)
    assert seen.mean() > 0.8
    back = placed.to_tissue(py[seen], px[seen])
    np.testing.assert_allclose(back, (y[seen], x[seen]), rtol=0, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(poses, st.integers(0, 1000))
def test_every_pixel_away_from_seams_is_where_its_tissue_is_mapped(pose: VirtualScanner, seed: int):
    placed, rng = pose.map(TISSUE), np.random.default_rng(seed)
    y, x = (rng.uniform(0, side, 300) for side in placed.shape)
    deep = placed.seam_distance_um(y, x) > 30.0
    again = placed.to_scan(*placed.to_tissue(y[deep], x[deep]))
    np.testing.assert_allclose(again, (y[deep], x[deep]), rtol=0, atol=1e-6)


@given(poses)
def test_parts_cover_a_box_once_and_agree_with_the_map_on_points(pose: VirtualScanner):
    placed = pose.map(TISSUE)
    for box, factor in ((Box(-30, 40, 500, 700), 1.0), (Box(3, 5, 90, 80), 3.7)):
        covered = np.zeros(box.shape, int)
        for part, affine in placed.parts(box, factor):
            covered[part.shift(-box.y, -box.x).slices] += 1
            y, x = part.y + 0.5, part.x + part.width - 0.5
            expected = placed.to_tissue(y * factor, x * factor)
            np.testing.assert_allclose(affine(y, x), expected, atol=1e-8)
        assert (covered == 1).all()


def test_offsets_have_the_size_that_was_asked_for():
    found = TILES.fields((40_000, 40_000), 0.5, 1)
    own = replace(TILES, walk_um=0.0).fields((40_000, 40_000), 0.5, 1)
    assert (own.offset * 0.5).std() == pytest.approx(2.0, rel=0.05)
    # what adds up from joint to joint is larger than any joint's own error
    assert (found.offset * 0.5).std() > 4.0
    strips = replace(STRIPS, jitter_um=0.0).fields((40_000, 40_000), 0.5, 1)
    assert (strips.offset * 0.5).std() == pytest.approx(3.0, rel=0.05)


def test_a_drift_bends_a_strip_without_a_seam():
    fields = STRIPS.fields((2000, 3000), 0.5, 2)
    assert len(fields.tops) > 4
    assert fields.seams[0].size == 0
    assert fields.seams[1].tolist() == fields.lefts[1:-1].tolist()
    knots = fields.tops[1:-1].astype(float)
    for j in range(len(fields.lefts) - 1):
        x = np.full(len(knots), float(fields.lefts[j] + 5))
        above, below = (fields.straighten(knots + by, x) for by in (-1e-6, 1e-6))
        np.testing.assert_allclose(above, below, atol=1e-4)


def test_a_seam_shows_some_tissue_twice_or_not_at_all():
    offset = np.array([[[0.0, 0.0], [0.0, 3.0]]])
    gap = Fields(np.array([0, 100]), np.array([0, 50, 100]), offset, np.zeros_like(offset))
    y, x = np.full(3, 10.0), np.array([49.0, 51.5, 54.0])
    np.testing.assert_array_equal(gap.displace(y, x)[1], [49.0, np.nan, 51.0])
    twice = Fields(gap.tops, gap.lefts, -offset, gap.slope)
    np.testing.assert_array_equal(twice.straighten(y, np.array([48.5, 51.5, 53.0]))[1][:2], 48.5)
    # the field that should show the point does
    np.testing.assert_array_equal(twice.displace(y, np.array([48.5] * 3))[1], 48.5)


def test_the_picture_jumps_at_seams_and_nowhere_else():
    """What the scan shows is the perfect stage's picture, moved by whole fields."""
    fields = JITTERED.map(TISSUE).fields
    whole = replace(JITTERED, stitching=None)
    i, j = 3, 4
    oy, ox = fields.offset[i, j]
    assert max(abs(oy), abs(ox)) > 1.5
    box = Box(int(fields.tops[i]), int(fields.lefts[j]), 100, 90)
    # the shift of a camera's picture by (oy, ox) px is a shift of the glass by as much
    shifted = replace(whole, shift_um=(-oy * 0.5, -ox * 0.5))
    np.testing.assert_array_equal(JITTERED.view(TISSUE, box), shifted.view(TISSUE, box))
    left = JITTERED.view(TISSUE, box.shift(0, -40))
    moved = shifted.view(TISSUE, box.shift(0, -40))
    columns = (left != moved).any((0, 2))
    assert columns[:40].mean() > 0.9
    assert not columns[40:].any()


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([TILES, STRIPS]), st.integers(100, 900), st.integers(100, 900), st.data())
def test_neighbouring_boxes_are_slices_of_one_image(stitching, y, x, data):
    scanner = replace(JITTERED, stitching=stitching, noise=1.0)
    cut = data.draw(st.integers(1, 59))
    whole = scanner.view(TISSUE, Box(y, x, 60, 60)).astype(int)
    parts = [scanner.view(TISSUE, Box(y, x + a, 60, b)) for a, b in ((0, cut), (cut, 60 - cut))]
    # the blur adds in another order at other places: one grey level at most, and rarely
    difference = np.abs(whole - np.concatenate(parts, axis=1))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.002
    classes = scanner.truth(TISSUE, Box(y, x, 60, 60))
    parts = [scanner.truth(TISSUE, Box(y, x + a, 60, b)) for a, b in ((0, cut), (cut, 60 - cut))]
    np.testing.assert_array_equal(classes, np.concatenate(parts, axis=1))


@pytest.mark.parametrize("stitching", [TILES, STRIPS])
@pytest.mark.parametrize("mpp", [0.5, 2.0])
def test_truth_is_the_tissue_at_the_mapped_centres(stitching: Stitching, mpp: float):
    scanner = replace(JITTERED, stitching=stitching, stretch=(1.02, 0.98), shear_deg=0.4)
    placed, box = scanner.map(TISSUE), Box(100, 120, 130, 140)
    classes, factor = scanner.truth(TISSUE, box, mpp), mpp / scanner.mpp
    rng = np.random.default_rng(0)
    for i, j in zip(rng.integers(0, 130, 80), rng.integers(0, 140, 80), strict=True):
        at = (box.y + i + 0.5) * factor, (box.x + j + 0.5) * factor
        y, x = map(float, placed.to_tissue(*at))
        point = Affine(((1.0, 0.0, y - 0.5), (0.0, 1.0, x - 0.5)))
        assert TISSUE.truth(Box(0, 0, 1, 1), to_tissue=point)[0, 0] == classes[i, j]


def test_truth_carried_from_scan_to_scan_meets_the_stains_edges():
    """Tissue ends where the picture turns to glass, on every scanner alike, within its blur."""
    tissue = VirtualTissue(9, 500.0, 600.0)
    for scanner in FIVE_SCANNERS.values():
        scanner = replace(scanner, noise=0.0).fitting(tissue)
        box = Box(0, 0, *scanner.shape(tissue))
        picture = scanner.view(tissue, box).astype(float).min(-1)
        truth = scanner.truth(tissue, box) > 0
        glass = min(scanner.white) - 12.0
        # thinning towards the edge and holes (lumina, fat) make dark a subset of tissue, nearly
        dark = picture < glass
        assert (dark & ~truth).sum() / truth.sum() < 0.02
        assert (dark & truth).sum() / truth.sum() > 0.75


def test_stretch_and_shear_are_what_their_numbers_say():
    plain = VirtualScanner("plain", mpp=0.5)
    affine = replace(plain, stretch=(1.02, 0.99)).affine(TISSUE)
    np.testing.assert_allclose(np.subtract(affine(100, 200), affine(0, 0)), (204.0, 396.0))
    slanted = replace(plain, shear_deg=1.0).affine(TISSUE)
    down = np.subtract(slanted(100, 0), slanted(0, 0))
    np.testing.assert_allclose(down, (200.0, 200.0 * math.tan(math.radians(1.0))))


def test_a_crop_is_a_part_of_the_same_picture():
    part = replace(JITTERED, stitching=None, crop=Part(0.25, 0.25, 0.75, 1.0))
    whole = replace(part, crop=Part())
    dy, dx = np.subtract(whole.affine(TISSUE)(0, 0), part.affine(TISSUE)(0, 0)).round().astype(int)
    box = Box(100, 90, 50, 60)
    view = part.view(TISSUE, box)
    difference = np.abs(whole.view(TISSUE, box.shift(int(dy), int(dx))).astype(int) - view)
    assert difference.max() <= 1
    height, width = part.shape(TISSUE)
    assert height / whole.shape(TISSUE)[0] == pytest.approx(0.5, abs=0.01)
    assert width / whole.shape(TISSUE)[1] == pytest.approx(0.75, abs=0.01)


def test_what_was_not_scanned_is_white_and_without_truth():
    scanner = replace(JITTERED, missing=Part(0.5, 0.0, 1.0, 1.0), stitching=None)
    height, _ = scanner.shape(TISSUE)
    box = Box(height // 2 - 20, 700, 40, 50)
    view, truth = scanner.view(TISSUE, box), scanner.truth(TISSUE, box)
    assert (view[20:] == 255).all()
    assert not truth[20:].any()
    assert truth[:20].any()
    placed = scanner.map(TISSUE)
    shown = placed.shows([height // 2 - 1.0, height // 2 + 1.0, -1.0], [700.0, 700.0, 700.0])
    assert shown.tolist() == [True, False, False]


@settings(max_examples=30, deadline=None)
@given(poses)
def test_a_fitting_margin_keeps_the_field_in_the_scan(pose: VirtualScanner):
    fitted = replace(pose, stitching=None, crop=Part()).fitting(TISSUE)
    height, width = fitted.shape(TISSUE)
    for corner in ((0.0, 0.0), (700.0, 0.0), (0.0, 900.0), (700.0, 900.0)):
        y, x = fitted.affine(TISSUE)(*corner)
        assert -1e-6 <= y <= height + 1e-6
        assert -1e-6 <= x <= width + 1e-6


def test_fields_that_cannot_be_are_refused_in_words():
    with pytest.raises(
        ParameterError, match=r"fields of 100 x inf µm cannot be off by 30 µm: give"
    ):
        Stitching(height_um=100.0, jitter_um=30.0)
    with pytest.raises(ParameterError, match="give fields of at least 10 µm"):
        Stitching(width_um=0.0)
    with pytest.raises(ParameterError, match="drift is of strips: leave height_um infinite"):
        Stitching(height_um=300.0, drift_um=1.0)
    with pytest.raises(ParameterError, match="no part of a scan: give fractions from 0 to 1"):
        Part(0.5, 0.0, 0.4, 1.0)
