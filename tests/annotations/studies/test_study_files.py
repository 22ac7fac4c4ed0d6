"""study.yaml: what is written comes back, and every mistake is named with its place."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import slideconcord as sc
from annotations.studies.study_folders import TWO_ROUNDS, make_study, square
from slideconcord.annotations.classes import AnnotationClass
from slideconcord.annotations.studies import (
    Agreement,
    Observer,
    Round,
    Study,
    StudySlide,
    open_study,
    write_study,
)
from slideconcord.annotations.studies.order import Order
from slideconcord.errors import (
    MismatchError,
    MissingMppError,
    OutputError,
    ParameterError,
    SlideError,
)
from slideconcord.geometry import Mpp

LEAST = """\
name: Tumour
slides:
  - {id: s1, file: a.svs}
observers: [o1]
classes:
  - {name: Tumor, colour: "#c80000"}
"""
IDS = st.lists(
    st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
        lambda name: name not in {"con", "prn", "aux", "nul"} and name[:3] not in {"com", "lpt"}
    ),
    min_size=1,
    max_size=4,
    unique=True,
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20)


def written(folder: Path, text: str) -> Path:
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    return folder


def test_the_least_that_a_study_says(tmp_path):
    study = sc.open_study(written(tmp_path, LEAST))
    assert study == Study.read(tmp_path / "study.yaml")
    assert study.slides == (StudySlide("s1", tmp_path / "a.svs"),)
    assert [each.name for each in study.rounds] == ["first"]
    assert (study.model_output, study.order.kind) == ("hidden", "fixed")
    assert study.agreement == Agreement(mpp=1.0, tissue_only=True)


def test_all_that_a_study_can_say(tmp_path):
    text = LEAST.replace("{id: s1, file: a.svs}", (
        "{id: s1, file: ../a.svs, mpp: [0.25, 0.26], case: c1, scanner: AT2, "
        "region: r.geojson, model: m/mask.zarr, fingerprint: ab12}"
    )) + (
        "rounds: [first, {name: second, washout_days: 14}]\n"
        "blinding: {model: shown}\n"
        "order: {kind: random, seed: 5}\n"
        "agreement: {mpp: 2, tissue_only: false}\n"
        "instructions: |\n  Outline.\n  Leave out necrosis.\n"
    )  # fmt: skip
    study = open_study(written(tmp_path, text))
    (slide,) = study.slides
    assert slide.mpp == Mpp(0.25, 0.26)
    assert (slide.case, slide.scanner, slide.fingerprint) == ("c1", "AT2", "ab12")
    assert (slide.region, slide.model) == (tmp_path / "r.geojson", tmp_path / "m/mask.zarr")
    assert study.rounds == TWO_ROUNDS
    assert study.order == Order("random", 5)
    assert study.agreement == Agreement(2, False)
    assert study.instructions == "Outline.\nLeave out necrosis.\n"


@given(
    ids=IDS,
    observers=IDS,
    rounds=IDS,
    texts=st.tuples(TEXTS, TEXTS),
    mpp=st.none() | st.floats(0.02, 50) | st.tuples(*[st.floats(0.02, 50)] * 2),
    seed=st.integers(0, 2**40),
    days=st.floats(0, 3650),
    shown=st.sampled_from(["hidden", "shown"]),
)
def test_what_is_written_comes_back(
    tmp_path_factory, ids, observers, rounds, texts, mpp, seed, days, shown
):
    folder = tmp_path_factory.mktemp("study")
    study = Study(
        folder,
        name="a study",
        slides=tuple(
            StudySlide(each, folder / f"{each}.svs", None if mpp is None else Mpp.of(mpp), each)
            for each in ids
        ),
        observers=tuple(Observer(each, texts[0]) for each in observers),
        classes=tuple(AnnotationClass(f"class {n}", (n, 0, 255), str(n)) for n in range(len(ids))),
        rounds=(Round(rounds[0]), *(Round(each, days) for each in rounds[1:])),
        instructions=texts[1],
        model_output=shown,
        order=Order("random", seed),
    )
    write_study(study)
    assert open_study(folder) == study


def test_a_study_is_never_written_over(tmp_path, tiny_slide_path):
    study = make_study(tmp_path, tiny_slide_path)
    with pytest.raises(OutputError, match="already there: change it in an editor"):
        write_study(study)


def test_paths_are_right_from_a_folder_that_is_a_link(tmp_path, tiny_slide_path):
    (tmp_path / "real" / "deep").mkdir(parents=True)
    link = tmp_path / "link"
    try:
        link.symlink_to(tmp_path / "real" / "deep", target_is_directory=True)
    except OSError:
        pytest.skip("this system lets us make no links")
    slide = tmp_path / "a.tif"
    os.link(tiny_slide_path, slide)
    study = make_study(link, tiny_slide_path)
    (link / "study.yaml").unlink()
    write_study(replace(study, slides=(StudySlide("s1", slide),)))
    assert not open_study(link).missing()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("observers", "observer", "study.yaml has the unknown key 'observer': did you mean obser"),
        ("file:", "fiel:", "slide 1 of study.yaml has the unknown key 'fiel': did you mean file"),
        ("colour:", "color:", "class 1 of study.yaml has the unknown key 'color': did you mean c"),
        ("id: s1, ", "", "slide 1 of study.yaml has no id: write id: and a text"),
        ("s1", "007", "slide 1 of study.yaml has id: 7, which YAML reads as no text: put it in"),
        ("s1", "../s1", "slide 1 of study.yaml: The slide '../s1' cannot be the name of a file"),
        ("s1", "nul.x", "'nul.x' cannot be the name of a file on every system"),
        ("a.svs", "a.svs, mpp: fine", "slide 1 of study.yaml has mpp: 'fine': write mpp: 0.25"),
        ("a.svs", "a.svs, mpp: 1000", "slide 1 of study.yaml: mpp=1000 is not a pixel size"),
        ("[o1]", "[o1, O1]", "study.yaml: The observer 'O1' stands twice"),
        ("[o1]", "o1", "study.yaml lists no observers: write at least one under observers:"),
        ("[o1]", "[]", "study.yaml lists no observers"),
        ("[o1]", "[[o1]]", r"observer 1 of study.yaml is \['o1'\]: give it keys and values"),
        ('"#c80000"', "red", "class 1 of study.yaml: 'red' is no colour: write #rrggbb, such as"),
        ('"#c80000"', "", 'class 1 of study.yaml has no colour: write colour: "#c80000", in quo'),
        ('"#c80000"', '"#c80000", key: tt', "has the key 'tt': give one letter or digit"),
        ("name: Tumour", "name: No", "has name: False, which YAML reads as no text"),
        ("name: Tumour", "order: shuffled", "order is 'shuffled': choose one of fixed, random"),
        ("name: Tumour", "order: {seed: x}", "order in study.yaml has seed: 'x', which is no num"),
        ("name: Tumour", "order: {seed: -1}", "has seed: -1, which is no whole number"),
        ("name: Tumour", "blinding: {model: no}", "model: False, which YAML reads as no text"),
        ("name: Tumour", "blinding: {others: shown}", "blinding in study.yaml has the unknown key"),
        ("name: Tumour", "blinding: {model: seen}", "model output is 'seen': choose one of hidden"),
        ("name: Tumour", "agreement: {mpp: 0}", "agreement in study.yaml: mpp=0 is not a pixel"),
        ("name: Tumour", "agreement: {tissue_only: 1}", "tissue_only: 1: write true or false"),
        ("name: Tumour", "rounds: [{name: a, washout_days: 1}]", "but none comes before it"),
        ("name: Tumour", "rounds: [a, {name: b, washout_days: .inf}]", "give days from 0 to 3650"),
        ("name: Tumour", "rounds: [a, a]", "The round 'a' stands twice"),
        ("name: Tumour", "name: a\nname: b", "the key 'name' stands twice, line 2"),
        (LEAST, "- a", "study.yaml is no study: it needs keys and values"),
        (LEAST, "a: [", "study.yaml is not YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(tmp_path, old, new, said):
    assert old in LEAST
    with pytest.raises(ParameterError, match=said):
        open_study(written(tmp_path, LEAST.replace(old, new, 1)))


def test_one_file_is_one_slide(tmp_path):
    twice = LEAST.replace(
        "{id: s1, file: a.svs}", "{id: s1, file: a.svs}\n  - {id: s2, file: ./a.svs}"
    )
    with pytest.raises(ParameterError, match=r"The file '.*a\.svs' stands twice"):
        open_study(written(tmp_path, twice))


def test_no_study_is_said_to_be_none(tmp_path):
    with pytest.raises(ParameterError, match="make one with 'slideconcord study new'"):
        open_study(tmp_path)


def test_missing_slides_are_named_and_the_others_are_not(tmp_path, tiny_slide_path):
    study = make_study(tmp_path, tiny_slide_path)
    study.slide("s2").path.unlink()
    assert [slide.id for slide in study.missing()] == ["s2"]
    with pytest.raises(SlideError, match=r"Slide s2 is missing: .*slide2\.tif does not exist"):
        study.slide("s2").open()
    study.slide("s1").open().close()


def test_another_file_under_the_name_of_a_slide_is_refused(tmp_path, tiny_slide_path):
    slide = replace(make_study(tmp_path, tiny_slide_path).slide("s1"), fingerprint="ab12")
    with pytest.raises(MismatchError, match="is not the slide s1 that the study means"):
        slide.open()


def test_a_slide_without_pixel_size_is_asked_for_in_the_study(tmp_path, tiny_slide_path):
    from conftest import tissue_like, write_pyramid

    path = write_pyramid(tmp_path / "a.tif", tissue_like(300, 300), mpp=None)
    with pytest.raises(MissingMppError, match=r"Slide s1 .* write its mpp into study\.yaml"):
        StudySlide("s1", path).open()
    StudySlide("s1", path, Mpp(0.5, 0.5)).open().close()


def test_ids_that_nobody_has_are_answered_with_those_there_are(tmp_path):
    study = open_study(written(tmp_path, LEAST))
    with pytest.raises(ParameterError, match="no slide 's9': there are s1"):
        study.slide("s9")
    with pytest.raises(ParameterError, match="no observer 'o9': there are o1"):
        study.desk("o9")
    with pytest.raises(ParameterError, match="no round 'third': there are first"):
        study.round("third")


def test_reports_call_observers_by_number(tmp_path, tiny_slide_path):
    study = make_study(tmp_path, tiny_slide_path)
    assert [study.alias(each.id) for each in study.observers] == ["observer 1", "observer 2"]
    assert [each.shown for each in study.observers] == ["Ada", "o2"]


def test_the_how_to_shows_a_study_that_opens_and_a_script_that_runs(
    tmp_path, tiny_slide_path, monkeypatch, capsys
):
    page = (Path(__file__).parents[3] / "docs" / "howto" / "study.md").read_text(encoding="utf-8")
    study = open_study(written(tmp_path, re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1]))
    assert [each.name for each in study.rounds] == ["first", "second"]
    make_study(tmp_path / "study", tiny_slide_path)
    sc.write_annotations([square(10)], tmp_path / "drawn.geojson")
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], {})
    assert capsys.readouterr().out == "observer 1 s1 1\n"
