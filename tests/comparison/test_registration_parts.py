"""The parts of registration on numbers that are known: fits, folds, fields, correlations."""

from __future__ import annotations

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparison.registrations import a_map
from slideconcord.comparison.registration.facts import Quality
from slideconcord.comparison.registration.features import agree
from slideconcord.comparison.registration.field import jacobians
from slideconcord.comparison.registration.field_fit import choose_field
from slideconcord.comparison.registration.fit import (
    distances,
    fit_affine,
    fit_robustly,
    fit_similarity,
)
from slideconcord.comparison.registration.judge import judge
from slideconcord.comparison.registration.lattice import Lattice, common_tissue, lattice_over
from slideconcord.comparison.registration.options import Registering
from slideconcord.comparison.registration.planes import Pose, apply, inverted, pose_of, turning
from slideconcord.comparison.registration.residuals import (
    Pairs,
    believable,
    choose_affine,
    held_out,
)
from slideconcord.comparison.registration.signal import Overview, rough_tissue
from slideconcord.comparison.registration.sweep import guesses_by_sweep
from slideconcord.comparison.registration.tiles import Tiles, best_shift
from slideconcord.geometry import Mpp

RNG = np.random.default_rng(5)
SOURCE = RNG.uniform(0, 4000, (300, 2))
TRUE = a_map(70.0)


def lattice_pairs(shift=lambda at: 0.0 * at, noise=0.03, side=20) -> Pairs:
    """Return pairs on a square lattice whose targets are shifted by a function of place."""
    index = np.indices((side, side)).reshape(2, -1).T
    target = 100.0 + index * 50.0
    source = apply(inverted(TRUE), target - shift(target))
    return Pairs(source + RNG.normal(0, noise, source.shape), target, index, 50.0, (100.0, 100.0))


@given(st.floats(-180, 180), st.floats(0.5, 2.0))
def test_fits_give_back_the_map(degrees, scale):
    matrix = a_map(degrees, scale=scale)
    target = apply(matrix, SOURCE)
    np.testing.assert_allclose(fit_similarity(SOURCE, target), matrix, atol=1e-6)
    np.testing.assert_allclose(fit_affine(SOURCE, target), matrix, atol=1e-6)


def test_a_third_of_wrong_pairs_does_not_turn_a_robust_fit():
    target = apply(TRUE, SOURCE) + RNG.normal(0, 0.1, SOURCE.shape)
    target[:100] += RNG.uniform(-300, 300, (100, 2))
    found = fit_robustly(fit_affine, SOURCE, target, 0.1)
    assert distances(apply(found, SOURCE), apply(TRUE, SOURCE)).max() < 0.2


def test_pairs_that_agree_are_found_among_many_that_do_not():
    target = apply(TRUE, SOURCE) + RNG.normal(0, 2, SOURCE.shape)
    target[60:] = RNG.uniform(0, 4000, (240, 2))
    matrix, inside = agree(SOURCE, target, 16.0, seed=0)
    assert np.count_nonzero(inside[:60]) > 55
    assert distances(apply(matrix, SOURCE), apply(TRUE, SOURCE)).max() < 10
    assert agree(SOURCE, RNG.uniform(0, 4000, SOURCE.shape), 16.0, seed=0) is None


def test_held_out_blocks_are_not_fitted():
    pairs = lattice_pairs()
    far = pairs.part((pairs.index < 5).all(1))
    moved = Pairs(far.source_um, far.target_um + 40.0, far.index, 50.0, (100.0, 100.0))
    both = [np.concatenate(p) for p in zip(*((q.source_um, q.target_um, q.index) for q in
            (moved, pairs.part(~(pairs.index < 5).all(1)))), strict=True)]  # fmt: skip
    off = held_out(fit_similarity, Pairs(*both, 50.0, (100.0, 100.0)))
    assert np.median(off[:25]) == pytest.approx(40 * 2**0.5, rel=0.05)
    assert np.median(off[25:]) < 1


def test_an_affine_only_where_unseen_tiles_gain():
    assert choose_affine(lattice_pairs())[1] == "similarity"
    stretched = lattice_pairs(lambda at: at * [0.004, -0.004])
    assert choose_affine(stretched)[1] == "affine"
    strip = stretched.part(stretched.index[:, 0] < 2)
    assert choose_affine(strip)[1] == "similarity"


