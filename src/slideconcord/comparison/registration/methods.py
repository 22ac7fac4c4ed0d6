"""The ways to lay one scan on another, by name; a new one is a function and a line in `METHODS`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, NamedTuple

from slideconcord.comparison.registration.options import Registering
from slideconcord.comparison.registration.orb_affine import register_by_orb
from slideconcord.comparison.registration.outcome import RegistrationStep
from slideconcord.comparison.registration.pipeline import register_by_tiles
from slideconcord.comparison.registration.value import Registration
from slideconcord.errors import ParameterError

if TYPE_CHECKING:
    from slideconcord.slides import Slide

Steps = Generator[RegistrationStep, None, Registration]


class Method(NamedTuple):
    """A way to register, and what it is for."""

    steps: Callable[[Slide, Slide, Registering], Steps]
    help: str


METHODS: dict[str, Method] = {
    "tiles": Method(
        register_by_tiles,
        "features find the pose, hundreds of tiles refine it to under a micrometre and judge it",
    ),
    "orb-affine": Method(
        register_by_orb,
        "ORB features and one affine on an overview, as the SCORPION paper; never more than coarse",
    ),
}


def register(
    moving: Slide, fixed: Slide, *, method: str = "tiles", options: Registering | None = None
) -> Registration:
    """Lay a scan of a glass slide on another scan of it.

    Parameters
    ----------
    moving, fixed
        The scans; the result lives in the µm frame of ``fixed``.
    method
        A name of `METHODS`.
    options
        What can be turned about it.

    Returns
    -------
    Registration. Scans that do not belong together give one whose status is ``failed``, with the
    reason; it maps no point.

    Raises
    ------
    ParameterError
        When the method is unknown, or both scans are the same file.
    """
    steps = register_steps(moving, fixed, method=method, options=options)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Registration = end.value
            return found


def register_steps(
    moving: Slide, fixed: Slide, *, method: str = "tiles", options: Registering | None = None
) -> Steps:
    """Do as `register`; yield every finished step, and return the registration at the end."""
    if method not in METHODS:
        raise ParameterError(f"method={method!r} is unknown: choose one of {', '.join(METHODS)}.")
    if moving.fingerprint == fixed.fingerprint:
        raise ParameterError(
            f"{moving.name} and {fixed.name} are the same file twice: give two scans of the glass."
        )
    return METHODS[method].steps(moving, fixed, options or Registering())
