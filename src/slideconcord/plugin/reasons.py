"""The numbers beside the sliders, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import MaskFacts, Tissue


def facts_text(facts: MaskFacts | None) -> dict[str, str]:
    """Return the numbers beside the sliders by name."""
    if facts is None:
        return dict.fromkeys(("Area", "Regions", "Share"), "…")
    return {
        "Area": f"{facts.area_mm2:.4g} mm²",
        "Regions": f"{facts.region_count:,}",
        "Share": share_text(facts),
    }


def share_text(facts: MaskFacts) -> str:
    """Return how much of the tissue is in the mask, or of the map until the tissue is known."""
    if facts.tissue_share is None:
        return f"{100 * facts.share:.1f} % of the map"
    return f"{100 * facts.tissue_share:.1f} % of tissue"


def share_tip(tissue: Tissue | None) -> str:
    """Return what the share is of, and why."""
    if tissue is None:
        return "Of the map's pixels, until the tissue is found"
    if tissue.problem:
        return f"Of the map's pixels, since the tissue is not known. {tissue.problem}"
    return "Mask on tissue / tissue in the map: pen marks, dust and air bubbles count as tissue"


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
