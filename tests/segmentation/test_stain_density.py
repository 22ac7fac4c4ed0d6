"""The baseline: what it finds dense, what it leaves alone, and that tiles do not matter to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import slideconcord as sc
from slideconcord.segmentation.model import load_model
from slideconcord.segmentation.stain_density import StainDensity

HAEMATOXYLIN, EOSIN = np.array([0.65, 0.70, 0.29]), np.array([0.07, 0.99, 0.11])


def stained(haematoxylin: float, eosin: float, size: int = 64) -> np.ndarray:
    """Return a flat patch of tissue with the given amounts of the stains."""
    density = haematoxylin * HAEMATOXYLIN + eosin * EOSIN / np.linalg.norm(EOSIN)
    value = 256 * 10.0**-density - 1
    return np.full((size, size, 3), value.round().clip(0, 255), np.uint8)


@pytest.fixture
def baseline() -> StainDensity:
    return StainDensity(blur_um=7.0, centre=0.4, slope=0.05, mpp=1.0)


def flat(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((64, 64, 3), colour, np.uint8)


def test_unmixes_what_was_mixed(baseline: StainDensity):
    for haematoxylin in (0.1, 0.3, 0.6, 0.9):
        for eosin in (0.0, 0.3, 0.6):
            found = baseline.density(stained(haematoxylin, eosin))[0, 0] / 50_000
            assert found == pytest.approx(haematoxylin, abs=0.03)


def test_crowded_nuclei_are_dense_and_stroma_is_not(baseline: StainDensity):
    assert baseline(stained(0.6, 0.2)).min() > 0.9
    assert baseline(stained(0.15, 0.5)).max() < 1 / 3
    assert baseline(stained(0.0, 0.0)).max() < 1 / 255


@pytest.mark.parametrize(
    "colour",
    [(0, 0, 0), (40, 40, 40), (120, 120, 120), (0, 120, 90), (255, 255, 255), (200, 30, 30)],
    ids=["black", "dark grey", "grey", "green ink", "white", "red ink"],
)
def test_what_is_no_haematoxylin_is_not_dense(baseline: StainDensity, colour: tuple[int, int, int]):
    assert baseline(flat(colour)).max() < 0.1


def test_single_nuclei_do_not_reach_the_threshold(baseline: StainDensity):
    image = stained(0.05, 0.4, 200)
    for y in range(20, 200, 60):
        for x in range(20, 200, 60):
            image[y : y + 7, x : x + 7] = stained(0.9, 0.1, 7)
    assert baseline(image).max() < 1 / 3


def test_a_tile_agrees_with_the_whole_image_beyond_its_reach(baseline: StainDensity):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (200, 260, 3), dtype=np.uint8)
    whole = baseline(image)
    reach = baseline.reach_px
    part = baseline(image[30:170, 40:230])[:, reach:-reach, reach:-reach]
    np.testing.assert_array_equal(
        part, whole[:, 30 + reach : 170 - reach, 40 + reach : 230 - reach]
    )


def test_the_reach_stays_well_inside_the_overlap():
    spec = load_model("stain-density").spec
    reach = StainDensity(**spec.parameters, mpp=spec.mpp).reach_px  # type: ignore[arg-type]
    assert reach < spec.overlap_px / 2


@pytest.mark.real
def test_finds_the_epithelium_of_a_real_slide(real_data: Path):
    with sc.open_slide(real_data / "slides" / "CMU-1-Small-Region.svs") as slide:
        rgb = slide.read_region_mpp(slide.box, 1.0)
    scores = load_model("stain-density")(rgb)[0]
    assert scores[470:500, 740:780].mean() > 0.8, "epithelium"
    assert scores[600:700, 480:520].mean() < 0.3, "stroma"
    assert scores[:, :200].mean() < 0.05, "background"
    assert 0.02 < (scores > 0.9).mean() < 0.2
