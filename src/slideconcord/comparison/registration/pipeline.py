"""Features find the pose, tiles refine it step by step, tiles judge it."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from slideconcord.comparison.registration.facts import Quality
from slideconcord.comparison.registration.field_fit import choose_field
from slideconcord.comparison.registration.judge import LOOSE, judge
from slideconcord.comparison.registration.lattice import common_tissue
from slideconcord.comparison.registration.outcome import Attempt, RegistrationStep
from slideconcord.comparison.registration.planes import pose_of
from slideconcord.comparison.registration.pose import LEAST_PAIRS, FirstPose, find_pose
from slideconcord.comparison.registration.residuals import Errors, choose_affine
from slideconcord.comparison.registration.rounds import Both, Round, measure_round
from slideconcord.comparison.registration.signal import overview_mpp, read_overview
from slideconcord.comparison.registration.tiles import Look, Side
from slideconcord.comparison.registration.value import Registration

if TYPE_CHECKING:
    from slideconcord.comparison.registration.options import Registering
    from slideconcord.slides import Slide

METHOD = "tiles"
MIDDLE_UM, FINE_UM = 2.0, 0.5
_MIDDLE_TILES = 150
_APART = 2 / 3
_CACHE_BYTES = 192 << 20

Steps = Generator[RegistrationStep, None, Registration]


def register_by_tiles(moving: Slide, fixed: Slide, options: Registering) -> Steps:
    """Register in steps; docs/methods/registration.md explains them and their constants."""
    attempt = Attempt(moving, fixed, METHOD, options)
    # caches of their own, so that what is on the screen stays in the shared one
    own = moving.apart(_CACHE_BYTES), fixed.apart(_CACHE_BYTES)
    try:
        return (yield from _register(attempt, *own))
    finally:
        for slide in own:
            slide.pyramid.close()


def _register(attempt: Attempt, moving: Slide, fixed: Slide) -> Steps:
    yield RegistrationStep("overview", 0, 1)
    mpp = overview_mpp(moving, fixed)
    views = read_overview(moving, mpp), read_overview(fixed, mpp)
    for slide, view in zip((moving, fixed), views, strict=True):
        if not view.tissue.any():
            return attempt.fail(f"There is no tissue on {slide.name}: it seems to be blank.")
    both = Both(Side(moving, views[0].white), Side(fixed, views[1].white), *views)
    looks = _looks(mpp, max(*moving.mpp, *fixed.mpp))
    start = yield from find_pose(both, looks[0], attempt.options)
    if isinstance(start, str):
        return attempt.fail(start)
    if start.is_loose:
        return _from_afar(attempt, start)
    return (yield from _refine(attempt, both, start, looks))


def _looks(coarse: float, finest: float) -> tuple[Look, Look, Look]:
    """Return how tiles are compared: on the overview, then finer, then as fine as it helps."""
    fine = max(min(FINE_UM, coarse), finest)
    middle = max(min(MIDDLE_UM, coarse), fine)
    return Look(coarse, 64, 16), Look(middle, 96, 12), Look(fine, 96, 14)


def _refine(
    attempt: Attempt, both: Both, start: FirstPose, looks: tuple[Look, Look, Look]
) -> Steps:
    matrix, options = start.matrix, attempt.options
    mirrored = pose_of(matrix).mirrored
    middle = yield from measure_round(both, matrix, looks[1], _MIDDLE_TILES)
    if middle is not None and len(pairs := middle.pairs()) >= LEAST_PAIRS:
        matrix = choose_affine(pairs, mirrored=mirrored)[0]
    last = yield from measure_round(both, matrix, looks[2], options.most_tiles, apart=_APART)
    if last is None or len(pairs := last.pairs()) < LEAST_PAIRS:
        if start.is_sure:
            return _from_afar(attempt, start)
        reason = f"Nothing that looks alike was found at {looks[2].mpp:g} µm per pixel."
        return attempt.fail(reason, Quality(inliers=start.guess.inliers))
    matrix, model, errors = choose_affine(pairs, mirrored=mirrored)
    chosen = choose_field(pairs, matrix) if options.residual_field else None
    field, unseen = chosen or (None, errors)
    overlap = common_tissue(both.moving_view, both.fixed_view, matrix).overlap
    quality = _quality(start.guess.inliers, last, len(pairs), overlap, errors, unseen)
    verdict = judge(
        quality, pose_of(matrix), options, attempt.moving.mpp, sure_from_afar=start.is_sure
    )
    if verdict == LOOSE:
        return _from_afar(attempt, start)
    facts = {"pose_from": start.guess.source, "model": model, "tile_mpp": looks[2].mpp}
    return attempt.finish(matrix, verdict, quality, field, **facts)


def _from_afar(attempt: Attempt, start: FirstPose) -> Registration:
    """Return what the overview says, where finer tiles say nothing."""
    return attempt.finish(start.matrix, LOOSE, start.quality, pose_from=start.guess.source)


def _quality(
    inliers: int, last: Round, accepted: int, overlap: float, errors: Errors, unseen: Errors
) -> Quality:
    return Quality(
        inliers=inliers,
        tiles=last.textured,
        accepted=accepted,
        coverage=accepted / len(last.tiles.ncc),
        overlap=overlap,
        residual_p50_um=_percentile(unseen, 50),
        residual_p90_um=_percentile(unseen, 90),
        affine_p50_um=_percentile(errors, 50),
        affine_p90_um=_percentile(errors, 90),
        ncc=float(np.nanmedian(last.tiles.ncc)),
        ncc_null=last.null,
    )


def _percentile(errors: Errors, percent: float) -> float:
    known = errors[np.isfinite(errors)]
    return float(np.percentile(known, percent)) if len(known) else math.nan
