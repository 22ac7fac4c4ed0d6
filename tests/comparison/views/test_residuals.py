"""Arrows: known shifts must come back, to a fraction of a pixel, with the right sign."""

import dataclasses

import numpy as np
import pytest

from comparison.placed_scenes import Pose, about_middle, scanned
from slideconcord.comparison.views.residuals import residual_steps, tile_places
from slideconcord.errors import ParameterError, RegistrationError


def finished(steps):
    shares = []
    while True:
        try:
            shares.append(next(steps))
        except StopIteration as end:
            return shares, end.value


@pytest.mark.parametrize("turn", [0.0, 90.0, 180.0, 33.0])
@pytest.mark.parametrize("slip", [(0.0, 0.0), (2.3, -1.6)])
def test_a_slip_of_the_registration_is_what_the_arrows_show(turn, slip):
    shape, mpp = (900, 1100), (0.4, 0.4)
    true = about_middle(turn, shape, mpp)
    scan = scanned(true, shape, mpp, name="B")
    wrong = dataclasses.replace(
        true, shift_um=(true.shift_um[0] + slip[0], true.shift_um[1] + slip[1])
    )
    scan = dataclasses.replace(scan, transform=wrong)
    shares, found = finished(residual_steps(scan, scanned(name="hub").slide))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(found) >= 4
    shifts = np.array([r.shift_um for r in found])
    assert np.abs(shifts - slip).max() < 0.3
    assert all(r.ncc > 0.9 for r in found)
    assert found[0].length_um == pytest.approx(np.hypot(*found[0].shift_um))


def test_tiles_lie_inside_with_their_search_range():
    for shape in [(128, 128), (700, 900), (1000, 300)]:
        places = tile_places(shape, 50)
        assert 1 <= len(places) <= 60
        for box in places:
            assert box.y >= 16
            assert box.x >= 16
            assert box.stop_y + 16 <= shape[0]
            assert box.stop_x + 16 <= shape[1]
    assert tile_places((100, 500), 50) == []


def test_what_cannot_be_measured_is_refused():
    hub = scanned(name="hub")
    with pytest.raises(ParameterError, match="another than the hub"):
        next(residual_steps(hub, hub.slide))
    lost = scanned(Pose(status="failed", reason="blank"), name="B")
    with pytest.raises(RegistrationError, match=r"B is not aligned \(blank\)"):
        next(residual_steps(lost, hub.slide))
