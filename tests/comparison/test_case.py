from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import tissue_like, write_pyramid
from slideconcord.comparison.case import Case, CaseScan, case_of
from slideconcord.comparison.case_files import read_case, write_case
from slideconcord.errors import MismatchError, MissingMppError, ParameterError, SlideError
from slideconcord.geometry import Mpp
from slideconcord.samples import shipped_files
from slideconcord.samples.origin import VIRTUAL
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tuning import Tuning


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("glass")
    for i, name in enumerate(("a", "b", "c")):
        write_pyramid(place / f"{name}.tif", tissue_like(256, 300, seed=i), levels=1)
    write_pyramid(place / "no-mpp.tif", tissue_like(256, 300, seed=9), mpp=None, levels=1)
    (place / "notes.txt").write_text("no slide")
    return place


def written(folder, text):
    path = folder / "case.yaml"
    path.write_text(text, encoding="utf-8")
    return path


TWO = "scans:\n  - {path: a.tif, scanner: A}\n  - {path: b.tif, scanner: B}\n"


def test_a_case_says_its_scans_and_paths_are_relative_to_the_file(folder):
    case = read_case(
        written(folder, f"name: seven\nhub: B\ntuning: {{low: 0.2, high: 0.8}}\n{TWO}")
    )
    assert (case.name, case.hub, case.scanners) == ("seven", "B", ("A", "B"))
    assert case.scan("A").path == folder / "a.tif"
    assert case.registrations == folder / "registrations"
    assert case.tuning.thresholds == Thresholds(0.2, 0.8)
    assert [scan.scanner for scan in case.moving] == ["A"]
    with case.open() as slides:
        assert list(slides) == ["A", "B"]


def test_the_first_scan_is_the_hub_and_the_folder_gives_the_name(folder):
    case = read_case(written(folder, TWO))
    assert (case.name, case.hub) == (folder.name, "A")


names = st.text("abcXYZ é:#'{}-", min_size=1, max_size=12).filter(str.strip)


@given(
    scanners=st.lists(names, min_size=2, max_size=3, unique=True),
    low=st.floats(0, 0.5),
    classes=st.lists(names, max_size=2),
)
def test_what_is_written_is_read_back(folder, scanners, low, classes):
    case = Case(
        name="a: strange # name",
        scans=tuple(
            CaseScan(folder / f"{'abc'[i]}.tif", s, Mpp(0.25, 0.26), reference=folder / "notes.txt")
            for i, s in enumerate(scanners)
        ),
        hub=scanners[-1],
        registrations=folder / "kept",
        tuning=Tuning(Thresholds(low, 0.75), min_area_um2=12.5),
        reference_classes=tuple(classes),
        virtual="VIRTUAL",
    )
    path = folder / "round trip.yaml"
    write_case(case, path)
    assert read_case(path) == case


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("scans: [{path: a.tif, scanner: A}]", "two or more"),
        (TWO + "hubb: A", "'hubb': did you mean hub?"),
        (TWO.replace("scanner: B", "scaner: B"), "did you mean scanner?"),
        (TWO.replace("scanner: B", "scanner: A"), "the scanner 'A' 2 times"),
        (TWO.replace("b.tif", "a.tif"), "the file 'a.tif' 2 times"),
        (TWO + "hub: C", "choose from 'A', 'B'"),
        (TWO + "tuning: {low: much}", "no number"),
        (TWO + "tuning: 3", "write tuning"),
        (TWO + "reference_classes: Tumor", r"write reference_classes: \[Tumor\]"),
        (TWO.replace("A}", "A, mpp: 1000}"), "not a pixel size"),
        (TWO.replace("A}", "A, mpp: small}"), "Write mpp: 0.25"),
        (TWO + "hub: A\nhub: B", "stands twice, line 5"),
        ("scans: []", "names no scans"),
        ("scans: [{path: a.tif}, {path: b.tif, scanner: B}]", "has no scanner"),
        ("- a.tif", "is no case"),
        ("scans: [", "is not YAML"),
        (TWO.replace("A}", "A, mask: a.tif, probability: b.tif}"), "a mask and a probability"),
    ],
)
def test_a_case_that_makes_no_sense_is_refused(folder, text, says):
    with pytest.raises(ParameterError, match=says):
        read_case(written(folder, text))


def test_a_file_that_is_missing_is_named(folder):
    with pytest.raises(SlideError, match=r"gone\.tif does not exist: case\.yaml names it"):
        read_case(written(folder, TWO.replace("b.tif", "gone.tif")))
    with pytest.raises(ParameterError, match=r"nowhere\.yaml does not exist"):
        read_case(folder / "nowhere.yaml")


def test_a_scan_without_pixel_size_asks_for_it_where_it_belongs(folder):
    case = read_case(written(folder, TWO.replace("b.tif", "no-mpp.tif")))
    with pytest.raises(MissingMppError, match=r"scanner: B, mpp: 0\.25"), case.open():
        pass
    with pytest.raises(MissingMppError, match=r"Name the scans in a case\.yaml"):
        case_of([folder / "a.tif", folder / "no-mpp.tif"])


def test_virtual_scans_make_a_virtual_case(folder):
    scans = [each for each in shipped_files("colon-virtual-small") if each.suffix == ".tiff"]
    assert case_of(scans).virtual == VIRTUAL
    assert case_of([folder / "a.tif", folder / "b.tif"]).virtual == ""


def test_two_copies_of_a_scan_are_no_comparison(folder, tmp_path):
    (tmp_path / "a.tif").write_bytes((folder / "a.tif").read_bytes())
    case = Case(
        "copied", (CaseScan(folder / "a.tif", "A"), CaseScan(tmp_path / "a.tif", "B")), hub="A"
    )
    with pytest.raises(MismatchError, match="A and B in case copied are copies"), case.open():
        pass


def test_a_folder_of_slides_is_a_case_that_names_no_file(tmp_path):
    for i in range(2):
        write_pyramid(tmp_path / f"Jane Doe {i}.tif", tissue_like(64, 64, seed=i), levels=1)
    (tmp_path / "read me.txt").write_text("no slide")
    case = read_case(tmp_path)
    assert case.scanners == ("scan 1", "scan 2")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ParameterError, match="holds 0 slide"):
        read_case(tmp_path / "empty")


def test_slides_become_a_case_with_the_pixel_size_that_was_given(folder):
    from slideconcord import open_slide

    with open_slide(folder / "a.tif", mpp=0.3) as a, open_slide(folder / "b.tif") as b:
        case = case_of([a, b])
    assert [scan.mpp for scan in case.scans] == [Mpp(0.3, 0.3), None]
    assert np.isclose(case.scan(case.hub).mpp, 0.3).all()
