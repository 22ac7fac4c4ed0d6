from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fake_slides import noise
from slideconcord.errors import MissingMppError, SlideError, UnsupportedSlideError
from slideconcord.slides import image as image_module
from slideconcord.slides import open_slide
from slideconcord.slides.image import ImageReader


@pytest.mark.parametrize("ending", ["png", "bmp"])
def test_a_plain_picture_with_a_given_mpp(tmp_path, ending):
    rgb = noise(700, 600)
    Image.fromarray(rgb).save(tmp_path / f"a.{ending}", dpi=(300, 300))
    with open_slide(tmp_path / f"a.{ending}", mpp=0.5) as slide:
        assert np.array_equal(slide.levels[0][:], rgb)
        assert (slide.mpp_source, slide.info.format) == ("given", ending)


def test_dots_per_inch_are_no_pixel_size(tmp_path):
    Image.fromarray(noise(30, 30)).save(tmp_path / "a.png", dpi=(25400, 25400))
    with pytest.raises(MissingMppError, match=r"a\.png has no pixel size\. Pass mpp"):
        open_slide(tmp_path / "a.png")


def test_jpeg_by_content_whatever_its_ending(tmp_path):
    Image.new("RGB", (64, 48), (200, 100, 50)).save(tmp_path / "a.jpg", quality=95)
    (tmp_path / "a.jpg").rename(tmp_path / "a.svs")
    with open_slide(tmp_path / "a.svs", mpp=1) as slide:
        assert np.abs(slide.levels[0][:].astype(int) - (200, 100, 50)).max() <= 3


def test_grey_and_palette_become_rgb_and_transparency_becomes_white(tmp_path):
    Image.new("L", (4, 4), 77).save(tmp_path / "grey.png")
    Image.new("RGBA", (4, 4), (10, 20, 30, 0)).save(tmp_path / "clear.png")
    assert (ImageReader(tmp_path / "grey.png")._rgb == 77).all()
    assert (ImageReader(tmp_path / "clear.png")._rgb == 255).all()


def test_sixteen_bits_are_refused(tmp_path):
    Image.fromarray(np.full((4, 4), 40000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(UnsupportedSlideError, match="save it with 8 bits a channel"):
        ImageReader(tmp_path / "deep.png")


def test_a_picture_too_large_to_decode_whole_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(image_module, "_MOST_PIXELS", 100)
    Image.new("RGB", (30, 20)).save(tmp_path / "big.png")
    with pytest.raises(UnsupportedSlideError, match="20 x 30 pixels: convert it to tiled TIFF"):
        ImageReader(tmp_path / "big.png")


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp"])
def test_a_truncated_picture_is_damaged(tmp_path, ending):
    path = tmp_path / f"cut.{ending}"
    Image.fromarray(noise(200, 200)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SlideError, match="damaged picture"):
        ImageReader(path)


def test_no_associated_images(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    with pytest.raises(SlideError, match=r"a\.png has no image 'label'"):
        ImageReader(tmp_path / "a.png").associated_image("label")
