"""What is saved, reused and refused when the scans of a case are laid on its hub."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from comparison.registered_cases import HUB, MAPS, discs, registered_case
from slideconcord.comparison import case_registration
from slideconcord.comparison.case_registration import register_case, registration_path
from slideconcord.comparison.registration import Registering, Registration, Scan, read_registration
from slideconcord.comparison.registration.manual import nudge
from slideconcord.comparison.registration.outcome import RegistrationStep
from slideconcord.comparison.registration.planes import affine_of, scaling, shifting
from slideconcord.errors import MismatchError, RegistrationError

SCANNERS = (HUB, "turned", "shifted")
OFF_UM = 3.0


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    return registered_case(tmp_path_factory.mktemp("scans"), dict.fromkeys(SCANNERS, discs())).case


@pytest.fixture
def case(slides, tmp_path):
    return replace(slides, registrations=tmp_path / "kept")


@pytest.fixture
def asked(monkeypatch):
    """Replace the registration by one that knows the answer; return what was asked of it."""
    asked = []

    def register_steps(moving, fixed, *, method, options):
        names = tuple(
            next(n for n in SCANNERS if slide.path.name.startswith(n)) for slide in (moving, fixed)
        )
        asked.append((*names, options))
        yield RegistrationStep("pose", 0, 1)
        maps = [MAPS.get(name, np.eye(3)) for name in names]
        matrix = np.linalg.inv(maps[1]) @ maps[0]
        if HUB not in names:
            matrix = shifting(OFF_UM, 0.0) @ matrix
        return Registration(
            Scan.of(moving),
            Scan.of(fixed),
            affine_of(matrix @ scaling(moving.mpp)),
            "ok",
            method=method,
            provenance={"options": asdict(options)},
        )

    monkeypatch.setattr(case_registration, "register_steps", register_steps)
    return asked


def finished(steps):
    told = []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            return end.value, told


def test_every_scan_is_laid_on_the_hub_and_told(case, asked):
    found, told = finished(register_case(case))
    assert list(found.registrations) == ["turned", "shifted"]
    assert [a[:2] for a in asked] == [("turned", HUB), ("shifted", HUB), ("turned", "shifted")]
    done = [step for step in told if step.finished]
    assert [(step.index, step.total) for step in done] == [(0, 3), (1, 3), (2, 3)]
    saved = read_registration(registration_path(case, "turned", HUB))
    assert saved.affine == found.registrations["turned"].affine


def test_round_trips_show_what_three_registrations_do_not_agree_on(case, asked):
    found, _ = finished(register_case(case))
    trip = found.closures["turned > shifted"]
    assert trip.p50_um == pytest.approx(OFF_UM)
    assert len(trip.distances_um) > 50
    assert finished(register_case(case, closures=False))[0].closures == {}


def test_what_is_saved_is_reused_until_something_changes(case, asked):
    finished(register_case(case, closures=False))
    asked.clear()
    found, told = finished(register_case(case, closures=False))
    assert asked == []
    assert len(found.registrations) == 2 == len(told)
    other = Registering(seed=5)
    finished(register_case(case, closures=False, options=other))
    assert [a[2] for a in asked] == [other, other]
    finished(register_case(case, closures=False, options=other, overwrite=True))
    assert len(asked) == 4


def test_what_was_placed_by_hand_is_kept(case, asked):
    found, _ = finished(register_case(case, closures=False))
    by_hand = nudge(found.registrations["turned"], 2.0, 1.0)
    by_hand.write(registration_path(case, "turned", HUB), overwrite=True)
    again, _ = finished(register_case(case, closures=False, options=Registering(seed=9)))
    assert again.registrations["turned"].affine == by_hand.affine


def test_a_file_of_other_scans_is_refused(case, asked):
    finished(register_case(case, closures=False))
    path = registration_path(case, "turned", HUB)
    facts = json.loads(path.read_text())
    facts["moving"]["fingerprint"] = "0" * 64
    path.write_text(json.dumps(facts))
    with pytest.raises(MismatchError, match=r"belongs to other scans.*remove the file"):
        finished(register_case(case))
    path.write_text("{}")
    with pytest.raises(RegistrationError, match="no registration"):
        finished(register_case(case))


def test_nothing_is_saved_where_a_case_has_no_place(slides, asked, tmp_path):
    finished(register_case(replace(slides, registrations=None), closures=False))
    assert list(tmp_path.iterdir()) == []


def test_names_that_no_file_can_have_do_not_meet(case):
    paths = {registration_path(case, name, HUB).name for name in ("a/b", "a b", "a-b", "..", "/")}
    assert len(paths) == 5
    assert all("/" not in name and not name.startswith(".") for name in paths)
