from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openslide
import pytest

from slideconcord.errors import DamagedSlideError, SlideError, UnsupportedSlideError
from slideconcord.geometry import Box
from slideconcord.slides import open_slide
from slideconcord.slides.openslide import (
    OpenSlideReader,
    composite,
    describe,
    dicom_file,
    scanner_name,
)


@pytest.fixture
def canvas_reader(tiny_slide_path):
    """A reader that goes through OpenSlide's canvas, as for formats without direct tiles."""
    reader = OpenSlideReader(tiny_slide_path)
    reader._tiles = None
    return reader


BOXES = [(0, Box(100, 200, 300, 400)), (1, Box(10, 20, 256, 300)), (2, Box(0, 0, 375, 500))]


def test_reads_what_openslide_reads(canvas_reader, tiny_slide_path):
    handle = openslide.OpenSlide(tiny_slide_path)
    for level, box in [
        (0, Box(100, 200, 300, 400)),
        (1, Box(10, 20, 256, 300)),
        (2, Box(0, 0, 375, 500)),
    ]:
        factor = handle.level_downsamples[level]
        place = round(box.x * factor), round(box.y * factor)
        pixels = np.asarray(handle.read_region(place, level, (box.width, box.height)))[..., :3]
        assert np.array_equal(canvas_reader.read(level, box), pixels)


def test_direct_tiles_equal_openslides(canvas_reader, tiny_slide_path):
    direct = OpenSlideReader(tiny_slide_path)
    assert direct._tiles is not None
    for level, native in enumerate(direct.info.levels):
        box = Box(0, 0, *native.shape)
        difference = direct.read(level, box).astype(int) - canvas_reader.read(level, box)
        assert np.abs(difference).max() <= 1


class Flaky:
    """A handle that breaks for good when it touches the damaged column of tiles."""

    opened = 0

    def __init__(self, handle):
        self._handle = handle
        self._broken = False
        Flaky.opened += 1

    def __getattr__(self, name):
        return getattr(self._handle, name)

    def read_region(self, location, level, size):
        if self._broken or location[0] < 512 < location[0] + size[0]:
            self._broken = True
            raise openslide.OpenSlideError("bad tile")
        return self._handle.read_region(location, level, size)


@pytest.fixture
def flaky(canvas_reader, monkeypatch):
    real = canvas_reader._open
    monkeypatch.setattr(canvas_reader, "_open", lambda: Flaky(real()))
    canvas_reader._handle = canvas_reader._open()
    Flaky.opened = 0
    return canvas_reader


def test_a_broken_handle_is_replaced_and_other_tiles_stay_readable(flaky):
    with pytest.raises(
        DamagedSlideError, match=r"tiny\.tif: tile \(0, 0, 1\) cannot be decoded: bad tile"
    ) as caught:
        flaky.read(0, Box(0, 300, 256, 300))
    assert caught.value.tiles == ((0, 0, 1),)
    assert flaky.read(0, Box(0, 600, 256, 256)).shape == (256, 256, 3)
    assert Flaky.opened == 2


def test_a_damaged_tile_spoils_no_read_of_another_thread(flaky):
    boxes = [Box(0, x, 64, 64) for x in range(0, 1900, 30)]

    def read(box):
        try:
            return flaky.read(0, box) is not None
        except DamagedSlideError:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, boxes)) == [not box.x < 512 < box.stop_x for box in boxes]


def test_a_file_that_vanishes_is_said_to(flaky, monkeypatch):
    def gone():
        raise UnsupportedSlideError("not a format that OpenSlide knows")

    monkeypatch.setattr(flaky, "_open", gone)
    with pytest.raises(SlideError, match=r"tiny\.tif can no longer be read: was it moved"):
        flaky.read(0, Box(0, 300, 256, 300))


def test_reading_after_closing(canvas_reader):
    canvas_reader.close()
    with pytest.raises(SlideError, match=r"tiny\.tif was closed"):
        canvas_reader.read(0, Box(0, 0, 1, 1))


def test_transparent_pixels_lie_on_the_background():
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, 0], rgba[0, 1], rgba[0, 2] = (9, 8, 7, 255), (9, 8, 7, 0), (100, 100, 100, 128)
    assert composite(rgba, (255, 200, 0)).tolist() == [[[9, 8, 7], [255, 200, 0], [177, 150, 50]]]
    opaque = np.full((2, 2, 4), 255, np.uint8)
    assert composite(opaque, (0, 0, 0)).shape == (2, 2, 3)


APERIO = {"openslide.vendor": "aperio"}
DICOM = "dicom.Manufacturer", "dicom.ManufacturerModelName"


@pytest.mark.parametrize(
    ("properties", "name"),
    [
        (
            {"openslide.vendor": "aperio", "aperio.ScanScope ID": "SS1302", "aperio.User": "jd"},
            "Aperio",
        ),
        ({**APERIO, "aperio.ScannerType": "GT450"}, "Aperio GT450"),
        ({"openslide.vendor": "leica", "leica.device-model": "Leica SCN400"}, "Leica SCN400"),
        (
            {
                "dicom.Manufacturer": "Leica Biosystems",
                "dicom.ManufacturerModelName": "Aperio GT450",
            },
            "Leica Biosystems Aperio GT450",
        ),
        (dict.fromkeys(DICOM, "Unknown"), None),
        ({"tiff.Make": "Hamamatsu", "tiff.Model": "C13220"}, "Hamamatsu C13220"),
        ({}, None),
    ],
)
def test_the_scanner_is_make_and_model_without_serial_or_user(properties, name):
    assert scanner_name(properties) == name


