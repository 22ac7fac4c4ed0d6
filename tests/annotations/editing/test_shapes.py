"""Areas under a hand: what is joined, cut, filled and smoothed, and that it stays valid."""

from __future__ import annotations

import math

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from annotations.editing.making import MPP, areas, lines, ring, square
from slideconcord.annotations.editing import shapes
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box, Mpp

ONE = Mpp(1, 1)
CLOSE = {"rel": 1e-6, "abs": 1e-6}


def is_area(geometry: shapely.Geometry) -> bool:
    return geometry.is_valid and geometry.geom_type in ("Polygon", "MultiPolygon")


@given(areas, areas)
def test_joining_and_cutting_share_out_the_area(a, b):
    whole, rest = shapes.joined([a, b]), shapes.cut(a, b)
    assert is_area(whole)
    assert is_area(rest)
    assert whole.area == pytest.approx(rest.area + b.area, **CLOSE)
    assert rest.intersection(b).area == pytest.approx(0, abs=1e-6)


@given(areas, lines)
def test_pieces_add_up_to_what_was_cut(area, line):
    pieces = shapes.pieces(area, line)
    assert sum(piece.area for piece in pieces) == pytest.approx(area.area, **CLOSE)
    assert all(is_area(piece) for piece in pieces)
    assert shapes.joined(pieces).symmetric_difference(area).area == pytest.approx(0, abs=1e-5)


def test_a_line_right_across_gives_two_pieces_with_the_larger_first():
    large, small = shapes.pieces(square(0, 0).geometry, [(-1, 7), (11, 7)])
    assert (large.area, small.area) == (70, 30)


def test_a_line_that_ends_inside_cuts_nothing():
    area = square(0, 0).geometry
    assert shapes.pieces(area, [(-1, 5), (5, 5)]) == [area]


def test_a_ring_is_cut_into_two_halves_that_keep_no_hole():
    pieces = shapes.pieces(ring(0, 0).geometry, [(-1, 5), (11, 5)])
    assert [len(piece.interiors) for piece in pieces] == [0, 0]


def test_parts_that_a_line_misses_stay_with_the_largest_piece():
    area = shapely.union(square(0, 0).geometry, square(20, 0).geometry)
    large, small = shapes.pieces(area, [(-1, 7), (11, 7)])
    assert (large.area, small.area) == (170, 30)


@given(areas)
def test_filled_areas_have_no_hole_and_lose_nothing(area):
    filled = shapes.without_holes(area, ONE)
    assert is_area(filled)
    assert not any(part.interiors for part in shapes.polygons_of(filled))
    assert area.difference(filled).area == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("most_um2", "holes"), [(None, 0), (36 / 8, 0), (36 / 8 - 0.01, 1)])
def test_holes_up_to_an_area_in_um2_are_filled(most_um2, holes):
    filled = shapes.without_holes(ring(0, 0).geometry, MPP, most_um2)
    assert len(filled.interiors) == holes


@given(areas, st.floats(0.2, 8))
def test_a_smoothed_area_is_valid_and_stays_within_a_radius_of_what_it_was(area, radius):
    smooth = shapes.smoothed(area, radius, ONE)
    assert is_area(smooth)
    assert smooth.difference(area.buffer(radius * 1.3)).is_empty


def test_smoothing_takes_corners_in_um_whatever_the_pixels():
    wide = shapely.box(0, 0, 400, 400)
    smooth = shapes.smoothed(wide, 10, MPP)
    lost_um2 = (wide.area - smooth.area) * MPP.x * MPP.y
    # four corners, each a square of the radius less a quarter of a disc
    assert lost_um2 == pytest.approx((4 - math.pi) * 100, rel=0.1)


def test_a_spur_narrower_than_twice_the_radius_goes():
    body = shapely.union(shapely.box(0, 0, 100, 100), shapely.box(100, 48, 200, 52))
    assert shapes.smoothed(body, 4, ONE).bounds[2] == pytest.approx(100, abs=4)


def test_a_single_point_is_a_disc_in_um_and_an_ellipse_in_pixels():
    x0, y0, x1, y1 = shapes.stroke([(100, 50)], 8, MPP).bounds
    assert (x1 - x0, y1 - y0) == pytest.approx((16 / MPP.x, 16 / MPP.y))


def test_a_stroke_covers_its_path_to_the_radius():
    led = shapes.stroke([(0, 0), (100, 0)], 8, ONE)
    assert led.area == pytest.approx(1600 + math.pi * 64, rel=0.01)


def test_of_an_area_what_lies_in_a_box_is_kept():
    area = shapely.box(-5, 2, 15, 8)
    assert shapes.within(area, Box(0, 0, 6, 10)).equals(shapely.box(0, 2, 10, 6))
    assert shapes.within(area, Box(8, 0, 6, 10)).is_empty  # they share an edge alone


@pytest.mark.parametrize("radius", [0, -1, math.nan, math.inf])
def test_a_radius_that_is_none_is_refused(radius):
    with pytest.raises(ParameterError, match=r"radius_um=.* must be above 0, in µm"):
        shapes.stroke([(0, 0)], radius, ONE)
