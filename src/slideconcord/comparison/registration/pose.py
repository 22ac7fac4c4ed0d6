"""The first pose: guesses, each put to the test by tiles of the overview."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from slideconcord.comparison.registration.facts import Quality
from slideconcord.comparison.registration.features import Guess, find_features, guess_by_features
from slideconcord.comparison.registration.judge import wrong_scale
from slideconcord.comparison.registration.loose import loose_fit
from slideconcord.comparison.registration.options import Registering
from slideconcord.comparison.registration.outcome import RegistrationStep
from slideconcord.comparison.registration.planes import Matrix, pose_of
from slideconcord.comparison.registration.residuals import choose_affine
from slideconcord.comparison.registration.rounds import Both, measure_round
from slideconcord.comparison.registration.sweep import guesses_by_sweep
from slideconcord.comparison.registration.tiles import Look

_TILES = 64, 150
LEAST_PAIRS = 8
_LEAST_PASSED = 0.2
_LOOSE_GUESSES = 3
_SURE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class FirstPose:
    """Where to begin, in µm; `is_loose` where the two look alike only from afar."""

    matrix: Matrix
    guess: Guess
    quality: Quality
    """What tiles of the overview said."""
    is_loose: bool = False

    @property
    def is_sure(self) -> bool:
        """Whether most tiles of the overview found their place."""
        return self.quality.accepted >= _SURE * max(self.quality.tiles, 1)


def find_pose(
    both: Both, look: Look, options: Registering
) -> Generator[RegistrationStep, None, FirstPose | str]:
    """Return the first guess that tiles confirm, refined; or, in words, why there is none."""
    beyond, doubted = None, []
    for guess in _guesses(both, options):
        yield RegistrationStep("pose", 0, 1)
        if abs((scale := pose_of(guess.matrix).scale) - 1) > options.scale_tolerance:
            beyond = beyond or wrong_scale(scale, both.moving.slide.mpp)
            continue
        found = yield from _confirmed(both, guess, look)
        if found is not None:
            return found
        doubted.append(guess)
    if beyond is not None:
        return beyond
    for guess in [g for g in doubted if not pose_of(g.matrix).mirrored][:_LOOSE_GUESSES]:
        fit = yield from loose_fit(both, guess.matrix, look, options.seed)
        if fit is not None:
            return FirstPose(fit[0], guess, fit[1], is_loose=True)
    return "No pose was found under which the two scans look alike: it seems to be other tissue."


def _guesses(both: Both, options: Registering) -> Iterator[Guess]:
    """Yield poses to try: by features, by trying every turn, then the same of the mirror image."""
    features = find_features(both.fixed_view)
    views = both.moving_view, both.fixed_view
    for mirrored in (False, True):
        guess = guess_by_features(*views, features, options.seed, mirrored=mirrored)
        if guess is not None:
            yield guess
        yield from guesses_by_sweep(*views, mirrored=mirrored)


def _confirmed(
    both: Both, guess: Guess, look: Look
) -> Generator[RegistrationStep, None, FirstPose | None]:
    """Return the refined pose; None where too few tiles find their place under it."""
    matrix, mirrored = guess.matrix, pose_of(guess.matrix).mirrored
    for most in _TILES:
        tried = yield from measure_round(both, matrix, look, most)
        if tried is None:
            return None
        pairs = tried.pairs()
        if len(pairs) < max(LEAST_PAIRS, _LEAST_PASSED * tried.textured):
            return None
        matrix = choose_affine(pairs, mirrored=mirrored)[0]
        quality = Quality(guess.inliers, tried.textured, len(pairs))
    return FirstPose(matrix, guess, quality)
