"""Small data and small recipes for tests of training."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from slideconcord.training.data.tile import TileRecord
from slideconcord.training.recipe import Recipe, make_recipe

TINY: dict[str, Any] = {
    "name": "tiny",
    "seed": 3,
    "classes": {
        "background": ["background"],
        "other tissue": ["other tissue", "normal epithelium"],
        "tumour": ["tumour"],
    },
    "data": {
        "source": {"virtual": {"tissues": 3, "side_um": 512}},
        "mpp": 4.0,
        "tile_px": 64,
        "val": 0.34,
    },
    "augment": ["flip", {"crop": {"size_px": 32, "area": [0.5, 0.8]}}, "hsv"],
    "network": {
        "architecture": "smp-unet",
        "parameters": {
            "encoder_name": "timm-mobilenetv3_small_minimal_100",
            "encoder_depth": 3,
            "decoder_channels": [16, 8, 8],
        },
    },
    "loss": {"dice": {}, "top_cross_entropy": {}},
    "optimiser": "sgd",
    "schedule": {"warm_up_cosine": {"first": 0.001, "peak": 0.01, "warm_up_steps": 4}},
    "train": {"steps": 8, "batch": 4, "check_every": 4, "log_every": 2},
    "model": {"licence": "CC0-1.0", "training_data": "virtual", "overlap_px": 16},
}


def tiny(**changes: Any) -> Recipe:
    """Return the tiny recipe; ``data__val=0.5`` changes one setting of a section."""
    values = copy.deepcopy(TINY)
    for key, value in changes.items():
        *sections, last = key.split("__")
        place = values
        for section in sections:
            place = place[section]
        place[last] = value
    return make_recipe(values)


def record(
    name: str,
    patient: str = "p",
    slide: str = "",
    scanner: str = "A",
    group: str = "",
    split: str = "",
    shares: tuple[float, ...] = (0.5, 0.5),
) -> TileRecord:
    return TileRecord(name, patient, slide or patient, scanner, group, split, shares)


def write_folder(
    folder: Path, patients: int = 4, each: int = 2, side: int = 64, columns: str = "name,patient"
) -> Path:
    """Write dark squares on light ground with their masks (0 and 255)."""
    random = np.random.default_rng(0)
    lines = [columns]
    for sub in ("image", "mask"):
        (folder / sub).mkdir(parents=True)
    for patient in range(patients):
        for k in range(each):
            name = f"tile-{patient}-{k}"
            y, x = random.integers(4, side - 24, 2)
            mask = np.zeros((side, side), np.uint8)
            mask[y : y + 20, x : x + 20] = 255
            rgb = np.where(mask[..., None] > 0, [120, 40, 120], [230, 200, 230])
            noisy = np.clip(rgb + random.normal(0, 5, rgb.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / "image" / f"{name}.png")
            Image.fromarray(mask).save(folder / "mask" / f"{name}.png")
            lines.append(f"{name},patient-{patient}")
    (folder / "index.csv").write_text("\n".join(lines) + "\n")
    return folder


FOLDER_CLASSES = {"background": ["0"], "square": ["255"]}


def folder_recipe(folder: Path, **changes: Any) -> Recipe:
    source = {"folder": {"path": str(folder)}}
    return tiny(data__source=source, classes=FOLDER_CLASSES, **changes)


def with_context(source: Any) -> dict[str, Any]:
    """Return the tiny recipe's settings with a context, and a network that sees it."""
    deeper = {"encoder_depth": 4, "decoder_channels": [16, 12, 8, 8]}
    return {
        **TINY,
        "data": {**TINY["data"], "source": source, "context": {"downsample": 4}},
        "network": {
            "architecture": "multi-level-unet",
            "parameters": {**TINY["network"]["parameters"], **deeper},
        },
        "objective": "multi-level",
        "loss": {"weighted_cross_entropy": {}, "weighted_dice": {}},
        "augment": [],
    }