def test_a_mirror_image_is_fitted_as_one_however_thin():
    flip = np.diag([1.0, -1.0, 1.0])
    pairs = lattice_pairs()
    pairs = replace(pairs, source_um=apply(flip, pairs.source_um))
    for part in (pairs, pairs.part(pairs.index[:, 0] < 2)):
        matrix = choose_affine(part, mirrored=True)[0]
        assert pose_of(matrix).mirrored
        assert distances(apply(matrix, part.source_um), part.target_um).max() < 0.3


def seam(at):
    """Return a step of 3 µm across the middle, as between two strips."""
    return np.where(at[:, 1:] > 575, 3.0, 0.0) * np.array([[1.0, 0.0]])


def test_a_field_follows_a_seam():
    pairs = lattice_pairs(seam)
    matrix = choose_affine(pairs)[0]
    field, unseen = choose_field(pairs, matrix)
    moved = apply(matrix, pairs.source_um)
    assert np.percentile(distances(moved, pairs.target_um), 90) > 0.5
    assert np.percentile(distances(field.apply(moved), pairs.target_um), 90) < 0.4
    assert np.median(unseen) < 0.2
    far = field(np.array([[-3000.0, 0.0], [9000.0, 9000.0]]))
    assert not far.any()


def test_noise_is_no_reason_for_a_field():
    pairs = lattice_pairs(noise=0.5)
    assert choose_field(pairs, choose_affine(pairs)[0]) is None


def test_the_change_of_area_is_that_of_small_squares():
    nodes = RNG.normal(0, 1, (5, 6, 2))
    step = 1e-6
    down, along = (
        (nodes[3, 3] - nodes[2, 3]) / 50.0 * step,
        (nodes[2, 4] - nodes[2, 3]) / 50.0 * step,
    )
    square = np.linalg.det(np.array([[step, 0], [0, step]]) + np.array([down, along]))
    assert jacobians(nodes, 50.0)[0][2, 3] == pytest.approx(square / step**2)


def test_a_tile_that_disagrees_with_its_neighbours_is_not_believed():
    index = np.indices((8, 8)).reshape(2, -1).T
    shift = np.tile([1.0, -2.0], (64, 1)) + RNG.normal(0, 0.1, (64, 2))
    shift[27] += 9.0
    high = np.full(64, 0.9)
    high[40] = 0.2
    tiles = Tiles(index * 50.0, shift, high, np.full(64, 0.4), np.full(64, np.nan))
    good = believable(tiles, Lattice(index, 50.0, (0.0, 0.0)), 0.35)
    assert np.flatnonzero(~good).tolist() == [27, 40]


@pytest.mark.parametrize("moved", [(0.0, 0.0), (2.3, -1.6), (-3.45, 0.7)])
def test_a_shift_between_pixels_is_found(moved):
    picture = cv2.GaussianBlur(RNG.normal(0, 1, (140, 140)).astype(np.float32), (0, 0), 2.5)
    back = np.array([[1, 0, -moved[1]], [0, 1, -moved[0]]], np.float64)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    window = cv2.warpAffine(picture, back, (140, 140), flags=flags)
    template = picture[20:120, 20:120]
    surface = cv2.matchTemplate(window, template, cv2.TM_CCOEFF_NORMED)
    (y, x), peak, margin = best_shift(surface)
    assert (y - 20, x - 20) == pytest.approx(moved, abs=0.06)
    part = window[20 + round(moved[0]) :, 20 + round(moved[1]) :][:100, :100]
    slow = np.corrcoef(part.ravel(), template.ravel())[0, 1]
    assert peak == pytest.approx(slow, abs=1e-4)
    assert margin > 0.3


def test_a_peak_at_the_border_is_no_place():
    surface = np.zeros((9, 9), np.float32)
    surface[0, 4] = 1
    assert np.isnan(best_shift(surface)[0]).all()


def view(picture, mpp=8.0) -> Overview:
    scale = np.diag([mpp, mpp, 1.0])
    return Overview(picture, rough_tissue(picture, mpp), mpp, scale, 240.0)


def blobs(seed=0) -> np.ndarray:
    density = np.zeros((300, 360), np.float32)
    rng = np.random.default_rng(seed)
    for y, x, r in zip(rng.integers(70, 230, 14), rng.integers(80, 280, 14),
                       rng.integers(8, 30, 14), strict=True):  # fmt: skip
        cv2.circle(density, (int(x), int(y)), int(r), float(rng.uniform(0.2, 0.6)), -1)
    return density


