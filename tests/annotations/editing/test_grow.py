"""The wand: the connected part around a point, and nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from slideconcord.annotations.editing.grow import grow
from slideconcord.annotations.raster import rasterise
from slideconcord.geometry import Frame

FRAME = Frame(100.0, 50.0, 4.0, 2.0)
maps = hnp.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(maps, st.data(), st.integers(-1, 255))
def test_it_is_the_component_of_the_point(values, data, above):
    row, column = (data.draw(st.integers(0, side - 1)) for side in values.shape)
    y, x = FRAME.to_level0(row + 0.5, column + 0.5)
    area = grow(values, FRAME, x, y, above)
    labels, _ = ndimage.label(values > above)
    if labels[row, column] == 0:
        assert area is None
    else:
        pixels = rasterise([area], FRAME, values.shape)
        assert np.array_equal(pixels, labels == labels[row, column])


def test_beside_the_part_there_is_nothing():
    values = np.full((5, 5), 200, np.uint8)
    for x, y in ((49.9, 101), (51, 99.9), (60.1, 101), (51, 120.1)):
        assert grow(values, FRAME, x, y, 100) is None
    assert grow(values, FRAME, 51, 101, 100).area == 25 * 8
