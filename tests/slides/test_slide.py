from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_slides import ArrayReader, array_slide, noise
from slideconcord.errors import DamagedSlideError, ParameterError, SlideError
from slideconcord.geometry import Box, Mpp
from slideconcord.slides import Slide, TileCache
from slideconcord.slides.description import slide_name
from slideconcord.slides.sampling import Sampler

IMAGE = noise(900, 1100)
SLIDE = array_slide(IMAGE)


def padded(image, box, fill):
    """The slow twin of reading outside: lay the image on a big canvas and cut."""
    out = np.empty((*box.shape, 3), np.uint8)
    out[:] = fill
    for y in range(box.height):
        for x in range(box.width):
            if 0 <= box.y + y < image.shape[0] and 0 <= box.x + x < image.shape[1]:
                out[y, x] = image[box.y + y, box.x + x]
    return out


@given(st.integers(-30, 950), st.integers(-30, 1150), st.integers(1, 60), st.integers(1, 60))
def test_read_region_gives_the_pixels_and_background_outside(y, x, height, width):
    box = Box(y, x, height, width)
    slide_background = array_slide(IMAGE, background=(10, 20, 30))
    assert np.array_equal(SLIDE.read_region(0, box), padded(IMAGE, box, 255))
    assert np.array_equal(slide_background.read_region(0, box), padded(IMAGE, box, (10, 20, 30)))


def test_read_region_of_a_box_larger_than_the_slide():
    region = SLIDE.read_region(0, Box(-5, -7, 1000, 1200))
    assert np.array_equal(region[5:905, 7:1107], IMAGE)
    assert (region[:5] == 255).all()
    assert (region[905:] == 255).all()
    assert (region[:, 1107:] == 255).all()


def test_a_level_shorter_than_the_slide_repeats_its_edge_inside_the_slide():
    # OpenSlide gives one factor for both axes, so a level can end before the slide does.
    reader = ArrayReader([np.full((100, 100, 3), 7, np.uint8), np.full((49, 50, 3), 7, np.uint8)])
    fine, coarse = reader.info.levels
    reader.info = replace(reader.info, levels=(fine, replace(coarse, downsample=(2.0, 2.0))))
    slide = Slide(Path("a.svs"), reader, Mpp(0.5, 0.5))
    assert (slide.read_grid(1.0, Box(0, 0, 50, 50)) == 7).all()
    outside = slide.read_grid(1.0, Box(48, 48, 4, 4))
    assert (outside[:2, :2] == 7).all()
    assert (outside[2:] == 255).all()
    assert (outside[:, 2:] == 255).all()


def slow_grid(image, step, box):
    """The slow twin of `read_grid` at level 0, each pixel from the definition."""

    def shares(index, length):
        low, high = index * step, (index + 1) * step
        return [max(min(high, n + 1) - max(low, n), 0) for n in range(length)]

    out = np.empty((*box.shape, 3))
    for i in range(box.height):
        for j in range(box.width):
            down, across = shares(box.y + i, len(image)), shares(box.x + j, image.shape[1])
            out[i, j] = np.einsum("y,x,yxc->c", down, across, image.astype(float)) / step**2
    return out


@pytest.mark.parametrize("mpp", [0.9, 1.0, 0.998 * 1.01, 2.3])
def test_read_grid_is_the_mean_of_the_area_each_pixel_covers(mpp):
    box = Box(3, 5, 4, 3)
    assert np.abs(SLIDE.read_grid(mpp, box) - slow_grid(IMAGE, mpp / 0.5, box)).max() <= 0.501


@given(st.floats(0.51, 4), st.integers(0, 60), st.integers(0, 60), st.data())
def test_reads_of_the_grid_are_parts_of_one_image(mpp, y, x, data):
    height, width = SLIDE.grid_shape(mpp)
    whole = Box(min(y, height - 2), min(x, width - 2), 40, 40).intersect(Box(0, 0, height, width))
    part = Box(
        whole.y + data.draw(st.integers(0, whole.height - 1)),
        whole.x + data.draw(st.integers(0, whole.width - 1)),
        10,
        10,
    ).intersect(whole)
    image = SLIDE.read_grid(mpp, whole)
    again = SLIDE.read_grid(mpp, part)
    assert np.abs(image[part.shift(-whole.y, -whole.x).slices].astype(int) - again).max() <= 1


