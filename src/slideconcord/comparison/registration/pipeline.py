"""Features find the pose, tiles refine it step by step, tiles judge it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.registration.features import Guess, find_features, guess_by_features
from slideconcord.comparison.registration.judge import judge, wrong_scale
from slideconcord.comparison.registration.lattice import Lattice, common_tissue, lattice_over
from slideconcord.comparison.registration.outcome import RegistrationStep, finish, give_up
from slideconcord.comparison.registration.planes import Matrix, apply, inverted, pose_of
from slideconcord.comparison.registration.residuals import (
    LEAST_NCC,
    Pairs,
    believable,
    choose_affine,
    choose_field,
)
from slideconcord.comparison.registration.signal import Overview, overview_mpp, read_overview
from slideconcord.comparison.registration.sweep import guesses_by_sweep
from slideconcord.comparison.registration.tiles import Look, Side, Tiles, joined, measure_tiles
from slideconcord.comparison.registration.value import Quality, Registration

if TYPE_CHECKING:
    from slideconcord.comparison.registration.options import Registering
    from slideconcord.slides import Slide

METHOD = "tiles"
_CACHE_BYTES = 192 << 20
MIDDLE_UM, FINE_UM = 2.0, 0.5
_FIRST_TILES, _MIDDLE_TILES = 150, 150
_LEAST_PAIRS = 8
_TRIED_PASS = 0.2
Errors = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One round of tiles under one map."""

    lattice: Lattice
    tiles: Tiles
    pairs: Pairs

    @property
    def passed(self) -> float:
        """Share of the tiles with texture that found their place."""
        return len(self.pairs) / max(int(np.isfinite(self.tiles.ncc).sum()), 1)

    @property
    def null(self) -> float:
        known = self.tiles.null[np.isfinite(self.tiles.null)]
        return float(np.percentile(known, 99)) if len(known) else 1.0


@dataclass(frozen=True, slots=True)
class Both:
    """The two scans, ready to be compared."""

    moving: Side
    fixed: Side
    moving_view: Overview
    fixed_view: Overview


def register_by_tiles(
    moving: Slide, fixed: Slide, options: Registering
) -> Generator[RegistrationStep, None, Registration]:
    """Register in steps; see docs/methods/registration.md for the constants."""
    moving, fixed = moving.apart(_CACHE_BYTES), fixed.apart(_CACHE_BYTES)
    try:
        return (yield from _register(moving, fixed, options))
    finally:
        moving.pyramid.close()
        fixed.pyramid.close()


def _register(
    moving: Slide, fixed: Slide, options: Registering
) -> Generator[RegistrationStep, None, Registration]:
    yield RegistrationStep("overview", 0, 1)
    mpp = overview_mpp(moving, fixed)
    views = read_overview(moving, mpp), read_overview(fixed, mpp)
    for slide, view in zip((moving, fixed), views, strict=True):
        if not view.tissue.any():
            reason = f"There is no tissue on {slide.name}: it seems to be blank."
            return give_up(moving, fixed, METHOD, reason, options)
    sides = Side(moving, views[0].white), Side(fixed, views[1].white)
    both = Both(sides[0], sides[1], views[0], views[1])
    looks = _looks(mpp, max(*moving.mpp, *fixed.mpp))
    found = yield from _first_pose(both, looks[0], options)
    if isinstance(found, str):
        return give_up(moving, fixed, METHOD, found, options)
    guess, matrix = found
    middle = yield from _measure(both, matrix, looks[1], _MIDDLE_TILES)
    if middle is not None and len(middle.pairs) >= _LEAST_PAIRS:
        matrix = choose_affine(middle.pairs)[0]
    last = yield from _measure(both, matrix, looks[2], options.most_tiles)
    if last is None or len(last.pairs) < _LEAST_PAIRS:
        reason = f"Nothing that looks alike was found at {looks[2].mpp:g} µm per pixel."
        return give_up(moving, fixed, METHOD, reason, options, Quality(inliers=guess.inliers))
    matrix, model, errors = choose_affine(last.pairs)
    chosen = choose_field(last.pairs, matrix) if options.with_field else None
    field, unseen = chosen or (None, errors)
    overlap = common_tissue(both.moving_view, both.fixed_view, matrix).overlap
    quality = _quality(guess, last, overlap, errors, unseen)
    verdict = judge(quality, pose_of(matrix), options)
    facts = {"pose_from": guess.source, "model": model, "tile_mpp": looks[-1].mpp}
    return finish(moving, fixed, METHOD, matrix, verdict, quality, options, field, **facts)


