"""How a registration ends: a value with what made it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from slideconcord.comparison.registration.planes import Matrix, affine_of, scaling
from slideconcord.comparison.registration.value import Quality, Registration, Scan, Status
from slideconcord.provenance import record

if TYPE_CHECKING:
    from slideconcord.comparison.registration.field import ResidualField
    from slideconcord.comparison.registration.options import Registering
    from slideconcord.slides import Slide


@dataclass(frozen=True, slots=True)
class RegistrationStep:
    """A piece of a registration is about to be done."""

    name: str
    index: int
    total: int


def finish(
    moving: Slide,
    fixed: Slide,
    method: str,
    matrix: Matrix,
    verdict: tuple[Status, str],
    quality: Quality,
    options: Registering,
    field: ResidualField | None = None,
    **facts: Any,
) -> Registration:
    """Return the registration of a map from µm of the moving scan to µm of the fixed one."""
    status, reason = verdict
    return Registration(
        Scan.of(moving),
        Scan.of(fixed),
        affine_of(matrix @ scaling(moving.mpp)),
        status,
        reason,
        method,
        field,
        quality,
        record(
            method=method,
            options=asdict(options),
            readers=[moving.info.format, fixed.info.format],
            mpp_sources=[moving.mpp_source, fixed.mpp_source],
            **facts,
        ),
    )


def give_up(
    moving: Slide,
    fixed: Slide,
    method: str,
    reason: str,
    options: Registering,
    quality: Quality | None = None,
) -> Registration:
    """Return a failed registration; its affine says no more than the two pixel sizes."""
    import numpy as np

    verdict: tuple[Status, str] = ("failed", reason)
    return finish(moving, fixed, method, np.eye(3), verdict, quality or Quality(), options)
