from dataclasses import fields, replace

import pytest

from slideconcord.errors import MismatchError, ParameterError
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tuning import DESCRIBED, Edit, Tuning, presets, read_tuning


def test_the_default_is_the_thresholds_alone():
    assert Tuning().is_plain
    assert (Tuning().low, Tuning().high) == (1 / 3, 0.9)
    assert Tuning(Thresholds(0.1, 0.2)).is_plain
    assert not Tuning(smoothing_um=1).is_plain
    assert not Tuning(edits=(Edit(0, 0, True),)).is_plain


def test_every_number_says_what_it_is_and_how_far_it_goes():
    assert set(DESCRIBED) == {f.name for f in fields(Tuning)} - {"thresholds", "edits"}
    for about in DESCRIBED.values():
        assert set(about) == {"label", "help", "unit", "min", "max", "step"}


@pytest.mark.parametrize("name", DESCRIBED)
@pytest.mark.parametrize("value", [-1, 1e12, float("nan"), float("inf"), "3", True])
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(ParameterError, match=rf"{name}=.* is out of range: give 0 to [\d,]+ "):
        Tuning(**{name: value})


@pytest.mark.parametrize("name", sorted(set(DESCRIBED) - {"prune_percentile"}))
def test_only_pruning_can_be_off_as_none(name):
    assert Tuning(prune_percentile=None).prune_percentile is None
    with pytest.raises(ParameterError, match="is out of range"):
        Tuning(**{name: None})


def test_low_above_high_is_refused():
    with pytest.raises(MismatchError, match="lower low to"):
        replace(Tuning(), thresholds=Thresholds(0.3, 0.2))


def test_areas_become_pixels_without_a_hairs_error():
    tuning = Tuning(min_area_um2=1.0, hole_area_um2=1.0)
    assert tuning.min_area_px(0.25) == 4
    assert tuning.min_area_px(0.1 * 0.1) == 100
    assert tuning.min_area_px(0.3) == 4
    assert tuning.hole_area_px(0.25) == 4
    assert tuning.hole_area_px(0.1 * 0.1) == 100
    assert tuning.hole_area_px(0.3) == 3
    assert Tuning().min_area_px(0.25) == 1
    assert Tuning().hole_area_px(0.25) == 0


def test_a_nudge_stops_at_the_other_threshold():
    tuning = Tuning(Thresholds(0.5, 0.6))
    assert tuning.nudged("low", 0.3).thresholds == Thresholds(0.6, 0.6)
    assert tuning.nudged("high", -0.3).thresholds == Thresholds(0.5, 0.5)
    assert tuning.nudged("high", 0.7).thresholds == Thresholds(0.5, 1.0)
    assert tuning.nudged("low", -0.01).low == 0.49


def test_a_record_gives_the_tuning_back():
    tuning = Tuning(Thresholds(0.2, 0.7), 40, 95, 10, 2, (Edit(3.5, 4, True), Edit(9, 9, False)))
    assert read_tuning(tuning.facts()) == tuning
    assert read_tuning({"low": 0.1, "high": 0.2, "created": "today"}) == Tuning(
        Thresholds(0.1, 0.2)
    )


@pytest.mark.parametrize("facts", [{}, {"low": 0.1, "high": 0.9, "edits": [{"y": 1}]}])
def test_a_record_of_something_else_is_refused(facts):
    with pytest.raises(ParameterError, match="give the provenance of a mask"):
        read_tuning(facts)


def test_a_pin_nowhere_is_refused():
    with pytest.raises(ParameterError, match="no point of a slide"):
        Edit(float("nan"), 0, True)


def test_presets_know_the_model():
    class Spec:
        low, high = 0.25, 0.5

    assert list(presets()) == ["paper", "fragmented", "paper, pruned"]
    assert presets()["paper"].tuning == Tuning()
    assert presets()["paper, pruned"].tuning == Tuning(prune_percentile=95)
    assert presets(Spec())["model"].tuning == Tuning(Thresholds(0.25, 0.5))
    assert presets(Spec())["model"].help.startswith("Low 0.25 and high 0.5:")
