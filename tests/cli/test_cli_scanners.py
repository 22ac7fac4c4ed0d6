"""compare scanners, as a user runs it on cases whose registrations are saved beside them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from comparison.registered_cases import HUB, discs, registered_case
from slideconcord.cli import main
from slideconcord.comparison.case import Case
from slideconcord.comparison.case_files import read_case, write_case
from slideconcord.comparison.case_registration import registration_path
from slideconcord.comparison.concordance.report import REPORT_FILES
from slideconcord.comparison.concordance.result import ALONE
from slideconcord.comparison.registration import Registering

DISCS = discs()
APART = np.add(DISCS, (5.0, 0.0, 0.0))
FAST = ("--no-closures", "--no-appearance", "--regions", "3", "--region-um", "150")


@pytest.fixture
def run(capsys):
    def call(*words: object) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        status = main(["compare", "scanners", *(str(word) for word in words)])
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return call


def saved(folder: Path, name: str, drawings: dict[str, np.ndarray], **more) -> Path:
    """Write a case with its registrations, so that nothing has to be registered."""
    registered = registered_case(folder, drawings, **more)
    case = replace(registered.case, name=name, registrations=folder / f"{name} registrations")
    case.registrations.mkdir()
    for scanner, found in registered.registrations.items():
        made = replace(found, provenance={"options": asdict(Registering())})
        made.write(registration_path(case, scanner, HUB))
    write_case(case, folder / f"{name}.yaml")
    return folder / f"{name}.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cases")


@pytest.fixture(scope="module")
def first(folder) -> Path:
    return saved(folder, "first", {HUB: DISCS, "turned": DISCS}, references=(HUB,))


@pytest.fixture(scope="module")
def second(folder) -> Path:
    return saved(folder, "second", {HUB: DISCS, "turned": APART, "shifted": DISCS})


def test_a_case_leaves_a_report_and_tables(run, second, tmp_path):
    status, shown, err = run(second, "--out", tmp_path / "r", *FAST)
    assert (status, err) == (0, [])
    assert sorted(p.name for p in (tmp_path / "r").iterdir()) == sorted(REPORT_FILES)
    assert ALONE in shown
    assert "minimum 0." in shown
    status, _, err = run(second, "--out", tmp_path / "r", *FAST)
    assert status == 2
    assert "already there" in err[0]


def test_several_cases_have_intervals_and_json_says_it_all(run, first, second, tmp_path):
    status, shown, _ = run(first, second, "--out", tmp_path / "r", "--json", *FAST)
    found = json.loads(shown)
    assert status == 0
    mean = found["levels"]["slide"]["mean"]
    assert mean["low"] <= mean["value"] <= mean["high"]
    assert mean["slides"] == 2
    assert [case["case"] for case in found["cases"]] == ["first", "second"]
    assert found["accuracy"][0]["scanner"] == HUB
    assert any(warning.startswith("second: Consistency alone") for warning in found["warnings"])
    kept = json.loads((tmp_path / "r" / "concordance.json").read_text())
    assert kept["levels"] == found["levels"]


def test_one_bad_case_is_named_and_the_others_go_on(run, first, tmp_path):
    missing = tmp_path / "gone.yaml"
    status, shown, err = run(first, missing, "--out", tmp_path / "r", "--json", *FAST)
    assert status == 1
    assert "gone.yaml does not exist" in err[0]
    assert json.loads(shown)["failed"][0]["input"] == str(missing)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "does not exist"),
        (["CASE", "--mpp", "0.1"], "pixels are never made up"),
        (["CASE", "--region-um", "0"], "--region-um"),
        (["CASE", "--empty", "maybe"], "--empty"),
        (["CASE", "--class", "Tumor"], "leave the class out"),
    ],
)
def test_wrong_input_is_refused_in_one_line(run, first, tmp_path, words, says):
    given = [first if word == "CASE" else word for word in words]
    status, _, err = run(*given, "--out", tmp_path / "r", *FAST[:2])
    assert status == 2
    assert len(err) == 1
    assert says in err[0]
    assert not (tmp_path / "r").exists()


def test_masks_are_found_by_the_fingerprint_of_their_slide(run, first, tmp_path):
    case = read_case(first)
    results = tmp_path / "results"
    for scan in case.scans:
        place = results / scan.path.stem / "mask.zarr"
        place.parent.mkdir(parents=True)
        place.symlink_to(scan.mask)
    bare = tuple(replace(scan, mask=None) for scan in case.scans)
    write_case(replace(case, scans=bare), tmp_path / "bare.yaml")
    path = tmp_path / "bare.yaml"
    assert run(path, "--out", tmp_path / "r", *FAST)[0] == 2
    status, _, err = run(path, "--results", results, "--out", tmp_path / "r", *FAST)
    assert (status, err) == (0, [])


def test_the_shipped_case_file_of_the_five_scanners_is_understood(tmp_path):
    from slideconcord.samples.cases import _SAMPLES, _texts

    name = "colon-virtual-five"
    for file, text in _texts(name, _SAMPLES[name]).items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    for scanner in _SAMPLES[name].scanners:
        for ending in ("ome.tiff", "truth.geojson"):
            (tmp_path / f"{name}_{scanner}.{ending}").touch()
    case = read_case(tmp_path)
    assert isinstance(case, Case)
    assert len(case.scans) == 5
    assert case.virtual
    assert all(scan.reference for scan in case.scans)
