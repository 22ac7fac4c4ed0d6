"""Lay all scans of a case on its hub: saved beside the case, reused, checked by round trips."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slideconcord.comparison.case import Case
from slideconcord.comparison.registration.files import read_registration
from slideconcord.comparison.registration.manual import METHOD as MANUAL
from slideconcord.comparison.registration.methods import register_steps
from slideconcord.comparison.registration.options import Registering
from slideconcord.comparison.registration.outcome import RegistrationStep
from slideconcord.comparison.registration.round_trip import Closure, closure
from slideconcord.comparison.registration.value import Registration
from slideconcord.errors import MismatchError, OutputError

if TYPE_CHECKING:
    from slideconcord.comparison.registration.planes import Points
    from slideconcord.slides import Slide

_TRIP_POINTS = 400


@dataclass(frozen=True, slots=True)
class CaseStep:
    """A piece of the registration of a case is about to be done, or a registration is there."""

    moving: str
    """Scanner of the scan that is laid on another."""
    fixed: str
    name: str
    index: int
    """Among all pieces of the case."""
    total: int
    finished: Registration | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RegisteredCase:
    """A case and where its scans lie on the hub."""

    case: Case
    registrations: Mapping[str, Registration]
    """By scanner; the hub has none."""
    closures: Mapping[str, Closure]
    """Round trips hub, scan, next scan, hub: by "scanner > scanner"."""


@dataclass(frozen=True, slots=True)
class _How:
    method: str
    options: Registering
    overwrite: bool


def register_case(
    case: Case,
    *,
    method: str = "tiles",
    options: Registering | None = None,
    closures: bool = True,
    overwrite: bool = False,
) -> Generator[CaseStep, None, RegisteredCase]:
    """Lay every scan of a case on its hub; yield every step, return the registered case.

    Registrations are saved in ``case.registrations`` and reused when the files and all options
    are the same; those placed by hand are always kept. Scans that could not be laid on the hub
    are there with status ``failed``.

    Parameters
    ----------
    case
        Its slides are opened, and closed at the end.
    method, options
        As of `register`.
    closures
        Also register each scan on the next one, to see how far three scans come back.
    overwrite
        Register anew, whatever is saved.

    Raises
    ------
    SlideError
        When a slide cannot be opened or has no pixel size.
    MismatchError
        When a saved registration was made from other slides.
    RegistrationError
        When a saved registration cannot be read.
    OutputError
        When a registration cannot be saved.
    """
    how = _How(method, options or Registering(), overwrite)
    with case.open() as slides:
        pairs = [(scan.scanner, case.hub) for scan in case.moving]
        others = [scanner for scanner, _ in pairs]
        trips = list(pairwise(others)) if closures else []
        total = len(pairs) + len(trips)
        found: dict[tuple[str, str], Registration] = {}
        for index, pair in enumerate((*pairs, *trips)):
            found[pair] = yield from _one(case, slides, pair, how, (index, total))
        registrations = {moving: found[moving, case.hub] for moving, _ in pairs}
        round_trips = _round_trips(slides, case.hub, registrations, {p: found[p] for p in trips})
    return RegisteredCase(case, registrations, round_trips)


def registration_path(case: Case, moving: str, fixed: str) -> Path | None:
    """Return where the registration of two scans of a case is saved; None when nowhere."""
    if case.registrations is None:
        return None
    return case.registrations / f"{_file_name(moving)}_on_{_file_name(fixed)}.json"


def _one(
    case: Case,
    slides: Mapping[str, Slide],
    pair: tuple[str, str],
    how: _How,
    place: tuple[int, int],
) -> Generator[CaseStep, None, Registration]:
    """Register two scans, or take what is saved."""
    moving, fixed = (slides[scanner] for scanner in pair)
    path = registration_path(case, *pair)
    step = CaseStep(*pair, "saved", *place)
    found = None if how.overwrite or path is None else _saved(path, moving, fixed, how)
    if found is None:
        steps = register_steps(moving, fixed, method=how.method, options=how.options)
        found = yield from _told(steps, lambda each: replace(step, name=each.name))
        if path is not None:
            _make_folder(path.parent)
            found.write(path, overwrite=True)
    yield replace(step, name=found.status, finished=found)
    return found


def _told(
    steps: Generator[RegistrationStep, None, Registration],
    tell: Callable[[RegistrationStep], CaseStep],
) -> Generator[CaseStep, None, Registration]:
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            registration: Registration = end.value
            return registration
        yield tell(step)


def _saved(path: Path, moving: Slide, fixed: Slide, how: _How) -> Registration | None:
    """Return the saved registration, when it is what would be made again."""
    if not path.exists():
        return None
    found = read_registration(path)
    try:
        found.require(moving, fixed)
    except MismatchError as error:
        raise MismatchError(
            f"{path} belongs to other scans. {error} To make it anew, remove the file."
        ) from error
    same = found.method == how.method and found.provenance.get("options") == asdict(how.options)
    return found if same or found.method == MANUAL else None


def _round_trips(
    slides: Mapping[str, Slide],
    hub: str,
    on_hub: Mapping[str, Registration],
    trips: Mapping[tuple[str, str], Registration],
) -> dict[str, Closure]:
    closures = {}
    for (first, second), direct in trips.items():
        legs = (on_hub[first], direct, on_hub[second])
        if any(leg.status == "failed" for leg in legs):
            continue
        points = _points_in_all(slides, hub, on_hub[first], on_hub[second], (first, second))
        if len(points):
            # from the hub to the first scan, across, and back
            closures[f"{first} > {second}"] = closure(legs, points)
    return closures


def _points_in_all(
    slides: Mapping[str, Slide],
    hub: str,
    first: Registration,
    second: Registration,
    scanners: tuple[str, str],
) -> Points:
    """Return hub pixels on tissue that three scans show, on an even lattice."""
    points = np.array(list(_tissue_points(slides[hub])), np.float64).reshape(-1, 2)
    for registration, scanner in zip((first, second), scanners, strict=True):
        there = registration.fixed_to_moving_px(points)
        inside = (there >= 0) & (there < np.array(slides[scanner].shape))
        points = points[inside.all(1)]
    return points[:: max(len(points) // _TRIP_POINTS, 1)]


def _tissue_points(slide: Slide) -> Iterator[tuple[float, float]]:
    from slideconcord.segmentation.tissue import find_tissue

    tissue = find_tissue(slide)
    rows, columns = np.nonzero(tissue.array[::8, ::8])
    for row, column in zip(rows * 8, columns * 8, strict=True):
        # a pixel's middle, as a pixel centre of level 0
        y, x = tissue.frame.to_level0(row + 0.5, column + 0.5)
        yield y - 0.5, x - 0.5


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be made: {error.strerror}. Registrations are kept there: choose "
            "another place with the key registrations.",
            folder,
        ) from error


def _file_name(scanner: str) -> str:
    """Return a name that every file system takes; different scanners never share one."""
    plain = re.sub(r"[^\w.-]+", "-", scanner).strip("-.")
    if plain == scanner:
        return plain
    return f"{plain or 'scan'}-{hashlib.sha256(scanner.encode()).hexdigest()[:6]}"
