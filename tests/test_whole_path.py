"""The main job from end to end: open, predict, threshold, find regions, export."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from shapely import union_all

import slideconcord as sc


def segment(path: Path, out: Path) -> tuple[sc.Mask, sc.Annotations]:
    with sc.open_slide(path) as slide:
        probability = sc.predict(slide, sc.load_model("stain-density"), out=out)
    mask = sc.hysteresis(probability, low=1 / 3, high=0.9)
    return mask, sc.find_regions(mask, min_area_um2=500)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.fixture(scope="module")
def from_svs(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    return segment(real_data / "slides/CMU-1-Small-Region.svs", tmp_path_factory.mktemp("svs"))


@pytest.mark.real
def test_one_slide_in_two_containers_gives_one_answer(
    from_svs: tuple, real_data: Path, tmp_path: Path
) -> None:
    mask, regions = from_svs
    other, others = segment(real_data / "slides/CMU-1-Small-Region-dicom", tmp_path)
    assert dice(np.asarray(mask.array), np.asarray(other.array)) > 0.98
    ours, theirs = (union_all([r.geometry for r in found]) for found in (regions, others))
    assert ours.intersection(theirs).area / ours.union(theirs).area > 0.96


@pytest.mark.real
def test_regions_lie_on_the_slide_and_cover_the_mask(from_svs: tuple) -> None:
    mask, regions = from_svs
    assert 3 <= len(regions) < 50
    everything = sc.find_regions(mask)
    px = mask.frame.step_y * mask.frame.step_x
    assert sum(r.geometry.area for r in everything) == pytest.approx(
        np.asarray(mask.array).sum() * px, rel=1e-9
    )
    x0, y0, x1, y1 = union_all([r.geometry for r in regions]).bounds
    assert x0 >= 0
    assert y0 >= 0
    assert x1 <= 2220
    assert y1 <= 2967


@pytest.mark.real
def test_exported_regions_are_a_collection_that_qupath_opens(
    from_svs: tuple, tmp_path: Path
) -> None:
    _, regions = from_svs
    path = tmp_path / "regions.geojson"
    sc.write_annotations(regions, path)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["type"] == "FeatureCollection"
    feature = found["features"][0]
    assert feature["properties"]["objectType"] == "annotation"
    assert len(feature["properties"]["classification"]["color"]) == 3
    ring = feature["geometry"]["coordinates"][0]
    while isinstance(ring[0][0], list):
        ring = ring[0]
    assert ring[0] == ring[-1]
    again = sc.read_annotations(path)
    area = sum(r.geometry.area for r in regions)
    assert sum(a.geometry.area for a in again) == pytest.approx(area, rel=1e-6)


def test_a_result_tells_what_made_it(tiny_slide_path: Path, tmp_path: Path) -> None:
    segment(tiny_slide_path, tmp_path)
    run = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    text = json.dumps(run)
    with sc.open_slide(tiny_slide_path) as slide:
        assert slide.fingerprint in text
    assert "stain-density" in text
    assert run["versions"]["slideconcord"] == sc.__version__
    assert str(tiny_slide_path.parent) not in text
