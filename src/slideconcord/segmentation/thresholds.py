"""The two thresholds: their defaults, ranges, meaning on stored maps, and named pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import MismatchError, ParameterError

Bools = NDArray[np.bool_]
# 0.6 * 255 is a hair below 153 in binary. This closes the gap; any slider's step is far larger.
_ROUNDING = 1e-6


def _described(text: str, label: str) -> Mapping[str, Any]:
    return {"min": 0.0, "max": 1.0, "step": 0.01, "label": label, "help": text}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The pair (low, high) of hysteresis thresholding, as fractions from 0 to 1.

    Raises
    ------
    ParameterError
        When a value is no number from 0 to 1.
    MismatchError
        When low is above high.
    """

    low: float = field(
        default=1 / 3,
        metadata=_described("A region reaches as far as the probability is above this.", "Low"),
    )
    high: float = field(
        default=0.9,
        metadata=_described(
            "A region is kept when the probability is above this somewhere inside.", "High"
        ),
    )

    def __post_init__(self) -> None:
        for name, value in (("low", self.low), ("high", self.high)):
            if not (isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= 1):
                raise ParameterError(
                    f"{name}={value!r} is no threshold: give a fraction from 0 to 1, such as 0.5."
                )
        if self.low > self.high:
            raise MismatchError(
                f"low ({self.low:g}) is above high ({self.high:g}): "
                f"lower low to {self.high:g} or raise high to {self.low:g}."
            )

    @property
    def low_grey(self) -> int:
        """The grey level that a stored value must exceed to pass ``low``."""
        return grey_level(self.low)

    @property
    def high_grey(self) -> int:
        """The grey level that a stored value must exceed to pass ``high``."""
        return grey_level(self.high)


def grey_level(fraction: float) -> int:
    """Return the grey level g for which ``value > g`` means ``value / 255 > fraction``."""
    return math.floor(fraction * 255 + _ROUNDING)


class Preset(NamedTuple):
    """A named pair of thresholds and when to use it."""

    thresholds: Thresholds
    help: str


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "paper": Preset(
            Thresholds(),
            "Low 1/3 and high 0.9, as in the pan-cancer segmentation paper: compact tumours.",
        ),
        "fragmented": Preset(
            Thresholds(0.05, 0.10),
            "Low 0.05 and high 0.10: fragmented samples, where tumour lies in small pieces.",
        ),
    }
)


def check_map(values: Any) -> None:
    """Refuse what is no probability map (y, x), uint8 or float, of at least one pixel."""
    shape, dtype = tuple(values.shape), np.dtype(values.dtype)
    if len(shape) != 2 or 0 in shape:
        raise ParameterError(
            f"A probability map is a plane (y, x) of at least one pixel, not {shape}: "
            "choose one class, for example rows[-1]."
        )
    if dtype != np.uint8 and dtype.kind != "f":
        raise ParameterError(
            f"A probability map holds uint8 (0 to 255) or floats (0 to 1), not {dtype}: convert it."
        )


def check_fractions(block: NDArray[Any]) -> None:
    """Refuse floats that are no probabilities."""
    # Comparisons with NaN are false, so NaN is caught too.
    if not (block.min() >= 0 and block.max() <= 1):
        raise ParameterError(
            f"The map holds values from {block.min():g} to {block.max():g}, but probabilities lie "
            "from 0 to 1 and are never NaN: scale or repair the map first."
        )


def comparison(
    values: Any, thresholds: Thresholds
) -> Callable[[NDArray[Any]], tuple[Bools, Bools]]:
    """Return the function that tells of each pixel whether it is above low and above high.

    Raises
    ------
    ParameterError
        When the values are no map (y, x) of uint8 or float.
    """
    check_map(values)
    is_bytes = np.dtype(values.dtype) == np.uint8
    # As float64, so that float32 maps are not compared with a rounded threshold.
    low = thresholds.low_grey if is_bytes else np.float64(thresholds.low)
    high = thresholds.high_grey if is_bytes else np.float64(thresholds.high)

    def compare(block: NDArray[Any]) -> tuple[Bools, Bools]:
        block = np.asarray(block)
        if not is_bytes:
            check_fractions(block)
        # In this order whatever that of the map, because the kernels are compiled for it alone.
        return np.greater(block, low, order="C"), np.greater(block, high, order="C")

    return compare
