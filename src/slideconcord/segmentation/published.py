"""Models whose weights their authors publish, and what they say of them; users bring the files."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

from slideconcord.errors import ModelError
from slideconcord.segmentation.checkpoint import step_of
from slideconcord.segmentation.spec import ModelSpec
from slideconcord.segmentation.tiles import INFERENCE

PAN_CANCER = ModelSpec(
    name="pan-cancer",
    version="unknown",
    description="Tumour in H&E slides of resected carcinomas, whatever the organ.",
    architecture="eca_nfnet_l3-deeplabv3plus",
    mpp=1.0,
    tile_px=INFERENCE.tile_px,
    overlap_px=INFERENCE.overlap_px,
    mean=(0.8297992, 0.7106879, 0.8241846),
    std=(0.1051075, 0.1543867, 0.09917571),
    input_multiple=16,
    pad_value=0,
    classes=("background", "tissue", "tumour"),
    activation="softmax",
    low=1 / 3,
    high=0.9,
    licence="not stated by the authors: ask them before any use but your own research",
    training_data="20,270 scans of 4,305 patients with colorectal, endometrial, lung or prostate "
    "carcinoma, two scanners",
    credit="Skrede O-J, et al. Generalisation of automatic tumour segmentation in "
    "histopathological whole-slide images across multiple cancer types. npj Precis Oncol 2026. "
    "doi 10.1038/s41698-026-01311-6",
    parameter_count=73_472_403,
)
"""The pan-cancer tumour segmentation model (Skrede et al. 2026).

Pixel size, tiles, overlap and thresholds: Methods, "Tiling", "Apply the optimised segmentation
network", "Threshold". Mean, std, the multiple of 16 and the order of classes: the authors' public
configuration. The number of parameters: Methods, and only three classes give it.
"""

PUBLISHED: MappingProxyType[str, ModelSpec] = MappingProxyType({PAN_CANCER.name: PAN_CANCER})


def describe_checkpoint(checkpoint: Path, model: str = PAN_CANCER.name, **fields: Any) -> ModelSpec:
    """Return the spec of a published model whose weights are in ``checkpoint``.

    Its version is the training step that the file's name ends with, where it does; ``fields``
    replace others, such as ``name``.

    Raises
    ------
    ModelError
        When nobody knows the model, or a field is impossible.
    """
    if model not in PUBLISHED:
        raise ModelError(f"No published model {model!r}: known are {', '.join(PUBLISHED)}.", model)
    step = step_of(checkpoint)
    version = {} if step is None else {"version": f"step-{step}"}
    return PUBLISHED[model].changed(**version, **fields)
