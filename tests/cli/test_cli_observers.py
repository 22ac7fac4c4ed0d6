"""The command compare observers: a study, files of one slide, and wrong input."""

from __future__ import annotations

import csv
import json

import pytest

from annotations.studies.study_folders import make_study, square
from slideconcord.annotations import Annotations, write_annotations
from slideconcord.cli import main
from slideconcord.comparison.observers.report import REPORT_FILES
from slideconcord.samples import shipped_files
from slideconcord.samples.origin import VIRTUAL


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readings")
    for name, at in (("Adelheid", 200), ("Benedikt", 240)):
        write_annotations(Annotations.of([square(at, side=400)]), folder / f"{name}.geojson")
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory, tiny_slide_path):
    made = make_study(tmp_path_factory.mktemp("cli") / "study", tiny_slide_path)
    for observer, at in (("o1", 200), ("o2", 240)):
        with made.desk(observer).open("s1") as reading:
            reading.finish([square(at, side=400)])
    return made.folder


def run(capsys, *words):
    status = main(["compare", "observers", *map(str, words)])
    out, err = capsys.readouterr()
    return status, out, err


def of_files(slide, files, *names):
    return [
        "--slide",
        slide,
        *(w for n in names for w in ("--reading", f"{n}={files / n}.geojson")),
    ]


def test_files_of_one_slide(capsys, tmp_path, tiny_slide_path, files):
    out = tmp_path / "out"
    words = [*of_files(tiny_slide_path, files, "Adelheid", "Benedikt"), "--whole", "--out", out]
    status, said, _ = run(capsys, *words)
    assert status == 0
    # squares of 200 µm, 20 µm apart down and across
    assert f"{0.9 * 0.9:.4f}" in said
    assert sorted(path.name for path in out.iterdir()) == sorted(REPORT_FILES)
    with (out / "pairs.csv").open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    assert (first["first"], first["second"]) == ("observer 1", "observer 2")
    assert float(first["dsc"]) == 0.81
    assert not any("Adelheid" in path.read_text(encoding="utf-8") for path in out.iterdir())
    status, _, complaint = run(capsys, *words)
    assert status == 2
    assert "--overwrite" in complaint


def test_the_report_of_a_virtual_slide_says_so(capsys, tmp_path, files):
    slide = next(f for f in shipped_files("colon-virtual-small") if f.name.endswith(".tiff"))
    words = [*of_files(slide, files, "Adelheid", "Benedikt"), "--whole", "--no-surfaces"]
    status, said, _ = run(capsys, *words, "--json", "--out", tmp_path)
    assert status == 0
    assert json.loads(said)["virtual"] == [VIRTUAL]
    assert f"Virtual data: {VIRTUAL}." in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_study_as_json(capsys, tmp_path, study):
    status, said, _ = run(capsys, study, "--out", tmp_path / "out", "--json", "--no-surfaces")
    assert status == 0
    found = json.loads(said)
    assert found["options"]["surfaces"] is False
    assert found["pairs"][0]["hd95_um"] is None
    assert found["virtual"] == []
    assert found["left_out"] == [
        "s2 by observer 1 in round first: not started",
        "s2 by observer 2 in round first: not started",
    ]


def test_names_are_shown_when_asked_for(capsys, tmp_path, tiny_slide_path, files):
    words = of_files(tiny_slide_path, files, "Adelheid", "Benedikt")
    run(capsys, *words, "--out", tmp_path / "out", "--names", "--consensus", "staple")
    assert "Adelheid" in (tmp_path / "out" / "pairs.csv").read_text(encoding="utf-8")
    assert "staple" in (tmp_path / "out" / "readers.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--slide FILE with two or more --reading NAME=FILE"),
        (
            ["--slide", "SLIDE", "--reading", "Adelheid", "--reading", "b=c"],
            "Write --reading NAME=FILE",
        ),
        (["--slide", "SLIDE", "--reading", "a@x=c", "--model", "b=c"], "NAME@2=FILE"),
        (["--slide", "SLIDE", "--reading", "a=no", "--model", "b=no"], "no does not exist"),
        (["nowhere"], "give the folder of a study"),
        (["STUDY", "--reading", "a=b"], "give either a study, or --slide and --reading"),
    ],
)
def test_wrong_input_is_told(capsys, tmp_path, tiny_slide_path, study, words, said):
    known = {"SLIDE": tiny_slide_path, "STUDY": study}
    status, _, complaint = run(capsys, *(known.get(w, w) for w in words), "--out", tmp_path / "out")
    assert status == 2
    assert said in complaint
    assert not (tmp_path / "out").exists()
