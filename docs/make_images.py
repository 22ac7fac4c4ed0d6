"""Make every picture of the site and the README again: ``python docs/make_images.py``.

Runs the demo (on a virtual screen where there is none) and works from what it leaves. All that is
shown is virtual tissue, but for one slide of OpenSlide's test data (CC0), which SLIDECONCORD_DATA
leads to.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from appearance_picture import looks
from PIL import Image
from real_picture import found

import slideconcord as sc
from slideconcord.cli import screen
from slideconcord.comparison.appearance import PlacedScan, Region, read_patch
from slideconcord.samples import FIVE_SCANNERS, VirtualTissue, scan

DRAG = Path(__file__).resolve().parents[1] / "benchmarks" / "bench_slider.py"
VIEWS = Path(__file__).resolve().parent / "scanner_pictures.py"
IMAGES = Path(__file__).resolve().parent / "images"
PANEL_PX = 420
GAP_PX = 8
CROP_UM = 130.0


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    save(five_scanners(), "five-scanners.png")
    # Fifty small photographs: as PNG they would be ten times as large.
    looks().save(IMAGES / "appearance.jpg", quality=88)
    if (slide := real_slide()) is not None:
        save(found(slide), "real-slide.png")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "slideconcord", "demo", "--no-show", "--json"]
        done = subprocess.run(
            [*command, "--out", folder], stdout=subprocess.PIPE, text=True, check=True
        )
        files = [Path(name) for name in json.loads(done.stdout)["files"]]
        save(Image.open(Path(folder) / "window.png"), "demo.png")
        slide = next(path for path in files if path.name.endswith("A.ome.tiff"))
        save(hysteresis_panels(slide, Path(folder) / "baseline"), "hysteresis.png")
        tuned = Path(folder) / "tuned.png"
        prefix = [] if screen.has_screen() else screen.VIRTUAL
        subprocess.run([*prefix, sys.executable, str(DRAG), "--picture", str(tuned)], check=True)
        save(Image.open(tuned), "tune.png")
        views = [Path(folder) / name for name in ("scanners.png", "scanner-views.png")]
        subprocess.run([*prefix, sys.executable, str(VIEWS), *map(str, views)], check=True)
        for picture in views:
            save(Image.open(picture), picture.name)


def real_slide() -> Path | None:
    """Return the one real slide that is shown; None where it is not."""
    path = Path(os.environ.get("SLIDECONCORD_DATA", ""), "slides", "CMU-1-Small-Region.svs")
    return path if path.is_file() else None


def hysteresis_panels(slide_path: Path, out: Path) -> Image.Image:
    """Return four panels: tissue, probability, what exceeds high, and the hysteresis mask.

    The baseline's map has more of what lies between the thresholds than a network's.
    """
    low, high = 0.35, 0.8
    with sc.open_slide(slide_path) as slide:
        probability = sc.predict(slide, sc.load_model("stain-density"), out)
        values = probability.array()
        mask = sc.hysteresis(values, low, high)
        side = min(values.shape)
        rgb = slide.read_region_mpp(slide.box, probability.mpp)
    height, width = values.shape
    panels = [
        rgb[:height, :width],
        np.repeat(values[..., None], 3, axis=2),
        tinted(rgb[:height, :width], values > high * 255),
        tinted(rgb[:height, :width], mask),
    ]
    start = (height - side) // 2, (width - side) // 2
    shown = [
        Image.fromarray(p[start[0] : start[0] + side, start[1] : start[1] + side]).resize(
            (PANEL_PX, PANEL_PX), Image.Resampling.LANCZOS
        )
        for p in panels
    ]
    return in_a_row(shown)


def in_a_row(panels: list[Image.Image]) -> Image.Image:
    """Return square panels of one size side by side."""
    side = panels[0].width
    row = Image.new("RGB", ((side + GAP_PX) * len(panels) - GAP_PX, side), "white")
    for number, panel in enumerate(panels):
        row.paste(panel, (number * (side + GAP_PX), 0))
    return row


def five_scanners() -> Image.Image:
    """Return the same tissue as each of the five virtual scanners renders it."""
    tissue = VirtualTissue(seed=5, height_um=700.0, width_um=800.0)
    panels = []
    with tempfile.TemporaryDirectory() as folder:
        for name, scanner in FIVE_SCANNERS.items():
            path, placed = Path(folder) / f"{name}.ome.tiff", scanner.map(tissue)
            list(scan(tissue, scanner, path))
            with sc.open_slide(path) as slide:
                # a perfect stage: the picture is of one field, and a seam would be a slit in it
                there = PlacedScan(
                    name, slide, lambda um, m=placed: np.stack(m.affine(*um.T), 1) - 0.5
                )
                rgb = read_patch(there, Region(0, 120.0, 330.0, CROP_UM, 1.0), side_px=220)
            panels.append(Image.fromarray(rgb))
    return in_a_row(panels)


def tinted(rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the picture pale, with the mask's part (y, x) in strong cyan."""
    pale = rgb.astype(np.float32) * 0.4 + 153
    pale[mask] = pale[mask] * 0.35 + np.array([0, 160, 190]) * 0.65
    return pale.astype(np.uint8)


def save(image: Image.Image, name: str) -> None:
    """Write a picture with all its colours: fewer would show a colour bar wrongly."""
    image.convert("RGB").save(IMAGES / name, optimize=True)
    print(IMAGES / name, (IMAGES / name).stat().st_size)


if __name__ == "__main__":
    main()
