"""What every reader of slides keeps: subclass `SlideReaderTests` and make files for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from slideconcord.errors import DamagedSlideError, SlideError
from slideconcord.geometry import Box, Mpp
from slideconcord.slides.reader import SlideReader


@dataclass(frozen=True)
class KnownSlide:
    """A file made for a test, and what must come out of it."""

    path: Path
    pixels: tuple[np.ndarray, ...]
    """RGB of each native level."""
    mpp: Mpp | None
    tolerance: int = 0
    """Grey levels that lossy compression may take."""
    associated: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Name -> shape of the side pictures."""
    empty: Box | None = None
    """Level-0 pixels that the file leaves out or makes transparent."""


def open_files() -> int:
    """Return how many files this process holds open; 0 where that cannot be seen."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def boxes(shape: tuple[int, int], seed: int, count: int = 12) -> Iterator[Box]:
    """Yield boxes inside a level: all of it, its corners' pixels, and random ones."""
    height, width = shape
    yield Box(0, 0, height, width)
    for y in (0, height - 1):
        for x in (0, width - 1):
            yield Box(y, x, 1, 1)
    generator = np.random.default_rng(seed)
    for _ in range(count):
        h, w = int(generator.integers(1, height + 1)), int(generator.integers(1, width + 1))
        y, x = int(generator.integers(height - h + 1)), int(generator.integers(width - w + 1))
        yield Box(y, x, h, w)


