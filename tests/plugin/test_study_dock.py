"""The Study dock, over a viewer without a window: who reads what, blinded, locked and finished."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor

from annotations.studies.study_folders import TWO_ROUNDS, make_study, square
from slideconcord.annotations import write_annotations
from slideconcord.annotations.editing.operations import add
from slideconcord.annotations.studies.order import Order
from slideconcord.annotations.studies.owner import Owner
from slideconcord.geometry import Frame
from slideconcord.plugin import actions
from slideconcord.plugin.annotate_class_rows import COLOUR, HIDE, KEY, NAME
from slideconcord.plugin.annotate_dock import AnnotateDock
from slideconcord.plugin.study_dock import StudyDock
from slideconcord.plugin.tags import tag_of
from slideconcord.segmentation.mask import Mask

WAIT_MS = 60_000


@pytest.fixture
def study(tmp_path, tiny_slide_path):
    return make_study(tmp_path / "study", tiny_slide_path)


@pytest.fixture
def dock(viewer_model, study, qtbot):
    dock = add_dock(viewer_model, qtbot)
    dock.open_study(study.folder)
    return dock


def add_dock(viewer, qtbot):
    dock = StudyDock(viewer)
    qtbot.addWidget(dock)
    return dock


def rows(dock):
    table = dock.slides.table
    return [
        tuple(table.topLevelItem(n).text(column) for column in range(3))
        for n in range(table.topLevelItemCount())
    ]


def mark(dock, slide):
    (item,) = dock.slides.table.findItems(f". {slide}", Qt.MatchFlag.MatchEndsWith)
    dock.slides.table.setCurrentItem(item)


def draw(dock, *annotations):
    """Draw as the Annotate dock does: one change after another."""
    dock.work.reading.edit().do(add(annotations))


def test_nothing_is_shown_before_somebody_says_who_they_are(dock, study):
    assert dock.who.name.text() == "Tumour"
    assert dock.who.instructions.text() == "Outline every tumour region."
    shown = [dock.who.observer.itemText(n) for n in range(dock.who.observer.count())]
    assert shown == ["Choose who you are", "Ada", "o2"]
    assert rows(dock) == []
    assert "Choose who you are" in dock.slides.state.text()
    assert not dock.slides.next.isEnabled()


def test_choosing_shows_ones_slides_in_ones_order(viewer_model, tmp_path, tiny_slide_path, qtbot):
    study = make_study(tmp_path / "study", tiny_slide_path, order=Order("random", 3))
    dock = add_dock(viewer_model, qtbot)
    dock.open_study(study.folder)
    for observer in ("o1", "o2"):
        dock.who.observer.setCurrentIndex(dock.who.observer.findData(observer))
        dock.who.observer.activated.emit(dock.who.observer.currentIndex())
        ids = study.order.arrange(("s1", "s2"), observer, "first")
        assert rows(dock) == [(f"{n}. {s}", "not started", "") for n, s in enumerate(ids, 1)]


def test_a_study_of_one_observer_needs_no_choice(viewer_model, tmp_path, tiny_slide_path, qtbot):
    from slideconcord.annotations.studies import Observer

    one = make_study(tmp_path / "study", tiny_slide_path, observers=(Observer("o1"),))
    dock = add_dock(viewer_model, qtbot)
    dock.open_study(one.folder)
    assert len(rows(dock)) == 2


def test_read_all_slides_from_the_first_to_the_last(dock, viewer_model, study):
    dock.choose("o1")
    dock.slides.next.click()
    assert rows(dock)[0] == ("1. s1", "in progress, open", "")
    assert [layer.name for layer in viewer_model.layers] == ["s1"]
    assert not dock.slides.next.isEnabled()
    draw(dock, square(10))
    dock.slides.finish.click()
    assert rows(dock)[0] == ("1. s1", "finished", "1")
    assert dock.slides.state.text() == "s1 is finished."
    assert len(viewer_model.layers) == 0
    dock.slides.next.click()
    dock.slides.finish.click()
    assert rows(dock)[1] == ("2. s2", "finished", "0")
    assert dock.slides.progress.value() == 2
    assert dock.slides.progress.text() == "2 of 2 finished"
    assert not dock.slides.next.isEnabled()
    assert [a.observer for a in study.desk("o1").read("s1")] == ["o1"]
    assert study.desk("o2").read("s1") is None


def test_closing_keeps_what_was_drawn(dock, study):
    dock.choose("o1")
    mark(dock, "s2")
    dock.slides.open.click()
    draw(dock, square(10), square(300))
    dock.slides.leave.click()
    assert rows(dock)[1] == ("2. s2", "in progress", "2")
    assert dock.slides.next.isEnabled()
    dock.open_slide("s2")
    assert len(dock.work.reading.edit().sheet) == 2


def test_a_finished_slide_is_reopened(dock, study):
    dock.choose("o1")
    dock.open_slide("s1")
    dock.finish()
    mark(dock, "s1")
    assert dock.slides.open.text() == "Reopen"
    dock.slides.open.click()
    assert dock.work.reading.is_open
    dock.leave()
    steps = [event.step for event in study.desk("o1").slides()[0].record.events]
    assert steps == ["started", "finished", "reopened"]


def test_what_has_no_class_of_the_study_keeps_a_reading_open(dock):
    dock.choose("o1")
    dock.open_slide("s1")
    draw(dock, square(10, None))
    dock.slides.finish.click()
    assert "give them one of Stroma, Tumor before you finish" in dock.slides.state.text()
    assert dock.work.reading is not None
    assert rows(dock)[0][1] == "in progress, open"


def test_a_reading_that_somebody_has_open_is_refused_with_who(dock, study, viewer_model):
    with study.desk("o1").open("s1"):
        dock.choose("o1")
        dock.open_slide("s1")
        assert "s1.geojson is open: o1 on " in dock.slides.state.text()
        assert dock.work.reading is None
        assert len(viewer_model.layers) == 0
    dock.open_slide("s1")
    assert dock.work.reading is not None


def test_a_missing_slide_is_said_to_be_missing(dock, study):
    study.slide("s1").path.unlink()
    dock.choose("o1")
    dock.open_slide("s1")
    assert "Slide s1 is missing" in dock.slides.state.text()
    dock.open_next()
    assert dock.work.reading.about.id == "s2"


def test_the_second_round_waits(viewer_model, tmp_path, tiny_slide_path, qtbot):
    study = make_study(tmp_path / "study", tiny_slide_path, rounds=TWO_ROUNDS)
    dock = add_dock(viewer_model, qtbot)
    dock.open_study(study.folder)
    dock.choose("o1", "second")
    dock.open_slide("s1")
    assert dock.slides.state.text() == "o1 must finish s1 in round first first."
    assert not dock.slides.next.isEnabled()


def test_who_reads_a_folder_that_is_no_study_is_told(viewer_model, tmp_path, qtbot):
    dock = add_dock(viewer_model, qtbot)
    dock.open_study(tmp_path)
    assert "make one with 'slideconcord study new'" in dock.slides.state.text()
    assert dock.who.name.text() == "No study is open."
    dock.slides.next.click()
    dock.choose("o1")
    assert "No study is open" in dock.slides.state.text()


def other_layer(viewer, **keywords):
    return viewer.add_image(np.zeros((8, 8)), **keywords)


def test_while_a_slide_is_read_nothing_else_is_seen(dock, viewer_model, tiny_slide_path):
    before, hidden = other_layer(viewer_model), other_layer(viewer_model, visible=False)
    (elsewhere,) = actions.open_slides(viewer_model, tiny_slide_path)
    dock.choose("o1")
    dock.open_slide("s1")
    own = viewer_model.layers["s1"]
    assert [layer.visible for layer in (before, hidden, elsewhere, own)] == [False] * 3 + [True]
    before.visible = True
    assert not before.visible
    assert "stays hidden until you close the reading: the study is blinded" in (
        dock.slides.state.text()
    )
    late = other_layer(viewer_model, name="model")
    assert not late.visible
    assert dock.slides.state.text().startswith("model stays hidden")
    viewer_model.layers.remove(late)
    dock.leave()
    assert [layer.visible for layer in (before, hidden, elsewhere)] == [True, False, True]
    before.visible = False
    assert not before.visible


def test_a_study_that_shows_the_model_hides_no_layer(
    viewer_model, tmp_path, tiny_slide_path, qtbot
):
    study = make_study(tmp_path / "study", tiny_slide_path, model_output="shown")
    dock, other = add_dock(viewer_model, qtbot), other_layer(viewer_model)
    dock.open_study(study.folder)
    dock.choose("o1")
    dock.open_slide("s1")
    assert other.visible


def test_no_layer_bears_the_name_of_the_file(dock, viewer_model, study):
    dock.choose("o1")
    dock.open_slide("s1")
    assert not [layer for layer in viewer_model.layers if "slide1" in layer.name]
    assert tag_of(viewer_model.layers["s1"])["slide"].path == study.slide("s1").path


def test_closing_the_slides_layer_closes_the_reading(dock, viewer_model, study):
    dock.choose("o1")
    dock.open_slide("s1")
    draw(dock, square(10))
    viewer_model.layers.clear()
    assert dock.work.reading is None
    assert study.desk("o1").slides()[0].holder is None
    assert len(study.desk("o1").read("s1")) == 1


def test_another_observer_or_study_closes_the_reading(dock, study):
    for change in (
        lambda: dock.choose("o2"),
        lambda: dock.open_study(study.folder),
        dock.close_down,
    ):
        dock.choose("o1")
        dock.open_slide("s1")
        assert study.desk("o1").slides()[0].holder is not None
        change()
        assert study.desk("o1").slides()[0].holder is None
        assert dock.work.reading is None


def test_a_window_gives_signs_of_life_until_somebody_takes_over(dock, study, monkeypatch):
    dock.choose("o1")
    dock.open_slide("s1")
    lock = dock.work.reading._lock
    assert dock.work._life.isActive()
    dock.work.give_sign_of_life()
    assert lock.is_mine
    monkeypatch.setattr(
        "slideconcord.annotations.studies.lock.OwnedLock._is_live", lambda *_: False
    )
    with study.desk("o1").open("s1") as reading:
        assert reading.replaced is not None
        dock.work.give_sign_of_life()
        assert "s1.geojson was taken over by o1 on" in dock.slides.state.text()
        assert dock.work.reading is None
        assert reading._lock.is_mine


def test_a_lock_left_behind_is_said_to_be_taken_over(dock, study, monkeypatch):
    left = study.desk("o1").open("s1")
    monkeypatch.setattr("slideconcord.annotations.studies.lock.STALE_AFTER", timedelta(0))
    monkeypatch.setattr(
        "slideconcord.annotations.studies.owner.Owner.is_dead", property(lambda _: True)
    )
    dock.choose("o1")
    dock.open_slide("s1")
    assert "It had been left open by o1 on" in dock.slides.state.text()
    left.close()


@pytest.fixture
def told(tmp_path, tiny_slide_path):
    """Return a study that shows the model's output, and says which part is to be read."""
    study = make_study(tmp_path / "study", tiny_slide_path, model_output="shown")
    with study.slide("s1").open() as slide:
        frame = Frame(0, 0, 4, 4)
        made = {"slide_mpp": slide.mpp, "slide_fingerprint": slide.fingerprint}
    pixels = np.zeros((375, 500), bool)
    pixels[20:40, 50:90] = True
    Mask(pixels, frame, **made).save(study.folder / "mask.zarr")
    write_annotations([square(100), square(500)], study.folder / "region.geojson")
    text = (study.folder / "study.yaml").read_text()
    text = text.replace("- id: s1\n", "- id: s1\n  region: region.geojson\n  model: mask.zarr\n")
    (study.folder / "study.yaml").write_text(text)
    return study


