"""Readings: saved whole, finished by a word, seen by their observer alone, in their time."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotations.studies.study_folders import STROMA, TUMOR, TWO_ROUNDS, make_study, square
from slideconcord.annotations import Annotation, read_annotations, write_annotations
from slideconcord.annotations.editing import About, ClassList
from slideconcord.annotations.editing.journal import journal_of
from slideconcord.annotations.editing.operations import add, delete, set_class
from slideconcord.annotations.geojson_head import read_metadata
from slideconcord.annotations.studies import finished_readings, progress_of, statuses
from slideconcord.annotations.studies.desk import Desk
from slideconcord.annotations.studies.order import Order
from slideconcord.annotations.studies.owner import now
from slideconcord.annotations.studies.reading_document import ReadingDocument
from slideconcord.errors import AnnotationError, MismatchError, OutputError, SlideError


@pytest.fixture
def study(tmp_path, tiny_slide_path):
    return make_study(tmp_path / "study", tiny_slide_path)


@pytest.fixture
def twice(tmp_path, tiny_slide_path):
    return make_study(tmp_path / "study", tiny_slide_path, rounds=TWO_ROUNDS)


def later(study, days, observer="o1"):
    """Return an observer's desk as many days from now."""
    return Desk(study, study.observer(observer), lambda: now() + timedelta(days=days))


def states(desk, chosen=None):
    return [each.state for each in desk.slides(chosen)]


def test_a_reading_goes_from_not_started_to_finished(study):
    desk = study.desk("o1")
    assert states(desk) == ["not started", "not started"]
    with desk.open("s1") as reading:
        assert states(desk) == ["in progress", "not started"]
        reading.save([square(10)])
        assert reading.annotations()[0].observer == "o1"
        reading.finish()
        assert states(desk) == ["finished", "not started"]
    steps = [event.step for event in desk.slides()[0].record.events]
    assert steps == ["started", "finished"]
    assert desk.slides()[0].finished_at is not None


def test_nothing_here_is_not_the_same_as_not_read(study):
    desk = study.desk("o1")
    with desk.open("s1") as reading:
        reading.finish([])
    first, second = desk.slides()
    assert (first.state, first.annotations) == ("finished", 0)
    assert (second.state, second.annotations) == ("not started", 0)
    (reading,) = finished_readings(study)
    assert len(reading.annotations()) == 0


def test_a_finished_reading_changes_only_when_it_is_reopened(study):
    desk = study.desk("o1")
    with desk.open("s1") as reading:
        reading.finish([square(10)])
        for change in (reading.save, reading.finish, reading.take_in):
            with pytest.raises(MismatchError, match="is finished: reopen it before you change it"):
                change([])
    with pytest.raises(MismatchError, match="o1 finished s1 in round first: reopen it to change"):
        desk.open("s1")
    with desk.reopen("s1") as reading:
        with pytest.raises(MismatchError, match="is not finished: go on with it"):
            reading.reopen()
        reading.finish([*reading.annotations(), square(300)])
    steps = [event.step for event in desk.slides()[0].record.events]
    assert steps == ["started", "finished", "reopened", "finished"]
    assert len(desk.read("s1")) == 2


def test_only_what_was_finished_is_reopened(study):
    desk = study.desk("o1")
    with pytest.raises(MismatchError, match="o1 has not read s1 yet: open it"):
        desk.reopen("s1")
    desk.open("s1").close()
    with pytest.raises(MismatchError, match="is not finished: go on with it"):
        desk.reopen("s1")
    desk.open("s1").close()  # the lock is free again


def test_every_annotation_has_a_class_of_the_study_before_it_is_finished(study):
    with study.desk("o1").open("s1") as reading:
        reading.save([square(10, None), square(300, "Fat"), square(600)])
        with pytest.raises(AnnotationError, match=r"2 annotation\(s\) of other classes \(Fat, no"):
            reading.finish()
        assert reading.is_open
        reading.finish([square(10, TUMOR.name), square(300, STROMA.name)])


def test_observers_work_on_one_slide_at_once_and_see_their_own_work_alone(study):
    one, two = study.desk("o1"), study.desk("o2")
    with one.open("s1") as mine, two.open("s1") as other:
        mine.save([square(10)])
        other.save([square(300), square(600)])
    assert len(one.read("s1")) == 1
    assert len(two.read("s1")) == 2
    assert {a.observer for a in two.read("s1")} == {"o2"}
    assert one.read("s2") is None
    seen = [str(each) for each in one.slides()] + [str(one.read("s1"))]
    assert not any("o2" in text for text in seen)


