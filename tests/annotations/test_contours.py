"""Outlines of masks: exact, valid, independent of how the mask is cut."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from slideconcord.annotations.contours import (
    Tracer,
    polygons_from_mask,
    trace,
    trace_bands,
    trace_regions,
)
from slideconcord.errors import ParameterError
from slideconcord.geometry import Frame

PIXELS = Frame(0, 0, 1, 1)
masks = hnp.arrays(bool, st.tuples(st.integers(0, 14), st.integers(0, 14)))


def drawn(*rows: str) -> np.ndarray:
    return np.array([[c == "#" for c in row] for row in rows])


def pixel_edges(mask: np.ndarray) -> float:
    """Length of all pixel edges between mask and background."""
    padded = np.pad(mask, 1)
    return float(sum(np.count_nonzero(np.diff(padded, axis=axis)) for axis in (0, 1)))


@given(masks)
def test_every_region_is_one_valid_polygon_of_exact_area(mask: np.ndarray) -> None:
    labels, count = ndimage.label(mask)
    polygons = polygons_from_mask(mask, PIXELS)
    assert len(polygons) == count
    assert all(polygon.is_valid for polygon in polygons)
    # regions come in reading order of their first pixel, as labels do
    first = [np.flatnonzero(labels.ravel() == i + 1)[0] for i in range(count)]
    for polygon, i in zip(polygons, np.argsort(first), strict=True):
        assert polygon.area == (labels == i + 1).sum()
    assert sum(polygon.length for polygon in polygons) == pixel_edges(mask)


@given(masks)
def test_rings_turn_at_every_corner_and_never_touch_themselves(mask: np.ndarray) -> None:
    for exterior, holes in trace_regions(mask):
        for ring in (exterior, *holes):
            sides = np.diff(np.vstack([ring, ring[:1]]), axis=0)
            assert ((sides == 0).sum(axis=1) == 1).all()
            assert (sides[:, 0] != 0)[0::2].all() != (sides[:, 0] != 0)[1::2].all()
            assert len(np.unique(ring, axis=0)) == len(ring)


@given(masks, st.integers(1, 5))
def test_bands_change_nothing(mask: np.ndarray, rows: int) -> None:
    whole = trace(mask)
    bands = [mask[y : y + rows] for y in range(0, mask.shape[0], rows)]
    banded = trace_bands(bands, mask.shape[1])
    for name in ("points", "ends", "owners", "areas"):
        assert np.array_equal(getattr(whole, name), getattr(banded, name))


@given(masks)
def test_selected_regions_are_those_of_a_mask_that_holds_them_alone(mask: np.ndarray) -> None:
    outlines = trace(mask)
    wanted = outlines.region_areas >= 3
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=1)
    sizes[0] = 0
    alone = polygons_from_mask((sizes >= 3)[labels], PIXELS)
    selected = outlines.select(wanted)
    assert selected.polygons(PIXELS) == alone
    lengths = [polygon.length for polygon in alone]
    assert selected.region_perimeters(1, 1).tolist() == lengths
    assert selected.region_perimeters(2, 2).tolist() == [2 * length for length in lengths]


@pytest.mark.parametrize(
    ("rows", "regions", "holes"),
    [
        (("#.", ".#"), 2, 0),  # a diagonal touch joins nothing
        ((".#.", "#.#", ".#."), 4, 0),
        (("####", "#..#", "#.#.", "####"), 1, 1),  # the exterior meets itself at a corner
        (("#####", "#.#.#", "##.##", "#####"), 1, 3),  # holes that touch at corners
        (("#####", "#...#", "#.#.#", "#...#", "#####"), 2, 1),  # an island in a hole
        (("#####", "#..##", "#.#.#", "##..#", "#####"), 2, 1),
    ],
)
def test_touching_corners(rows: tuple[str, ...], regions: int, holes: int) -> None:
    polygons = polygons_from_mask(drawn(*rows), PIXELS)
    assert len(polygons) == regions
    assert sum(len(polygon.interiors) for polygon in polygons) == holes
    assert shapely.is_valid(polygons).all()


def test_exteriors_run_with_positive_area_and_start_at_the_first_corner() -> None:
    ((exterior, holes),) = trace_regions(drawn("###", "#.#", "###"))
    assert exterior.tolist() == [[0, 0], [3, 0], [3, 3], [0, 3]]
    assert [hole.tolist() for hole in holes] == [[[1, 1], [1, 2], [2, 2], [2, 1]]]


def test_frame_places_the_polygons() -> None:
    (polygon,) = polygons_from_mask(drawn("..", ".#"), Frame(10, 100, 2.5, 4))
    assert polygon.bounds == (104, 12.5, 108, 15)


def test_a_checkerboard_has_a_region_per_pixel() -> None:
    board = np.indices((30, 30)).sum(0) % 2 == 0
    polygons = polygons_from_mask(board, PIXELS)
    assert len(polygons) == 450
    assert {polygon.area for polygon in polygons} == {1.0}


def test_nothing_has_no_outline() -> None:
    for shape in ((0, 0), (0, 5), (5, 0), (4, 4)):
        assert trace_regions(np.zeros(shape, bool)) == []


def test_wrong_shape_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"two axes \(y, x\).*\(2, 2, 2\)"):
        trace(np.ones((2, 2, 2), bool))


def test_outlines_longer_than_an_index_are_refused() -> None:
    tracer = Tracer(1)
    with pytest.raises(ParameterError, match="corners: this is noise"):
        tracer._reserve(2**31)