def test_the_part_to_be_read_and_the_models_output_are_shown(told, viewer_model, qtbot):
    dock = add_dock(viewer_model, qtbot)
    dock.open_study(told.folder)
    dock.choose("o1")
    dock.open_slide("s1")
    assert [layer.name for layer in viewer_model.layers] == ["s1", "s1 · region", "s1 · model"]
    region, model = viewer_model.layers["s1 · region"], viewer_model.layers["s1 · model"]
    np.testing.assert_allclose(region.data[1].max(0), 599.5)
    # row 20 of the mask begins at the outer edge of level-0 row 80
    assert model.get_value((80.1 * 0.5 - 0.25, 200.1 * 0.5 - 0.25), world=True) == 1
    assert model.get_value((79.9 * 0.5 - 0.25, 200.1 * 0.5 - 0.25), world=True) == 0
    dock.leave()
    assert len(viewer_model.layers) == 0


def test_a_blinded_study_shows_the_part_to_be_read_alone(told, viewer_model, qtbot):
    text = (told.folder / "study.yaml").read_text()
    (told.folder / "study.yaml").write_text(text.replace("model: shown", "model: hidden"))
    dock = add_dock(viewer_model, qtbot)
    dock.open_study(told.folder)
    dock.choose("o1")
    dock.open_slide("s1")
    shown = [layer.name for layer in viewer_model.layers if layer.visible]
    assert shown == ["s1", "s1 · region"]


