from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segmentation.probability_double import ProbabilityDouble, hills
from slideconcord.errors import MismatchError, OutputError, SlideError, UnsupportedSlideError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.segmentation.hysteresis import hysteresis
from slideconcord.segmentation.mask import Mask, open_mask
from slideconcord.slides.ngff import create_pyramid, read_multiscale


@pytest.fixture
def mask() -> Mask:
    return hysteresis(ProbabilityDouble(hills(1101, 1301)), 0.5, 0.8)


def test_saved_and_opened_it_is_the_same(mask: Mask, tmp_path: Path):
    mask.save(tmp_path / "mask.zarr")
    opened = open_mask(tmp_path / "mask.zarr")
    assert opened.array.dtype == bool
    assert np.array_equal(opened.array, mask.array)
    facts = ("frame", "mpp", "slide_mpp", "slide_fingerprint", "slide_bounds", "class_name")
    assert all(getattr(opened, name) == getattr(mask, name) for name in facts)
    assert opened.provenance == mask.provenance
    assert opened.area_um2 == mask.area_um2


def test_the_pyramid_lies_where_the_mask_does(mask: Mask, tmp_path: Path):
    mask.save(tmp_path / "mask.zarr")
    pyramid = read_multiscale(tmp_path / "mask.zarr")
    assert [array.shape for array in pyramid.arrays] == [(1101, 1301), (551, 651)]
    # Slide pixels are 0.25 µm, four to a mask pixel, and the mask begins at (8, 4).
    assert pyramid.translate_um() == (8 * 0.25 + 0.375, 4 * 0.25 + 0.375)
    assert pyramid.pixel_um(1) == (2.0, 2.0)


def test_a_coarser_pixel_is_true_where_half_of_its_parts_are(tmp_path: Path):
    pixels = np.zeros((1, 1200), bool)
    pixels[0, 1:4] = True
    plain = Mask(np.repeat(pixels, 1025, 0), Frame(0, 0, 1, 1), Mpp(0.5, 0.5))
    plain.save(tmp_path / "mask.zarr")
    coarser = open_mask(tmp_path / "mask.zarr").levels[1]
    assert coarser[0, :4].tolist() == [True, True, False, False]
    assert coarser[-1, :4].tolist() == [True, True, False, False]


def test_area_counts_true_pixels_in_um2():
    pixels = np.zeros((5, 7), bool)
    pixels[1:3, 2:5] = True
    assert Mask(pixels, Frame(0, 0, 4, 2), Mpp(0.25, 0.5)).area_um2 == 6 * 1.0 * 1.0


def test_blocks_cover_the_mask_once(mask: Mask):
    again = np.zeros(mask.shape, np.int32)
    for box, block in mask.blocks(500):
        again[box.slices] += 1 + block
    assert np.array_equal(again, 1 + np.asarray(mask.array))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame": Frame(0, 0, 4, 4)}, "different frames"),
        ({"slide_fingerprint": "beef"}, "different slides: register"),
        ({"array": np.zeros((3, 3), bool)}, "3 x 3 px"),
    ],
)
def test_masks_of_other_frames_do_not_mix(mask: Mask, change, message):
    mask.require_same_frame(replace(mask))
    with pytest.raises(MismatchError, match=message):
        mask.require_same_frame(replace(mask, **change))


def test_what_is_no_mask_is_refused(tmp_path: Path):
    with pytest.raises(SlideError, match="does not exist"):
        open_mask(tmp_path / "none.zarr")
    other = tmp_path / "other.zarr"
    create_pyramid(other, (5, 5), channels=None, dtype=np.uint8, frame_scale_um=(1, 1))
    with pytest.raises(UnsupportedSlideError, match="no mask of slideconcord"):
        open_mask(other)


def test_a_mask_without_its_place_is_refused(tmp_path: Path):
    path = tmp_path / "mask.zarr"
    create_pyramid(
        path, (5, 5), channels=None, dtype=np.uint8, frame_scale_um=(1, 1), image_label=True,
        attributes={"slideconcord": {"kind": "mask", "frame": [0, 0, -1, 1]}},
    )  # fmt: skip
    with pytest.raises(UnsupportedSlideError, match="where its mask lies"):
        open_mask(path)


def test_a_place_that_cannot_be_written_is_named(mask: Mask, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        mask.save(tmp_path / "file" / "mask.zarr")


def test_bounds_may_be_missing(mask: Mask, tmp_path: Path):
    replace(mask, slide_bounds=None).save(tmp_path / "mask.zarr")
    assert open_mask(tmp_path / "mask.zarr").slide_bounds is None
    assert mask.slide_bounds == Box(1, 2, 30, 40)
