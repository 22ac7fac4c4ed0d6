"""TIFF that OpenSlide refuses: every layout gives its pixels, its pixel size, or its reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from conftest import tissue_like, write_pyramid
from contracts.slide_reader import open_files
from slideconcord.errors import DamagedSlideError, SlideError, UnsupportedSlideError
from slideconcord.geometry import Box, Mpp
from slideconcord.slides.tiff import TiffReader
from slideconcord.slides.tiff_layout import find_layout
from tiff_files import overwrite, set_tag, set_tile, tile_bytes, write_ome, write_tiff

IMAGE = tissue_like(150, 201)
GREY = np.ascontiguousarray(IMAGE[..., 0])
ALPHA = np.linspace(0, 255, GREY.size).reshape(GREY.shape).astype(np.uint8)
PALETTE = np.random.default_rng(0).integers(0, 256, (3, 256)).astype(np.uint16) * 257


def read_all(path: Path, level: int = 0) -> np.ndarray:
    reader = TiffReader(path)
    try:
        return reader.read(level, Box(0, 0, *reader.info.levels[level].shape))
    finally:
        reader.close()


def on_white(colour: np.ndarray, premultiplied: bool) -> np.ndarray:
    share = ALPHA[..., None] / 255.0
    front = colour * (1 if premultiplied else share)
    return np.minimum(front + 255 * (1 - share), 255)


def grey_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=-1)


RGBA = np.dstack([IMAGE, ALPHA])
PLANES = np.ascontiguousarray(IMAGE.transpose(2, 0, 1))
STORED: dict[str, tuple[np.ndarray, dict[str, Any], np.ndarray]] = {
    "deflated tiles": (IMAGE, {}, IMAGE),
    "predictor": (IMAGE, {"predictor": True}, IMAGE),
    "lzw strips": (IMAGE, {"compression": "lzw", "rowsperstrip": 7, "predictor": True}, IMAGE),
    "packbits": (IMAGE, {"compression": "packbits", "rowsperstrip": 150}, IMAGE),
    "zstd": (IMAGE, {"compression": "zstd"}, IMAGE),
    "lossless webp": (IMAGE, {"compression": "webp", "compressionargs": {"lossless": True}}, IMAGE),
    "jpeg 2000": (IMAGE, {"compression": 33005}, IMAGE),
    "raw tiles": (IMAGE, {"compression": None}, IMAGE),
    "raw strips": (IMAGE, {"compression": None, "rowsperstrip": 7}, IMAGE),
    "one raw strip": (IMAGE, {"compression": None, "rowsperstrip": 150}, IMAGE),
    "one deflated strip": (IMAGE, {"rowsperstrip": 150}, IMAGE),
    "big-endian BigTIFF": (IMAGE, {"bigtiff": True, "byteorder": ">"}, IMAGE),
    "planes": (PLANES, {"planarconfig": "separate"}, IMAGE),
    "raw planes in strips": (
        PLANES,
        {"planarconfig": "separate", "compression": None, "rowsperstrip": 9},
        IMAGE,
    ),
    "palette": (
        GREY,
        {"photometric": "palette", "colormap": PALETTE},
        (PALETTE // 257).astype(np.uint8)[:, GREY].transpose(1, 2, 0),
    ),
    "palette of 8-bit colours": (
        GREY,
        {"photometric": "palette", "colormap": PALETTE // 257},
        (PALETTE // 257).astype(np.uint8)[:, GREY].transpose(1, 2, 0),
    ),
    "grey": (GREY, {"photometric": "minisblack"}, grey_rgb(GREY)),
    "white is zero": (GREY, {"photometric": "miniswhite"}, grey_rgb(255 - GREY)),
    "raw white is zero": (
        GREY,
        {"photometric": "miniswhite", "compression": None, "rowsperstrip": 20},
        grey_rgb(255 - GREY),
    ),
    "alpha": (RGBA, {"extrasamples": ["unassalpha"]}, on_white(IMAGE, premultiplied=False)),
    "premultiplied": (RGBA, {"extrasamples": ["assocalpha"]}, on_white(IMAGE, premultiplied=True)),
    "a sample that means nothing": (RGBA, {"extrasamples": ["unspecified"]}, IMAGE),
}


@pytest.mark.parametrize("kind", STORED)
def test_every_layout_gives_its_pixels(tmp_path: Path, kind: str) -> None:
    stored, options, wanted = STORED[kind]
    rgb = read_all(write_tiff(tmp_path / "a.tif", stored, **options))
    assert rgb.shape == (150, 201, 3)
    assert np.abs(rgb - wanted).max() <= 0.51
    reader = TiffReader(tmp_path / "a.tif")
    box = Box(61, 40, 30, 70)
    np.testing.assert_array_equal(reader.read(0, box), rgb[box.slices])


@pytest.mark.parametrize(
    "options",
    [{"tile": (64, 64)}, {"tile": (64, 64), "compressionargs": {"outcolorspace": "rgb"}},
     {"rowsperstrip": 16}, {"rowsperstrip": 150}],
    ids=["ycbcr tiles", "rgb tiles", "strips", "one strip"],
)  # fmt: skip
@pytest.mark.parametrize("is_grey", [False, True])
def test_jpeg_gives_what_tifffile_gives(
    tmp_path: Path, options: dict[str, Any], is_grey: bool
) -> None:
    wanted = {"photometric": "minisblack"} if is_grey else {}
    options = {k: v for k, v in options.items() if not is_grey or k != "compressionargs"}
    image = GREY if is_grey else IMAGE
    path = write_tiff(tmp_path / "a.tif", image, compression="jpeg", **wanted | options)
    theirs = tifffile.imread(path)
    np.testing.assert_array_equal(read_all(path), grey_rgb(theirs) if is_grey else theirs)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "mpp"),
    [
        ("slides/tma-core-he.ome.tif", 0.50008),
        ("scanners/ki67-2-scanners/OS-2-ndpi.ome.tif", 0.22710),
        ("scanners/ki67-2-scanners/OS-2-vsi.ome.tif", 0.34606),
    ],
)
def test_real_ome_tiff(real_data: Path, name: str, mpp: float) -> None:
    path = real_data / name
    reader = TiffReader(path)
    assert reader.info.format == "ome-tiff"
    assert reader.info.mpp == pytest.approx((mpp, mpp), rel=1e-4)
    # Bio-Formats calls YCbCr in JFIF RGB; tissue on white must not come out green.
    np.testing.assert_array_equal(read_all(path), tifffile.imread(path))
    reader.close()


class TestLevels:
    def test_sub_ifds_are_levels(self, tmp_path: Path) -> None:
        levels = [IMAGE, IMAGE[::2, ::2], IMAGE[::4, ::4]]
        reader = TiffReader(write_ome(tmp_path / "a.ome.tif", levels))
        assert [level.shape for level in reader.info.levels] == [(150, 201), (75, 101), (38, 51)]
        assert reader.info.levels[2].downsample == (150 / 38, 201 / 51)
        np.testing.assert_array_equal(reader.read(2, Box(0, 0, 38, 51)), levels[2])

    def test_reduced_pages_are_levels(self, tmp_path: Path) -> None:
        path = write_pyramid(tmp_path / "a.tif", tissue_like(600, 800), levels=3, tile=128)
        assert [level.shape for level in TiffReader(path).info.levels] == [
            (600, 800),
            (300, 400),
            (150, 200),
        ]

    def test_pages_of_another_picture_are_not(self, tmp_path: Path) -> None:
        with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
            tiff.write(IMAGE, photometric="rgb", tile=(64, 64), metadata=None)
            tiff.write(IMAGE[:40, :40], photometric="rgb", subfiletype=1, metadata=None)
            tiff.write(IMAGE[::2, ::2], photometric="rgb", metadata=None)
        assert [level.shape for level in TiffReader(tmp_path / "a.tif").info.levels] == [(150, 201)]

    def test_the_largest_page_is_the_slide(self, tmp_path: Path) -> None:
        with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
            tiff.write(IMAGE[::5, ::5], photometric="rgb", metadata=None)
            tiff.write(IMAGE, photometric="rgb", metadata=None)
        np.testing.assert_array_equal(read_all(tmp_path / "a.tif"), IMAGE)


class TestMpp:
    @pytest.mark.parametrize(
        ("size", "unit", "mpp"),
        [
            (0.25, "µm", 0.25),
            (250, "nm", 0.25),
            (0.00025, "mm", 0.25),
            (2.5e-5, "cm", 0.25),
            (2500, "Å", 0.25),
            (1e-5, "in", 0.254),
            (0.25, "pixel", None),
            (0.25, "reference frame", None),
        ],
    )
    def test_units_of_ome(self, tmp_path: Path, size: float, unit: str, mpp: float | None) -> None:
        sizes = {f"PhysicalSize{axis}": size for axis in "XY"}
        units = {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
        info = TiffReader(write_ome(tmp_path / "a.ome.tif", [IMAGE], sizes | units)).info
        assert info.mpp == (None if mpp is None else pytest.approx((mpp, mpp)))

    def test_y_and_x_are_not_confused(self, tmp_path: Path) -> None:
        sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
        info = TiffReader(write_ome(tmp_path / "a.ome.tif", [IMAGE], sizes)).info
        assert info.mpp == Mpp(y=0.25, x=0.5)
        # The tag's pair is (x, y) in pixels per unit.
        path = write_tiff(tmp_path / "b.tif", IMAGE, resolution=(20_000, 40_000))
        assert TiffReader(path).info.mpp == pytest.approx((0.25, 0.5))

    @pytest.mark.parametrize(
        ("resolution", "unit", "mpp"),
        [
            ((20_000, 20_000), "CENTIMETER", 0.5),
            ((50_800, 50_800), "INCH", 0.5),
            ((72, 72), "INCH", 25400 / 72),
            ((20_000, 20_000), "NONE", None),
        ],
    )
    def test_resolution_tags(
        self, tmp_path: Path, resolution: tuple[int, int], unit: str, mpp: float | None
    ) -> None:
        path = write_tiff(tmp_path / "a.tif", IMAGE, resolution=resolution, resolutionunit=unit)
        found = TiffReader(path).info.mpp
        assert found == (None if mpp is None else pytest.approx((mpp, mpp)))

    @pytest.mark.parametrize("value", [(0, 1), (1, 0), (0, 0)])
    def test_zero_in_a_resolution_is_no_pixel_size(
        self, tmp_path: Path, value: tuple[int, int]
    ) -> None:
        path = write_tiff(tmp_path / "a.tif", IMAGE)
        set_tag(path, "XResolution", value)
        assert TiffReader(path).info.mpp is None

    @pytest.mark.parametrize("unit", ["micron", "um", "\\u00B5m"])
    def test_imagej(self, tmp_path: Path, unit: str) -> None:
        tifffile.imwrite(
            tmp_path / "a.tif", IMAGE, imagej=True, resolution=(4, 4), metadata={"unit": unit}
        )
        info = TiffReader(tmp_path / "a.tif").info
        assert info.format == "imagej-tiff"
        assert info.mpp == pytest.approx((0.25, 0.25))

    def test_imagej_without_a_length_says_nothing(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", IMAGE, imagej=True, resolution=(4, 4))
        assert TiffReader(tmp_path / "a.tif").info.mpp is None


def stack(axes: str, count: int) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        data = np.stack([GREY] * count)
        tifffile.imwrite(path, data, ome=True, metadata={"axes": axes}, photometric="minisblack")
        return path

    return write


def imagej_stack(path: Path) -> Path:
    tifffile.imwrite(path, np.stack([GREY] * 4), imagej=True, metadata={"axes": "ZYX"})
    return path


def pages_alike(path: Path) -> Path:
    with tifffile.TiffWriter(path) as tiff:
        for _ in range(3):
            tiff.write(IMAGE, photometric="rgb", metadata=None)
    return path


def plain(**options: Any) -> Callable[[Path], Path]:
    data = options.pop("data")
    return lambda path: write_tiff(path, data, **options)


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (plain(data=IMAGE.astype(np.uint16)), "16 bits per sample; convert it to 8-bit RGB"),
        (plain(data=GREY.astype(np.float32), photometric="minisblack"), "32-bit floating-point"),
        (plain(data=GREY.astype(np.int8), photometric="minisblack"), "samples of the kind int8"),
        (plain(data=GREY > 200, photometric="minisblack"), "1 bits per sample"),
        (plain(data=RGBA, photometric="separated"), "SEPARATED colours; convert it to RGB"),
        (plain(data=RGBA, photometric="minisblack", planarconfig="contig"), "4 channels that are"),
        (stack("CYX", 4), "a stack of 4 planes .channels"),
        (stack("ZYX", 5), "a stack of 5 planes .channels, focus positions or times"),
        (imagej_stack, "a stack of 4 planes"),
        (pages_alike, "a stack of 3 planes"),
    ],
)
def test_what_is_no_slide_is_refused_with_its_kind(
    tmp_path: Path, write: Callable[[Path], Path], reason: str
) -> None:
    before = open_files()
    with pytest.raises(UnsupportedSlideError, match=reason):
        TiffReader(write(tmp_path / "a.tif"))
    assert open_files() <= before


def with_xml(path: Path, xml: str) -> Path:
    return write_tiff(path, IMAGE, description=xml)


OME = (
    '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/'
    '2016-06" UUID="urn:uuid:1">{}</OME>'
)
PIXELS = (
    '<Pixels ID="Pixels:{0}" DimensionOrder="XYCZT" Type="uint8" SizeX="201" SizeY="150" SizeZ="1" '
    'SizeC="3" SizeT="1" PhysicalSizeX="0.25" PhysicalSizeY="0.25">'
    '<Channel ID="Channel:{0}:0" SamplesPerPixel="3"/><TiffData IFD="{0}">{1}</TiffData></Pixels>'
)
ELSEWHERE = '<UUID FileName="b.tif">2</UUID>'
INSTRUMENT = (
    '<Instrument ID="Instrument:0"><Microscope Manufacturer="Hamamatsu" Model="S360"/>'
    '<Objective ID="Objective:0" NominalMagnification="20"/>'
    '<Objective ID="Objective:1" NominalMagnification="40"/></Instrument>'
)


class TestOme:
    def test_scanner_and_objective(self, tmp_path: Path) -> None:
        image = (
            '<Image ID="Image:0" Name="case 7"><InstrumentRef ID="Instrument:0"/>'
            f'<ObjectiveSettings ID="Objective:1"/>{PIXELS.format(0, "")}</Image>'
        )
        info = TiffReader(with_xml(tmp_path / "a.ome.tif", OME.format(INSTRUMENT + image))).info
        assert info.scanner == "Hamamatsu S360"
        assert info.objective_power == 40
        assert info.mpp == Mpp(0.25, 0.25)
        assert info.properties["ome.Image.Name"] == "case 7"

    def test_side_pictures_are_found_by_name(self, tmp_path: Path) -> None:
        names = ("Label image", "slide", "macro")
        images = "".join(
            f'<Image ID="Image:{i}" Name="{name}">{PIXELS.format(i, "")}</Image>'
            for i, name in enumerate(names)
        )
        path = tmp_path / "a.ome.tif"
        with tifffile.TiffWriter(path) as tiff:
            small, tiny = IMAGE[:30, :40], IMAGE[:10, :20]
            tiff.write(small, photometric="rgb", description=OME.format(images), metadata=None)
            tiff.write(IMAGE, photometric="rgb", metadata=None)
            tiff.write(tiny, photometric="rgb", metadata=None)
        reader = TiffReader(path)
        assert set(reader.info.associated) == {"label", "macro"}
        np.testing.assert_array_equal(reader.associated_image("label"), small)
        np.testing.assert_array_equal(reader.associated_image("macro"), tiny)
        np.testing.assert_array_equal(reader.read(0, Box(0, 0, 150, 201)), IMAGE)

    @pytest.mark.parametrize(
        ("xml", "reason"),
        [
            ("<!DOCTYPE a [<!ENTITY b 'b'>]>" + OME.format("&b;"), "defines entities"),
            (OME.format("<Image>"), "its OME-XML is damaged"),
            (OME.format(""), "describes no image"),
            (OME.format(f"<Image>{PIXELS.format(7, '')}</Image>"), "pages that the file does not"),
            (
                OME.format(f"<Image>{PIXELS.format(0, ELSEWHERE)}</Image>"),
                "spread over several files",
            ),
            (OME.format(f"<Image>{PIXELS.format(0, '')}</Image>").replace('="1"', '="x"'), "damag"),
        ],
        ids=["entities", "malformed", "no image", "absent page", "several files", "not a number"],
    )
    def test_xml_that_cannot_be_trusted(self, tmp_path: Path, xml: str, reason: str) -> None:
        with pytest.raises(SlideError, match=reason):
            TiffReader(with_xml(tmp_path / "a.ome.tif", xml))

    def test_a_billion_laughs_are_refused_before_they_are_told(self, tmp_path: Path) -> None:
        lines = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(12))
        bomb = f'<!DOCTYPE OME [<!ENTITY l0 "ha">{lines}]>' + OME.format("&l12;").split("?>")[1]
        with pytest.raises(UnsupportedSlideError, match="the file is not trusted"):
            TiffReader(with_xml(tmp_path / "a.ome.tif", bomb))

    def test_a_renamed_file_is_still_itself(self, tmp_path: Path) -> None:
        data = '<UUID FileName="before.tif">urn:uuid:1</UUID>'
        xml = OME.format(f"<Image>{PIXELS.format(0, data)}</Image>")
        np.testing.assert_array_equal(read_all(with_xml(tmp_path / "now.ome.tif", xml)), IMAGE)


class TestDamage:
    @pytest.mark.parametrize("kind", ["deflated tiles", "lzw strips", "jpeg 2000", "raw tiles"])
    def test_a_cut_tile_is_named(self, tmp_path: Path, kind: str) -> None:
        stored, options, _ = STORED[kind]
        path = write_tiff(tmp_path / "a.tif", stored, **options)
        offset, count = tile_bytes(path, 1)
        if kind == "raw tiles":
            set_tile(path, 1, offset=path.stat().st_size - 10)
        else:
            overwrite(path, offset, b"\x99" * count)
        reader = TiffReader(path)
        with pytest.raises(DamagedSlideError, match=r"a\.tif: tile .*cannot be decoded") as caught:
            reader.read(0, Box(0, 0, 150, 201))
        strips = kind == "lzw strips"
        assert caught.value.tiles == ((0, 1, 0) if strips else (0, 0, 1),)
        np.testing.assert_array_equal(reader.read(0, Box(0, 0, 7, 20)), IMAGE[:7, :20])

    @pytest.mark.parametrize("compression", [None, "lzw"])
    def test_strips_left_out_are_white(self, tmp_path: Path, compression: str | None) -> None:
        path = write_tiff(tmp_path / "a.tif", IMAGE, compression=compression, rowsperstrip=30)
        with tifffile.TiffFile(path) as tiff:
            counts = list(tiff.pages[0].databytecounts)
        set_tag(path, "StripByteCounts", [*counts[:1], 0, *counts[2:]])
        rgb = read_all(path)
        assert (rgb[30:60] == 255).all()
        np.testing.assert_array_equal(rgb[60:], IMAGE[60:])

    def test_missing_tiles_are_refused_at_opening(self, tmp_path: Path) -> None:
        path = write_tiff(tmp_path / "a.tif", IMAGE)
        set_tag(path, "ImageLength", 60_000)
        with pytest.raises(SlideError, match="need 4690 tiles or strips, but it lists 15"):
            TiffReader(path)

    def test_one_enormous_strip_is_refused(self, tmp_path: Path) -> None:
        path = write_tiff(tmp_path / "a.tif", GREY, rowsperstrip=150, photometric="minisblack")
        for name in ("ImageLength", "ImageWidth", "RowsPerStrip"):
            set_tag(path, name, 60_000)
        with pytest.raises(UnsupportedSlideError, match="decodes 3433 MiB at once: convert it"):
            TiffReader(path)

    def test_long_strips_are_decoded_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wide = np.tile(IMAGE, (1, 6, 1))
        path = write_tiff(tmp_path / "a.tif", wide, rowsperstrip=50)
        reader = TiffReader(path)
        (page,) = reader._tiles._levels
        decoded = []
        original = page._decode
        monkeypatch.setattr(
            page, "_decode", lambda *a, **k: decoded.append(a[1]) or original(*a, **k)
        )
        parts = [reader.read(0, Box(0, x, 150, 201)) for x in range(0, 1206, 201)]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), wide)
        assert decoded == [0, 1, 2]


def test_tifffile_is_not_asked_to_sort_pages(tmp_path: Path) -> None:
    # Its way of finding series parses XML without care and follows names of other files.
    with tifffile.TiffFile(write_ome(tmp_path / "a.ome.tif", [IMAGE])) as tiff:
        find_layout(tiff, tmp_path / "a.ome.tif")
        assert "series" not in vars(tiff)