@pytest.mark.parametrize("name", ["mask.zarr", "region.geojson"])
def test_what_is_to_be_shown_and_is_missing_is_named(told, viewer_model, qtbot, name):
    (told.folder / name).rename(told.folder / "away")
    dock = add_dock(viewer_model, qtbot)
    dock.open_study(told.folder)
    dock.choose("o1")
    dock.open_slide("s1")
    assert f"{name} does not exist. Correct it in the study" in dock.slides.state.text()
    assert (dock.work.reading, len(viewer_model.layers)) == (None, 0)
    assert told.desk("o1").slides()[0].holder is None


def test_what_was_made_on_another_slide_is_not_shown(told, viewer_model, qtbot):
    text = (told.folder / "study.yaml").read_text()
    (told.folder / "study.yaml").write_text(
        text.replace("id: s1", "id: x").replace("id: s2", "id: s1\n  model: mask.zarr")
    )
    dock = add_dock(viewer_model, qtbot)
    dock.open_study(told.folder)
    dock.choose("o1")
    dock.open_slide("s1")
    assert "mask.zarr was made on another slide than s1" in dock.slides.state.text()


def annotate(viewer, qtbot):
    dock = AnnotateDock(viewer)
    qtbot.addWidget(dock)
    return dock


def ready(qtbot, annotating):
    qtbot.waitUntil(lambda: annotating.editor is not None, timeout=WAIT_MS)
    return annotating.editor


