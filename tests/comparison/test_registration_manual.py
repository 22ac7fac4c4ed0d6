"""Rescue by hand, and round trips over three scans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparison.registrations import FIXED, MOVING, a_field, a_map, a_registration
from slideconcord.comparison.registration import closure, from_points, nudge, rotate
from slideconcord.comparison.registration.planes import affine_of, apply, inverted, scaling
from slideconcord.errors import ParameterError

CORNERS = np.array([[500.0, 700.0], [7000.0, 1200.0], [3500.0, 6800.0], [6000.0, 6000.0]])


@given(st.floats(-180, 180), st.sampled_from([3, 4]))
def test_three_pairs_give_back_the_map_they_came_from(degrees, count):
    known = a_registration(a_map(degrees))
    points = CORNERS[:count]
    found = from_points(MOVING, FIXED, points, known.to_fixed_px(points))
    np.testing.assert_allclose(found.layer_affine, known.layer_affine, atol=1e-6)
    assert (found.status, found.method) == ("coarse", "manual")
    assert "by hand" in found.reason


def test_a_slip_with_three_pairs_does_not_shear():
    target = a_registration().to_fixed_px(CORNERS[:3])
    target[2, 0] += 300
    pose = from_points(MOVING, FIXED, CORNERS[:3], target).pose
    assert (pose.anisotropy, pose.shear_deg) == pytest.approx((0, 0), abs=1e-9)


@pytest.mark.parametrize(
    ("moving", "fixed", "says"),
    [
        (CORNERS[:2], CORNERS[:2], "three pairs"),
        (CORNERS[:3], CORNERS[:4], "three pairs"),
        (np.array([[0.0, 0], [1, 1], [2, 2]]), CORNERS[:3], "moving lie on a line"),
        (CORNERS[:3], np.array([[0.0, 0], [1, 1], [2, 2]]), "fixed lie on a line"),
        (CORNERS[:3], CORNERS[[1, 0, 2]], "mirror"),
    ],
)
def test_pairs_that_say_nothing_are_refused(moving, fixed, says):
    with pytest.raises(ParameterError, match=says):
        from_points(MOVING, FIXED, moving, fixed)


def test_nudge_and_rotate_move_what_they_say_and_can_be_undone():
    start = a_registration(field=a_field())
    plain = replace(start, field=None)
    moved = nudge(start, 5.0, -3.0)
    np.testing.assert_allclose(
        moved.to_fixed_um(CORNERS), plain.to_fixed_um(CORNERS) + np.array([5.0, -3.0])
    )
    about = plain.to_fixed_um(CORNERS[:1])[0]
    turned = rotate(moved, 10.0, (about[0] + 5, about[1] - 3))
    np.testing.assert_allclose(turned.to_fixed_um(CORNERS[:1]), moved.to_fixed_um(CORNERS[:1]))
    back = nudge(rotate(turned, -10.0, (about[0] + 5, about[1] - 3)), -5.0, 3.0)
    np.testing.assert_allclose(back.matrix, plain.matrix, atol=1e-6)
    assert turned.pose.rotation_deg - moved.pose.rotation_deg == pytest.approx(10.0)


def test_a_hand_leaves_its_trace_and_takes_the_old_numbers_away():
    steps = rotate(nudge(a_registration(field=a_field()), 1.0, 2.0), 3.0, (0.0, 0.0))
    assert steps.provenance["steps"] == [
        {"from": "tiles"},
        {"nudge_um": [1.0, 2.0]},
        {"rotate_deg": 3.0, "about_um": [0.0, 0.0]},
    ]
    assert steps.field is None
    assert (steps.status, steps.quality.accepted) == ("coarse", 0)


def chain(*errors_um: float):
    """Return registrations of three scans in a ring, the maps true up to a shift each."""
    scans = [replace(MOVING, fingerprint=str(k) * 64, name=f"scan {k}") for k in range(3)]
    poses = [a_map(40.0 * k, 100.0 * k, -50.0 * k, 1.0) for k in range(3)]
    pairs = []
    for k, error in enumerate(errors_um):
        a, b = k, (k + 1) % 3
        exact = inverted(poses[b]) @ poses[a]
        known = a_registration(exact, moving=scans[a], fixed=scans[b])
        pairs.append(nudge(known, error, 0.0))
    return pairs


def test_a_ring_of_true_maps_closes():
    found = closure(chain(0.0, 0.0, 0.0), CORNERS)
    assert found.names == ("scan 0", "scan 1", "scan 2")
    assert found.p90_um < 1e-6


def test_a_ring_does_not_close_by_what_one_map_is_off():
    found = closure(chain(0.0, 3.0, 0.0), CORNERS)
    assert found.p50_um == pytest.approx(3.0)


def test_a_ring_may_go_against_the_direction_a_map_was_made_in():
    one, two, three = chain(0.0, 0.0, 2.0)
    matrix = inverted(three.layer_affine) @ scaling(MOVING.mpp)
    other = replace(three, moving=three.fixed, fixed=three.moving, affine=affine_of(matrix))
    assert closure([one, two, other], CORNERS).p50_um == pytest.approx(2.0)
    back = apply(inverted(three.matrix), three.to_fixed_um(CORNERS))
    np.testing.assert_allclose(back, CORNERS, atol=1e-6)


@pytest.mark.parametrize(
    ("order", "says"),
    [((0,), "at least two"), ((0, 1), "lead back"), ((0, 1, 0), "does not begin|lead back")],
)
def test_what_is_no_ring_is_refused(order, says):
    ring = chain(0.0, 0.0, 0.0)
    with pytest.raises(ParameterError, match=says):
        closure([ring[k] for k in order], CORNERS)
    with pytest.raises(ParameterError, match="at least one point"):
        closure(ring, np.empty((0, 2)))