def test_one_reading_is_open_once(study):
    desk = study.desk("o1")
    with desk.open("s1"):
        assert desk.slides()[0].holder.name == "o1"
        with pytest.raises(OutputError, match=r"s1\.geojson is open: o1 on .* holds it"):
            desk.open("s1")
        desk.open("s2").close()
    assert desk.slides()[0].holder is None


def test_a_reading_that_was_taken_over_saves_nothing(study, monkeypatch):
    desk = study.desk("o1")
    lost = desk.open("s1")
    monkeypatch.setattr(
        "slideconcord.annotations.studies.lock.OwnedLock._is_live", lambda *_: False
    )
    with desk.open("s1") as reading:
        assert reading.replaced.name == "o1"
        reading.save([square(10)])
        with pytest.raises(OutputError, match=r"was taken over by o1 .* nothing was written"):
            lost.save([square(300)])
        lost.close()
        reading.save([square(10), square(600)])
    assert len(desk.read("s1")) == 2


def test_a_slide_that_was_exchanged_is_refused(study):
    desk = study.desk("o1")
    desk.open("s1").close()
    shutil.copy(study.slide("s2").path, study.slide("s1").path)
    with pytest.raises(MismatchError, match=r"was made on another file than slide1\.tif is now"):
        desk.open("s1")
    assert desk.slides()[0].holder is None


def test_readings_of_different_files_are_not_compared(study):
    for observer in ("o1", "o2"):
        with study.desk(observer).open("s1") as reading:
            reading.finish([square(10)])
        shutil.copy(study.slide("s2").path, study.slide("s1").path)
    with pytest.raises(MismatchError, match="made on different files of the slide s1"):
        finished_readings(study)


def test_a_missing_slide_is_named(study):
    study.slide("s1").path.unlink()
    desk = study.desk("o1")
    assert "Slide s1 is missing" in desk.obstacle("s1")
    assert desk.next_slide().id == "s2"
    with pytest.raises(SlideError, match="Slide s1 is missing"):
        desk.open("s1")


def test_a_file_that_is_no_reading_is_refused(study):
    desk = study.desk("o1")
    desk.open("s1").close()
    path = study.reading_path("o1", "first", "s1")
    write_annotations([square(10)], path)
    with pytest.raises(AnnotationError, match=r"was not written as a reading: .*study import"):
        desk.open("s1")
    assert desk.slides()[0].holder is None
    status = desk.slides()[0]
    assert (status.state, "was not written as a reading" in status.problem) == ("in progress", True)
    with pytest.raises(AnnotationError, match="was not written as a reading"):
        finished_readings(study)


def test_somebody_elses_file_in_the_place_of_ones_own_is_refused(study):
    with study.desk("o1").open("s1") as reading:
        reading.finish([square(10)])
    other = study.reading_path("o2", "first", "s1")
    other.parent.mkdir(parents=True)
    shutil.copy(study.reading_path("o1", "first", "s1"), other)
    with pytest.raises(AnnotationError, match="is the reading of s1 by o1 in round first: put it"):
        study.desk("o2").open("s1")


@pytest.mark.parametrize("spoil", [
    lambda facts: facts["events"].append({"step": "slept", "at": "2026-01-01T00:00:00+00:00"}),
    lambda facts: facts["events"].append({"step": "finished", "at": "yesterday"}),
    lambda facts: facts.pop("slide"),
    lambda facts: facts.update(more=1),
])  # fmt: skip
def test_a_record_that_makes_no_sense_is_refused(study, spoil):
    desk = study.desk("o1")
    desk.open("s1").close()
    path = study.reading_path("o1", "first", "s1")
    file = json.loads(path.read_bytes())
    spoil(file["metadata"]["reading"])
    path.write_text(json.dumps(file, separators=(",", ":")), encoding="utf-8")
    with pytest.raises(AnnotationError, match=r"cannot be understood .* take the file from"):
        desk.open("s1")


def test_the_second_round_comes_after_the_first_and_its_wash_out(twice):
    desk = twice.desk("o1")
    assert desk.obstacle("s1", "second") == "o1 must finish s1 in round first first."
    with desk.open("s1") as reading:
        reading.finish([square(10)])
    assert "of s1 may begin on" in desk.obstacle("s1", "second")
    with pytest.raises(MismatchError, match="14 days after round first was finished"):
        desk.open("s1", "second")
    assert desk.next_slide("second") is None
    assert later(twice, 13.9).next_slide("second") is None
    assert later(twice, 14.1).next_slide("second").id == "s1"