class SlideReaderTests:
    """The contract. A subclass sets ``reader`` and gives the fixtures ``known`` and ``damaged``."""

    reader: type[SlideReader]

    @pytest.fixture
    def known(self) -> KnownSlide:
        raise NotImplementedError

    @pytest.fixture
    def damaged(self) -> tuple[Path, tuple[int, int, int]] | None:
        """A file with one broken tile, and where; None when damage shows at opening."""
        return None

    @pytest.fixture
    def opened(self, known: KnownSlide) -> Iterator[SlideReader]:
        reader = self.reader(known.path)
        yield reader
        reader.close()

    def test_levels_grow_coarser(self, opened: SlideReader, known: KnownSlide) -> None:
        levels = opened.info.levels
        assert [level.shape for level in levels] == [image.shape[:2] for image in known.pixels]
        assert levels[0].downsample == (1.0, 1.0)
        for fine, coarse in pairwise(levels):
            assert all(a < b for a, b in zip(fine.downsample, coarse.downsample, strict=True))
        for level in levels:
            for size, full, factor in zip(
                level.shape, levels[0].shape, level.downsample, strict=True
            ):
                assert abs(size - full / factor) <= 1
            assert min(level.tile_shape) >= 1

    def test_says_what_the_file_says(self, opened: SlideReader, known: KnownSlide) -> None:
        info = opened.info
        assert info.format
        assert info.icc_profile is None or isinstance(info.icc_profile, bytes)
        assert len(info.background) == 3
        assert all(isinstance(text, str) for pair in info.properties.items() for text in pair)
        if known.mpp is None:
            assert info.mpp is None
        else:
            assert info.mpp == pytest.approx(known.mpp, rel=1e-4)

    def test_pixels_are_those_stored(self, opened: SlideReader, known: KnownSlide) -> None:
        for level, image in enumerate(known.pixels):
            rgb = opened.read(level, Box(0, 0, *image.shape[:2]))
            assert rgb.dtype == np.uint8
            assert rgb.flags.c_contiguous
            assert np.abs(rgb.astype(int) - image).max() <= known.tolerance

    def test_a_box_is_a_crop_of_the_whole(self, opened: SlideReader) -> None:
        for index, level in enumerate(opened.info.levels):
            whole = opened.read(index, Box(0, 0, *level.shape))
            for box in boxes(level.shape, seed=index):
                rgb = opened.read(index, box)
                assert rgb.shape == (*box.shape, 3)
                np.testing.assert_array_equal(rgb, whole[box.slices])

    def test_what_is_read_may_be_changed(self, opened: SlideReader) -> None:
        box = Box(0, 0, 4, 5)
        first = opened.read(0, box)
        kept = first.copy()
        first[:] = 7
        np.testing.assert_array_equal(opened.read(0, box), kept)

    def test_eight_threads_read_what_one_reads(self, opened: SlideReader) -> None:
        wanted = [
            (index, box)
            for index, level in enumerate(opened.info.levels)
            for box in boxes(level.shape, seed=index + 50, count=5)
        ]
        alone = [opened.read(*want) for want in wanted]
        start = threading.Barrier(8)

        def read_all(first: int) -> list[np.ndarray]:
            start.wait(30)
            turned = wanted[first:] + wanted[:first]
            read = [opened.read(*want) for want in turned]
            return read[len(wanted) - first :] + read[: len(wanted) - first]

        with ThreadPoolExecutor(8) as pool:
            for together in pool.map(read_all, range(8)):
                for a, b in zip(alone, together, strict=True):
                    np.testing.assert_array_equal(a, b)

    def test_what_is_left_out_is_background(self, opened: SlideReader, known: KnownSlide) -> None:
        if known.empty is None:
            pytest.skip("the format leaves nothing out")
        assert (opened.read(0, known.empty) == opened.info.background).all()

    def test_associated_images(self, opened: SlideReader, known: KnownSlide) -> None:
        assert set(opened.info.associated) == set(known.associated)
        for name, shape in known.associated.items():
            image = opened.associated_image(name)
            assert image.shape == (*shape, 3)
            assert image.dtype == np.uint8

    def test_an_unknown_associated_image_is_named(self, opened: SlideReader) -> None:
        with pytest.raises(SlideError, match="no image 'nonsense'"):
            opened.associated_image("nonsense")

    def test_a_damaged_tile_is_named_and_the_rest_goes_on(
        self, damaged: tuple[Path, tuple[int, int, int]] | None
    ) -> None:
        if damaged is None:
            pytest.skip("damage shows when such a file is opened")
        path, (level, row, column) = damaged
        reader = self.reader(path)
        try:
            native = reader.info.levels[level]
            height, width = native.tile_shape
            whole = Box(0, 0, *native.shape)
            bad = Box(row * height, column * width, height, width).intersect(whole)
            before = reader.read(level, Box(0, 0, 8, 8))
            with pytest.raises(DamagedSlideError, match="cannot be decoded") as caught:
                reader.read(level, bad)
            assert caught.value.tiles == ((level, row, column),)
            assert path.name in str(caught.value)
            with pytest.raises(DamagedSlideError):
                reader.read(level, bad)
            np.testing.assert_array_equal(reader.read(level, Box(0, 0, 8, 8)), before)
        finally:
            reader.close()

    def test_other_files_are_refused(self, tmp_path: Path) -> None:
        empty = tmp_path / "empty.svs"
        empty.write_bytes(b"")
        text = tmp_path / "text.svs"
        text.write_text("This is a letter, not a slide. " * 50)
        folder = tmp_path / "folder"
        folder.mkdir()
        for path in (empty, text, folder, tmp_path / "absent.tif"):
            with pytest.raises(SlideError) as caught:
                self.reader(path)
            assert "\n" not in str(caught.value)

    def test_no_file_stays_open(self, known: KnownSlide, tmp_path: Path) -> None:
        text = tmp_path / "text.tif"
        text.write_text("II*\0 and then nothing a TIFF file would hold" * 20)
        # What libraries open once for the whole process is open after this.
        self.reader(known.path).close()
        before = open_files()
        reader = self.reader(known.path)
        reader.read(0, Box(0, 0, 3, 3))
        reader.close()
        reader.close()
        with pytest.raises(SlideError):
            self.reader(text)
        assert open_files() <= before
