"""What is shown, what is exported and what a slow twin makes of a tuning are the same mask."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.probability_double import ProbabilityDouble
from segmentation.test_holes import twin as holes_twin
from segmentation.test_threshold_index import large_maps
from segmentation.test_tree_choice import twin as regions_twin
from segmentation.threshold_maps import grey_pairs, maps
from slideconcord.errors import MismatchError, OutputError, ParameterError
from slideconcord.geometry import Box
from slideconcord.segmentation.exact import exact_mask
from slideconcord.segmentation.hysteresis import hysteresis, index_thresholds
from slideconcord.segmentation.mask import open_mask
from slideconcord.segmentation.preview import preview
from slideconcord.segmentation.smoothing import smooth, smoothed
from slideconcord.segmentation.threshold_index import Pin
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tune import tune
from slideconcord.segmentation.tuned_pixels import inactive_edits
from slideconcord.segmentation.tuning import Edit, Tuning, read_tuning


def finish(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def twin(values, tuning, mpp):
    """Return the mask of a plain map, one step after the other, each the slow way."""
    if tuning.smoothing_um:
        values = smooth(values, (tuning.smoothing_um / mpp, tuning.smoothing_um / mpp))
    pins = [Pin(int(e.y_level0), int(e.x_level0), e.keep) for e in tuning.edits]
    greys = tuning.thresholds.low_grey, tuning.thresholds.high_grey
    least = tuning.min_area_px(mpp**2)
    mask = regions_twin(values, *greys, least, tuning.prune_percentile, pins)
    filled = holes_twin(mask, tuning.hole_area_px(mpp**2))
    opposite = [pin._replace(keep=not pin.keep) for pin in pins]
    return filled & ~regions_twin(values, greys[0], 255, pins=opposite)


@st.composite
def tunings(draw, shape, smoothing=(0.0, 0.0, 1.3)):
    low, high = draw(grey_pairs)
    height, width = shape
    edits = draw(
        st.lists(
            st.builds(Edit, st.floats(0, height - 0.01), st.floats(0, width - 0.01), st.booleans()),
            max_size=3,
        )
    )
    return Tuning(
        Thresholds(low / 255, high / 255),
        min_area_um2=draw(st.sampled_from([0.0, 1.0, 3.0])),
        prune_percentile=draw(st.sampled_from([None, 50.0, 95.0])),
        hole_area_um2=draw(st.sampled_from([0.0, 0.5, 5.0, 50.0])),
        smoothing_um=draw(st.sampled_from(smoothing)),
        edits=tuple(edits),
    )


@settings(max_examples=120, deadline=None)
@given(maps(24), st.data())
def test_all_steps_together_are_each_after_the_other(values, data):
    tuning = data.draw(tunings(values.shape))
    assert np.array_equal(tune(values, tuning, mpp=0.5), twin(values, tuning, 0.5))


@settings(max_examples=120, deadline=None)
@given(maps(30), st.data())
def test_what_is_shown_is_what_is_exported(values, data):
    tuning = data.draw(tunings(values.shape))
    height, width = values.shape
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    box = Box(y, x, data.draw(st.integers(1, height - y)), data.draw(st.integers(1, width - x)))
    step = data.draw(st.sampled_from([1, 1, 2, 3]))
    probability = ProbabilityDouble(values)
    mask = finish(exact_mask(probability, tuning, block_px=data.draw(st.sampled_from([5, 64]))))
    assert read_tuning(mask.provenance) == tuning
    index = index_thresholds(smoothed(probability, tuning.smoothing_um))
    again = finish(exact_mask(probability, tuning, index=index))
    assert np.array_equal(mask.array, again.array)
    assert np.array_equal(mask.array, tune(index, tuning))
    shown = preview(index, tuning, box, step)
    assert shown.approximate in ("", "holes")
    assert shown.pixels.shape == (-(-box.height // step), -(-box.width // step))
    if not shown.approximate:
        assert np.array_equal(shown.pixels, mask.array[box.slices][::step, ::step])
    assert shown.approximate == "" or (tuning.hole_area_um2 > 0 and step > 1)
    part = tune(probability, tuning, box, step)
    assert np.array_equal(part.array, mask.array[box.slices][::step, ::step])


VALUES = large_maps(9)["smooth with noise"]


def test_a_large_map_on_disk_is_the_one_in_memory(tmp_path):
    probability = ProbabilityDouble(VALUES)
    tuning = Tuning(Thresholds(0.5, 0.6), 20.0, 60.0, 30.0, 1.0, (Edit(600, 400, True),))
    steps = exact_mask(probability, tuning, tmp_path / "mask.zarr", block_px=256)
    told = []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            mask = end.value
            break
    assert [step.done for step in told] == list(range(1, len(told) + 1))
    assert {step.total for step in told} == {len(told)}
    assert np.array_equal(mask.array[:, :], tune(probability, tuning).array)
    assert read_tuning(open_mask(tmp_path / "mask.zarr").provenance) == tuning
    with pytest.raises(OutputError, match="is already there"):
        finish(exact_mask(probability, tuning, tmp_path / "mask.zarr"))


def test_leaving_early_leaves_nothing(tmp_path):
    steps = exact_mask(ProbabilityDouble(VALUES), Tuning(hole_area_um2=9), tmp_path / "mask.zarr")
    next(steps)
    steps.close()
    assert list(tmp_path.iterdir()) == []


def test_thresholds_alone_are_hysteresis():
    probability = ProbabilityDouble(VALUES)
    expected = hysteresis(probability, 0.5, 0.6)
    got = tune(probability, Tuning(Thresholds(0.5, 0.6)))
    assert np.array_equal(got.array, expected.array)
    assert got.frame == expected.frame
    different = {"created"}
    assert {k: v for k, v in got.provenance.items() if k not in different} == {
        k: v for k, v in expected.provenance.items() if k not in different
    }


def test_a_part_lies_where_it_was():
    probability = ProbabilityDouble(VALUES)
    part = tune(probability, Tuning(), Box(20, 30, 40, 50), 2)
    assert part.frame == probability.frame.inside(Box(20, 30, 40, 50)).coarser(2)
    assert part.shape == (20, 25)


def test_a_pinned_region_is_there_in_level0_pixels():
    values = np.zeros((6, 6), np.uint8)
    values[1:3, 1:3], values[4, 4] = 100, 250
    probability = ProbabilityDouble(values)
    y, x = probability.frame.to_level0(1.5, 2.9)
    tuning = Tuning(Thresholds(0.3, 0.9)).pinned(y, x, True)
    assert tune(probability, tuning).array.sum() == 5
    index = index_thresholds(probability)
    assert inactive_edits(index, tuning) == ()
    idle = replace(tuning, thresholds=Thresholds(0.5, 0.9))
    assert inactive_edits(index, idle) == idle.edits
    assert inactive_edits(index, tuning.pinned(0, 0, False)) == (Edit(0, 0, False),)
    assert tune(probability, idle).provenance["edits"] == [
        {"y_level0": y, "x_level0": x, "keep": True}
    ]


def test_a_region_pinned_out_of_a_hole_stays_out():
    values = np.full((9, 9), 250, np.uint8)
    values[2:7, 2:7] = 0
    values[4, 4] = 250
    tuning = Tuning(Thresholds(0.3, 0.9), hole_area_um2=30)
    assert tune(values, tuning, mpp=1.0).all()
    out = tune(values, tuning.pinned(4.5, 4.5, False), mpp=1.0)
    assert out.sum() == 80
    assert not out[4, 4]


def test_smoothing_is_first_seen_in_the_view_alone():
    index = index_thresholds(ProbabilityDouble(VALUES))
    tuning = Tuning(Thresholds(0.5, 0.55), smoothing_um=3.0)
    whole = preview(index, tuning)
    assert whole.approximate == "smoothing"
    assert np.array_equal(whole.pixels, tune(ProbabilityDouble(VALUES), tuning).array)
    box = Box(100, 100, 300, 200)
    part = preview(index, tuning, box)
    assert part.approximate == "smoothing"
    # All but regions that the view cuts off from their peak.
    assert (part.pixels == whole.pixels[box.slices]).mean() > 0.95
    coarse = preview(index, tuning, step=4)
    assert coarse.pixels.shape == whole.pixels[::4, ::4].shape
    assert (coarse.pixels == whole.pixels[::4, ::4]).mean() > 0.9


def test_a_smoothed_index_answers_its_own_smoothing_alone():
    probability = ProbabilityDouble(VALUES)
    other = replace(probability, target="stroma")
    index = index_thresholds(smoothed(probability, 2.0))
    assert index.place.smoothing_um == 2.0
    for ask in (
        lambda: preview(index, Tuning(smoothing_um=1.0)),
        lambda: tune(index, Tuning()),
        lambda: finish(exact_mask(probability, Tuning(), index=index)),
        lambda: finish(exact_mask(other, Tuning(smoothing_um=2.0), index=index)),
    ):
        with pytest.raises(MismatchError, match=r"smoothed by"):
            ask()


@pytest.mark.parametrize("name", ["min_area_um2", "hole_area_um2", "smoothing_um"])
def test_micrometres_of_a_plain_map_need_its_pixel_size(name):
    with pytest.raises(ParameterError, match=rf"{name}=7 needs the size of a pixel.*mpp=1.0"):
        tune(VALUES, Tuning(**{name: 7.0}))
    with pytest.raises(ParameterError, match="pass mpp="):
        tune(index_thresholds(VALUES[:9, :9]), Tuning(min_area_um2=7.0))
    assert tune(VALUES, Tuning(prune_percentile=50)).shape == VALUES.shape


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((4, 4), np.nan), "never NaN"),
        (np.zeros((4, 4), np.int32), "not int32"),
        (np.zeros((0, 4), np.uint8), "at least one pixel"),
        (np.zeros((2, 4, 4), np.uint8), "a plane"),
    ],
)
def test_what_is_no_map_is_refused(values, message):
    with pytest.raises(ParameterError, match=message):
        tune(values)


def test_one_pixel_and_no_pixel_above_low():
    tuning = Tuning(prune_percentile=95, hole_area_um2=9, smoothing_um=5, min_area_um2=1)
    assert tune(np.array([[255]], np.uint8), tuning, mpp=1.0).tolist() == [[True]]
    assert not tune(np.zeros((9, 9), np.uint8), tuning, mpp=1.0).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"box": Box(0, 0, 5, 9000)}, "does not lie in the map"), ({"step": 0}, "must be 1 or more")],
)
def test_parts_beyond_the_map_are_refused(arguments, message):
    with pytest.raises(ParameterError, match=message):
        tune(VALUES, **arguments)
    with pytest.raises(ParameterError, match=message):
        preview(index_thresholds(VALUES[:9, :9]), Tuning(), **arguments)


def test_a_map_still_being_filled_says_so():
    growing = ProbabilityDouble(VALUES, complete=False)
    index = index_thresholds(growing)
    growing.complete = True
    mask = finish(exact_mask(growing, Tuning(prune_percentile=95), index=index))
    assert mask.provenance["complete"] is False
    assert tune(growing, Tuning()).provenance["complete"] is True
