"""The virtual tissue: one function of place, whatever box of it is asked for."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slideconcord.errors import ParameterError
from slideconcord.geometry import Affine, Box
from slideconcord.samples import CLASS_NAMES, VirtualTissue

TISSUE = VirtualTissue(1, 780.0, 780.0)
ALL_AT_2 = Box(0, 0, 390, 390)
TURNED = Affine(((0.41, 0.09, -20.0), (-0.09, 0.41, 35.0)))


@settings(max_examples=25, deadline=None)
@given(
    y=st.integers(-40, 700),
    x=st.integers(-40, 700),
    height=st.integers(2, 40),
    width=st.integers(2, 40),
    mpp=st.sampled_from([0.3, 0.5, 1.0, 2.0, 6.0]),
    turned=st.booleans(),
    data=st.data(),
)
def test_adjacent_boxes_are_their_union(
    y: int, x: int, height: int, width: int, mpp: float, turned: bool, data: st.DataObject
) -> None:
    how = {"to_tissue": TURNED} if turned else {"mpp": mpp}
    row, column = data.draw(st.integers(1, height - 1)), data.draw(st.integers(1, width - 1))
    whole = Box(y, x, height, width)
    stain, truth = TISSUE.stain(whole, **how), TISSUE.truth(whole, **how)
    for part in (
        Box(y, x, row, column),
        Box(y, x + column, row, width - column),
        Box(y + row, x, height - row, column),
        Box(y + row, x + column, height - row, width - column),
    ):
        within = part.shift(-y, -x).slices
        np.testing.assert_array_equal(TISSUE.stain(part, **how), stain[within])
        np.testing.assert_array_equal(TISSUE.truth(part, **how), truth[within])


def test_large_boxes_are_made_of_blocks_that_fit() -> None:
    whole = TISSUE.stain(Box(300, 100, 500, 90), 0.5)
    np.testing.assert_array_equal(whole[170:330], TISSUE.stain(Box(470, 100, 160, 90), 0.5))


def test_truth_is_the_same_at_every_resolution() -> None:
    fine = TISSUE.truth(Box(0, 0, 780, 780), 1.0)
    coarse = TISSUE.truth(Box(0, 0, 156, 156), 5.0)
    np.testing.assert_array_equal(coarse, fine[2::5, 2::5])


def test_every_class_is_there_and_stains_in_its_own_way() -> None:
    truth, stain = TISSUE.truth(ALL_AT_2, 2.0), TISSUE.stain(ALL_AT_2, 2.0)
    assert set(np.unique(truth)) == set(range(len(CLASS_NAMES)))
    haematoxylin = [stain[truth == k, 0].mean() for k in range(4)]
    assert haematoxylin[0] < 0.02
    assert haematoxylin[1] < haematoxylin[2] < haematoxylin[3]
    assert stain.dtype == np.float32
    assert stain.min() >= 0


def test_large_pixels_are_area_means() -> None:
    fine = TISSUE.stain(Box(400, 400, 480, 480), 0.5).reshape(120, 4, 120, 4, 2).mean((1, 3))
    coarse = TISSUE.stain(Box(100, 100, 120, 120), 2.0)
    assert np.corrcoef(fine[..., 0].ravel(), coarse[..., 0].ravel())[0, 1] > 0.95
    np.testing.assert_allclose(coarse.mean((0, 1)), fine.mean((0, 1)), rtol=0.03)


def test_nuclei_too_small_to_see_still_colour_the_overview() -> None:
    tissue = VirtualTissue(3, 1500.0, 1500.0)
    seen, far = tissue.stain(Box(0, 0, 375, 375), 4.0), tissue.stain(Box(0, 0, 300, 300), 5.0)
    classes = tissue.truth(Box(0, 0, 375, 375), 4.0), tissue.truth(Box(0, 0, 300, 300), 5.0)
    for kind in (1, 2, 3):
        near_mean, far_mean = seen[classes[0] == kind].mean(0), far[classes[1] == kind].mean(0)
        np.testing.assert_allclose(far_mean, near_mean, rtol=0.15)


def test_outside_the_field_there_is_only_glass() -> None:
    for corner in ((-4000, -4000), (-600, 0), (1600, 700), (200, 1600)):
        box = Box(*corner, 300, 300)
        assert not TISSUE.stain(box, 0.5).any()
        assert not TISSUE.truth(box, 0.5).any()


def test_the_edge_of_the_field_is_glass_for_many_seeds() -> None:
    for seed in range(20):
        truth = VirtualTissue(seed, 700.0, 900.0).truth(Box(0, 0, 70, 90), 10.0)
        border = np.concatenate([truth[0], truth[-1], truth[:, 0], truth[:, -1]])
        assert not border.any(), seed
        assert (truth == 3).sum() > 100, seed
        assert (truth == 2).sum() > 100, seed


def test_a_huge_tissue_costs_no_more_than_the_box_asked_for() -> None:
    tissue = VirtualTissue(5, 20_000.0, 20_000.0)
    overview = tissue.truth(Box(0, 0, 400, 400), 50.0)
    assert 0.3 < (overview > 0).mean() < 0.8
    y, x = np.argwhere(overview == 2)[-1]
    # the centre of a pixel of 50 µm is the corner of one of 0.5 µm: ask half a pixel further
    at = Affine(((0.5, 0.0, 50.0 * y + 24.75), (0.0, 0.5, 50.0 * x + 24.75)))
    assert tissue.truth(Box(0, 0, 1, 1), to_tissue=at)[0, 0] == 2
    assert tissue.stain(Box(-32, -32, 64, 64), to_tissue=at).any()


def test_the_seed_names_the_tissue() -> None:
    box = Box(200, 200, 200, 200)
    again = VirtualTissue(1, 780.0, 780.0).stain(box)
    np.testing.assert_array_equal(again, TISSUE.stain(box))
    assert not np.array_equal(again, VirtualTissue(2, 780.0, 780.0).stain(box))


def test_a_field_too_small_is_refused_in_words() -> None:
    with pytest.raises(ParameterError, match=r"100 x 900 µm .* give at least 300 µm each way"):
        VirtualTissue(1, 100.0, 900.0)
    with pytest.raises(ParameterError, match="seed from 0 up"):
        VirtualTissue(-1, 900.0, 900.0)


def test_naming_the_samples_compiles_nothing() -> None:
    code = "import sys, slideconcord.samples as s; s.SAMPLES, s.SCANNERS; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"numba", "cv2", "shapely", "torch"} & set(loaded.stdout.split())
