"""Polygons to pixels: the inverse of tracing, exact on borders, the same block by block."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from slideconcord.annotations import Annotation
from slideconcord.annotations.contours import polygons_from_mask
from slideconcord.annotations.raster import Rasteriser, rasterise, rasterise_blocks
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box, Frame

PIXELS = Frame(0, 0, 1, 1)
masks = hnp.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)))
steps = st.floats(0.1, 40)
origins = st.floats(-1e5, 1e5)
# quarters meet pixel centres and corners often
coordinates = st.integers(-8, 48).map(lambda v: v / 4)
rings = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8)


def repaired(ring: list[tuple[float, float]]) -> shapely.Geometry:
    polygon = shapely.Polygon(ring)
    return shapely.make_valid(polygon, method="structure", keep_collapsed=False)


def centres(shape: tuple[int, int]) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.asarray(shapely.points(x, y))


@given(masks, origins, origins, steps, steps)
def test_tracing_and_rasterising_give_the_mask_back(
    mask: np.ndarray, y: float, x: float, step_y: float, step_x: float
) -> None:
    frame = Frame(y, x, step_y, step_x)
    assert np.array_equal(rasterise(polygons_from_mask(mask, frame), frame, mask.shape), mask)


@given(rings)
def test_centres_inside_are_filled_and_centres_outside_are_not(
    ring: list[tuple[float, float]],
) -> None:
    polygon = repaired(ring)
    filled = rasterise([polygon], PIXELS, (9, 12))
    points = centres((9, 12))
    # repairing makes corners that no float holds: centres within an ulp of a border are open
    clear = shapely.distance(polygon.boundary, points) > 1e-9
    inside = shapely.contains(polygon, points)
    assert np.array_equal(filled[clear], inside[clear])


@given(rings, coordinates)
def test_polygons_that_share_a_border_share_no_pixel_and_leave_none(
    ring: list[tuple[float, float]], cut: float
) -> None:
    whole = repaired(ring)
    halves = [
        shapely.intersection(whole, shapely.box(-100, -100, cut, 100)),
        shapely.intersection(whole, shapely.box(cut, -100, 100, 100)),
    ]
    left, right = (rasterise([half], PIXELS, (9, 12)) for half in halves)
    assert not (left & right).any()


def test_a_triangulated_square_is_covered_once() -> None:
    points = np.random.default_rng(0).uniform(0, 40, (60, 2))
    triangles = shapely.delaunay_triangles(shapely.MultiPoint(points))
    times = sum(rasterise([triangle], PIXELS, (40, 40)).astype(int) for triangle in triangles.geoms)
    inside = shapely.contains_properly(triangles.convex_hull, centres((40, 40)))
    assert (times[inside] == 1).all()
    assert times.max() == 1


def test_blocks_are_parts_of_the_whole() -> None:
    rng = np.random.default_rng(1)
    circles = [shapely.Point(*rng.uniform(0, 300, 2)).buffer(rng.uniform(1, 40)) for _ in range(40)]
    frame = Frame(-3.3, 7.7, 1.7, 2.3)
    whole = rasterise(circles, frame, (150, 130))
    assert whole.any()
    for box, block in rasterise_blocks(circles, frame, (150, 130), block_px=37):
        assert np.array_equal(block, whole[box.slices])


def test_holes_stay_empty_and_lines_fill_nothing() -> None:
    frame = shapely.Polygon([(0, 0), (6, 0), (6, 6), (0, 6)], [[(2, 2), (4, 2), (4, 4), (2, 4)]])
    others = [shapely.Point(1, 1), shapely.LineString([(0, 0), (6, 6)]), shapely.Polygon()]
    mask = rasterise([Annotation(frame), *others], PIXELS, (6, 6))
    assert mask.sum() == 32
    assert not mask[2:4, 2:4].any()
    assert not rasterise(others, PIXELS, (6, 6)).any()
    assert not rasterise([], PIXELS, (6, 6)).any()
    nested = shapely.GeometryCollection([shapely.MultiPolygon([frame]), others[0]])
    assert np.array_equal(rasterise([nested], PIXELS, (6, 6)), mask)


def test_huge_outlines_cost_only_the_box_they_fill() -> None:
    vast = shapely.box(-1e12, -1e12, 1e12, 1e12)
    assert rasterise([vast], PIXELS, (5, 7)).all()


def test_later_values_win_and_lost_pixels_are_counted() -> None:
    rasteriser = Rasteriser([shapely.box(0, 0, 4, 4), shapely.box(2, 2, 6, 6)], PIXELS, [5, 9])
    labels = rasteriser.fill(Box(0, 0, 6, 6), np.uint16)
    assert labels.dtype == np.uint16
    assert (labels[0, 0], labels[3, 3], labels[5, 5], labels[0, 5]) == (5, 9, 9, 0)
    assert rasteriser.lost == 4


def test_a_negative_shape_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"shape=\(-1, 3\) must be \(height, width\)"):
        rasterise([], PIXELS, (-1, 3))