def test_reopening_begins_the_wash_out_anew(twice):
    desk = twice.desk("o1")
    with desk.open("s1") as reading:
        reading.finish([])
    with desk.reopen("s1") as reading:
        assert (
            later(twice, 20).obstacle("s1", "second") == "o1 must finish s1 in round first first."
        )
        reading.finish()
    assert not later(twice, 20).obstacle("s1", "second")


def test_the_second_round_does_not_see_the_first(twice):
    with twice.desk("o1").open("s1") as reading:
        reading.finish([square(10)])
    desk = later(twice, 20)
    with desk.open("s1", "second") as reading:
        assert len(reading.annotations()) == 0
        for look in (desk.read, desk.open, desk.reopen):
            with pytest.raises(MismatchError, match="has begun s1 in round second, which must not"):
                look("s1", "first")
        assert len(desk.read("s1", "second")) == 0
    assert twice.desk("o2").read("s1", "first") is None


def test_what_was_drawn_elsewhere_is_taken_in(study, tmp_path):
    drawn = tmp_path / "from_qupath.geojson"
    write_annotations([square(10), square(300)], drawn)
    desk = study.desk("o2")
    desk.take_in("s1", drawn, finish=True)
    status = desk.slides()[0]
    assert (status.state, status.annotations) == ("finished", 2)
    assert [event.step for event in status.record.events] == ["started", "imported", "finished"]
    assert {a.observer for a in desk.read("s1")} == {"o2"}


def test_nothing_is_taken_in_over_what_was_drawn(study, tmp_path):
    drawn = tmp_path / "from_qupath.geojson"
    write_annotations([square(10)], drawn)
    desk = study.desk("o1")
    with desk.open("s1") as reading:
        reading.save([square(600)])
    with pytest.raises(MismatchError, match="o1 has drawn 1 annotations on s1 already"):
        desk.take_in("s1", drawn)
    assert len(desk.read("s1")) == 1


def test_progress_counts_observers_rounds_and_slides(twice):
    with twice.desk("o1").open("s1") as reading:
        reading.finish([])
    twice.desk("o2").open("s2").close()
    every = progress_of(statuses(twice))
    assert (every.finished, every.in_progress, every.total) == (1, 1, 8)
    assert every.share == 1 / 8
    own = progress_of(twice.desk("o1").slides("first"))
    assert (own.finished, own.total) == (1, 2)
    assert progress_of([]).share == 0


def test_a_desk_lists_slides_in_its_observers_order(tmp_path, tiny_slide_path):
    study = make_study(tmp_path, tiny_slide_path, order=Order("random", 3))
    for observer in ("o1", "o2"):
        desk = study.desk(observer)
        ids = tuple(each.slide for each in desk.slides())
        assert ids == study.order.arrange(("s1", "s2"), observer, "first")
        assert desk.next_slide().id == ids[0]


def test_finished_readings_of_one_round_or_all(twice):
    with twice.desk("o1").open("s1") as reading:
        reading.finish([square(10)])
    with later(twice, 20).open("s1", "second") as reading:
        reading.finish([])
    twice.desk("o2").open("s1").close()
    assert [(r.observer, r.round) for r in finished_readings(twice)] == [
        ("o1", "first"),
        ("o1", "second"),
    ]
    (second,) = finished_readings(twice, "second")
    assert (second.round, second.slide.id, len(second.annotations())) == ("second", "s1", 0)


boxes = st.tuples(*[st.floats(0, 900)] * 2, *[st.floats(1, 500)] * 2).map(
    lambda v: shapely.box(v[0], v[1], v[0] + v[2], v[1] + v[3])
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(st.tuples(boxes, st.sampled_from([TUMOR, STROMA])), max_size=6))
def test_what_is_saved_comes_back(study, drawn):
    given_ = [Annotation(shape, kind.name, kind.colour) for shape, kind in drawn]
    desk = study.desk("o1")
    with desk.open("s1") as reading:
        reading.save(given_)
        found = list(reading.annotations())
    assert [(a.id, a.class_name, a.colour) for a in found] == [
        (a.id, a.class_name, a.colour) for a in given_
    ]
    for a, b in zip(found, given_, strict=True):
        assert a.geometry.area == pytest.approx(b.geometry.area, rel=1e-6)
    assert desk.slides()[0].annotations == len(given_)


