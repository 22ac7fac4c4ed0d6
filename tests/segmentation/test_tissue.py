"""The tissue mask: the paper's steps against OpenCV and scikit-image, and its place on slides."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import slideconcord as sc
from fake_slides import array_slide
from segmentation.pan_cancer_twin import slow_clean, slow_without_small
from slideconcord.errors import ParameterError
from slideconcord.segmentation.mask import open_mask
from slideconcord.segmentation.tissue import find_tissue, tissue_steps
from slideconcord.segmentation.tissue_pixels import (
    TissueOptions,
    clean_mask,
    tissue_pixels,
    without_small,
)

SMALL = TissueOptions(square_px=3, hole_px=12, object_px=9)
masks = arrays(np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 24)))


def patches(height: int = 400, width: int = 500, seed: int = 3) -> np.ndarray:
    """Return a white image (y, x, 3) with three blots of texture."""
    rgb = np.full((height, width, 3), 243, np.uint8)
    noise = np.random.default_rng(seed).integers(60, 220, rgb.shape, dtype=np.uint8)
    blots = np.zeros((height, width), np.uint8)
    cv2.circle(blots, (150, 150), 90, 1, -1)
    cv2.circle(blots, (150, 150), 20, 0, -1)  # a small hole
    cv2.circle(blots, (400, 300), 80, 1, -1)
    cv2.circle(blots, (300, 40), 12, 1, -1)  # too small to be tissue
    return np.where(blots[..., None] > 0, noise, rgb)


def test_constants_are_those_of_the_paper():
    assert TissueOptions() == TissueOptions(5.0, 10, 50, 9, 10_000, 1_600)


@given(masks, st.integers(0, 40))
def test_small_regions_go_as_in_scikit_image(mask: np.ndarray, least_px: int):
    np.testing.assert_array_equal(without_small(mask, least_px), slow_without_small(mask, least_px))


@given(masks)
def test_cleanup_equals_its_slow_twin(mask: np.ndarray):
    np.testing.assert_array_equal(clean_mask(mask, SMALL), slow_clean(mask, SMALL))


def test_tissue_is_cleaned_edges():
    rgb = patches()
    edges = cv2.Canny(rgb, 10, 50, apertureSize=3, L2gradient=False) > 127
    np.testing.assert_array_equal(tissue_pixels(rgb), slow_clean(edges, TissueOptions()))


def test_texture_is_tissue_and_white_and_specks_are_not():
    found = tissue_pixels(patches())
    assert found[150, 90]
    assert found[300, 400]
    assert found[150, 150], "a hole of less than 10,000 px is filled"
    assert not found[40, 300]
    assert not found[390, 10]
    assert not found[10, 490]


def test_the_order_of_channels_does_not_matter():
    rgb = patches()
    np.testing.assert_array_equal(tissue_pixels(rgb), tissue_pixels(rgb[..., ::-1]))


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), patches()[:0]])
def test_what_is_no_colour_image_is_refused(bad: np.ndarray):
    with pytest.raises(ParameterError, match=r"uint8 \(y, x, 3\)"):
        tissue_pixels(bad)


def test_thresholds_upside_down_are_refused():
    with pytest.raises(ParameterError, match="low not above high"):
        TissueOptions(canny_low=60)


def large(rgb: np.ndarray) -> np.ndarray:
    """Enlarge tenfold: 5 µm pixels become the pixels of a slide at 0.5 µm."""
    return rgb.repeat(10, 0).repeat(10, 1)


def test_mask_lies_in_the_grid_of_the_slide_at_5_um(tmp_path: Path):
    rgb = patches()
    slide = array_slide(large(rgb), tile=(512, 512))
    slide.__dict__["fingerprint"] = "f" * 64  # made of arrays: there is no file to look at
    mask = sc.find_tissue(slide)
    np.testing.assert_array_equal(mask.array, tissue_pixels(rgb))
    assert (mask.mpp, mask.class_name) == (sc.Mpp(5.0, 5.0), "tissue")
    assert mask.provenance["tissue"]["canny_high"] == 50
    mask.save(tmp_path / "tissue.zarr")
    again = open_mask(tmp_path / "tissue.zarr")
    again.require_same_frame(mask)
    np.testing.assert_array_equal(np.asarray(again.array), mask.array)


def test_a_box_is_snapped_outwards_and_nothing_else_is_read():
    slide = array_slide(large(patches()), tile=(512, 512))
    slide.__dict__["fingerprint"] = "f" * 64
    mask = find_tissue(slide, box=sc.Box(605, 1005, 2000, 2000))
    assert (mask.frame.origin_y, mask.frame.origin_x, mask.shape) == (600.0, 1000.0, (201, 201))
    np.testing.assert_array_equal(mask.array, tissue_pixels(patches()[60:261, 100:301]))


def test_damaged_tiles_count_as_background_and_are_named():
    slide = array_slide(large(patches()), tile=(500, 500), damaged=frozenset({(0, 6, 8)}))
    slide.__dict__["fingerprint"] = "f" * 64
    mask = find_tissue(slide)
    assert mask.provenance["damaged_tiles"] == [[0, 6, 8]]
    assert not slide.damaged, "what the user looks at keeps its own list"


def test_steps_tell_how_far_they_are():
    slide = array_slide(large(patches(600, 100)), tile=(512, 512))
    slide.__dict__["fingerprint"] = "f" * 64
    assert [(s.done, s.total) for s in tissue_steps(slide)] == [(1, 3), (2, 3), (3, 3)]


def test_a_box_beside_the_slide_is_refused():
    with pytest.raises(ParameterError, match=r"holds no pixel of array\.svs"):
        find_tissue(array_slide(), box=sc.Box(5000, 0, 10, 10))


def test_a_slide_coarser_than_5_um_is_refused():
    slide = array_slide()
    slide.mpp = sc.Mpp(8.0, 8.0)
    with pytest.raises(ParameterError, match="pixels are never made up"):
        find_tissue(slide)


def test_real_tissue_is_found(real_data: Path):
    with sc.open_slide(real_data / "slides" / "CMU-1-Small-Region.svs") as slide:
        mask = find_tissue(slide)
    assert mask.shape == (296, 221)
    assert mask.array[150, 80]
    assert not mask.array[20, 20]


def test_pen_marks_count_as_tissue_where_they_have_texture(real_data: Path):
    """The paper says so; ink as smooth as glass has edges only along its outline."""
    folder = real_data / "artefacts"
    red = tissue_pixels(np.asarray(Image.open(folder / "pen_red.png").convert("RGB")))
    ink = np.asarray(Image.open(folder / "pen_red_mask_back.png"))[..., 1] < 150
    assert red[ink].mean() > 0.99
    black = tissue_pixels(np.asarray(Image.open(folder / "pen_black.png").convert("RGB")))
    assert not black.any()
