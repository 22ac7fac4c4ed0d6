"""How a registration ends: a value with what made it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord.comparison.registration.facts import Quality, Scan, Status
from slideconcord.comparison.registration.planes import Matrix, affine_of, scaling
from slideconcord.comparison.registration.value import Registration
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


@dataclass(frozen=True, slots=True)
class Attempt:
    """What every registration of two scans records, however it ends."""

    moving: Slide
    fixed: Slide
    method: str
    options: Registering

    def finish(
        self,
        matrix: Matrix,
        verdict: tuple[Status, str],
        quality: Quality,
        field: ResidualField | None = None,
        **facts: Any,
    ) -> Registration:
        """Return the registration of a map from µm of the moving scan to µm of the fixed one."""
        status, reason = verdict
        made_from = record(
            method=self.method,
            options=asdict(self.options),
            readers=[self.moving.info.format, self.fixed.info.format],
            mpp_sources=[self.moving.mpp_source, self.fixed.mpp_source],
            **facts,
        )
        return Registration(
            moving=Scan.of(self.moving),
            fixed=Scan.of(self.fixed),
            affine=affine_of(matrix @ scaling(self.moving.mpp)),
            status=status,
            reason=reason,
            method=self.method,
            field=field,
            quality=quality,
            provenance=made_from,
        )

    def fail(self, reason: str, quality: Quality | None = None) -> Registration:
        """Return a failed registration; its affine says no more than the two pixel sizes."""
        return self.finish(np.eye(3), ("failed", reason), quality or Quality())
