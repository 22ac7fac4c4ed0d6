"""Every reader keeps the contract, on files made here whose pixels are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import tissue_like, write_pyramid
from contracts.slide_reader import KnownSlide, SlideReaderTests
from slideconcord.geometry import Box, Mpp
from slideconcord.slides.image import ImageReader
from slideconcord.slides.ngff import NgffReader, create_pyramid
from slideconcord.slides.openslide import OpenSlideReader
from slideconcord.slides.tiff import TiffReader
from tiff_files import set_tile, write_ome

HEIGHT, WIDTH = 301, 443


def halves(image: np.ndarray, levels: int) -> tuple[np.ndarray, ...]:
    """Return every second pixel, again and again: cheap, and known exactly."""
    return tuple(np.ascontiguousarray(image[:: 2**i, :: 2**i]) for i in range(levels))


def write_zarr(path: Path, levels: Sequence[np.ndarray], ngff: str = "0.4") -> Path:
    arrays = create_pyramid(
        path,
        levels[0].shape[:2],
        channels=("red", "green", "blue"),
        dtype="uint8",
        frame_scale_um=(0.25, 0.25),
        chunk_px=128,
        ngff=ngff,
        coarsest_px=max(levels[-1].shape[:2]),
    )
    for array, level in zip(arrays, levels, strict=True):
        array[:] = level.transpose(2, 0, 1)
    return path


class TestTiffReader(SlideReaderTests):
    reader = TiffReader

    @pytest.fixture
    def known(self, tmp_path: Path) -> KnownSlide:
        levels = halves(tissue_like(HEIGHT, WIDTH), 3)
        path = write_ome(tmp_path / "known.ome.tif", levels)
        set_tile(path, 11, count=0)
        blank = Box(64, 48, 64, 48)
        levels[0][blank.slices] = 255
        return KnownSlide(path, levels, Mpp(0.25, 0.25), empty=blank)

    @pytest.fixture
    def damaged(self, tmp_path: Path) -> tuple[Path, tuple[int, int, int]]:
        path = write_ome(tmp_path / "damaged.ome.tif", halves(tissue_like(HEIGHT, WIDTH), 1))
        set_tile(path, 11, count=100)
        return path, (0, 1, 1)


class TestTiffReaderOnJpeg(SlideReaderTests):
    reader = TiffReader

    @pytest.fixture
    def known(self, tmp_path: Path) -> KnownSlide:
        image = tissue_like(600, 800)
        path = write_pyramid(tmp_path / "jpeg.tif", image, mpp=0.5, levels=1)
        return KnownSlide(path, (image,), Mpp(0.5, 0.5), tolerance=20)

    @pytest.fixture
    def damaged(self, tmp_path: Path) -> tuple[Path, tuple[int, int, int]]:
        path = write_pyramid(tmp_path / "damaged.tif", tissue_like(600, 800), levels=1)
        set_tile(path, 6, count=1500)
        return path, (0, 1, 2)


class TestOpenSlideReader(SlideReaderTests):
    reader = OpenSlideReader

    @pytest.fixture
    def known(self, tmp_path: Path) -> KnownSlide:
        image = tissue_like(600, 800)
        path = write_pyramid(tmp_path / "known.tif", image, mpp=0.5, levels=1)
        set_tile(path, 5, count=0)
        blank = Box(256, 256, 256, 256)
        image[blank.slices] = 255
        return KnownSlide(path, (image,), Mpp(0.5, 0.5), tolerance=20, empty=blank)

    @pytest.fixture
    def damaged(self, tmp_path: Path) -> tuple[Path, tuple[int, int, int]]:
        path = write_pyramid(tmp_path / "damaged.tif", tissue_like(600, 800), levels=1)
        set_tile(path, 6, count=1500)
        return path, (0, 1, 2)


class TestNgffReader04(SlideReaderTests):
    reader = NgffReader
    version = "0.4"
    chunk = "0/{}/2/3"

    @pytest.fixture
    def known(self, tmp_path: Path) -> KnownSlide:
        levels = halves(tissue_like(HEIGHT, WIDTH), 3)
        path = write_zarr(tmp_path / "known.zarr", levels, self.version)
        return KnownSlide(path, levels, Mpp(0.25, 0.25))

    @pytest.fixture
    def damaged(self, tmp_path: Path) -> tuple[Path, tuple[int, int, int]]:
        levels = halves(tissue_like(HEIGHT, WIDTH), 2)
        path = write_zarr(tmp_path / "damaged.zarr", levels, self.version)
        chunk = path / self.chunk.format(1)
        chunk.write_bytes(chunk.read_bytes()[:40])
        return path, (0, 2, 3)


class TestNgffReader05(TestNgffReader04):
    version = "0.5"
    chunk = "0/c/{}/2/3"


class TestImageReader(SlideReaderTests):
    reader = ImageReader

    @pytest.fixture
    def known(self, tmp_path: Path) -> KnownSlide:
        image = tissue_like(HEIGHT, WIDTH)
        alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
        blank = Box(30, 40, 50, 60)
        alpha[blank.slices] = 0
        Image.fromarray(np.concatenate([image, alpha], axis=-1)).save(tmp_path / "known.png")
        image[blank.slices] = 255
        return KnownSlide(tmp_path / "known.png", (image,), None, empty=blank)
