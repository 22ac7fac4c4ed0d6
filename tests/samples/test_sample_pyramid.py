"""Coarser levels of a virtual scan."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from slideconcord.samples.pyramid import halve

evens = st.integers(1, 5).map(lambda n: 2 * n)


@given(st.tuples(evens, evens, st.just(3)).flatmap(lambda shape: arrays(np.uint8, shape)))
def test_a_level_is_the_mean_of_the_finer_one_rounded_half_up(rgb):
    for y, x, c in np.ndindex(halve(rgb).shape):
        four = [int(rgb[2 * y + i, 2 * x + j, c]) for i in (0, 1) for j in (0, 1)]
        assert halve(rgb)[y, x, c] == int(sum(four) / 4 + 0.5)
