"""Whether a registration may be trusted, and in words why not."""

from __future__ import annotations

import math
from collections.abc import Iterator

from slideconcord.comparison.registration.facts import Quality, Status
from slideconcord.comparison.registration.options import Registering
from slideconcord.comparison.registration.planes import Pose
from slideconcord.geometry import Mpp

LEAST_TILES = 12
LEAST_PASSED = 0.3
LEAST_OVERLAP = 0.4
LEAST_COVERAGE = 0.4
MOST_P90_UM = 5.0
MOST_ANISOTROPY = 0.05
"""Both pixel sizes of a scanner may be 2 % wrong, each its own way; sections differ by more."""


Verdict = tuple[Status, str]
LOOSE: Verdict = (
    "coarse",
    "The two look alike only from afar, as other stains or neighbouring sections do: look, and do "
    "not measure.",
)


def judge(
    quality: Quality,
    pose: Pose,
    options: Registering,
    moving_mpp: Mpp,
    *,
    sure_from_afar: bool = False,
) -> Verdict:
    """Return the status and, unless it is ``ok``, the reason as a sentence.

    ``sure_from_afar``: most tiles of the overview found their place, whatever finer ones say.
    """
    if abs(pose.scale - 1) > options.scale_tolerance:
        return "failed", wrong_scale(pose.scale, moving_mpp)
    for reason in _strangeness(quality):
        return LOOSE if sure_from_afar else ("failed", reason)
    if pose.anisotropy > MOST_ANISOTROPY:
        return "failed", (
            f"The best fit stretches the tissue by {pose.anisotropy:.1%} in one direction, which "
            "no scanner does: it seems to be another section."
        )
    for reason in _doubts(quality, pose):
        return "coarse", reason
    return "ok", ""


def wrong_scale(scale: float, moving_mpp: Mpp) -> str:
    """Return the sentence for scans whose pixel sizes contradict what they show."""
    right = max(moving_mpp) * scale
    return (
        f"The tissue is {scale:.3f} times as large on the fixed scan as the two pixel sizes say: "
        f"one of them is wrong. Open the moving scan with mpp={right:.4g} (--moving-mpp "
        f"{right:.4g}) if the fixed scan's is right."
    )


def _strangeness(quality: Quality) -> Iterator[str]:
    if not quality.ncc > quality.ncc_null:
        yield (
            "The tissue of the two scans matches no better in place than in wrong places "
            f"(correlation {quality.ncc:.2f} against {quality.ncc_null:.2f}): "
            "it seems to be other tissue."
        )
    if quality.accepted < max(LEAST_TILES, LEAST_PASSED * quality.tiles):
        yield (
            f"Only {quality.accepted} of {quality.tiles} tiles found their place: it seems to be "
            "other tissue, or another section."
        )


def _doubts(quality: Quality, pose: Pose) -> Iterator[str]:
    if pose.mirrored:
        yield "One scan is the mirror image of the other: the glass was scanned upside down."
    if not quality.overlap >= LEAST_OVERLAP:
        yield f"Only {quality.overlap:.0%} of the tissue is on both scans."
    if not quality.coverage >= LEAST_COVERAGE:
        yield f"Only {quality.coverage:.0%} of the common tissue could be compared closely."
    if math.isnan(quality.residual_p90_um):
        yield "Too few tiles found their place to measure how far others are off."
    elif quality.residual_p90_um > MOST_P90_UM:
        yield (
            f"A tenth of the tissue lies more than {quality.residual_p90_um:.1f} µm off "
            f"(at most {MOST_P90_UM:g} µm is ok): the two may not be the same section."
        )