@given(st.floats(0.5, 5), st.integers(0, 255))
def test_a_constant_slide_is_constant_at_every_pixel_size(mpp, value):
    images = [np.full((300, 401, 3), value, np.uint8), np.full((149, 201, 3), value, np.uint8)]
    slide = array_slide(images, background=(value, value, value))
    height, width = slide.grid_shape(mpp)
    assert (slide.read_grid(mpp, Box(0, 0, height, width)) == value).all()
    assert (slide.read_region_mpp(slide.box, mpp) == value).all()


def test_read_grid_outside_the_slide_is_background():
    grid = SLIDE.read_grid(1.0, Box(-2, -3, 5, 5))
    assert (grid[:2] == 255).all()
    assert (grid[:, :3] == 255).all()
    assert np.array_equal(grid[2:, 3:], SLIDE.read_grid(1.0, Box(0, 0, 3, 2)))
    assert (SLIDE.read_grid(1.0, Box(5000, 5000, 3, 3)) == 255).all()


def test_read_region_mpp_has_as_many_pixels_as_fit():
    assert SLIDE.read_region_mpp(Box(0, 0, 100, 101), 1.0).shape == (50, 50, 3)
    assert SLIDE.read_region_mpp(Box(0, 0, 3, 1), 5.0).shape == (1, 1, 3)
    assert SLIDE.grid_shape(1.0) == (450, 550)
    assert SLIDE.grid_shape((1.0, 0.5), Box(0, 0, 10, 10)) == (5, 10)


@pytest.mark.parametrize("mpp", [1.0, 1.3])
def test_large_boxes_are_made_band_by_band(monkeypatch, mpp):
    box = Box(5, 5, 300, 200)
    whole = SLIDE.read_grid(mpp, box)
    monkeypatch.setattr("slideconcord.slides.sampling._BAND_PX", 3000)
    reads = []
    at_level = Sampler.at_level
    monkeypatch.setattr(Sampler, "at_level", lambda *a: reads.append(a[2].area) or at_level(*a))
    assert np.array_equal(SLIDE.read_grid(mpp, box), whole)
    assert len(reads) > 20
    assert max(reads) < 6000


def test_read_region_mpp_starts_where_the_box_does():
    region = SLIDE.read_region_mpp(Box(3, 5, 20, 20), 1.0)
    mean = IMAGE[3:23, 5:25].reshape(10, 2, 10, 2, 3).mean((1, 3))
    assert np.abs(region - mean).max() <= 0.5


@pytest.mark.parametrize("mpp", [0.5, 0.50004, 0.49996, (0.5, 0.50004)])
def test_the_slides_own_pixel_size_is_not_resampled(mpp):
    box = Box(11, 13, 100, 90)
    assert np.array_equal(SLIDE.read_region_mpp(box, mpp), IMAGE[box.slices])


@pytest.mark.parametrize("mpp", [0.25, (1.0, 0.4)])
def test_finer_than_the_slide_is_refused(mpp):
    for read in (lambda: SLIDE.read_region_mpp(SLIDE.box, mpp), lambda: SLIDE.grid_shape(mpp)):
        with pytest.raises(ParameterError, match=r"has 0\.5 µm per pixel; ask for that or more"):
            read()


def test_reads_come_from_the_coarsest_stored_level_that_is_fine_enough():
    fine = np.zeros((800, 800, 3), np.uint8)
    slide = array_slide(
        [fine, np.full((400, 400, 3), 100, np.uint8), np.full((100, 100, 3), 200, np.uint8)]
    )
    assert [v.native for v in slide.levels] == [0, 1, None, 2]
    values = {
        mpp: int(slide.read_grid(mpp, Box(0, 0, 5, 5)).mean())
        for mpp in (0.9, 1.0, 1.0005, 3.9, 4.0, 8)
    }
    assert values == {0.9: 0, 1.0: 100, 1.0005: 100, 3.9: 100, 4.0: 200, 8: 200}


def test_anisotropic_pixels_become_square():
    slide = array_slide(IMAGE)
    slide.mpp = Mpp(0.5, 0.25)
    region = slide.read_region_mpp(Box(0, 0, 100, 100), 1.0)
    mean = IMAGE[:100, :100].reshape(50, 2, 25, 4, 3).mean((1, 3))
    assert region.shape == (50, 25, 3)
    assert np.abs(region - mean).max() <= 0.5