class Handle:
    """What OpenSlide says of a slide, made up."""

    level_dimensions = ((4000, 3000), (1000, 750))
    level_downsamples = (1.0, 4.0)
    associated_images = ("label",)
    color_profile = None

    def __init__(self, properties):
        self.properties = properties


def test_bounds_background_and_mpp_are_read():
    properties = {
        "openslide.bounds-x": "10", "openslide.bounds-y": "20",
        "openslide.bounds-width": "300", "openslide.bounds-height": "400",
        "openslide.background-color": "FAF0E6",
        "openslide.mpp-x": "0.25", "openslide.mpp-y": "0.26",
        "openslide.objective-power": "40", "openslide.vendor": "mirax",
    }  # fmt: skip
    info = describe(Handle(properties))
    assert info.bounds == Box(20, 10, 400, 300)
    assert info.background == (250, 240, 230)
    assert info.mpp == (0.26, 0.25)
    assert (info.objective_power, info.scanner) == (40, "3DHISTECH")
    assert [level.downsample for level in info.levels] == [(1, 1), (4, 4)]
    assert info.levels[1].tile_shape == (256, 256)


@pytest.mark.parametrize("value", ["", "abc", "nan", "inf"])
def test_numbers_that_are_none_count_as_absent(value):
    names = ("mpp-x", "mpp-y", "bounds-x", "bounds-y", "bounds-width", "bounds-height")
    info = describe(Handle({f"openslide.{name}": value for name in names}))
    assert (info.mpp, info.bounds) == (None, None)


@pytest.mark.real
def test_an_aperio_slide(real_data):
    with open_slide(real_data / "slides/CMU-1-Small-Region.svs") as slide:
        assert (slide.shape, slide.vendor, slide.scanner) == ((2967, 2220), "aperio", "Aperio")
        assert slide.mpp == (0.499, 0.499)
        assert slide.levels[0].tile_shape == (480, 480)
        assert set(slide.associated_images) == {"label", "macro", "thumbnail"}
        assert slide.associated_image("thumbnail").shape == (768, 574, 3)
        handle = openslide.OpenSlide(slide.path)
        pixels = np.asarray(handle.read_region((500, 300), 0, (700, 600)))[..., :3].astype(int)
        assert np.abs(pixels - slide.read_region(0, Box(300, 500, 600, 700))).max() <= 1


@pytest.mark.real
def test_a_dicom_folder_or_any_of_its_files_is_the_same_slide(real_data):
    folder = real_data / "slides/CMU-1-Small-Region-dicom"
    with (
        open_slide(real_data / "slides/CMU-1-Small-Region.svs") as aperio,
        open_slide(folder) as slide,
        open_slide(next(folder.glob("*.dcm"))) as file,
    ):
        assert (slide.name, slide.vendor, slide.mpp) == (folder.name, "dicom", (0.499, 0.499))
        box = Box(1000, 500, 800, 700)
        region = slide.read_region(0, box)
        assert np.array_equal(region, file.read_region(0, box))
        assert np.abs(region.astype(int) - aperio.read_region(0, box)).mean() < 5


@pytest.mark.real
def test_a_folder_of_two_dicom_slides_is_refused(real_data, monkeypatch):
    folder = real_data / "slides/CMU-1-Small-Region-dicom"
    uids = iter("1234")
    monkeypatch.setattr(
        openslide.OpenSlide,
        "properties",
        property(lambda _: {"dicom.SeriesInstanceUID": next(uids)}),
    )
    with pytest.raises(
        UnsupportedSlideError, match="a folder with 4 DICOM slides: open one of its"
    ):
        dicom_file(folder)


@pytest.mark.real
def test_jpeg_2000_and_a_real_factor_that_is_not_whole(real_data):
    with open_slide(real_data / "slides/TCGA-CR-7395-01A-01-TS1.svs", mpp=0.25) as slide:
        assert slide.levels[1].downsample[0] == pytest.approx(2.0005055500659967)
        assert slide.read_region(1, Box(1700, 2200, 100, 100)).shape == (100, 100, 3)
        assert (slide.read_region(1, Box(1783, 2221, 5, 5)) == 255).all()


@pytest.mark.real
def test_levels_show_the_same_tissue_at_the_same_place(real_data):
    path = real_data / "scanners/cytology-4-scanners/NanoZoomerS210-N1_BB_574162_1.ndpi"
    with open_slide(path, mpp=0.25) as slide:
        fine = slide.read_region_mpp(Box(1024, 1024, 2048, 2048), 1.0)
        level = slide.level(2)
        assert level.native == 2
        coarse = slide.read_region(2, Box(256, 256, 512, 512))
        assert np.abs(fine.astype(int) - coarse).mean() < 4


def test_no_such_associated_image(canvas_reader):
    with pytest.raises(SlideError, match=r"tiny\.tif has no image 'label'"):
        canvas_reader.associated_image("label")


def test_a_slide_whose_description_cannot_be_read_is_damaged(tiny_slide_path, monkeypatch):
    def fail(_):
        raise openslide.OpenSlideError("bad profile")

    monkeypatch.setattr("slideconcord.slides.openslide.describe", fail)
    with pytest.raises(SlideError, match="OpenSlide finds it damaged: bad profile"):
        OpenSlideReader(tiny_slide_path)


def test_a_folder_without_dicom(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"no dicom")
    (tmp_path / "sub").mkdir()
    with pytest.raises(UnsupportedSlideError, match="a folder with no DICOM slide"):
        OpenSlideReader(tmp_path)
