"""Why a pixel is in the mask or not, in one sentence."""

from __future__ import annotations

from slideconcord.segmentation.index_values import Standing
from slideconcord.segmentation.tuning import Tuning

_LEAST_MM2 = 0.1
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def explain(
    standing: Standing, tuning: Tuning, pixel_um2: float, *, is_shown: bool | None = None
) -> str:
    """Return the sentence for a pixel, such as "out: peak 0.84 < high 0.90".

    Parameters
    ----------
    standing
        What `ThresholdIndex.standing` says of it.
    tuning
        The tuning that it was asked with.
    pixel_um2
        Area of a pixel of the map in µm².
    is_shown
        Whether the mask with its holes filled holds the pixel; holes do not count when None.
    """
    area_um2 = standing.area_px * pixel_um2
    if is_shown and not standing.is_kept and standing.why != "pinned out":
        return f"in: in a hole of at most {area_text(tuning.hole_area_um2)}, filled"
    match standing.why:
        case "kept":
            peak = _beside(standing.peak, "high", tuning.high)
            return f"in: peak {peak}, area {area_text(area_um2)}"
        case "below low":
            return f"out: {_beside(standing.value, 'low', tuning.low)}"
        case "below high":
            return f"out: peak {_beside(standing.peak, 'high', tuning.high)}"
        case "small":
            return f"out: area {_area_beside(area_um2, tuning.min_area_um2)}"
        case "pruned":
            percentile = ordinal(tuning.prune_percentile or 0.0)
            return f"out: {percentile} percentile not above high {tuning.high:.2f}"
    return f"{'in' if standing.is_kept else 'out'}: {standing.why} by hand"


def area_text(area_um2: float) -> str:
    """Return an area in µm², or in mm² from 0.1 mm² on."""
    if area_um2 >= _LEAST_MM2 * 1e6:
        return f"{area_um2 * 1e-6:.2f} mm²"
    return f"{area_um2:,.0f} µm²"


def ordinal(number: float) -> str:
    """Return 95 as 95th."""
    is_teen = number % 100 in (11, 12, 13)
    ending = "th" if is_teen or number != int(number) else _ENDINGS.get(int(number) % 10, "th")
    return f"{number:g}{ending}"


def _beside(value: float, name: str, threshold: float) -> str:
    """Compare with as many digits as it takes to see the difference."""
    sign = ">" if value > threshold else "<" if value < threshold else "="
    digits = 2 if f"{value:.2f}" != f"{threshold:.2f}" or sign == "=" else 3
    return f"{value:.{digits}f} {sign} {name} {threshold:.{digits}f}"


def _area_beside(area_um2: float, smallest_um2: float) -> str:
    area, smallest = area_text(area_um2), area_text(smallest_um2)
    if area == smallest:
        area, smallest = f"{area_um2:,.1f} µm²", f"{smallest_um2:,.1f} µm²"
    return f"{area} < smallest {smallest}"
