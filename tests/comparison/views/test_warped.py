"""Scans on the hub's pixels: each must show what the scene holds there, whatever its pose."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comparison.placed_scenes import Pose, about_middle, pixels_um, scanned, scene
from slideconcord.comparison.views.warp import warp_affine, warp_bent
from slideconcord.comparison.views.warped import NOT_SCANNED, warped_slide
from slideconcord.errors import RegistrationError
from slideconcord.geometry import Box

TURNS = (0.0, 1.5, 90.0, 180.0, -90.0, 137.0)


def inside(scan, places_um, margin_px=3.0):
    """Return which places (y, x, 2) of the hub lie well inside a scan."""
    px = scan.to_px(places_um.reshape(-1, 2)).reshape(places_um.shape)
    limits = np.array(scan.slide.shape) - 1 - margin_px
    return ((px > margin_px) & (px < limits)).all(-1)


def slip_px(off, places_um, pixel_um):
    """Return by how many pixels (y, x) a picture as a whole is off, from its colours' errors."""
    rise = np.stack(
        [scene(places_um + step) - scene(places_um - step) for step in np.eye(2) * pixel_um / 2],
        -1,
    )
    return np.linalg.lstsq(rise.reshape(-1, 2), off.reshape(-1), rcond=None)[0]


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("mpp", [(0.5, 0.5), (0.23, 0.31), (0.8, 0.75)])
def test_every_level_shows_the_scene_where_it_is(turn, mpp):
    hub = scanned(name="hub")
    shape = (int(350 / mpp[0]) // 4 * 4, int(450 / mpp[1]) // 4 * 4)
    scan = scanned(about_middle(turn, shape, mpp, scale=1.01), shape, mpp)
    warped = warped_slide(scan, hub.slide)
    for level in warped.levels:
        assert level.shape == hub.slide.levels[level.index].shape
        places = pixels_um(level.shape[:2], hub.slide.mpp, level.downsample[0])
        sure = inside(scan, places, 3 * level.downsample[0] / min(mpp))
        assert sure.mean() > 0.3
        off = (np.asarray(level[:]) - scene(places))[sure]
        assert np.abs(off).max() < 5 + 5 * level.index
        assert np.abs(off).mean() < 1.5
        assert np.abs(slip_px(off, places[sure], level.downsample[0] * 0.5)).max() < 0.05


def test_what_a_scan_does_not_reach_is_grey_and_nothing_else_is():
    hub = scanned(name="hub")
    scan = scanned(Pose(30.0, (90.0, 40.0)), (300, 300))
    warped = warped_slide(scan, hub.slide)
    rgb = warped.levels[0][:]
    places = pixels_um(rgb.shape[:2], hub.slide.mpp)
    px = scan.to_px(places.reshape(-1, 2)).reshape(places.shape)
    beyond = ((px < -1.5) | (px > np.array(scan.slide.shape) + 0.5)).any(-1)
    assert beyond.any()
    assert not beyond.all()
    assert (rgb[beyond] == NOT_SCANNED).all()
    assert (rgb[inside(scan, places)] != NOT_SCANNED).any(-1).all()


def test_a_field_is_followed_to_a_fraction_of_a_pixel():
    hub = scanned(name="hub")
    scan = scanned(Pose(12.0, (20.0, -15.0), bend_um=4.0))
    rgb = warped_slide(scan, hub.slide).levels[0][:]
    places = pixels_um(rgb.shape[:2], hub.slide.mpp)
    sure = inside(scan, places)
    # the scan was made without a bend: the hub's place shows what lies where the field says
    bent = places - 4.0 * np.sin(places[..., ::-1] / 60)
    off = np.abs(rgb - scene(bent))[sure]
    assert off.max() < 4
    assert np.abs(rgb - scene(places))[sure].max() > 10


def test_a_scan_that_is_not_aligned_is_refused_with_the_reason():
    scan = scanned(Pose(status="failed", reason="12 features agree, 30 are needed."), name="B")
    with pytest.raises(RegistrationError, match=r"B is not aligned \(12 features agree.*three"):
        warped_slide(scan, scanned(name="hub").slide)


def test_the_hub_is_itself():
    hub = scanned(name="hub")
    assert warped_slide(hub, hub.slide) is hub.slide


def test_closing_a_warped_scan_leaves_the_scan_open_and_forgets_its_chunks():
    hub = scanned(name="hub")
    scan = scanned(Pose(3.0))
    warped = warped_slide(scan, hub.slide)
    before = hub.slide.pyramid.cache.nbytes
    np.asarray(warped.levels[0][:64, :64])
    assert hub.slide.pyramid.cache.nbytes > before
    warped.close()
    assert hub.slide.pyramid.cache.nbytes == before
    assert scan.slide.levels[0][:4, :4].shape == (4, 4, 3)


def test_chunks_are_parts_of_one_image():
    """A chunk is warped alone; together they must be the picture that one warp would give."""
    hub = scanned(name="hub")
    scan = scanned(Pose(33.0, (30.0, 10.0)))
    warped = warped_slide(scan, hub.slide)
    whole = warped.levels[0][:]
    reader_whole = warped._reader.read(0, Box(0, 0, 700, 900))
    assert np.abs(whole.astype(int) - reader_whole).max() <= 2


@settings(max_examples=25)
@given(
    turn=st.floats(-180, 180),
    scale=st.floats(0.4, 2.2),
    shift=st.tuples(st.floats(-30, 30), st.floats(-30, 30)),
    at=st.tuples(st.integers(-10, 40), st.integers(-10, 40)),
)
def test_straight_and_bent_ways_agree(turn, scale, shift, at):
    """The two ways to warp are each other's twin where the map is straight."""
    source = np.indices((90, 70)).sum(0).astype(np.uint8)
    matrix = Pose(turn, shift, scale).layer_affine
    box = Box(*at, 37, 41)
    straight = warp_affine(lambda b: source[b.slices], (90, 70), matrix, box, 7, nearest=False)
    bent = warp_bent(
        lambda b: source[b.slices],
        (90, 70),
        lambda p: p @ matrix[:2, :2].T + matrix[:2, 2],
        box,
        7,
        nearest=False,
    )
    places = np.stack(np.mgrid[box.slices], -1) @ matrix[:2, :2].T + matrix[:2, 2]
    sure = ((places >= 0) & (places <= (89, 69))).all(-1)
    assert np.abs(straight.astype(int) - bent)[sure].max(initial=0) <= 1
    np.testing.assert_allclose(bent[sure], places.sum(-1)[sure], atol=1)