def test_bounds_of_the_slide_are_kept_as_qupath_counts_them(study, monkeypatch):
    from slideconcord.geometry import Box
    from slideconcord.slides import Slide

    monkeypatch.setattr(Slide, "bounds", Box(100, 200, 1000, 1000))
    with study.desk("o1").open("s1") as reading:
        reading.save([square(500)])
        assert reading.annotations()[0].geometry.bounds == (500, 500, 600, 600)
    raw = json.loads(reading.path.read_bytes())
    assert raw["features"][0]["geometry"]["coordinates"][0][0] in ([400, 400], [300, 400])


def test_the_head_of_a_file_is_what_reading_all_of_it_gives(study, tmp_path):
    with study.desk("o1").open("s1") as reading:
        reading.save([square(10)])
    assert read_metadata(reading.path) == read_annotations(reading.path).metadata
    plain = tmp_path / "plain.geojson"
    write_annotations([square(10)], plain)
    assert read_metadata(plain) == read_annotations(plain).metadata == {}
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_metadata(tmp_path / "none.geojson")
    cut = tmp_path / "cut.geojson"
    cut.write_bytes(reading.path.read_bytes()[:80])
    with pytest.raises(AnnotationError, match="the head of the file is damaged"):
        read_metadata(cut)


def test_a_record_remembers_when(study):
    with study.desk("o1").open("s1") as reading:
        reading.finish([])
    at = reading.record.finished_at
    assert abs(now() - at) < timedelta(minutes=5)
    assert replace(reading.record, events=()).state == "not started"


def test_a_reading_is_edited_step_by_step(study):
    desk = study.desk("o1")
    with desk.open("s1") as reading:
        document = reading.edit()
        assert document is reading.edit()
        assert document.sheet.classes.names == ("Tumor", "Stroma")
        document.do(add([square(10), square(300)]))
        document.do(delete(document.sheet, [document.sheet.at(350, 350)[0].id]))
        assert len(reading.annotations()) == len(desk.read("s1")) == 1
        for change in (reading.save, reading.finish, reading.take_in):
            with pytest.raises(MismatchError, match="is being edited: make the change in its doc"):
                change([])
    assert document.is_closed
    (found,) = desk.read("s1")
    assert found.observer == "o1"
    assert desk.slides()[0].annotations == 1
    assert [path.name for path in reading.path.parent.iterdir()] == ["s1.geojson"]


def test_editing_ends_with_finishing_but_not_with_a_refusal_to_finish(study):
    desk = study.desk("o1")
    with desk.open("s1") as reading:
        document = reading.edit()
        document.do(add([square(10, None)]))
        with pytest.raises(AnnotationError, match=r"1 annotation\(s\) of other classes \(no class"):
            reading.finish()
        document.do(set_class(document.sheet, [next(iter(document.sheet)).id], "Stroma"))
        reading.finish()
        assert document.is_closed
        with pytest.raises(MismatchError, match="is finished: reopen it"):
            reading.edit()
    assert [a.class_name for a in desk.read("s1")] == ["Stroma"]
    assert desk.slides()[0].state == "finished"


def test_changes_in_hand_are_there_after_a_crash(study, tmp_path):
    reading = study.desk("o1").open("s1")
    reading.edit().do(add([square(10)]))
    # what the disk holds when the power goes
    shutil.copytree(study.folder, tmp_path / "after")
    reading.close()
    desk = replace(study, folder=tmp_path / "after").desk("o1")
    lock = tmp_path / "after" / "annotations" / "o1" / "first" / "s1.geojson.lock"
    lock.unlink()
    assert len(desk.read("s1")) == 1
    with desk.open("s1") as reading:
        assert reading.record.annotations == 1
        assert len(reading.edit().sheet) == 1
    assert [path.name for path in lock.parent.iterdir()] == ["s1.geojson"]


def test_a_document_that_was_taken_over_changes_nothing(tmp_path):
    mine = True

    def require_mine():
        if not mine:
            raise OutputError("it was taken over")

    path = tmp_path / "s1.geojson"
    document = ReadingDocument(path, About(), ClassList((TUMOR,)), {}, require_mine)
    document.do(add([square(10)]))
    kept, mine = journal_of(path).read_bytes(), False
    for act in (document.undo, document.save, lambda: document.do(add([square(300)]))):
        with pytest.raises(OutputError, match="it was taken over"):
            act()
    document.close()
    assert document.is_closed
    assert journal_of(path).read_bytes() == kept
    assert not path.exists()
    assert len(document.sheet) == 1


def test_a_journal_that_somebody_else_began_stays_where_it_is(tmp_path):
    def refuse():
        raise OutputError("it was taken over")

    path = tmp_path / "s1.geojson"
    ReadingDocument(path, About(), ClassList((TUMOR,)), {}, refuse).close()
    assert journal_of(path).exists()
