"""Direct decoding gives what OpenSlide gives, and sees damage that libjpeg forgives."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image

from conftest import tissue_like, write_pyramid
from contracts.slide_reader import boxes
from slideconcord.errors import DamagedSlideError, ParameterError
from slideconcord.geometry import Box
from slideconcord.slides.jpeg import check_complete, decode_jpeg, jpeg_frame
from slideconcord.slides.openslide import describe
from slideconcord.slides.positional import PositionalFile
from slideconcord.slides.tiff_tiles import TiffTiles
from tiff_files import (
    overwrite,
    set_tag,
    set_tile,
    tile_bytes,
    write_aperio,
    write_tiff,
)


def match(path: Path) -> TiffTiles | None:
    with openslide.OpenSlide(path) as handle:
        return TiffTiles.match(path, describe(handle).levels)


def openslide_read(path: Path, level: int, box: Box) -> np.ndarray:
    """Read with OpenSlide alone, laid on white."""
    with openslide.OpenSlide(path) as handle:
        whole = handle.read_region((0, 0), level, handle.level_dimensions[level])
    rgba = np.asarray(whole)[box.slices].astype(float)
    alpha = rgba[..., 3:] / 255
    return (rgba[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)


def assert_same_as_openslide(path: Path, seed: int = 0) -> None:
    tiles = match(path)
    assert tiles is not None
    with openslide.OpenSlide(path) as handle:
        shapes = [(h, w) for w, h in handle.level_dimensions]
    for level, shape in enumerate(shapes):
        for box in [*boxes(shape, seed, count=2)][-6:]:
            ours = tiles.read(level, box).astype(int)
            assert np.abs(ours - openslide_read(path, level, box)).max(initial=0) <= 2
    tiles.close()


def test_generic_pyramid_is_read_as_openslide_reads_it(tiny_slide_path: Path) -> None:
    assert_same_as_openslide(tiny_slide_path)


@pytest.mark.parametrize("rgb", [True, False], ids=["rgb-in-jpeg", "ycbcr"])
def test_aperio_with_shared_tables_is_read_as_openslide_reads_it(tmp_path: Path, rgb: bool) -> None:
    image = tissue_like(200, 333)
    path = write_aperio(tmp_path / "a.svs", image, rgb=rgb)
    with openslide.OpenSlide(path) as handle:
        assert handle.properties["openslide.vendor"] == "aperio"
        assert handle.level_count == 2
    assert_same_as_openslide(path)
    tiles = match(path)
    assert tiles is not None
    # Were the colour space misread, purple would turn green.
    whole = tiles.read(0, Box(0, 0, 200, 333)).astype(int)
    assert np.abs(whole - image).mean() < 2


@pytest.mark.real
@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "TCGA-CR-7395-01A-01-TS1.svs"])
def test_real_aperio_is_read_as_openslide_reads_it(real_data: Path, name: str) -> None:
    path = real_data / "slides" / name
    tiles = match(path)
    assert tiles is not None
    box = Box(700, 500, 300, 400)
    difference = tiles.read(0, box).astype(int) - openslide_read(path, 0, box)
    assert np.abs(difference).max() <= 2


def test_absent_tiles_of_generic_files_are_white(tmp_path: Path) -> None:
    path = write_pyramid(tmp_path / "gap.tif", tissue_like(600, 800), levels=2)
    set_tile(path, 5, count=0)
    assert_same_as_openslide(path)
    tiles = match(path)
    assert tiles is not None
    assert (tiles.read(0, Box(256, 256, 256, 256)) == 255).all()


@pytest.mark.parametrize("page", [0, 2])
def test_aperio_gaps_are_left_to_openslide(tmp_path: Path, page: int) -> None:
    # OpenSlide paints such a gap, and what lies above it, from the finer level.
    path = write_aperio(tmp_path / "gap.svs", tissue_like(200, 333))
    before = openslide_read(path, 1, Box(0, 0, 100, 128)).astype(int)
    set_tile(path, 1, count=0, page=page)
    assert match(path) is None
    assert np.abs(openslide_read(path, 1, Box(0, 0, 100, 128)) - before).max() > 0


@pytest.mark.parametrize(
    "change", ["other tile", "other size", "two alike", "deflate", "not a TIFF", "missing"]
)
def test_other_files_do_not_match(tmp_path: Path, change: str) -> None:
    image = tissue_like(300, 400)
    path = write_pyramid(tmp_path / "a.tif", image, levels=1)
    with openslide.OpenSlide(path) as handle:
        levels = describe(handle).levels
    assert TiffTiles.match(path, levels) is not None
    if change == "other tile":
        write_pyramid(path, image, levels=1, tile=128)
    elif change == "other size":
        write_pyramid(path, image[:290], levels=1)
    elif change == "two alike":
        with tifffile.TiffWriter(path) as tiff:
            for _ in range(2):
                tiff.write(image, photometric="rgb", compression="jpeg", tile=(256, 256))
    elif change == "deflate":
        write_tiff(path, image, tile=(256, 256))
    elif change == "not a TIFF":
        path.write_bytes(b"II*\0 nothing")
    else:
        path.unlink()
    assert TiffTiles.match(path, levels) is None


def test_a_box_outside_the_level_is_refused(tiny_slide_path: Path) -> None:
    tiles = match(tiny_slide_path)
    assert tiles is not None
    with pytest.raises(ParameterError, match=r"not inside level 0 of tiny\.tif"):
        tiles.read(0, Box(1400, 0, 200, 10))
    assert tiles.read(0, Box(10, 10, 0, 5)).shape == (0, 5, 3)


@pytest.mark.parametrize("cut", [0.02, 0.5, 0.99])
def test_a_truncated_tile_is_damage_and_its_neighbours_are_not(tmp_path: Path, cut: float) -> None:
    path = write_pyramid(tmp_path / "cut.tif", tissue_like(600, 800), levels=1)
    set_tile(path, 6, count=int(tile_bytes(path, 6)[1] * cut))
    tiles = match(path)
    assert tiles is not None
    with pytest.raises(DamagedSlideError, match=r"cut.tif: tile \(level 0, row 1, column 2\)") as e:
        tiles.read(0, Box(0, 0, 600, 800))
    assert e.value.tiles == ((0, 1, 2),)
    assert tiles.read(0, Box(0, 0, 256, 800)).std() > 1


def test_every_damaged_tile_of_a_box_is_named(tmp_path: Path) -> None:
    path = write_pyramid(tmp_path / "worse.tif", tissue_like(600, 800), levels=1)
    set_tile(path, 1, count=60)
    set_tile(path, 4, count=50)
    tiles = match(path)
    assert tiles is not None
    with pytest.raises(DamagedSlideError, match=r"\(and 1 more\)") as caught:
        tiles.read(0, Box(0, 0, 600, 800))
    assert caught.value.tiles == ((0, 0, 1), (0, 1, 0))


def test_bytes_overwritten_with_markers_are_damage(tmp_path: Path) -> None:
    path = write_pyramid(tmp_path / "stray.tif", tissue_like(600, 800), levels=1)
    offset, count = tile_bytes(path, 0)
    overwrite(path, offset + count // 2, b"\xff\x12" * 20)
    tiles = match(path)
    assert tiles is not None
    with pytest.raises(DamagedSlideError, match="ends too early"):
        tiles.read(0, Box(0, 0, 10, 10))


def test_a_tile_that_claims_another_size_is_not_decoded(tmp_path: Path) -> None:
    # A tile of 65,000 x 65,000 px would take 12 GB.
    path = write_pyramid(tmp_path / "bomb.tif", tissue_like(600, 800), levels=1)
    offset, count = tile_bytes(path, 0)
    data = path.read_bytes()[offset : offset + count]
    overwrite(path, offset + data.index(b"\xff\xc0") + 5, (65_000).to_bytes(2) * 2)
    tiles = match(path)
    assert tiles is not None
    with pytest.raises(DamagedSlideError, match="65000 x 65000 px"):
        tiles.read(0, Box(0, 0, 10, 10))


def test_bad_dimensions_in_the_page_do_not_match(tmp_path: Path) -> None:
    path = write_pyramid(tmp_path / "odd.tif", tissue_like(600, 800), levels=1)
    with openslide.OpenSlide(path) as handle:
        levels = describe(handle).levels
    set_tag(path, "ImageLength", 60_000)
    assert TiffTiles.match(path, levels) is None


@pytest.mark.parametrize("progressive", [False, True])
def test_whole_jpeg_streams_pass_and_cut_ones_do_not(progressive: bool) -> None:
    image = tissue_like(64, 64) + np.random.default_rng(0).integers(0, 9, (64, 64, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", progressive=progressive)
    data = stream.getvalue()
    frame = jpeg_frame(data)
    assert frame[:3] == (64, 64, 3)
    check_complete(data, frame)
    rgb = decode_jpeg(data, (64, 64), tables=None, is_rgb=False)
    assert np.abs(rgb.astype(int) - image).mean() < 12
    for length in (len(data) - 1, len(data) - 2, len(data) // 2):
        with pytest.raises(ValueError, match="ends"):
            decode_jpeg(data[:length], (64, 64), tables=None, is_rgb=False)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xda\x00\x08", b"\xff\xd8" * 9,
     b"\xff\xd8\xff\xc0\x00\x11", b"\xff\xd8\xff\xe0\x00\x00", b"GIF89a"],
)  # fmt: skip
def test_bytes_that_are_no_jpeg_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="JPEG"):
        jpeg_frame(data)


class TestPositionalFile:
    def test_reads_are_exact(self, tmp_path: Path) -> None:
        path = tmp_path / "bytes"
        path.write_bytes(bytes(range(100)))
        file = PositionalFile(path)
        assert file.read_at(10, 5) == bytes(range(10, 15))
        assert file.read_at(100, 0) == b""
        for offset, count in ((99, 2), (-1, 4), (0, -1), (2**62, 1), (0, 2**62)):
            with pytest.raises(OSError, match="ends before"):
                file.read_at(offset, count)

    def test_systems_without_pread_read_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if sys.platform != "win32":
            monkeypatch.delattr("os.pread")
        path = tmp_path / "bytes"
        path.write_bytes(bytes(range(100)))
        assert PositionalFile(path).read_at(40, 3) == bytes((40, 41, 42))

    def test_a_closed_file_says_so(self, tmp_path: Path) -> None:
        path = tmp_path / "bytes"
        path.write_bytes(b"abc")
        file = PositionalFile(path)
        file.close()
        file.close()
        with pytest.raises(OSError, match="was closed"):
            file.read_at(0, 1)