def test_a_damaged_tile_is_named_and_spoils_no_other():
    image = noise(300, 300)
    slide = array_slide(image, damaged=frozenset({(0, 1, 2), (0, 5, 0)}), background=(1, 2, 3))
    with pytest.raises(
        DamagedSlideError, match=r"array\.svs: 1 damaged.*\(0, 1, 2\).*on_damage"
    ) as caught:
        slide.read_region(0, Box(0, 0, 100, 100))
    assert caught.value.tiles == ((0, 1, 2),)
    sound = Box(64, 64, 90, 90)
    assert np.array_equal(slide.read_region(0, sound), image[sound.slices])
    marked = slide.read_region(0, Box(0, 0, 300, 300), on_damage="mark")
    expected = image.copy()
    expected[32:64, 64:96] = expected[160:192, :32] = (1, 2, 3)
    assert np.array_equal(marked, expected)
    assert slide.damaged == {(0, 1, 2), (0, 5, 0)}


def test_damage_raises_at_other_pixel_sizes_too():
    slide = array_slide(noise(300, 300), damaged=frozenset({(0, 1, 2)}))
    with pytest.raises(DamagedSlideError):
        slide.read_grid(1.0, Box(0, 0, 50, 50))
    assert slide.read_grid(1.0, Box(0, 0, 50, 50), on_damage="mark").shape == (50, 50, 3)
    assert slide.read_grid(1.0, Box(100, 100, 20, 20)).shape == (20, 20, 3)


def test_the_label_is_hidden_unless_asked_for():
    slide = array_slide(associated=("label", "macro", "thumbnail"))
    for name in ("label", "macro"):
        with pytest.raises(
            SlideError, match=f"the {name} image .* can show a patient's name.*allow_label=True"
        ):
            slide.associated_image(name)
        assert slide.associated_image(name, allow_label=True).shape == (2, 3, 3)
    assert slide.associated_image("thumbnail").shape == (2, 3, 3)
    with pytest.raises(SlideError, match="has no image 'x'; it has: label, macro, thumbnail"):
        slide.associated_image("x")


def test_description_is_plain_and_holds_no_free_text_of_the_file(tiny_slide):
    facts = json.loads(json.dumps(tiny_slide.description()))
    assert facts["shape"] == [1500, 2000]
    assert facts["mpp_source"] == "file"
    slide = array_slide(properties={"aperio.User": "Jane Doe"}, associated=("label",))
    slide.fingerprint = "0"
    assert "Jane" not in json.dumps(slide.description())
    assert "label" not in json.dumps(slide.description())


def test_overview_shows_all_of_the_slide():
    slide = array_slide(noise(900, 3000))
    assert slide.overview().shape[1] == 1024
    assert slide.overview(300).shape == (90, 300, 3)
    assert np.array_equal(SLIDE.overview(5000), IMAGE)


def test_a_box_without_pixels_and_an_unknown_choice_are_refused():
    for read in (SLIDE.read_region, SLIDE.read_grid):
        with pytest.raises(ParameterError, match="holds no pixel: height and width begin at 1"):
            read(1, Box(0, 0, 0, 5))
    with pytest.raises(ParameterError, match="on_damage='skip' is unknown"):
        SLIDE.read_region_mpp(Box(0, 0, 5, 5), 1.0, on_damage="skip")


def test_no_such_level():
    with pytest.raises(ParameterError, match=r"has levels 0 to 1, not 7"):
        SLIDE.read_region(7, Box(0, 0, 1, 1))


def test_closing_lets_go_of_the_file_and_of_the_tiles():
    with array_slide() as slide:
        slide.levels[0][:]
        cache = slide.pyramid.cache
        assert cache.nbytes > 0
    assert cache.nbytes == 0
    assert slide._reader.closed


def test_memory_stays_bounded_when_a_large_box_is_read():
    cache = TileCache(2_000_000, threads=2)
    slide = array_slide(IMAGE, cache=cache)
    assert np.array_equal(slide.levels[0][:], IMAGE)
    assert cache.nbytes <= 2_000_000


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("case7.svs", "case7"),
        ("case7.v2.svs", "case7.v2"),
        ("case7_A.ome.tiff", "case7_A"),
        ("Case7_A.OME.TIF", "Case7_A"),
        ("case7.ome.zarr", "case7"),
        ("case7.zarr", "case7"),
        (".zarr", ".zarr"),
    ],
)
def test_slide_is_called_as_its_file_without_the_ending(file: str, name: str) -> None:
    assert slide_name(Path(file)) == name
