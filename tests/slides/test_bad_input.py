"""Every wrong slide gives its error class and one clear line, and leaves no file open."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from contracts.slide_reader import open_files
from slide_corpus import CASES, Case, jpeg, ome, png, zarr
from slideconcord.errors import SlideError
from slideconcord.geometry import Box
from slideconcord.slides import open_slide


def read_everything(path: Path, mpp: float | None) -> None:
    """Open a slide and read each of its levels."""
    with open_slide(path, mpp=mpp) as slide:
        for level in slide.levels:
            rgb = slide.read_region(level.index, Box(0, 0, *level.shape[:2]))
            assert rgb.shape == level.shape
            assert rgb.dtype == np.uint8
        assert len(slide.fingerprint) == 64


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_wrong_slide_has_its_error(tmp_path: Path, case: Case) -> None:
    if case.needs_permissions and os.geteuid() == 0:
        pytest.skip("root may read every file")
    path = case.make(tmp_path)
    if case.error is None:
        read_everything(path, case.mpp)
        return
    with pytest.raises(case.error) as caught:
        read_everything(path, case.mpp)
    text = str(caught.value)
    assert type(caught.value) is case.error
    assert re.search(case.message, text), text
    assert "\n" not in text
    assert len(text) < 700
    assert caught.value.path == str(path)


def test_no_file_is_left_open(tmp_path: Path) -> None:
    read_everything(jpeg(tmp_path), None)
    gc.collect()
    before = open_files()
    for index, case in enumerate(CASES):
        folder = tmp_path / str(index)
        folder.mkdir()
        with suppress(SlideError):
            read_everything(case.make(folder), case.mpp)
    gc.collect()
    assert open_files() <= before


def test_bad_input_covers_each_family() -> None:
    assert len(CASES) >= 25
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("make", [jpeg, ome, png], ids=["jpeg", "ome", "png"])
def test_random_damage_is_an_error_of_ours_or_none(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    generator = np.random.default_rng(7)
    good = make(tmp_path).read_bytes()
    path = tmp_path / make(tmp_path).name
    for _ in range(40):
        data = bytearray(good)
        # The structure lies in the first bytes; there a change does most.
        near = generator.random() < 0.7
        for at in generator.integers(0, min(len(data), 900) if near else len(data), 3):
            data[at] = generator.integers(256)
        path.write_bytes(data)
        with suppress(SlideError):
            read_everything(path, 0.5)


def test_random_damage_of_zarr_metadata_is_an_error_of_ours_or_none(tmp_path: Path) -> None:
    generator = np.random.default_rng(8)
    path = zarr(tmp_path)
    files = [path / ".zattrs", path / "0/.zarray", path / "1/.zarray", path / ".zgroup"]
    for index in range(60):
        file = files[index % len(files)]
        good = file.read_bytes()
        data = bytearray(good)
        for at in generator.integers(0, len(data), 2):
            data[at] = ord(generator.choice(list('0{}[]",:-9ae.')))
        file.write_bytes(data)
        with suppress(SlideError):
            read_everything(path, 0.5)
        file.write_bytes(good)
