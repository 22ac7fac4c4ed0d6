"""The huge slide for benchmarks: truly large, all levels consistent, made quickly."""

from __future__ import annotations

from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile

from slideconcord.errors import ParameterError
from slideconcord.samples import write_repeating_slide
from slideconcord.samples.origin import VIRTUAL, virtual_note
from slideconcord.slides.openslide import OpenSlideReader
from slideconcord.slides.tiff import TiffReader

SIDE, PERIOD, TILE = 2064, 512, 128


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("repeating") / "big.tif"
    done = write_repeating_slide(path, SIDE, mpp=1.0, period_px=PERIOD, tile_px=TILE)
    assert list(done) == [0, 1, 2]
    return path


def test_both_readers_see_every_level(path: Path) -> None:
    sides = [SIDE, SIDE // 2, SIDE // 4]
    with tifffile.TiffFile(path) as tiff:
        assert [page.shape[0] for page in tiff.pages] == sides
        assert "VIRTUAL" in tiff.pages[0].description
    with openslide.OpenSlide(path) as slide:
        assert [size[0] for size in slide.level_dimensions] == sides
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(1.0)


def test_every_reader_knows_it_as_virtual(path: Path) -> None:
    for kind in (OpenSlideReader, TiffReader):
        with closing(kind(path)) as reader:
            assert virtual_note(reader.info.scanner) == VIRTUAL
    assert virtual_note("Aperio GT450") == virtual_note(None) == ""


def test_the_picture_repeats_and_ends_where_the_slide_ends(path: Path) -> None:
    with tifffile.TiffFile(path) as tiff:
        image = tiff.pages[0].asarray()
    np.testing.assert_array_equal(image[:PERIOD], image[PERIOD : 2 * PERIOD])
    np.testing.assert_array_equal(image[:, :PERIOD], image[:, 3 * PERIOD : 4 * PERIOD])
    np.testing.assert_array_equal(image[4 * PERIOD :], image[: SIDE - 4 * PERIOD])
    assert image.std() > 20


def test_levels_are_means_of_the_finer_ones(path: Path) -> None:
    with tifffile.TiffFile(path) as tiff:
        levels = [page.asarray().astype(float) for page in tiff.pages]
    for fine, coarse in pairwise(levels):
        # JPEG keeps the means of its blocks of 8 x 8 where it loses detail
        n = len(coarse) // 8
        mean = fine[: 16 * n, : 16 * n].reshape(n, 16, n, 16, 3).mean((1, 3))
        kept = coarse[: 8 * n, : 8 * n].reshape(n, 8, n, 8, 3).mean((1, 3))
        assert np.abs(mean - kept).mean() < 1.5


def test_given_up_it_leaves_nothing(tmp_path: Path) -> None:
    levels = write_repeating_slide(tmp_path / "x.tif", 1024, mpp=1.0, period_px=512, tile_px=128)
    next(levels)
    levels.close()
    assert list(tmp_path.iterdir()) == []


def test_sizes_that_cannot_repeat_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="must be powers of two from 16 up"):
        write_repeating_slide(tmp_path / "x.tif", 5000, period_px=1000)
    with pytest.raises(ParameterError, match="the period not the smaller one"):
        write_repeating_slide(tmp_path / "x.tif", 5000, period_px=256, tile_px=512)
    assert list(tmp_path.iterdir()) == []
