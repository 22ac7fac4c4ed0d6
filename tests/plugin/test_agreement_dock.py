"""The Agreement dock: what it compares, what it shows on the slide, and how it walks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from qtpy.QtCore import Qt

import slideconcord as sc
from conftest import tissue_like, write_pyramid
from slideconcord.annotations import Annotation, Annotations, write_annotations
from slideconcord.annotations.classes import AnnotationClass
from slideconcord.annotations.studies import Observer, Round, Study, StudySlide, write_study
from slideconcord.comparison.observers.options import Comparing
from slideconcord.geometry import Box
from slideconcord.plugin import actions
from slideconcord.plugin.agreement_dock import BLINDED, NO_SLIDE, TOO_FEW, AgreementDock
from slideconcord.plugin.agreement_drawing import ITSELF
from slideconcord.plugin.agreement_layers import outline_levels, pair_levels, vote_levels
from slideconcord.plugin.agreement_live_box import NOTHING
from slideconcord.plugin.agreement_matrix import letter_of
from slideconcord.plugin.tags import find_layer
from slideconcord.plugin.viewport import camera_pixel
from slideconcord.samples import shipped_files
from slideconcord.samples.origin import VIRTUAL

WAIT_MS = 60_000  # the first comparison compiles
READINGS = {
    "ann": [(200, 100, 900, 900)],
    "bo": [(220, 120, 900, 900), (1200, 1000, 1300, 1100)],
    "cy": [(200, 100, 900, 700)],
}


@pytest.fixture
def viewer(viewer_model, tiny_slide_path):
    actions.open_slides(viewer_model, tiny_slide_path)
    return viewer_model


@pytest.fixture
def dock(viewer, qtbot):
    made = AgreementDock(viewer)
    qtbot.addWidget(made)
    yield made
    made.close_down()


@pytest.fixture
def files(tmp_path):
    paths = []
    for name, boxes in READINGS.items():
        paths.append(tmp_path / f"{name}.geojson")
        write_annotations([Annotation(shapely.box(*box), "Tumor") for box in boxes], paths[-1])
    return paths


@pytest.fixture
def compared(dock, files, qtbot):
    dock.add_files(files)
    dock.setup.tissue_only.setChecked(False)
    return compare(dock, qtbot)


def compare(dock, qtbot):
    dock.compare()
    wait(dock, qtbot)
    return dock.view.compared


def wait(dock, qtbot):
    tasks = (dock.work, dock.view.drawing, dock.view.walk.task)
    qtbot.waitUntil(lambda: not any(task.is_running for task in tasks), timeout=WAIT_MS)


def expected(files, slide):
    readings = [
        sc.Reading(sc.Reader(path.stem), sc.read_annotations(path, bounds=None)) for path in files
    ]
    read = sc.ReadSlide.of(slide, readings, tissue=None)
    return sc.compare_observers([read], Comparing(), names=True).slides[0].classes["Tumor"]


def test_the_matrix_is_that_of_compare_observers(dock, files, compared):
    found = expected(files, dock.entry.slide)
    matrix = dock.view.look.matrix
    for measure in ("dsc", "kappa", "hd95_um"):
        dock.view.look.measure.setCurrentIndex(dock.view.look.measure.findData(measure))
        dock.view.look.measure.activated.emit(dock.view.look.measure.currentIndex())
        values = found.matrix(measure)
        for i in range(4):
            for j in range(4):
                text = matrix.item(i, j).text()
                if i == j:
                    assert text == "·"
                elif np.isnan(values[i, j]):
                    assert text == "–"
                else:
                    assert float(text.replace(",", "")) == pytest.approx(values[i, j], abs=0.051)
    assert "mm² of slide at 1 µm/px" in dock.view.look.caption.text()


def test_observers_go_by_numbers_until_names_are_wanted(dock, compared):
    def headers():
        return [dock.view.look.matrix.verticalHeaderItem(i).text() for i in range(3)]

    assert headers() == ["A  observer 1", "B  observer 2", "C  observer 3"]
    assert dock.view.look.matrix.horizontalHeaderItem(2).text() == "C"
    assert [letter_of(n) for n in (0, 25, 26, 27, 702)] == ["A", "Z", "AA", "AB", "AAA"]
    dock.view.look.names.setChecked(True)
    assert headers() == ["A  ann", "B  bo", "C  cy"]


def test_votes_lie_on_the_slide_and_can_be_hidden(dock, viewer, compared):
    dock.view.look.votes.setChecked(True)
    layer = find_layer(viewer.layers, dock.entry.id, "votes")
    votes = dock.view.drawn.stack.votes(Box(0, 0, *dock.view.drawn.stack.shape))
    np.testing.assert_array_equal(np.asarray(layer.data[0]), votes)
    assert set(np.unique(votes)) == {0, 1, 2, 3}
    assert tuple(layer.scale) == (1.0, 1.0)
    assert "Votes:" in dock.view.look.legend.text()
    dock.view.look.votes.setChecked(False)
    assert find_layer(viewer.layers, dock.entry.id, "votes") is None


def test_a_cell_shows_both_outlines_and_where_they_differ(dock, viewer, compared, qtbot):
    dock.view.look.matrix.cellClicked.emit(0, 1)
    wait(dock, qtbot)
    kinds = np.asarray(find_layer(viewer.layers, dock.entry.id, "pair").data[0])
    a, b = (
        np.asarray(dock.view.drawn.stack.read(n, Box(0, 0, *kinds.shape))) for n in dock.view.pair
    )
    np.testing.assert_array_equal(kinds, a + 2 * b.astype(np.uint8))
    lines = np.asarray(find_layer(viewer.layers, dock.entry.id, "outlines").data[0])
    assert set(np.unique(lines)) == {0, 1, 2, 3}
    # outlines lie inside what they go around
    assert not lines[~a & ~b].any()
    assert "observer 1 only" in dock.view.look.legend.text()
    dock.view.look.matrix.cellClicked.emit(0, 3)
    wait(dock, qtbot)
    assert dock.view.pair == ("observer 1", "consensus (majority)")
    assert sum("Differs" in layer.name for layer in viewer.layers) == 1


def test_boxes_of_a_level_are_parts_of_all_of_it(dock, compared):
    stack, names = dock.view.drawn.stack, dock.view.drawn.voters
    for levels in (
        vote_levels(stack, names),
        pair_levels(stack, *names[:2]),
        outline_levels(stack, *names[:2]),
    ):
        whole = np.asarray(levels[0])
        np.testing.assert_array_equal(levels[0][33:77, 190:260], whole[33:77, 190:260])


def test_the_walk_goes_to_the_largest_disagreement_and_back(dock, viewer, compared, qtbot):
    dock.next_disagreement()
    wait(dock, qtbot)
    # what one of three leaves out, all around the square that all mark
    layer = dock.session.layer_of(dock.entry)
    assert camera_pixel(viewer, layer) == pytest.approx((499.5, 549.5), abs=2)
    assert dock.view.look.walk.text().startswith("Disagreement 1 of 2: ")
    dock.next_disagreement()
    assert camera_pixel(viewer, layer) == pytest.approx((1049.5, 1249.5), abs=2)
    assert "Disagreement 2 of 2: 2,500 µm²" in dock.view.look.walk.text()
    assert dock.view.look.walk.text().endswith("marked by observer 2.")
    dock.next_disagreement(-1)
    assert camera_pixel(viewer, layer) == pytest.approx((499.5, 549.5), abs=2)


def test_between_two_the_walk_goes_where_these_two_differ(dock, viewer, compared, qtbot):
    dock.view.choose_pair(0, 2)
    wait(dock, qtbot)
    dock.view.look.after.click()
    wait(dock, qtbot)
    layer = dock.session.layer_of(dock.entry)
    # cy leaves out the lowest 200 rows of 700 columns
    assert camera_pixel(viewer, layer) == pytest.approx((799.5, 549.5), abs=2)
    assert "Disagreement 1 of 1: 35,000 µm²" in dock.view.look.walk.text()
    assert dock.view.look.walk.text().endswith("marked by observer 1.")


def test_layers_are_readings_and_what_is_not_ticked_is_left_out(dock, viewer, files, qtbot):
    dock.add_files(files[:1])
    corners = np.array([[100, 200], [100, 900], [900, 900], [900, 200]]) - 0.5
    drawn = viewer.add_shapes([corners * 0.5], shape_type="polygon", name="drawn")
    drawn.features = {"class": ["Tumor"]}
    labels = viewer.add_labels(np.ones((60, 60), np.uint8), name="labels", scale=(5, 5))
    assert [source.reader.label for source in dock.setup.ticked] == ["drawn", "labels", "ann"]
    dock.setup.list.item(1).setCheckState(Qt.CheckState.Unchecked)
    viewer.layers.selection.active = labels
    dock.setup.tissue_only.setChecked(False)
    found = compare(dock, qtbot).of_class("Tumor")
    assert len(found.observers) == 2
    assert found.matrix("dsc")[0, 1] == pytest.approx(1.0)


def test_the_mask_that_is_tuned_is_a_model_without_a_vote(
    dock, viewer, model, files, tmp_path, qtbot
):
    list(actions.run_segmentation(viewer, folder=tmp_path / "runs"))
    dock.add_files(files[:2])
    dock.setup.tissue_only.setChecked(False)
    compare(dock, qtbot)
    assert [r.role for r in dock.view.compared.of_class("Tumor").readers].count("model") <= 1
    assert "model" in [r.name for r in dock.view.compared.found.readers]
    assert dock.view.drawn.voters == ("observer 1", "observer 2")


def test_what_is_missing_is_said(dock, viewer, files):
    assert dock.setup.message.text() == TOO_FEW
    assert not dock.setup.compare.isEnabled()
    dock.add_files(files[:2])
    assert dock.setup.compare.isEnabled()
    viewer.layers.clear()
    assert dock.setup.message.text() == NO_SLIDE


def test_a_reading_that_cannot_be_read_says_why(dock, files, tmp_path, qtbot):
    dock.add_files([*files, tmp_path / "nowhere.geojson"])
    assert compare(dock, qtbot) is None
    assert "nowhere.geojson" in dock.setup.message.text()
    assert dock.setup.compare.isEnabled()


def test_another_slide_takes_matrix_and_layers_away(dock, viewer, compared, qtbot):
    dock.view.look.votes.setChecked(True)
    first = dock.entry
    viewer.layers.selection.active = actions.open_slides(viewer, first.slide.path)[0]
    assert dock.entry is not first
    assert dock.view.look.matrix.rowCount() == 0
    assert find_layer(viewer.layers, first.id, "votes") is None
    assert dock.setup.list.count() == 0


def test_the_report_is_written_and_opened_without_names(dock, compared, qtbot, tmp_path, opened):
    dock.view.look.names.setChecked(True)
    dock.write_report(tmp_path)
    wait(dock, qtbot)
    assert opened == [tmp_path / "report.html"]
    html = opened[0].read_text()
    assert html.count("data:image/jpeg") == 2
    assert "observer 3" in html
    assert ">cy<" not in html
    assert "The report is written." in dock.setup.message.text()


def test_the_report_of_a_virtual_slide_says_so(dock, viewer, files, qtbot, tmp_path, opened):
    slide = next(f for f in shipped_files("colon-virtual-small") if f.name.endswith(".tiff"))
    viewer.layers.selection.active = actions.open_slides(viewer, slide)[0]
    dock.add_files(files[:2])
    dock.setup.tissue_only.setChecked(False)
    compare(dock, qtbot)
    dock.write_report(tmp_path)
    wait(dock, qtbot)
    assert f"Virtual data: {VIRTUAL}." in opened[0].read_text()


@pytest.fixture
def opened(monkeypatch):
    """Collect what would be opened in a browser."""
    found = []
    monkeypatch.setattr(
        "slideconcord.plugin.agreement_dock.QDesktopServices.openUrl",
        lambda url: found.append(Path(url.toLocalFile())),
    )
    return found


def test_who_reads_a_study_here_sees_no_other_reading(dock, study, files):
    dock.add_files(files)
    dock.session.workspace.documents[dock.entry.slide] = lambda: None
    dock.setup.chosen.emit()
    assert dock.setup.message.text() == BLINDED
    assert not dock.setup.compare.isEnabled()
    dock.compare()
    dock.open_study(study.folder)
    dock.write_study_report(study.folder)
    follow(dock, NOTHING, "ann")
    assert dock.opened.study is None
    assert not dock.work.is_running
    assert dock.drawing.live.target is None
    dock.session.workspace.documents.clear()


@pytest.fixture
def study(tmp_path, tiny_slide_path):
    """Return a study of two slides, of which three observers finished the first and one both."""
    second = write_pyramid(tmp_path / "second.tif", tissue_like(600, 700, seed=1))
    slides = (StudySlide("s1", tiny_slide_path, case="c1"), StudySlide("s2", second))
    made = Study(
        tmp_path / "study", "study", slides, tuple(Observer(n) for n in ("zoe", *READINGS)),
        (AnnotationClass("Tumor", (200, 0, 0)),), (Round("first"), Round("second")),
    )  # fmt: skip
    write_study(made)
    for name in READINGS:
        draw(made, name, "s1", READINGS[name])
    draw(made, "ann", "s1", READINGS["bo"], "second")
    draw(made, "ann", "s2", READINGS["ann"])
    return made


def draw(study, name, slide, boxes, round_name=None):
    with study.desk(name).open(slide, round_name) as reading:
        reading.take_in(Annotations.of(Annotation(shapely.box(*b), "Tumor") for b in boxes))
        reading.finish()


def test_a_study_gives_its_finished_readings_by_the_numbers_it_gives(dock, study, qtbot):
    first = dock.entry
    dock.open_study(study.folder)
    assert dock.entry is first
    labels = [source.reader.label for source in dock.setup.ticked]
    assert labels == ["ann", "ann, round 2", "bo", "cy"]
    dock.setup.tissue_only.setChecked(False)
    found = compare(dock, qtbot).of_class("Tumor")
    assert [reader.label for reader in found.readers[:4]] == [
        "observer 2", "observer 3", "observer 4", "observer 2, round 2"
    ]  # fmt: skip
    dock.view.look.names.setChecked(True)
    assert dock.view.look.matrix.verticalHeaderItem(3).text() == "D  ann, round 2"
    assert found.matrix()[1, 3] == pytest.approx(1.0)


def test_the_report_of_a_study_is_that_of_all_slides_read_twice(
    dock, study, qtbot, tmp_path, opened
):
    dock.open_study(study.folder)
    dock.write_study_report(tmp_path)
    wait(dock, qtbot)
    told = json.loads((tmp_path / "agreement.json").read_text())
    # s2 was read once
    assert {row["slide"] for row in told["pairs"]} == {"s1"}
    readers = {(each["reader"], each["round"]) for each in told["readers"]}
    assert ("observer 2", 2) in readers
    assert opened == [tmp_path / "report.html"]
    assert "ann" not in {name for name, _ in readers}


def test_slides_of_a_study_are_opened_from_the_dock(dock, viewer, study):
    first = dock.entry
    viewer.layers.clear()
    assert dock.entry is None
    dock.open_study(study.folder)
    assert dock.entry.slide.fingerprint == first.slide.fingerprint
    dock.setup.slide.setCurrentIndex(1)
    dock.setup.slide.activated.emit(1)
    assert dock.entry.slide.name == "second"
    assert [source.reader.label for source in dock.setup.ticked] == ["ann"]
    dock.opened.open_slide("s1")
    assert dock.setup.slide.currentData() == "s1"
    assert len(viewer.layers) == 2


def test_a_folder_without_a_study_is_refused_with_the_remedy(dock, tmp_path):
    dock.open_study(tmp_path)
    assert "make one with 'slideconcord study new'" in dock.setup.message.text()


# --- while drawing ----------------------------------------------------------------------------


def test_the_dsc_follows_the_drawing(dock, viewer, files, qtbot):
    dock.add_files(files[:1])
    corners = np.array([[100, 200], [100, 900], [500, 900], [500, 200]]) - 0.5
    layer = viewer.add_shapes([corners * 0.5], shape_type="polygon", name="mine")
    follow(dock, "mine", "ann")
    qtbot.waitUntil(lambda: dock.drawing.live.dsc == pytest.approx(2 / 3), timeout=WAIT_MS)
    assert dock.drawing.box.dsc.text() == "DSC 0.667"
    assert "on pixels of 1 µm" in dock.drawing.box.note.text()
    second = np.array([[500, 200], [500, 900], [900, 900], [900, 200]]) - 0.5
    layer.add_polygons([second * 0.5])
    qtbot.waitUntil(lambda: dock.drawing.live.dsc == pytest.approx(1.0), timeout=WAIT_MS)
    layer.data = []
    qtbot.waitUntil(lambda: dock.drawing.live.dsc == 0.0, timeout=WAIT_MS)
    follow(dock, "mine", NOTHING)
    assert dock.drawing.box.dsc.text() == "DSC –"
    layer.add_polygons([second * 0.5])
    assert np.isnan(dock.drawing.live.dsc)


def test_a_layer_that_is_taken_away_is_compared_no_more(dock, viewer, files, qtbot):
    dock.add_files(files[:1])
    corners = np.array([[100, 200], [100, 900], [500, 900], [500, 200]]) - 0.5
    layer = viewer.add_shapes([corners * 0.5], shape_type="polygon", name="mine")
    follow(dock, "mine", "ann")
    qtbot.waitUntil(lambda: dock.drawing.live.counts is not None, timeout=WAIT_MS)
    follow(dock, "mine", "mine")
    assert dock.drawing.live.layer is None
    assert dock.drawing.box.note.text() == ITSELF
    follow(dock, "mine", "ann")
    viewer.layers.remove(layer)
    assert dock.drawing.live.layer is None
    assert dock.drawing.box.dsc.text() == "DSC –"


def test_what_the_annotate_dock_draws_is_a_reading_and_followed(
    dock, viewer, files, qtbot, tmp_path
):
    from slideconcord.annotations.editing import Document
    from slideconcord.annotations.editing import operations as op
    from slideconcord.plugin.annotating import Editor

    document = Document(tmp_path / "mine.geojson")
    editor = Editor(dock.session, dock.entry, document)
    dock.add_files(files[:1])
    name = editor.layer.name
    assert [source.reader.label for source in dock.setup.ticked] == [name, "ann"]
    follow(dock, name, "ann")
    qtbot.waitUntil(lambda: dock.drawing.live.dsc == 0.0, timeout=WAIT_MS)
    drawn = Annotation(shapely.box(200, 100, 900, 500))
    assert editor.do(op.add([drawn]))
    qtbot.waitUntil(lambda: dock.drawing.live.dsc == pytest.approx(2 / 3), timeout=WAIT_MS)
    editor.undo()
    qtbot.waitUntil(lambda: dock.drawing.live.dsc == 0.0, timeout=WAIT_MS)
    editor.close()
    assert dock.drawing.live.layer is None


def follow(dock, drawing, reading):
    box = dock.drawing.box
    box.drawing.setCurrentIndex(box.drawing.findText(drawing))
    box.reading.setCurrentIndex(box.reading.findText(reading))
    box.reading.activated.emit(box.reading.currentIndex())


def test_live_counts_are_those_of_numpy(dock, viewer, files, qtbot):
    dock.add_files(files[1:2])
    corners = np.array([[100, 200], [100, 900], [500, 900], [500, 200]]) - 0.5
    viewer.add_shapes([corners * 0.5], shape_type="polygon", name="mine")
    follow(dock, "mine", "bo")
    qtbot.waitUntil(lambda: dock.drawing.live.counts is not None, timeout=WAIT_MS)
    mine, other = np.zeros((750, 1000), bool), np.zeros((750, 1000), bool)
    mine[50:250, 100:450] = True
    other[60:450, 110:450] = True
    other[500:550, 600:650] = True
    counts = dock.drawing.live.counts
    assert counts.tp == np.count_nonzero(mine & other)
    assert counts.fp == np.count_nonzero(mine & ~other)
    assert counts.fn == np.count_nonzero(~mine & other)
    assert counts.n == mine.size


def test_thresholds_are_tuned_against_a_reading(dock, viewer, model, files, tmp_path, qtbot):
    dock.add_files(files)
    list(actions.run_segmentation(viewer, folder=tmp_path / "runs"))
    entry = dock.entry
    assert not dock.drawing.box.tune.isEnabled()
    entry.index = sc.index_thresholds(entry.probability)
    follow(dock, NOTHING, "ann")
    dock.drawing.show_score()
    assert dock.drawing.box.tune.isEnabled()
    dock.drawing.box.tune.click()
    qtbot.waitUntil(lambda: entry.reference is not None, timeout=WAIT_MS)
    assert entry.reference.name == "ann.geojson"
    follow(dock, NOTHING, "model")
    dock.tune_against()
    assert "no reference for itself" in dock.setup.message.text()
