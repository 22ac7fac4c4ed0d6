"""Round trips over three scans: what registrations say of one another without any annotation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.registration.facts import Scan
from slideconcord.comparison.registration.planes import Points
from slideconcord.comparison.registration.value import Registration
from slideconcord.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True, eq=False)
class Closure:
    """How far points come to lie from where they started, after a round trip over scans.

    An error that all registrations share (a wrong pixel size, say) does not show in it.
    """

    names: tuple[str, ...]
    """The scans in the order of the trip; it ends where it began."""
    distances_um: NDArray[np.float64] = field(repr=False)
    """(n,) distance of every point, in µm of the first scan."""

    @property
    def p50_um(self) -> float:
        return float(np.median(self.distances_um))

    @property
    def p90_um(self) -> float:
        return float(np.percentile(self.distances_um, 90))


def closure(registrations: Sequence[Registration], points_px: ArrayLike) -> Closure:
    """Carry points round three or more scans and measure how far off they come back.

    Parameters
    ----------
    registrations
        In the order of the trip: each leads from where the one before it ended, in whichever
        direction it was made; the last one leads back to the first scan.
    points_px
        (n, 2) level-0 pixel centres (y, x) of the first scan, on tissue.

    Raises
    ------
    ParameterError
        When the registrations are no round trip, or there is no point.
    RegistrationError
        When one of them failed.
    """
    start = np.asarray(points_px, np.float64)
    if not len(start):
        raise ParameterError("closure needs at least one point: give some on tissue.")
    first = _start(registrations)
    points, here, names = start, first.fingerprint, []
    for each in registrations:
        names.append(_name(each, here))
        points, here = _step(each, here, points)
    if here != first.fingerprint:
        raise ParameterError("These registrations do not lead back to the first scan: add one.")
    return Closure(tuple(names), np.hypot(*((points - start) * np.array(first.mpp)).T))


def _start(registrations: Sequence[Registration]) -> Scan:
    """Return the scan the trip begins at: that of the first which the second does not share."""
    if len(registrations) < 2:
        raise ParameterError("a round trip needs at least two registrations.")
    first, second = registrations[:2]
    shared = {second.moving.fingerprint, second.fixed.fingerprint}
    return first.moving if first.fixed.fingerprint in shared else first.fixed


def _name(registration: Registration, here: str) -> str:
    scans = (registration.moving, registration.fixed)
    found = [scan.name for scan in scans if scan.fingerprint == here]
    if not found:
        raise ParameterError(
            f"{scans[0].name} to {scans[1].name} does not begin where the one before it ended."
        )
    return found[0]


def _step(registration: Registration, here: str, points: Points) -> tuple[Points, str]:
    if registration.moving.fingerprint == here:
        return registration.to_fixed_px(points), registration.fixed.fingerprint
    return registration.fixed_to_moving_px(points), registration.moving.fingerprint
