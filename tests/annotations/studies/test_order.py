"""The order of slides: the same everywhere, another for every observer and round."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slideconcord.annotations.studies.order import Order
from slideconcord.errors import ParameterError

SLIDES = tuple(f"s{number}" for number in range(12))
IDS = st.lists(st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True), unique=True, max_size=20)


def test_a_random_order_is_the_same_on_every_machine_and_for_ever():
    order = Order("random", seed=7).arrange(SLIDES, "o1", "first")
    assert " ".join(order) == "s6 s0 s11 s7 s9 s1 s10 s5 s4 s2 s3 s8"


@given(ids=IDS, seed=st.integers(0), shuffled=st.randoms())
def test_a_random_order_holds_each_slide_once_however_they_are_listed(ids, seed, shuffled):
    order = Order("random", seed).arrange(ids, "o1", "first")
    assert sorted(order) == sorted(ids)
    listed = list(ids)
    shuffled.shuffle(listed)
    assert Order("random", seed).arrange(listed, "o1", "first") == order


@given(ids=IDS.filter(bool), seed=st.integers(0))
def test_a_slide_that_is_added_moves_no_other(ids, seed):
    order = Order("random", seed)
    without = order.arrange(ids[1:], "o1", "first")
    assert tuple(each for each in order.arrange(ids, "o1", "first") if each != ids[0]) == without


def test_observers_rounds_and_seeds_have_orders_of_their_own():
    orders = {
        Order("random", seed).arrange(SLIDES, observer, chosen)
        for seed in (0, 1)
        for observer in ("o1", "o2")
        for chosen in ("first", "second")
    }
    assert len(orders) == 8


def test_every_slide_comes_first_about_as_often():
    first = Counter(Order("random").arrange("abcd", f"o{n}", "first")[0] for n in range(4000))
    # four standard deviations of a fair draw
    assert all(abs(count - 1000) < 4 * (4000 * 0.25 * 0.75) ** 0.5 for count in first.values())


def test_a_fixed_order_is_that_of_the_file():
    assert Order("fixed", 3).arrange(SLIDES, "o1", "first") == SLIDES


def test_an_unknown_order_is_refused():
    with pytest.raises(ParameterError, match="choose one of fixed, random"):
        Order("shuffled")
