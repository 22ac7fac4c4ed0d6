"""Masks for the tests of comparison, and a plain way to say where one lies."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from slideconcord.geometry import Frame, Mpp
from slideconcord.segmentation.mask import Mask

FRAME = Frame(8.0, 4.0, 4.0, 4.0)


def masks(most: int = 12):
    """Draw three bool arrays of one shape: prediction, reference, tissue."""
    shapes = st.tuples(st.integers(1, most), st.integers(1, most))
    return shapes.flatmap(lambda shape: st.tuples(*[arrays(bool, shape)] * 3))


def placed(array: np.ndarray, frame: Frame = FRAME, fingerprint: str = "f00d") -> Mask:
    return Mask(array, frame, Mpp(0.25, 0.25), slide_fingerprint=fingerprint)


def picture(text: str) -> np.ndarray:
    """Return rows of ``#`` and ``.`` as bool pixels."""
    return np.array([[c == "#" for c in row] for row in text.split()])
