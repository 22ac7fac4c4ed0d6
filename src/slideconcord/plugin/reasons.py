"""What the numbers say in words: why a place is in or out, and the facts beside the sliders."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import MaskFacts
    from slideconcord.segmentation.index_values import Standing
    from slideconcord.segmentation.tuning import Tuning


def reason(standing: Standing, tuning: Tuning, pixel_um2: float) -> str:
    """Return one sentence on why a place is in the mask or not."""
    area = area_text(standing.area_px * pixel_um2)
    peak = f"peak {standing.peak:.2f}"
    match standing.why:
        case "kept":
            return f"In: {peak} > high {tuning.high:.2f}, {area}"
        case "below low":
            return f"Out: value {standing.value:.2f} ≤ low {tuning.low:.2f}"
        case "below high":
            return f"Out: {peak} ≤ high {tuning.high:.2f}, {area}"
        case "small":
            return f"Out: {area} < smallest region {area_text(tuning.min_area_um2)}"
        case "pruned":
            percentile = tuning.prune_percentile or 0
            return f"Out: {percentile:g}th percentile ≤ high {tuning.high:.2f}, {peak}, {area}"
    side = "In" if standing.is_kept else "Out"
    return f"{side}: pinned by hand ({peak}, {area})"


def area_text(area_um2: float) -> str:
    """Return an area in the unit that suits it."""
    if area_um2 >= 1e5:
        return f"{area_um2 * 1e-6:.3g} mm²"
    return f"{area_um2:,.0f} µm²"


def facts_text(facts: MaskFacts | None) -> dict[str, str]:
    """Return the numbers beside the sliders by name."""
    if facts is None:
        return dict.fromkeys(("Area", "Regions", "Share"), "…")
    return {
        "Area": f"{facts.area_mm2:.4g} mm²",
        "Regions": f"{facts.region_count:,}",
        "Share": f"{100 * facts.share:.1f} % of map",
    }


def scores_text(facts: MaskFacts | None) -> dict[str, str]:
    """Return the agreement with the reference by name."""
    scores = facts.scores if facts is not None else None
    if scores is None:
        return dict.fromkeys(("DSC", "Sensitivity", "Precision"), "…")
    return {
        "DSC": ratio_text(scores.dsc),
        "Sensitivity": ratio_text(scores.sensitivity),
        "Precision": ratio_text(scores.precision),
    }


def ratio_text(ratio: float) -> str:
    """Return a ratio with three digits; a dash where there is none."""
    return "–" if math.isnan(ratio) else f"{ratio:.3f}"