@pytest.mark.parametrize("degrees", [0.0, 33.0, 201.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_every_turn_is_tried_where_features_fail(degrees, mirrored):
    fixed = blobs()
    flip = np.array([[1.0, 0, 0], [0, -1, 359], [0, 0, 1]]) if mirrored else np.eye(3)
    place = turning(degrees, (150.0, 180.0)) @ flip  # fixed to moving, px
    xy = place[np.ix_([1, 0], [1, 0, 2])]
    moving = cv2.warpAffine(fixed, xy, (360, 300))
    guesses = list(guesses_by_sweep(view(moving), view(fixed), mirrored=mirrored))
    truth = inverted(place)
    points = np.array([[100.0, 120.0], [200.0, 120.0], [150.0, 240.0]])
    off = [
        distances(apply(g.matrix, points * 8.0), apply(truth, points) * 8.0).max() for g in guesses
    ]
    assert min(off) < 4 * 8.0
    assert all(pose_of(g.matrix).mirrored == mirrored for g in guesses)


def test_common_tissue_is_counted_against_the_scan_that_has_less():
    picture = blobs()
    whole, part = view(picture), view(picture[:, :180])
    found = common_tissue(part, whole, np.eye(3))
    assert found.overlap == pytest.approx(1.0, abs=0.05)
    away = np.array([[1.0, 0, 0], [0, 1, 8 * 1000], [0, 0, 1]])
    assert common_tissue(part, whole, away).overlap == 0


def test_a_lattice_lies_on_tissue_and_keeps_its_distance():
    tissue = np.zeros((200, 300), bool)
    tissue[50:150, 60:260] = True
    to_um = np.array([[4.0, 0, 10.0], [0, 4.0, 20.0], [0, 0, 1]])
    lattice = lattice_over(tissue, to_um, 50, 40.0)
    assert 30 <= len(lattice.index) <= 70
    at = np.rint(apply(inverted(to_um), lattice.points_um)).astype(int)
    assert tissue[tuple(at.T)].all()
    assert lattice_over(tissue, to_um, 10_000, 40.0).spacing_um == 40.0


GOOD = Quality(50, 200, 190, 0.9, 0.95, 0.2, 0.6, 0.8, 1.4, 0.9, 0.4)
PLAIN = Pose(1.001, 20.0, 0.002, 0.01, False)


@pytest.mark.parametrize(
    ("quality", "pose", "status", "says"),
    [
        ({}, {}, "ok", ""),
        ({}, {"scale": 1.2}, "failed", r"1.200 times.*--moving-mpp 0.6"),
        ({"ncc": 0.3}, {}, "failed", "other tissue"),
        ({"ncc": float("nan")}, {}, "failed", "other tissue"),
        ({"accepted": 20}, {}, "failed", "Only 20 of 200 tiles"),
        ({"accepted": 5, "tiles": 5}, {}, "failed", "Only 5 of 5"),
        ({}, {"anisotropy": 0.08}, "failed", "another section"),
        ({}, {"mirrored": True}, "coarse", "mirror image"),
        ({"overlap": 0.1}, {}, "coarse", "Only 10% of the tissue is on both"),
        ({"coverage": 0.2}, {}, "coarse", "Only 20% of the common tissue"),
        ({"residual_p90_um": 7.0}, {}, "coarse", "7.0 µm off"),
        ({"residual_p90_um": float("nan")}, {}, "coarse", "Too few tiles"),
    ],
)
def test_every_doubt_has_its_words(quality, pose, status, says):
    found = judge(replace(GOOD, **quality), replace(PLAIN, **pose), Registering(), Mpp(0.5, 0.5))
    assert found[0] == status
    assert bool(found[1]) == (status != "ok")
    assert re.search(says, found[1])


def test_what_is_sure_from_afar_but_strange_nearby_is_for_looking_only():
    strange = replace(GOOD, accepted=20)
    found = judge(strange, PLAIN, Registering(), Mpp(0.5, 0.5), sure_from_afar=True)
    assert found[0] == "coarse"
    assert "only from afar" in found[1]
    assert judge(GOOD, PLAIN, Registering(), Mpp(0.5, 0.5), sure_from_afar=True) == ("ok", "")
