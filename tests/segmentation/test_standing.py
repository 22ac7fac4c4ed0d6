import numpy as np
import pytest

from slideconcord.segmentation.hysteresis import index_thresholds
from slideconcord.segmentation.index_values import Standing
from slideconcord.segmentation.standing import area_text, explain, ordinal
from slideconcord.segmentation.threshold_index import Pin
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tuning import Tuning

TUNING = Tuning(min_area_um2=400, prune_percentile=95, hole_area_um2=500)


def standing(why, value=0.5, peak=0.84, area_px=310):
    return Standing(value, peak, area_px, why != "below low", why in ("kept", "pinned in"), why)


@pytest.mark.parametrize(
    ("facts", "pixel_um2", "sentence"),
    [
        (
            standing("kept", peak=0.94, area_px=120_000),
            1,
            "in: peak 0.94 > high 0.90, area 0.12 mm²",
        ),
        (standing("kept", peak=0.94), 1, "in: peak 0.94 > high 0.90, area 310 µm²"),
        (standing("kept", peak=0.902), 2, "in: peak 0.902 > high 0.900, area 620 µm²"),
        (standing("below high"), 1, "out: peak 0.84 < high 0.90"),
        (standing("below high", peak=229 / 255), 1, "out: peak 0.898 < high 0.900"),
        (standing("below high", peak=0.9), 1, "out: peak 0.90 = high 0.90"),
        (standing("below low", value=0.21), 1, "out: 0.21 < low 0.33"),
        (standing("below low", value=0.0), 1, "out: 0.00 < low 0.33"),
        (standing("small"), 1, "out: area 310 µm² < smallest 400 µm²"),
        (standing("small", area_px=3997), 0.1, "out: area 399.7 µm² < smallest 400.0 µm²"),
        (standing("pruned"), 1, "out: 95th percentile not above high 0.90"),
        (standing("pinned in"), 1, "in: pinned in by hand"),
        (standing("pinned out"), 1, "out: pinned out by hand"),
    ],
)
def test_the_sentence(facts, pixel_um2, sentence):
    assert explain(facts, TUNING, pixel_um2) == sentence
    assert explain(facts, TUNING, pixel_um2, is_shown=facts.is_kept) == sentence


@pytest.mark.parametrize("why", ["below low", "below high", "small", "pruned"])
def test_a_filled_hole_is_named(why):
    sentence = "in: in a hole of at most 500 µm², filled"
    assert explain(standing(why), TUNING, 1, is_shown=True) == sentence


def test_what_is_pinned_out_is_never_a_filled_hole():
    assert explain(standing("pinned out"), TUNING, 1, is_shown=True).startswith("out: pinned")


@pytest.mark.parametrize(
    ("area_um2", "text"),
    [
        (0, "0 µm²"),
        (12_345, "12,345 µm²"),
        (99_999, "99,999 µm²"),
        (1e5, "0.10 mm²"),
        (3.2e7, "32.00 mm²"),
    ],
)
def test_areas_have_a_unit_that_suits(area_um2, text):
    assert area_text(area_um2) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (95, "95th"),
        (1, "1st"),
        (52, "52nd"),
        (3, "3rd"),
        (11, "11th"),
        (12.5, "12.5th"),
        (0, "0th"),
        (100, "100th"),
    ],
)
def test_percentiles_read_well(number, text):
    assert ordinal(number) == text


def test_the_sentence_of_an_index():
    index = index_thresholds(np.array([[0, 100, 214, 0, 240]], np.uint8))
    tuning = Tuning(Thresholds(0.3, 0.9))

    def say(x, **rest):
        return explain(index.standing(0, x, 0.3, 0.9, **rest), tuning, 1.0)

    assert say(1) == "out: peak 0.84 < high 0.90"
    assert say(4) == "in: peak 0.94 > high 0.90, area 1 µm²"
    assert say(0) == "out: 0.00 < low 0.30"
    assert say(1, pins=[Pin(0, 2, True)]) == "in: pinned in by hand"
    assert say(4, pins=[Pin(0, 4, False)]) == "out: pinned out by hand"
