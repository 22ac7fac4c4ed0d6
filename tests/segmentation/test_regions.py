"""Regions of masks in memory and on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from slideconcord.annotations import read_annotations, write_annotations
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.segmentation import regions as module
from slideconcord.segmentation.mask import Mask, open_mask
from slideconcord.segmentation.regions import find_regions


def blobs(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(shape)
    return ndimage.gaussian_filter(noise, 2) > 0.02


def make_mask(array: np.ndarray, **facts: object) -> Mask:
    given = {
        "frame": Frame(100, 200, 2, 4),
        "slide_mpp": Mpp(0.5, 0.25),
        "slide_fingerprint": "abc",
        "class_name": "gland",
        "provenance": {"model": "m"},
    }
    return Mask(array=array, **{**given, **facts})


def test_areas_perimeters_and_places() -> None:
    array = np.zeros((6, 6), bool)
    array[1:5, 1:5] = True
    array[2, 2] = False
    (region,) = find_regions(make_mask(array))
    # pixels of 2 x 4 level-0 pixels are 1 x 1 µm
    assert region.measurements == {"Area um^2": 15.0, "Perimeter um": 20.0}
    assert region.geometry.bounds == (204, 102, 220, 110)
    assert region.geometry.area == 15 * 2 * 4
    assert len(region.geometry.interiors) == 1
    assert (region.class_name, region.colour) == ("gland", (200, 0, 0))


def test_small_regions_are_left_out_and_counted() -> None:
    array = np.zeros((5, 9), bool)
    array[1, 1] = array[1, 3:5] = array[1, 6:9] = True
    found = find_regions(make_mask(array), min_area_um2=2)
    assert [region.measurements["Area um^2"] for region in found] == [2, 3]
    assert found.report == ("1 region(s) under 2 µm² were left out",)


@pytest.mark.parametrize("area", [-1.0, float("nan"), float("inf")])
def test_absurd_minimum_areas_are_refused(area: float) -> None:
    with pytest.raises(ParameterError, match=f"min_area_um2={area} must be 0 or more, in µm²"):
        find_regions(make_mask(np.zeros((3, 3), bool)), area)


def test_an_empty_mask_has_no_regions() -> None:
    assert len(find_regions(make_mask(np.zeros((0, 0), bool)))) == 0
    assert len(find_regions(make_mask(np.zeros((9, 9), bool)))) == 0


def test_masks_on_disk_give_the_same_regions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = make_mask(blobs((700, 900)))
    whole = find_regions(mask, 20)
    monkeypatch.setattr(module, "_BAND_PX", 900 * 37)
    mask.save(tmp_path / "mask.zarr")
    stored = find_regions(open_mask(tmp_path / "mask.zarr"), 20)
    assert stored.items == whole.items
    assert len(whole) > 20


def test_the_same_mask_gives_the_same_ids() -> None:
    mask = make_mask(blobs((100, 100)))
    ids = [region.id for region in find_regions(mask)]
    assert ids == [region.id for region in find_regions(mask)]
    assert len(set(ids)) == len(ids)
    other = make_mask(blobs((100, 100)), slide_fingerprint="def")
    assert not set(ids) & {region.id for region in find_regions(other)}


def test_what_made_them_reaches_the_file(tmp_path: Path) -> None:
    mask = make_mask(blobs((60, 60)), slide_bounds=Box(5, 6, 1000, 2000))
    write_annotations(find_regions(mask, 3), tmp_path / "r.geojson")
    metadata = read_annotations(tmp_path / "r.geojson").metadata
    assert metadata["provenance"] == {"model": "m"}
    assert metadata["frame"] == [100, 200, 2, 4]
    assert metadata["min_area_um2"] == 3
    assert metadata["slide_bounds"] == {"y": 5, "x": 6, "height": 1000, "width": 2000}
