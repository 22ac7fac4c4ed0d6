"""Fixtures that every part of the suite shares."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import settings

# No test may fail because the machine is busy.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real slides; skip, saying why, where there is none."""
    given = os.environ.get("SLIDECONCORD_DATA")
    folder = Path(given) if given else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real slides here: set SLIDECONCORD_DATA to their folder")
    return folder


def tissue_like(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return a smooth pink and purple image (y, x, 3) uint8 that survives JPEG well."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = [np.sin(y / s + phase[i]) * np.cos(x / (s * 1.3)) for i, s in enumerate((37, 61, 97))]
    stain = (sum(waves) / 3 + 1) / 2
    rgb = np.stack([235 - 110 * stain, 225 - 150 * stain, 238 - 70 * stain], axis=-1)
    return rgb.round().astype(np.uint8)


def write_pyramid(
    path: Path, image: np.ndarray, mpp: float | None = 0.5, levels: int = 3, tile: int = 256
) -> Path:
    """Write a tiled JPEG pyramid as TIFF whose levels halve each time."""
    units = {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"} if mpp else {}
    shared = {"tile": (tile, tile), "compression": "jpeg", "compressionargs": {"level": 95}}
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        tiff.write(image, photometric="rgb", subifds=0, metadata=None, **shared, **units)
        for _ in range(1, levels):
            h, w = (side // 2 * 2 for side in image.shape[:2])
            image = image[:h, :w].reshape(h // 2, 2, w // 2, 2, 3).mean((1, 3)).round()
            image = image.astype(np.uint8)
            tiff.write(image, photometric="rgb", subfiletype=1, metadata=None, **shared)
    return path


@pytest.fixture(scope="session")
def tiny_slide_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a 1500 x 2000 px tiled JPEG pyramid TIFF of three levels at 0.5 µm/px."""
    return write_pyramid(tmp_path_factory.mktemp("slides") / "tiny.tif", tissue_like(1500, 2000))
