"""Majority against plain votes, STAPLE against SimpleITK's."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from slideconcord.comparison.observers.consensus import consensus_of, run_staple, staple
from slideconcord.comparison.observers.readings import Reader
from slideconcord.comparison.observers.tally import Tally
from slideconcord.errors import ParameterError

EVERYWHERE = np.ones((40, 50), np.bool_)


def observers(number):
    return [Reader(chr(ord("A") + k)) for k in range(number)]


def noisy(number, seed, sensitivity=0.9, specificity=0.95):
    """Return what readers of known quality mark of one truth, and the truth."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((40, 50), np.bool_)
    truth[8:30, 10:35] = True
    rates = np.where(truth, sensitivity, 1 - specificity)
    return rng.random((number, 40, 50)) < rates, truth


def tally_of(marked, counted=EVERYWHERE):
    return Tally.of(marked, counted)


def itk_staple(marked):
    """Return sensitivities, specificities, probability (y, x) and rounds of SimpleITK."""
    staple = SimpleITK.STAPLEImageFilter()
    staple.SetForegroundValue(1)
    images = [SimpleITK.GetImageFromArray(plane.astype(np.uint8)) for plane in marked]
    weights = SimpleITK.GetArrayFromImage(staple.Execute(images))
    rounds = staple.GetElapsedIterations()
    return np.array(staple.GetSensitivity()), np.array(staple.GetSpecificity()), weights, rounds


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(0, 10_000), st.floats(0.6, 0.99), st.floats(0.7, 0.99))
def test_staple_is_simpleitks(number, seed, sensitivity, specificity):
    marked, _ = noisy(number, seed, sensitivity, specificity)
    p, q, weights, rounds = itk_staple(marked)
    tally = tally_of(marked)
    # SimpleITK ends earlier, and counts its rounds from 0; as many rounds lead to one place
    found = run_staple(tally, rounds + 1)
    np.testing.assert_allclose(found.sensitivity, p, atol=1e-9)
    np.testing.assert_allclose(found.specificity, q, atol=1e-9)
    for way, probability in zip(tally.rows, found.probability, strict=True):
        there = (marked == (way != 0)[:, None, None]).all(axis=0)
        np.testing.assert_allclose(weights[there], probability, atol=1e-9)


def test_staple_ends_where_nothing_changes():
    marked, _ = noisy(4, 7)
    found = run_staple(tally_of(marked))
    further = run_staple(tally_of(marked), found.rounds + 50)
    np.testing.assert_allclose(found.probability, further.probability, atol=1e-12)
    np.testing.assert_allclose(found.sensitivity, itk_staple(marked)[0], atol=1e-6)


def test_staple_tells_how_good_readers_are():
    good, truth = noisy(3, 1, 0.95, 0.98)
    poor, _ = noisy(1, 2, 0.60, 0.90)
    marked = np.concatenate([good, poor])
    found, answer = consensus_of(tally_of(marked), observers(4), "staple")
    sensitivities = found.staple.sensitivity
    assert sensitivities[:3] == pytest.approx(0.95, abs=0.04)
    assert sensitivities[3] == pytest.approx(0.60, abs=0.05)
    agreed = found.of(marked)
    assert (agreed == truth).mean() > 0.99
    assert tally_of(marked).counts[answer].sum() == agreed.sum()


@given(st.integers(2, 7), st.integers(0, 1000))
def test_majority_is_more_than_half_and_ties_are_counted(number, seed):
    marked, _ = noisy(number, seed, 0.7, 0.6)
    tally = tally_of(marked)
    found, answer = consensus_of(tally, observers(number), "majority")
    votes = marked.sum(axis=0)
    np.testing.assert_array_equal(found.of(marked), votes > number / 2)
    assert tally.counts[answer].sum() == (votes > number / 2).sum()
    assert found.tied_px == (votes == number / 2).sum()


def test_an_observer_has_one_voice_and_a_model_none():
    marked, _ = noisy(5, 3)
    readers = [Reader("A", 2), Reader("B"), Reader("A"), Reader("C"), Reader("net", 1, "model")]
    found, answer = consensus_of(tally_of(marked), readers, "majority")
    assert found.readers == (Reader("B"), Reader("A"), Reader("C"))
    expected = marked[[1, 2, 3]].sum(axis=0) >= 2
    assert tally_of(marked).counts[answer].sum() == expected.sum()
    np.testing.assert_array_equal(found.of(marked[[1, 2, 3]]), expected)


def test_one_observer_alone_agrees_on_nothing():
    marked, _ = noisy(2, 4)
    assert consensus_of(tally_of(marked), [Reader("A"), Reader("A", 2)], "majority") is None


@pytest.mark.parametrize("value", [0, 1])
def test_staple_of_readers_who_all_say_one_thing_is_that(value):
    marked = np.full((3, 40, 50), bool(value))
    found, answer = consensus_of(tally_of(marked), observers(3), "staple")
    assert answer.tolist() == [bool(value)]
    assert np.isfinite(found.staple.probability).all()


@pytest.mark.parametrize("number", [1, 65])
def test_staple_refuses_readers_it_cannot_weigh(number):
    marked, _ = noisy(number, 5)
    with pytest.raises(ParameterError, match="STAPLE weighs 2 to 64 readers"):
        staple(tally_of(marked), observers(number))
