"""Rescue by hand: three pairs of points, then small moves; each gives a new registration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord.comparison.registration.facts import Quality, Scan
from slideconcord.comparison.registration.fit import fit_affine, fit_similarity
from slideconcord.comparison.registration.planes import (
    Matrix,
    Points,
    affine_of,
    apply,
    pose_of,
    shifting,
    turning,
)
from slideconcord.comparison.registration.value import Registration
from slideconcord.errors import ParameterError
from slideconcord.provenance import record

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from slideconcord.slides import Slide

METHOD = "manual"
REASON = "Placed by hand: no residual was measured."
# Three points on a line say nothing of what lies beside it.
_THINNEST = 0.02
_AFFINE_FROM = 4


def from_points(
    moving: Slide | Scan,
    fixed: Slide | Scan,
    points_moving_px: ArrayLike,
    points_fixed_px: ArrayLike,
) -> Registration:
    """Return the registration that pairs of points say, as ``coarse``.

    Three pairs give the nearest similarity (turn, scale, shift), so that a slip of one hand does
    not shear the tissue; four or more give an affine.

    Parameters
    ----------
    moving, fixed
        The scans.
    points_moving_px, points_fixed_px
        (n, 2) level-0 pixel centres (y, x), pair by pair; at least three, not on a line.

    Raises
    ------
    ParameterError
        When there are too few, they lie on a line, or they mirror the tissue.
    """
    scans = _scan(moving), _scan(fixed)
    source, target = (np.asarray(p, np.float64) for p in (points_moving_px, points_fixed_px))
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2 or len(source) < 3:
        raise ParameterError(
            f"points of shapes {source.shape} and {target.shape}: give three pairs or more, (y, x)."
        )
    for scan, points in zip(scans, (source, target), strict=True):
        _require_spread(points, scan.name)
    source_um, target_um = source * np.array(scans[0].mpp), target * np.array(scans[1].mpp)
    fit = fit_affine if len(source) >= _AFFINE_FROM else fit_similarity
    matrix = fit(source_um, target_um)
    if pose_of(fit_affine(source_um, target_um)).mirrored:
        raise ParameterError(
            "These pairs mirror the tissue, which no scanner does: see that each point of the one "
            "scan is paired with the same point of the other."
        )
    off = np.hypot(*(apply(matrix, source_um) - target_um).T)
    return Registration(
        scans[0],
        scans[1],
        affine_of(matrix @ np.diag([*scans[0].mpp, 1.0])),
        "coarse",
        REASON,
        METHOD,
        quality=Quality(),
        provenance=record(
            method=METHOD,
            steps=[{"points_moving_px": source.tolist(), "points_fixed_px": target.tolist()}],
            points_off_um=off.round(3).tolist(),
        ),
    )


def nudge(registration: Registration, dy_um: float, dx_um: float) -> Registration:
    """Return the registration with the moving scan shifted, in µm of the fixed scan."""
    step = {"nudge_um": [dy_um, dx_um]}
    return _changed(registration, shifting(dy_um, dx_um), step)


def rotate(
    registration: Registration, degrees: float, about_um: tuple[float, float]
) -> Registration:
    """Return the registration with the moving scan turned about a point of the fixed scan's µm.

    Positive moves +x towards +y.
    """
    step = {"rotate_deg": degrees, "about_um": list(about_um)}
    return _changed(registration, turning(degrees, about_um), step)


def _changed(registration: Registration, change: Matrix, step: Mapping[str, Any]) -> Registration:
    """Join a change after the affine; quality and field were measured before it, so they go."""
    past = registration.provenance.get("steps", [{"from": registration.method}])
    return replace(
        registration,
        affine=affine_of(change @ registration.matrix),
        field=None,
        status="coarse",
        reason=REASON,
        method=METHOD,
        quality=Quality(),
        provenance=record(method=METHOD, steps=[*past, dict(step)]),
    )


def _scan(slide: Slide | Scan) -> Scan:
    return slide if isinstance(slide, Scan) else Scan.of(slide)


def _require_spread(points: Points, name: str) -> None:
    spread = np.linalg.svd(points - points.mean(0), compute_uv=False)
    if not spread[1] > _THINNEST * spread[0]:
        raise ParameterError(
            f"The points on {name} lie on a line: choose three that span the tissue."
        )
