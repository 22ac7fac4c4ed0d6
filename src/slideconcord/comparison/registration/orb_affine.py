"""The SCORPION paper's registration (section 2.1): ORB features and one affine on an overview."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from slideconcord.comparison.registration.facts import Quality
from slideconcord.comparison.registration.features import guess_by_orb
from slideconcord.comparison.registration.outcome import Attempt, RegistrationStep
from slideconcord.comparison.registration.signal import overview_mpp, read_overview
from slideconcord.comparison.registration.value import Registration

if TYPE_CHECKING:
    from slideconcord.comparison.registration.options import Registering
    from slideconcord.slides import Slide

METHOD = "orb-affine"
REASON = "ORB and one affine measure no residual: look before you measure."


def register_by_orb(
    moving: Slide, fixed: Slide, options: Registering
) -> Generator[RegistrationStep, None, Registration]:
    """Register as the paper does; nothing is verified, so the result is never ``ok``."""
    attempt = Attempt(moving, fixed, METHOD, options)
    mpp = overview_mpp(moving, fixed)
    yield RegistrationStep("overview", 0, 2)
    overviews = read_overview(moving, mpp), read_overview(fixed, mpp)
    yield RegistrationStep("pose", 1, 2)
    guess = guess_by_orb(*overviews, options.seed)
    if guess is None:
        return attempt.fail("Too few ORB features of the two scans agree on a pose.")
    return attempt.finish(guess.matrix, ("coarse", REASON), Quality(inliers=guess.inliers))
