"""Picture what the default model finds on a real slide: ``python docs/real_picture.py SLIDE OUT``.

For CMU-1-Small-Region.svs of OpenSlide's test data (CC0), a piece of skin.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import slideconcord as sc

MODEL, MPP, GAP_PX = "colon-epithelium", 4.0, 8
TINT = np.array([0, 160, 190])


def found(slide_path: Path) -> Image.Image:
    """Return three panels: the slide, the probability of epithelium, and the mask over the slide.

    The mask is made with the model's own thresholds.
    """
    with tempfile.TemporaryDirectory() as folder, sc.open_slide(slide_path) as slide:
        probability = sc.predict(slide, sc.load_model(MODEL), folder)
        values = probability.array()
        mask = np.asarray(sc.hysteresis(probability, probability.low, probability.high).array)
        rgb = slide.read_region_mpp(slide.box, probability.mpp)
        shrink = round(MPP / probability.mpp.y)
    height, width = values.shape
    rgb = rgb[:height, :width]
    pale = rgb * 0.4 + 153
    pale[mask] = pale[mask] * 0.35 + TINT * 0.65
    grey = np.repeat(values[..., None], 3, axis=2)
    panels = [Image.fromarray(p.astype(np.uint8)).reduce(shrink) for p in (rgb, grey, pale)]
    return side_by_side(panels)


def side_by_side(panels: list[Image.Image]) -> Image.Image:
    width, height = panels[0].size
    row = Image.new("RGB", ((width + GAP_PX) * len(panels) - GAP_PX, height), "white")
    for number, panel in enumerate(panels):
        row.paste(panel, (number * (width + GAP_PX), 0))
    return row


if __name__ == "__main__":
    found(Path(sys.argv[1])).save(sys.argv[2])
