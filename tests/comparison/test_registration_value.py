"""A registration as a value: frames, the way back, files, and whose it is."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

import slideconcord as sc
from comparison.registrations import FIXED, MOVING, a_field, a_map, a_registration
from slideconcord.annotations import Annotation
from slideconcord.comparison.registration import Quality, ResidualField
from slideconcord.comparison.registration.planes import (
    affine_of,
    apply,
    pose_of,
    scaling,
    shifting,
    turning,
)
from slideconcord.errors import MismatchError, OutputError, ParameterError, RegistrationError
from slideconcord.geometry import Affine, Frame, Mpp

angles = st.floats(-180, 180, allow_nan=False)
shifts = st.floats(-5000, 5000, allow_nan=False)
POINTS = np.random.default_rng(1).uniform(0, 8000, (200, 2))


@given(angles, shifts, shifts, st.floats(0.9, 1.1), st.booleans())
def test_points_come_back(degrees, dy, dx, scale, bent):
    found = a_registration(a_map(degrees, dy, dx, scale), field=a_field() if bent else None)
    np.testing.assert_allclose(found.to_moving_px(found.to_fixed_um(POINTS)), POINTS, atol=1e-6)
    np.testing.assert_allclose(
        found.fixed_to_moving_px(found.to_fixed_px(POINTS)), POINTS, atol=1e-6
    )


def test_micrometres_are_pixel_centres_times_mpp():
    same = a_registration(np.eye(3))
    np.testing.assert_allclose(same.to_fixed_um([[0, 0], [10, 20]]), [[0, 0], [4.6, 9.0]])
    np.testing.assert_allclose(same.to_fixed_px([[10, 20]]), [[9.2, 36.0]])


@given(angles, shifts, shifts, st.floats(0.5, 2.0))
def test_pose_says_what_the_map_was_made_of(degrees, dy, dx, scale):
    pose = pose_of(shifting(dy, dx) @ turning(degrees) @ np.diag([scale, scale, 1]))
    assert pose.scale == pytest.approx(scale)
    turn = (pose.rotation_deg - degrees + 180) % 360 - 180
    assert turn == pytest.approx(0, abs=1e-6)
    assert (pose.anisotropy, pose.shear_deg) == pytest.approx((0, 0), abs=1e-6)
    assert not pose.mirrored
    assert pose_of(turning(degrees) @ np.diag([1, -1, 1])).mirrored


def test_a_positive_turn_moves_x_towards_y():
    np.testing.assert_allclose(
        apply(turning(90.0), np.array([[0.0, 1.0]])), [[1.0, 0.0]], atol=1e-12
    )


@given(st.integers(0, 5), st.floats(0, 500), st.floats(0, 500))
def test_layer_affine_places_every_pyramid_level_as_points_are_placed(power, i, j):
    found = a_registration()
    step = 2.0**power
    frame = Frame(0, 0, step, step)
    world = np.array([i, j]) * frame.scale_um(MOVING.mpp) + frame.translate_um(MOVING.mpp)
    shown = apply(found.layer_affine, world[None])
    centre = [frame.to_level0(i + 0.5, j + 0.5)]
    np.testing.assert_allclose(shown, found.to_fixed_um(np.array(centre) - 0.5), atol=1e-6)


def test_outlines_keep_their_half_pixel():
    square = Annotation(shapely.box(0, 0, 10, 10), "Tumor", nucleus=shapely.box(2, 2, 3, 3))
    (moved,) = a_registration(np.eye(3)).warp([square])
    # corner 0 is pixel centre -0.5; in µm -0.5 * 0.45; in px of the fixed scan / 0.25; + 0.5
    x, y = -0.5 * 0.45 / 0.25 + 0.5, -0.5 * 0.46 / 0.5 + 0.5
    assert moved.geometry.bounds[:2] == pytest.approx((x, y))
    assert moved.geometry.area == pytest.approx(100 * (0.45 / 0.25) * (0.46 / 0.5))
    assert moved.nucleus.area == pytest.approx(moved.geometry.area / 100)
    assert (moved.class_name, moved.id) == ("Tumor", square.id)


def test_outlines_come_back_holes_and_all():
    ring = Annotation(shapely.Point(3000, 2500).buffer(900) - shapely.Point(3000, 2500).buffer(300))
    found = a_registration(field=a_field())
    (back,) = found.warp_back(found.warp([ring]))
    assert len(back.geometry.interiors) == 1
    assert back.geometry.symmetric_difference(ring.geometry).area < 1e-4 * ring.geometry.area


@given(st.integers(0, 1000), st.floats(0.1, 19.0))
def test_a_field_is_undone(seed, largest):
    field = replace(a_field(seed), nodes=a_field(seed).nodes * largest / 20)
    points = np.random.default_rng(seed).uniform(-1000, 7000, (100, 2))
    np.testing.assert_allclose(field.apply(field.undo(points)), points, atol=1e-9)


def test_a_field_is_its_nodes_and_nothing_beyond():
    field = a_field()
    at = np.array(field.origin_um) + np.array([[3, 4], [1, 1], [7, 8]]) * field.spacing_um
    np.testing.assert_allclose(field(at), [field.nodes[3, 4], field.nodes[1, 1], [0, 0]])
    np.testing.assert_allclose(field(at[:1] + np.array([350.0, 0])), [field.nodes[3:5, 4].mean(0)])
    assert not field(np.array([[-1e6, 0.0], [1e6, 1e6]])).any()


@pytest.mark.parametrize(
    ("nodes", "spacing", "says"),
    [
        (np.zeros((3, 3)), 10, r"shape \(3, 3\)"),
        (np.full((3, 3, 2), np.nan), 10, "finite"),
        (np.full((3, 3, 2), 25.0), 10, "at most 20 µm"),
        (np.arange(18.0).reshape(3, 3, 2), 10, "stretches areas"),
    ],
)
def test_a_field_that_no_scanner_makes_is_refused(nodes, spacing, says):
    with pytest.raises(ParameterError, match=says):
        ResidualField((0, 0), spacing, nodes)


@pytest.mark.parametrize("field", [None, a_field()])
def test_a_file_gives_it_back_to_the_last_bit(tmp_path, field):
    one = a_registration(field=field, status="coarse", reason="Only 20 % of the tissue.")
    path = tmp_path / "one.json"
    assert one.write(path) is one
    two = sc.read_registration(path)
    assert (two.moving, two.fixed, two.affine) == (one.moving, one.fixed, one.affine)
    assert (two.status, two.reason, two.method) == (one.status, one.reason, one.method)
    assert (two.to_fixed_um(POINTS) == one.to_fixed_um(POINTS)).all()
    assert two.quality.to_json() == one.quality.to_json()
    assert two.provenance == one.provenance
    assert [file.name for file in tmp_path.iterdir()] == ["one.json"]


def test_a_file_is_not_replaced_unasked(tmp_path):
    path = tmp_path / "one.json"
    a_registration().write(path)
    with pytest.raises(OutputError, match="already there"):
        a_registration().write(path)
    a_registration(np.eye(3)).write(path, overwrite=True)
    assert sc.read_registration(path).affine == affine_of(scaling(MOVING.mpp))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "mask"}, "kind 'mask'"),
        ({"version": 2}, "version 2"),
        ({"affine": [[1, 2, 0], [2, 4, 0]]}, "affine"),
        ({"affine": [[1, 0, float("nan")], [0, 1, 0]]}, "affine"),
        ({"moving": {}}, "shape"),
        ({"status": "splendid"}, "splendid"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, change, says):
    path = tmp_path / "one.json"
    a_registration().write(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RegistrationError, match=f"one.json is no registration.*{says}"):
        sc.read_registration(path)


def test_no_file_and_no_json(tmp_path):
    with pytest.raises(RegistrationError, match="No such file"):
        sc.read_registration(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(RegistrationError, match="register the scans again"):
        sc.read_registration(tmp_path / "bad.json")


def test_scans_that_it_was_not_made_from_are_refused():
    found = a_registration()
    assert found.require(MOVING, FIXED) is found
    with pytest.raises(MismatchError, match=r"moving as its moving scan.*fingerprints differ"):
        found.require(replace(MOVING, fingerprint="c" * 64), FIXED)
    with pytest.raises(MismatchError, match=r"fixed as its fixed scan.*register it anew"):
        found.require(MOVING, MOVING)
    with pytest.raises(MismatchError, match=r"open it with mpp=0.46"):
        found.require(replace(MOVING, mpp=Mpp(0.5, 0.5)), FIXED)


def test_what_failed_maps_nothing():
    failed = a_registration(status="failed", reason="It is blank.")
    for call in (failed.to_fixed_um, failed.to_fixed_px, failed.to_moving_px):
        with pytest.raises(
            RegistrationError, match=r"It is blank.*three pairs of points"
        ) as caught:
            call(POINTS)
        assert caught.value.reason == "It is blank."
    with pytest.raises(RegistrationError):
        failed.warp([Annotation(shapely.box(0, 0, 1, 1))])


def test_a_status_needs_its_reason_and_points_their_shape():
    with pytest.raises(ParameterError, match="ok has no reason"):
        a_registration(status="coarse")
    with pytest.raises(ParameterError, match=r"give \(n, 2\)"):
        a_registration().to_fixed_um([1, 2, 3])


def test_what_was_not_measured_is_null():
    assert json.loads(json.dumps(Quality().to_json()))["ncc"] is None
    assert Affine() == affine_of(np.eye(3))
