"""A slide, a model and a reading of results, for the tests of prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from slideconcord.segmentation.model import Model, ModelSpec
from slideconcord.segmentation.predict import PredictOptions

# Tiles of 420 px over chunks of 512 px: every chunk is shared by several tiles.
OPTIONS = PredictOptions(tile_px=420, overlap_px=50, readers=2)


def spec_for(mpp: float = 0.5, **fields: object) -> ModelSpec:
    made = {
        "name": "double",
        "version": "1",
        "architecture": "none",
        "mpp": mpp,
        "tile_px": 300,
        "overlap_px": 50,
        "classes": ("background", "tumour"),
        "activation": "none",
        "licence": "none",
        "training_data": "none",
        **fields,
    }
    return ModelSpec.model_validate(made)


def red_and_blue(rgb: np.ndarray) -> np.ndarray:
    """A pixel's red and blue, as if they were probabilities."""
    return rgb[..., ::2].transpose(2, 0, 1).astype(np.float32) / np.float32(255)


def edgy(rgb: np.ndarray) -> np.ndarray:
    """Depends on where in its tile a pixel lies, so that blending shows."""
    ramp = np.linspace(0, 1, rgb.shape[1], dtype=np.float32)[None, None]
    return np.clip(red_and_blue(rgb) * 0.5 + ramp * 0.5, 0, 1)


def pixel_model(mpp: float = 0.5) -> Model:
    return Model.from_function(spec_for(mpp), red_and_blue)


def edgy_model(**fields: object) -> Model:
    return Model.from_function(spec_for(**fields), edgy)


def chunks_of(out: Path) -> dict[str, bytes]:
    """Return every file of the map but the attributes, which hold the time."""
    root = out / "probability.zarr"
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != ".zattrs"
    }