def _looks(coarse: float, finest: float) -> tuple[Look, Look, Look]:
    """Return how tiles are compared: on the overview, then finer, then as fine as it helps."""
    fine = max(min(FINE_UM, coarse), finest)
    middle = max(min(MIDDLE_UM, coarse), fine)
    return Look(coarse, 64, 16), Look(middle, 96, 12), Look(fine, 96, 14)


def _first_pose(
    both: Both, look: Look, options: Registering
) -> Generator[RegistrationStep, None, tuple[Guess, Matrix] | str]:
    """Return the first guess that tiles of the overview confirm, refined; or why there is none."""
    closest: Guess | None = None
    for guess in _guesses(both, options):
        yield RegistrationStep("pose", 0, 1)
        if abs(pose_of(guess.matrix).scale - 1) > options.scale_tolerance:
            closest = closest or guess
            continue
        matrix = guess.matrix
        for _ in range(2):
            tried = yield from _measure(both, matrix, look, _FIRST_TILES)
            if tried is None or len(tried.pairs) < _LEAST_PAIRS or tried.passed < _TRIED_PASS:
                break
            matrix = choose_affine(tried.pairs)[0]
        else:
            return guess, matrix
    if closest is not None:
        return wrong_scale(pose_of(closest.matrix).scale)
    return "No pose was found under which the two scans look alike: it seems to be other tissue."


def _guesses(both: Both, options: Registering) -> Iterator[Guess]:
    """Yield poses to try: by features, by trying every turn, then the same of the mirror image."""
    features = find_features(both.fixed_view)
    for mirrored in (False, True):
        views = both.moving_view, both.fixed_view
        guess = guess_by_features(*views, features, options.seed, mirrored=mirrored)
        if guess is not None:
            yield guess
        yield from guesses_by_sweep(*views, mirrored=mirrored)


def _measure(
    both: Both, matrix: Matrix, look: Look, most: int
) -> Generator[RegistrationStep, None, Measured | None]:
    """Compare tiles under a map; None where no tissue lies on tissue."""
    common = common_tissue(both.moving_view, both.fixed_view, matrix)
    if not common.tissue.any():
        return None
    lattice = lattice_over(common.tissue, both.fixed_view.to_um, most, look.tile_um)
    points = lattice.points_um
    if not len(points):
        return None
    parts, done = [], 0
    for part in measure_tiles(both.moving, both.fixed, matrix, points, look):
        parts.append(part)
        done += len(part.ncc)
        yield RegistrationStep(f"tiles at {look.mpp:.3g} µm", done, len(points))
    tiles = joined(parts)
    null = tiles.null[np.isfinite(tiles.null)]
    least = max(LEAST_NCC, float(np.percentile(null, 99))) if len(null) else LEAST_NCC
    good = believable(tiles, lattice, least)
    source = apply(inverted(matrix), points[good] + tiles.shift_um[good])
    pairs = Pairs(source, points[good], lattice.index[good], lattice.spacing_um, lattice.origin_um)
    return Measured(lattice, tiles, pairs)


def _quality(
    guess: Guess,
    last: Measured,
    overlap: float,
    errors: Errors,
    unseen: Errors,
) -> Quality:
    known = np.isfinite(last.tiles.ncc)
    return Quality(
        inliers=guess.inliers,
        tiles=int(known.sum()),
        accepted=len(last.pairs),
        coverage=len(last.pairs) / len(known),
        overlap=overlap,
        residual_p50_um=float(np.nanmedian(unseen)),
        residual_p90_um=float(np.nanpercentile(unseen, 90)),
        affine_p50_um=float(np.nanmedian(errors)),
        affine_p90_um=float(np.nanpercentile(errors, 90)),
        ncc=float(np.median(last.tiles.ncc[known])),
        ncc_null=last.null,
    )
