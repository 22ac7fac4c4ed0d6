from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ImageCms

from fake_slides import array_slide, noise
from slideconcord.errors import ParameterError, SlideError
from slideconcord.geometry import Box
from slideconcord.slides import Slide, open_slide
from slideconcord.slides.colour import colour_transform

PATH = Path("a.svs")


def swapped_profile() -> bytes:
    """A profile of a device whose red looks blue and whose blue looks red."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return srgb.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")


def coloured(colour, profile=None, **info):
    image = noise(1100, 600)
    slide = array_slide(image, icc_profile=profile, **info)
    return image, Slide(PATH, slide._reader, slide.mpp, colour=colour, cache=slide.pyramid.cache)


def test_raw_leaves_pixels_as_stored():
    image, slide = coloured("raw", swapped_profile())
    assert np.array_equal(slide.levels[0][:], image)


def test_srgb_goes_through_the_profile_everywhere():
    image, slide = coloured("srgb", swapped_profile(), background=(250, 100, 0))
    slide.fingerprint = "0"
    swapped = image[..., ::-1].astype(int)
    assert np.abs(slide.levels[0][:] - swapped).max() <= 2
    assert np.abs(slide.read_region(0, Box(10, 10, 9, 9)) - swapped[10:19, 10:19]).max() <= 2
    assert np.abs(slide.levels[0].zarr[:5, :5] - swapped[:5, :5]).max() <= 2
    assert np.abs(np.subtract(slide.background, (0, 100, 250))).max() <= 2
    assert slide.description()["colour"] == "srgb"


def test_without_a_profile_srgb_is_raw_and_says_so():
    image, slide = coloured("srgb")
    slide.fingerprint = "0"
    assert np.array_equal(slide.levels[0][:], image)
    assert slide.description()["colour"] == "srgb (no profile: as raw)"


def test_a_profile_that_cannot_be_used():
    message = r'the colour profile of a\.svs cannot be used: .* Pass colour="raw"'
    with pytest.raises(SlideError, match=message):
        colour_transform(b"rubbish", "srgb", PATH)


def test_an_unknown_colour():
    with pytest.raises(ParameterError, match="colour='cmyk' is unknown"):
        colour_transform(None, "cmyk", PATH)


@pytest.mark.real
def test_the_profile_of_a_real_slide(real_data):
    box = Box(1000, 500, 300, 300)
    with (
        open_slide(real_data / "slides/CMU-1-Small-Region-dicom") as raw,
        open_slide(real_data / "slides/CMU-1-Small-Region-dicom", colour="srgb") as srgb,
    ):
        difference = np.abs(raw.read_region(0, box).astype(int) - srgb.read_region(0, box))
        assert srgb.description()["colour"] == "srgb"
        assert difference.max() < 60