def test_what_is_drawn_in_the_annotate_dock_is_the_reading(dock, viewer_model, study, qtbot):
    annotating = annotate(viewer_model, qtbot)
    dock.choose("o1")
    dock.open_slide("s1")
    editor = ready(qtbot, annotating)
    assert editor.sheet.classes.names == ("Tumor", "Stroma")
    assert editor.document.path == study.reading_path("o1", "first", "s1")
    assert editor.observer == "o1"
    assert editor.do(add([square(10), square(300)]))
    visible = [layer.name for layer in viewer_model.layers if layer.visible]
    assert visible == ["s1", "s1 · annotations", "s1 · drawing"]
    dock.finish()
    assert (annotating.editor, len(viewer_model.layers)) == (None, 0)
    assert rows(dock)[0] == ("1. s1", "finished", "2")
    assert len(study.desk("o1").read("s1")) == 2
    dock.open_slide("s2")
    ready(qtbot, annotating).do(add([square(10)]))
    dock.leave()
    assert rows(dock)[1] == ("2. s2", "in progress", "1")
    left = sorted(path.name for path in study.reading_path("o1", "first", "s1").parent.iterdir())
    assert left == ["s1.geojson", "s2.geojson"]


@pytest.mark.parametrize("model_output", ["hidden", "shown"])
def test_a_blinded_reading_takes_nothing_from_a_model_or_a_file(
    viewer_model, tmp_path, tiny_slide_path, qtbot, model_output
):
    study = make_study(tmp_path / "study", tiny_slide_path, model_output=model_output)
    dock, annotating = add_dock(viewer_model, qtbot), annotate(viewer_model, qtbot)
    dock.open_study(study.folder)
    dock.choose("o1")
    dock.open_slide("s1")
    ready(qtbot, annotating)
    may = model_output == "shown"
    offered = annotating.files.take, annotating.files.open, annotating.box.tools["wand"]
    assert [widget.isEnabled() for widget in offered] == [may] * 3
    assert not annotating.files.keep.isEnabled()
    assert annotating.files.save_as.isEnabled()
    dock.leave()
    actions.open_slides(viewer_model, tiny_slide_path)
    ready(qtbot, annotating)
    assert all(widget.isEnabled() for widget in (*offered, annotating.files.keep))


