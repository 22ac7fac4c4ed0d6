"""The samples people open: whole, small enough to ship, and what the code makes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from shapely.ops import unary_union

from slideconcord.annotations import read_annotations
from slideconcord.errors import OutputError, ParameterError
from slideconcord.samples import (
    FIVE_SCANNERS,
    SAMPLES,
    SCANNERS,
    VirtualTissue,
    cases,
    sample_steps,
    shipped_files,
    write_sample,
)
from slideconcord.samples.cases import SHIPPED, Sample
from slideconcord.slides import open_slide


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    steps = []
    for step in sample_steps(SHIPPED, folder, make=True):
        assert step.finished is None or step.finished.is_file()
        steps.append(step)
    assert [step.index for step in steps] == list(range(1, steps[-1].total + 1))
    return folder


def test_the_shipped_sample_is_what_the_code_makes(made: Path) -> None:
    shipped = shipped_files(SHIPPED)
    assert sorted(path.name for path in made.iterdir()) == sorted(path.name for path in shipped)
    for path in shipped:
        twin = made / path.name
        if path.suffix == ".tiff":
            # another JPEG library may round otherwise
            stored, again = tifffile.imread(path).astype(int), tifffile.imread(twin)
            assert np.abs(stored - again).mean() < 1.5
        elif path.suffix == ".geojson":
            assert _area_of_difference(path, twin) < 50.0
        else:
            assert path.read_text("utf-8") == twin.read_text("utf-8")


def _area_of_difference(path: Path, twin: Path) -> float:
    """Return the px² in which two truths differ; another processor may round a corner otherwise."""
    ours, theirs = read_annotations(path), read_annotations(twin)
    assert ours.class_names == theirs.class_names
    return sum(
        unary_union([a.geometry for a in ours.of_class(name)])
        .symmetric_difference(unary_union([a.geometry for a in theirs.of_class(name)]))
        .area
        for name in ours.class_names
    )


def test_what_is_shipped_stays_small() -> None:
    assert sum(path.stat().st_size for path in shipped_files(SHIPPED)) < 1_500_000
    assert shipped_files("colon-virtual") == []


def test_a_shipped_sample_is_copied_whole_readme_last(tmp_path: Path) -> None:
    files = write_sample(SHIPPED, tmp_path / "new" / "folder")
    assert files[-1].name == f"{SHIPPED}.README.txt"
    for scanner in SCANNERS:
        assert (tmp_path / "new" / "folder" / f"{SHIPPED}_{scanner}.ome.tiff") in files
    for file, shipped in zip(files, shipped_files(SHIPPED), strict=True):
        assert file.read_bytes() == shipped.read_bytes()


def test_everything_says_that_it_is_virtual() -> None:
    for path in shipped_files(SHIPPED):
        assert b"VIRTUAL" in path.read_bytes(), path.name
    assert all("irtual" in text for text in SAMPLES.values())


def test_truth_lies_on_the_slide_and_the_tumour_is_darker(made: Path) -> None:
    for path in made.glob("*.tiff"):
        image = tifffile.imread(path)
        truth = read_annotations(path.with_name(path.name.replace(".ome.tiff", ".truth.geojson")))
        means = {}
        for name in ("Normal epithelium", "Tumor"):
            points = [region.geometry.representative_point() for region in truth.of_class(name)]
            pixels = [
                image[int(p.y) - 4 : int(p.y) + 4, int(p.x) - 4 : int(p.x) + 4] for p in points
            ]
            means[name] = np.mean([part.mean() for part in pixels])
        assert means["Tumor"] < means["Normal epithelium"] < 235


def test_an_unknown_sample_is_refused_with_the_names() -> None:
    with pytest.raises(ParameterError, match=r"'liver'.*choose one of colon-virtual,"):
        sample_steps("liver", "anywhere")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"file.* cannot be made.*Choose a folder"):
        write_sample(SHIPPED, tmp_path / "file")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("case")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            cases._SAMPLES, "tiny", Sample("Virtual", VirtualTissue(2, 300, 300), five=True)
        )
        files = write_sample("tiny", folder)
    assert files[-1].name == "tiny.README.txt"
    assert sorted(files) == sorted(folder.iterdir())
    return folder


def test_a_case_names_five_scans_and_their_truth_and_that_it_is_virtual(case: Path) -> None:
    text = (case / "case.yaml").read_text("utf-8")
    told = yaml.safe_load(text)
    assert text.startswith("# VIRTUAL")
    assert "VIRTUAL" in told["virtual"]
    assert [scan["scanner"] for scan in told["scans"]] == list(FIVE_SCANNERS)
    assert told["hub"] == "virtual-AT2"
    for each in told["scans"]:
        with open_slide(case / each["path"]) as slide:
            assert slide.mpp.y == pytest.approx(FIVE_SCANNERS[each["scanner"]].mpp)
            assert each["scanner"] in (slide.scanner or "")
        assert {a.observer for a in read_annotations(case / each["reference"])} == {"truth"}


def test_landmarks_lie_on_the_same_tissue_in_every_scan(case: Path) -> None:
    rows = list(csv.DictReader((case / "tiny.landmarks.csv").read_text("utf-8").splitlines()))
    tissue, places = VirtualTissue(2, 300, 300), {}
    for row in rows:
        placed = FIVE_SCANNERS[row["scanner"]].map(tissue)
        at = placed.to_tissue(float(row["y_px"]), float(row["x_px"]))
        places.setdefault(row["point"], []).append(at)
    assert len(places) > 30
    for found in places.values():
        assert len(found) == 5
        assert np.ptp(found, axis=0).max() < 1e-3
