"""Votes and disputes against what numpy and SciPy say of the whole picture at once."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from slideconcord.annotations import Annotation, Annotations
from slideconcord.annotations.raster import rasterise
from slideconcord.comparison.observers import disputes
from slideconcord.comparison.observers.disputes import find_disputes, looking_step
from slideconcord.comparison.observers.votes import ReadingStack
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.segmentation.mask import Mask, open_mask

FRAME, MPP = Frame(8.0, 4.0, 2.0, 2.0), Mpp(0.5, 0.5)
PIXEL_UM2 = 1.0
SHAPES = st.tuples(st.integers(1, 24), st.integers(1, 24))
STACKS = st.tuples(st.integers(2, 5), SHAPES).flatmap(
    lambda each: arrays(np.bool_, (each[0], *each[1]))
)


def readings_of(stack: np.ndarray) -> ReadingStack:
    masks = {f"r{i}": Mask(pixels, FRAME, MPP) for i, pixels in enumerate(stack)}
    return ReadingStack(masks, FRAME, stack.shape[1:], MPP)


def outlines(*boxes: tuple[float, float, float, float]) -> Annotations:
    return Annotations.of(Annotation(shapely.box(*box)) for box in boxes)


@given(STACKS, st.data())
def test_votes_are_the_sum_of_the_readings(stack, data):
    readings = readings_of(stack)
    height, width = stack.shape[1:]
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    box = Box(y, x, data.draw(st.integers(1, height - y)), data.draw(st.integers(1, width - x)))
    np.testing.assert_array_equal(readings.votes(box), stack.sum(0)[box.slices])
    kinds = readings.kinds("r0", "r1", box)
    np.testing.assert_array_equal(kinds, (stack[0] + 2 * stack[1].astype(int))[box.slices])


@given(arrays(np.bool_, SHAPES), st.sampled_from([1, 2, 4, 8]))
def test_a_coarse_pixel_of_a_mask_is_the_one_in_its_middle(pixels, step):
    readings = readings_of(np.stack([pixels, pixels]))
    shape = readings.shape_at(step)
    expected = np.zeros(shape, bool)
    picked = pixels[step // 2 :: step, step // 2 :: step]
    expected[: picked.shape[0], : picked.shape[1]] = picked
    np.testing.assert_array_equal(readings.read("r0", Box(0, 0, *shape), step), expected)


@pytest.mark.parametrize("step", [1, 2, 8])
def test_annotations_are_drawn_at_every_step_as_rasterise_does(step):
    drawn = outlines((10, 12, 55.5, 70), (30, 20, 90, 33.3))
    readings = ReadingStack({"a": drawn, "b": drawn[:1]}, FRAME, (40, 50), MPP)
    shape = readings.shape_at(step)
    expected = rasterise(drawn, FRAME.coarser(step), shape)
    assert expected.any()
    np.testing.assert_array_equal(readings.read("a", Box(0, 0, *shape), step), expected)
    part = Box(1, 2, 3, 3)
    np.testing.assert_array_equal(readings.read("a", part, step), expected[part.slices])


def test_a_mask_in_another_frame_is_brought_into_the_readings(tmp_path):
    fine = rasterise(outlines((10, 12, 55.5, 70)), Frame(0, 0, 1, 1), (120, 120))
    mask = Mask(fine, Frame(0, 0, 1, 1), MPP).save(tmp_path / "mask.zarr")
    stored = open_mask(tmp_path / "mask.zarr")
    for given_mask in (mask, stored):
        readings = ReadingStack({"m": given_mask}, FRAME, (40, 50), MPP)
        expected = fine[9:89:2, 5:105:2]
        np.testing.assert_array_equal(readings.read("m", Box(0, 0, 40, 50)), expected)
    coarse = readings.read("m", Box(0, 0, 10, 13), 4)
    assert np.count_nonzero(coarse) * 64 == pytest.approx(fine.sum(), rel=0.15)


def test_levels_end_when_they_fit_a_screen():
    readings = ReadingStack(
        {"a": outlines((0, 0, 1, 1))}, Frame(0, 0, 1, 1), (100_000, 90_000), MPP
    )
    steps = readings.steps()
    assert steps == [2**i for i in range(9)]
    assert readings.shape_at(steps[-1]) == (391, 352)
    box = Box(70_000, 60_000, 5, 7)
    assert not readings.votes(box).any()
    assert looking_step(readings) == 16


# --- disputes ---------------------------------------------------------------------------------


def slow_disputes(stack: np.ndarray) -> list[tuple]:
    """Return (area, weight, box, marked) of each place, from the whole picture at once."""
    votes = stack.sum(0)
    labels, count = ndimage.label((votes > 0) & (votes < len(stack)), np.ones((3, 3)))
    found = []
    for number in range(1, count + 1):
        inside = labels == number
        y, x = np.nonzero(inside)
        even = np.minimum(votes, len(stack) - votes)[inside].sum() / (len(stack) // 2)
        edges = (y.min(), x.min(), y.max() + 1, x.max() + 1)
        found.append((inside.sum(), even, edges, tuple(stack[:, inside].sum(1)), inside))
    return sorted(found, key=lambda each: (-each[1], each[2][0], each[2][1]))


@given(STACKS, st.integers(1, 60))
def test_disputes_are_those_of_the_whole_picture_whatever_the_bands(stack, band_px):
    readings = readings_of(stack)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disputes, "_BAND_PX", band_px)
        found = find_disputes(readings, most=10_000)
    expected = slow_disputes(stack)
    assert [each.area_um2 for each in found] == [e[0] * PIXEL_UM2 for e in expected]
    assert [each.weight_um2 for each in found] == pytest.approx([e[1] for e in expected])
    key = [(d.weight_um2, d.box.y, d.box.x) for d in found]
    assert key == sorted(key, key=lambda k: (-k[0], k[1], k[2]))
    left = list(expected)
    for each in found:
        edges = (
            (each.box.y - 8) // 2, (each.box.x - 4) // 2,
            (each.box.stop_y - 8) // 2, (each.box.stop_x - 4) // 2,
        )  # fmt: skip
        y, x = ((c + 0.5 - o) / 2 for c, o in zip(each.centre, (8, 4), strict=True))
        twin = next(
            e for e in left
            if e[2] == edges and e[3] == tuple(each.marked_um2.values()) and e[4][int(y), int(x)]
        )  # fmt: skip
        left.remove(twin)
        longest = max(len(run) for run in _runs(twin[4]))
        row = twin[4][int(y)]
        assert max(len(run) for run in _runs(row[None])) == longest
    assert not left


def _runs(inside: np.ndarray) -> list[str]:
    return [run for row in inside for run in "".join("x" if v else " " for v in row).split()]


def test_between_two_readings_weight_is_area_and_each_place_says_whose_it_is():
    a = outlines((20, 20, 60, 40))
    b = outlines((20, 20, 60, 36), (70, 60, 80, 80))
    readings = ReadingStack({"Ann": a, "Bo": b}, Frame(0, 0, 1, 1), (100, 100), MPP)
    first, second = find_disputes(readings)
    assert first.area_um2 == first.weight_um2 == 200 * 0.25
    assert first.marked_by == ("Bo",)
    assert first.box == Box(60, 70, 20, 10)
    assert second.marked_by == ("Ann",)
    assert second.marked_um2 == {"Ann": 40.0, "Bo": 0.0}
    assert find_disputes(readings, min_area_um2=45.0) == [first]
    assert find_disputes(readings, most=1) == [first]


def test_a_place_split_half_and_half_goes_before_a_larger_one_that_one_of_four_marks():
    lone, split = (0, 0, 40, 40), (60, 60, 90, 90)
    given_readings = {
        "a": outlines(lone, split), "b": outlines(split), "c": outlines(), "d": outlines()
    }  # fmt: skip
    readings = ReadingStack(given_readings, Frame(0, 0, 1, 1), (100, 100), MPP)
    first, second = find_disputes(readings)
    assert (first.area_um2, second.area_um2) == (225.0, 400.0)
    assert (first.weight_um2, second.weight_um2) == (225.0, 200.0)
    assert first.marked_by == ("a", "b")


def test_progress_ends_at_all_and_the_work_can_be_dropped():
    readings = readings_of(np.zeros((2, 10, 10), bool))
    steps = disputes.dispute_steps(readings)
    assert next(steps) == 1.0
    steps.close()
    assert find_disputes(readings) == []


def test_what_cannot_be_is_refused_with_the_remedy():
    readings = readings_of(np.zeros((2, 10, 10), bool))
    with pytest.raises(ParameterError, match="choose from r0, r1"):
        readings.read("r9", Box(0, 0, 1, 1))
    with pytest.raises(ParameterError, match=r"give a box of \(5, 5\)"):
        readings.read("r0", Box(0, 0, 6, 5), 2)
    with pytest.raises(ParameterError, match="give two or more"):
        find_disputes(readings, ["r0", "r0"])
    with pytest.raises(ParameterError, match="give 1 to 255"):
        ReadingStack({}, FRAME, (1, 1), MPP)


def test_one_reading_may_be_left_out():
    stack = np.zeros((3, 10, 10), bool)
    stack[2] = True
    readings = readings_of(stack)
    assert find_disputes(readings, ["r0", "r1"]) == []
    assert [each.marked_by for each in find_disputes(readings)] == [("r2",)]


def test_beyond_the_tissue_nothing_is_marked():
    stack = np.ones((2, 10, 10), bool)
    stack[1] = False
    tissue = np.zeros((10, 10), bool)
    tissue[2:5, 3:9] = True
    masks = {f"r{i}": Mask(pixels, FRAME, MPP) for i, pixels in enumerate(stack)}
    readings = ReadingStack(masks, FRAME, (10, 10), MPP, Mask(tissue, FRAME, MPP))
    np.testing.assert_array_equal(readings.votes(Box(0, 0, 10, 10)), tissue)
    assert [each.area_um2 for each in find_disputes(readings)] == [18.0]


@given(STACKS)
def test_what_follows_from_readings_can_be_compared_and_has_no_vote(stack):
    readings = readings_of(stack)
    box = Box(0, 0, *stack.shape[1:])
    most = readings.with_rule("most", lambda m: 2 * m.sum(0) > len(m), readings.names)
    np.testing.assert_array_equal(most.read("most", box), 2 * stack.sum(0) > len(stack))
    np.testing.assert_array_equal(most.votes(box), readings.votes(box))
    assert most.names == readings.names
    with pytest.raises(ParameterError, match="most"):
        readings.read("most", box)