def test_the_classes_of_a_study_can_be_locked_and_hidden_but_not_changed(
    dock, viewer_model, tiny_slide_path, qtbot, monkeypatch
):
    annotating = annotate(viewer_model, qtbot)
    dock.choose("o1")
    dock.open_slide("s1")
    editor, classes = ready(qtbot, annotating), annotating.classes
    for button in (classes.add, classes.remove):
        assert not button.isEnabled()
        assert "the study says which classes there are" in button.toolTip()
    for column in (NAME, KEY):
        item = classes.table.item(0, column)
        assert not item.flags() & Qt.ItemFlag.ItemIsEditable
        assert "the study says" in item.toolTip()
    monkeypatch.setattr("qtpy.QtWidgets.QColorDialog.getColor", lambda *_: QColor("red"))
    classes.table.cellDoubleClicked.emit(0, COLOUR)
    assert [each.name for each in editor.sheet.classes] == ["Tumor", "Stroma"]
    assert editor.sheet.undo_label is None
    classes.table.item(0, HIDE).setCheckState(Qt.CheckState.Checked)
    assert editor.sheet.classes.hidden == {"Tumor"}
    dock.leave()
    actions.open_slides(viewer_model, tiny_slide_path)
    ready(qtbot, annotating)
    assert classes.add.isEnabled()
    classes.table.cellDoubleClicked.emit(0, COLOUR)
    assert annotating.editor.sheet.classes.of("Tumor").hex == "#ff0000"


def test_who_was_taken_over_while_drawing_is_told_and_loses_the_window(
    dock, viewer_model, study, qtbot, monkeypatch
):
    annotating = annotate(viewer_model, qtbot)
    dock.choose("o1")
    dock.open_slide("s1")
    editor = ready(qtbot, annotating)
    editor.do(add([square(10)]))
    lock = dock.work.reading._lock
    lock.path.write_text(Owner("o1", host="elsewhere").to_json(), encoding="utf-8")
    assert not editor.do(add([square(300)]))
    assert "s1.geojson was taken over by o1 on elsewhere" in annotating.message.text()
    dock.work.give_sign_of_life()
    assert "was taken over by o1 on elsewhere" in dock.slides.state.text()
    assert (dock.work.reading, annotating.editor) == (None, None)
    assert lock.path.exists()
    lock.path.unlink()
    assert len(study.desk("o1").read("s1")) == 1
