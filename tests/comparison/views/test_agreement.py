"""Agreement of masks on the hub, and the walk over what differs."""

import numpy as np
import pytest
from scipy import ndimage

from comparison.placed_scenes import Pose, about_middle, blob, hub_um, pixels_um, scanned
from slideconcord.comparison.views.agreement import (
    A_ONLY,
    B_ONLY,
    BOTH,
    NEITHER,
    PlacedMask,
    agreement,
)
from slideconcord.comparison.views.disagreements import (
    comparing_mpp,
    find_disagreements,
    grid_shape,
)
from slideconcord.comparison.views.placed import centres_um
from slideconcord.errors import ParameterError, RegistrationError
from slideconcord.geometry import Box, Frame
from slideconcord.segmentation.mask import Mask


def mask_on(scan, mpp=1.0, origin=(0.0, 0.0), shape=None, change=None):
    """Return the blobs as a mask of a scan, at its own pixels and place."""
    slide = scan.slide
    frame = Frame(*origin, mpp / slide.mpp.y, mpp / slide.mpp.x)
    shape = shape or tuple(int(n * m / mpp) for n, m in zip(slide.shape, slide.mpp, strict=True))
    place = centres_um(frame, slide.mpp)
    index = np.stack(np.mgrid[: shape[0], : shape[1]], -1)
    places = index @ place[:2, :2].T + place[:2, 2]
    pixels = blob(hub_um(places, scan.transform))
    if change is not None:
        change(pixels)
    return PlacedMask.of(Mask(pixels, frame, slide.mpp), scan)


@pytest.mark.parametrize("turn", [0.0, 2.0, 90.0, 180.0, 131.0])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_mask_is_read_where_it_lies(turn, level):
    hub = scanned(name="hub")
    scan = scanned(about_middle(turn))
    mask = mask_on(scan, mpp=0.7)
    frame = hub.slide.levels[level].frame
    box = Box(0, 0, *hub.slide.levels[level].shape[:2])
    read = mask.read(centres_um(frame, hub.slide.mpp), box)
    truth = blob(pixels_um(box.shape, hub.slide.mpp, 2.0**level))
    known = read != 2
    assert 0.5 < known.mean() <= 1
    edge = ndimage.binary_dilation(truth, iterations=2) & ~ndimage.binary_erosion(
        truth, iterations=2
    )
    sure = known & ~edge
    assert ((read == 1) == truth)[sure].mean() > 0.9999


def test_four_kinds_and_nothing_said_where_one_was_not_segmented():
    hub, other = scanned(name="hub"), scanned(Pose(), name="B")

    def change(pixels):
        pixels[:] = False
        pixels[40:90, 40:90] = True

    a = mask_on(hub, change=change)
    b = mask_on(other, origin=(0.0, 120.0), shape=(300, 100), change=lambda p: p.fill(True))
    box = Box(0, 0, 350, 450)
    to_um = np.diag([1.0, 1.0, 1.0])
    to_um[:2, 2] = 0.25
    kinds = agreement(a, b, to_um, box)
    expected = np.zeros(box.shape, np.uint8)
    expected[:300, 60:160] = B_ONLY
    expected[40:90, 60:90] = BOTH
    np.testing.assert_array_equal(kinds, expected)
    assert NEITHER == 0
    assert A_ONLY == 1


def test_masks_of_a_field_follow_it():
    hub = scanned(name="hub")
    scan = scanned(Pose(5.0, (10.0, 4.0), bend_um=5.0))
    mask = mask_on(scan, mpp=0.5)
    box = Box(100, 100, 400, 500)
    read = mask.read(centres_um(hub.slide.levels[0].frame, hub.slide.mpp), box)
    places = np.stack(np.mgrid[box.slices], -1) * 0.5
    truth = blob(places - 5.0 * np.sin(places[..., ::-1] / 60))
    assert ((read == 1) == truth)[read != 2].mean() > 0.99
    assert ((read == 1) == blob(places))[read != 2].mean() < 0.97


def slow_disagreements(kinds):
    """Return (area, pixels of A alone) of every 8-connected region that differs, largest first."""
    differs = (kinds == A_ONLY) | (kinds == B_ONLY)
    labels, count = ndimage.label(differs, np.ones((3, 3)))
    found = [
        (int((labels == n).sum()), int(((labels == n) & (kinds == A_ONLY)).sum()))
        for n in range(1, count + 1)
    ]
    return sorted(found, reverse=True)


def test_disagreements_equal_their_slow_twin():
    hub, other = scanned(name="hub"), scanned(Pose(shift_um=(3.0, 5.0)), name="B")
    rng = np.random.default_rng(3)

    def change(pixels):
        for y, x, side in rng.integers(5, 60, (8, 3)):
            pixels[y * 4 : y * 4 + side, x * 5 : x * 5 + side] ^= True

    a, b = mask_on(hub), mask_on(other, change=change)
    found = find_disagreements(a, b, hub.slide, mpp=1.0)
    to_um = np.diag([1.0, 1.0, 1.0])
    to_um[:2, 2] = 0.25
    kinds = agreement(a, b, to_um, Box(0, 0, 350, 450))
    slow = slow_disagreements(kinds)
    assert sorted(((d.area_um2, d.a_only_um2) for d in found), reverse=True) == slow
    areas = [d.area_um2 for d in found]
    assert areas == sorted(areas, reverse=True)
    labels, _ = ndimage.label((kinds == A_ONLY) | (kinds == B_ONLY), np.ones((3, 3)))
    places = [tuple(round(v - 0.25) for v in d.centre_um) for d in found]
    assert all(labels[place] for place in places)
    assert len({labels[place] for place in places}) == len(found) > 5


def test_small_disagreements_are_left_out_and_a_ring_is_visited_on_itself():
    hub, other = scanned(name="hub"), scanned(Pose(), name="B")

    def ring(pixels):
        pixels[:] = False
        pixels[100:160, 100:160] = True
        pixels[110:150, 110:150] = False
        pixels[300, 300:304] = True

    a, b = mask_on(hub, change=ring), mask_on(other, change=lambda p: p.fill(False))
    both = find_disagreements(a, b, hub.slide)
    assert [d.area_um2 for d in both] == [2000.0, 4.0]
    (largest,) = find_disagreements(a, b, hub.slide, min_area_um2=5.0)
    y, x = (int(v) for v in largest.centre_um)
    assert a.levels[0][y : y + 1, x : x + 1].all()
    assert largest.size_um == (60.0, 60.0)
    assert largest.inside == "A"
    assert find_disagreements(b, a, hub.slide)[0].inside == "B"


def test_equal_masks_have_no_disagreement():
    hub = scanned(name="hub")
    assert find_disagreements(mask_on(hub), mask_on(hub), hub.slide) == []


def test_bad_pixel_sizes_are_named():
    slide = scanned().slide
    assert comparing_mpp(slide) == 1.0
    with pytest.raises(ParameterError, match="above 0"):
        grid_shape(slide, 0.0)
    with pytest.raises(ParameterError, match=r"give 1\.? or more|give 1 or more"):
        grid_shape(slide, 0.01)


def test_a_mask_of_a_scan_that_is_not_aligned_is_refused():
    hub = scanned(name="hub")
    lost = scanned(Pose(status="failed", reason="no tissue in common"), name="B")
    with pytest.raises(RegistrationError, match="B is not aligned"):
        find_disagreements(mask_on(hub), mask_on(lost), hub.slide)
