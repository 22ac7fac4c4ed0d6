"""The commands study new, status, check and import, with right and wrong input."""

from __future__ import annotations

import json

import pytest

from annotations.studies.study_folders import square
from slideconcord.annotations import write_annotations
from slideconcord.annotations.studies import open_study
from slideconcord.cli import main


@pytest.fixture
def folder(tmp_path, tiny_slide_path, capsys):
    made = tmp_path / "study"
    assert main([*new(made, tiny_slide_path), "--seed", "3", "--round", "first",
                 "--round", "second=14", "--instructions", "Outline."]) == 0  # fmt: skip
    capsys.readouterr()
    return made


def new(folder, slide):
    return ["study", "new", str(folder), "--slide", str(slide), "--observer", "o1",
            "--observer", "o2", "--class", "Tumor=#c80000,t", "--class", "Stroma"]  # fmt: skip


def told(capsys, *words):
    status = main(list(words))
    out, err = capsys.readouterr()
    return status, out, err


def test_new_makes_a_study_that_opens(folder, tiny_slide_path):
    study = open_study(folder)
    assert [each.id for each in study.slides] == ["s1"]
    assert study.slide("s1").fingerprint
    assert not study.missing()
    assert [(c.name, c.hex, c.key) for c in study.classes] == [
        ("Tumor", "#c80000", "t"),
        ("Stroma", "#00a046", ""),
    ]
    assert [(each.name, each.washout_days) for each in study.rounds] == [
        ("first", 0),
        ("second", 14),
    ]
    assert (study.order.kind, study.order.seed) == ("random", 3)
    assert study.instructions == "Outline."


def test_new_writes_no_name_of_a_file_but_the_place_of_the_slide(folder, tiny_slide_path):
    lines = (folder / "study.yaml").read_text().splitlines()
    named = [line for line in lines if tiny_slide_path.stem in line]
    assert [line.split(":")[0].strip() for line in named] == ["file"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--class", "Fat=red"], "--class Fat=red: 'red' is no colour: write #rrggbb"),
        (["--class", "tumor"], "Two classes have the name 'tumor': give each its own"),
        (["--class", "Fat=#ffffff,fat"], "has the key 'fat': give one letter or digit"),
        (["--round", "second=soon"], "'soon' is no number of days. Write --round second=14"),
        (["--round", "first=3"], "has washout_days, but none comes before it"),
        (["--observer", "Dr. Ada"], "The observer 'Dr. Ada' cannot be the name of a file"),
        (["--observer", "O1"], "The observer 'O1' stands twice"),
        (["--slide", "none.svs"], "none.svs does not exist"),
    ],
)
def test_new_refuses_in_one_line(tmp_path, tiny_slide_path, capsys, words, said):
    status, out, err = told(capsys, *new(tmp_path / "study", tiny_slide_path), *words)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "study").exists()


def test_new_writes_over_no_study(folder, tiny_slide_path, capsys):
    status, _, err = told(capsys, *new(folder, tiny_slide_path))
    assert status == 2
    assert "study.yaml is already there" in err


def test_status_counts_readings(folder, capsys):
    desk = open_study(folder).desk("o1")
    with desk.open("s1") as reading:
        status, out, _ = told(capsys, "study", "status", str(folder), "--round", "first")
        assert status == 0
        assert "s1 by o1 on" in out
        reading.finish([square(10)])
    status, out, _ = told(capsys, "study", "status", str(folder))
    assert status == 0
    assert "study: 1 of 4 readings finished" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["o1", "first", "1/1", "0"] in rows
    assert ["o2", "second", "0/1", "0"] in rows


def test_status_for_programs(folder, capsys):
    with open_study(folder).desk("o2").open("s1") as reading:
        reading.finish([])
    status, out, _ = told(capsys, "study", "status", str(folder), "--json")
    found = json.loads(out)
    assert (status, found["finished"], found["total"], found["problems"]) == (0, 1, 4, [])
    (done,) = [each for each in found["readings"] if each["state"] == "finished"]
    assert (done["observer"], done["round"], done["annotations"]) == ("o2", "first", 0)
    assert done["finished_at"].endswith("+00:00")


def test_status_names_what_is_wrong(folder, capsys):
    study = open_study(folder)
    study.desk("o1").open("s1").close()
    study.reading_path("o1", "first", "s1").write_text("{}")
    text = (folder / "study.yaml").read_text()
    (folder / "study.yaml").write_text(text.replace("tiny.tif", "gone.tif"))
    status, _, err = told(capsys, "study", "status", str(folder))
    assert status == 1
    assert "was not written as a reading" in err
    assert "slide s1 is missing" in err


def test_status_of_no_study(tmp_path, capsys):
    status, _, err = told(capsys, "study", "status", str(tmp_path))
    assert status == 2
    assert "make one with 'slideconcord study new'" in err


def test_import_then_check(folder, tmp_path, capsys):
    drawn = tmp_path / "drawn.geojson"
    write_annotations([square(10), square(300)], drawn)
    words = ["study", "import", str(folder), str(drawn), "--observer", "o1", "--slide", "s1"]
    status, out, _ = told(capsys, *words, "--finish")
    assert status == 0
    assert out.startswith("2 annotations in ")
    assert "finished" in out
    status, out, _ = told(capsys, "study", "check", str(folder))
    assert (status, out) == (0, "2 of 2 slides and readings are good\n")
    status, _, err = told(capsys, *words)
    assert status == 2
    assert "o1 finished s1 in round first: reopen it to change it" in err


def test_check_says_what_is_wrong(folder, tmp_path, capsys):
    drawn = tmp_path / "drawn.geojson"
    write_annotations([square(10, "Fat")], drawn)
    words = ["study", "import", str(folder), str(drawn), "--observer", "o1", "--slide", "s1"]
    assert told(capsys, *words)[0] == 0
    text = (folder / "study.yaml").read_text()
    text = text.replace("  file:", "  model: none.zarr\n  file:").replace("mpp: 1.0", "mpp: 0.3")
    (folder / "study.yaml").write_text(text)
    status, out, err = told(capsys, "study", "check", str(folder))
    assert status == 1
    assert "classes that the study has not (Fat)" in err
    assert "agreement is measured at 0.3: pixels are never made up" in err
    (folder / "study.yaml").write_text(text.replace("mpp: 0.3", "mpp: 1.0"))
    status, out, _ = told(capsys, "study", "check", str(folder), "--json")
    found = json.loads(out)
    assert (status, found["checked"]) == (1, 2)
    assert "The model of slide s1 is missing" in found["problems"][0]["problem"]


def test_check_finds_a_slide_that_was_exchanged(folder, tiny_slide_path, tmp_path, capsys):
    other = tmp_path / "other.tif"
    other.write_bytes(tiny_slide_path.read_bytes() + b"\0")
    open_study(folder).desk("o1").open("s1").close()
    lines = (folder / "study.yaml").read_text().splitlines()
    kept = [line for line in lines if "fingerprint" not in line]
    (folder / "study.yaml").write_text(
        "\n".join(
            f"- id: s1\n  file: {other}" if "id: s1" in line else line
            for line in kept
            if "file:" not in line
        )
    )
    status, _, err = told(capsys, "study", "check", str(folder))
    assert status == 1
    assert "was made on another file than slide s1 is now" in err
