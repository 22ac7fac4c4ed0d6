"""Plane maps: composed, turned back, on points and on arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slideconcord.errors import ParameterError
from slideconcord.geometry import Affine

row = st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(-1000, 1000))
affines = st.builds(lambda a, b: Affine((a, b)), row, row).filter(
    lambda m: abs(m.matrix[0][0] * m.matrix[1][1] - m.matrix[0][1] * m.matrix[1][0]) > 0.05
)


@given(affines)
def test_the_inverse_undoes_the_map(affine: Affine) -> None:
    points = np.array([0.0, 100.0, -33.0]), np.array([5.0, -80.0, 400.0])
    np.testing.assert_allclose(affine.inverse()(*affine(*points)), points, atol=1e-6)
    np.testing.assert_allclose((affine.inverse() @ affine)(3.0, -7.0), (3.0, -7.0), atol=1e-6)


@given(affines, affines)
def test_a_product_applies_the_right_one_first(second: Affine, first: Affine) -> None:
    np.testing.assert_allclose((second @ first)(2.0, 9.0), second(*first(2.0, 9.0)), rtol=1e-9)


def test_a_map_that_folds_the_plane_has_no_inverse() -> None:
    with pytest.raises(ParameterError, match="folds the plane"):
        Affine(((1.0, 2.0, 0.0), (2.0, 4.0, 0.0))).inverse()
