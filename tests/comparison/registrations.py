"""Registrations made by hand, for tests that need one whose numbers are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from slideconcord.comparison.registration import Quality, Registration, ResidualField, Scan
from slideconcord.comparison.registration.planes import (
    Matrix,
    affine_of,
    scaling,
    shifting,
    turning,
)
from slideconcord.geometry import Mpp

MOVING = Scan("a" * 64, "moving", Mpp(0.46, 0.45), (9000, 8000))
FIXED = Scan("b" * 64, "fixed", Mpp(0.5, 0.25), (8000, 7000))


def a_field(seed: int = 0, largest_um: float = 3.0) -> ResidualField:
    nodes = np.zeros((8, 9, 2))
    nodes[1:-1, 1:-1] = np.random.default_rng(seed).uniform(-largest_um, largest_um, (6, 7, 2))
    return ResidualField((-300.0, -200.0), 700.0, nodes)


def a_map(
    degrees: float = 31.0, dy: float = 120.0, dx: float = -80.0, scale: float = 1.01
) -> Matrix:
    return shifting(dy, dx) @ turning(degrees, (900.0, 700.0)) @ np.diag([scale, scale, 1.0])


def a_registration(matrix: Matrix | None = None, **changes: Any) -> Registration:
    """Return an ``ok`` registration of `MOVING` on `FIXED` by a map of µm."""
    found = Registration(
        MOVING,
        FIXED,
        affine_of((a_map() if matrix is None else matrix) @ scaling(MOVING.mpp)),
        "ok",
        method="tiles",
        quality=Quality(inliers=50, tiles=200, accepted=180, coverage=0.9),
        provenance={"method": "tiles"},
    )
    return replace(found, **changes)
