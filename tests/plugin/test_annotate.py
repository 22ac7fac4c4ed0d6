"""The Annotate dock under a real mouse: drawing, correcting, undoing, and opening again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from slideconcord.annotations import Annotation, read_annotations, write_annotations
from slideconcord.annotations.editing import Document
from slideconcord.annotations.editing import operations as op
from slideconcord.geometry import Box
from slideconcord.plugin import actions, annotate_documents, annotate_files
from slideconcord.plugin.annotate_class_rows import HIDE, KEY, LOCK, NAME
from slideconcord.plugin.annotate_dock import AnnotateDock
from slideconcord.plugin.session import session_of
from slideconcord.plugin.tags import find_layer
from slideconcord.plugin.viewport import look_at_box
from slideconcord.plugin.workspace import GivenDocument

pytestmark = pytest.mark.viewer
WAIT_MS = 20_000
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
VIEW = Box(300, 300, 800, 800)


class Mouse:
    """A hand on the canvas, in level-0 pixels (x, y) of a slide."""

    def __init__(self, window, layer) -> None:
        self._window, self._layer = window, layer
        shown = [w for w in QApplication.allWidgets() if w.isVisible()]
        (self._canvas,) = [w for w in shown if type(w).__name__ == "CanvasBackendDesktop"]

    def place(self, x: float, y: float) -> QPoint:
        world = self._layer.data_to_world((y - 0.5, x - 0.5))[-2:]
        camera, size = self._window.scene.camera, self._window.canvas.size
        offset = np.subtract(world, camera.center[-2:]) * camera.zoom + np.divide(size, 2)
        return QPoint(*(round(float(v)) for v in offset[::-1]))

    def move(self, x: float, y: float, buttons: Qt.MouseButton = Qt.MouseButton.NoButton) -> None:
        at = self.place(x, y)
        over = QPointF(self._canvas.mapToGlobal(at))
        event = QMouseEvent(
            QEvent.Type.MouseMove, QPointF(at), over, Qt.MouseButton.NoButton, buttons, NONE
        )
        QApplication.sendEvent(self._canvas, event)
        QApplication.processEvents()

    def click(self, x: float, y: float, modifier: Qt.KeyboardModifier = NONE) -> None:
        self.move(x, y)
        QTest.mouseClick(self._canvas, LEFT, modifier, self.place(x, y))
        QApplication.processEvents()

    def double_click(self, x: float, y: float) -> None:
        self.move(x, y)
        QTest.mouseDClick(self._canvas, LEFT, NONE, self.place(x, y))
        QApplication.processEvents()

    def drag(self, *points: tuple[float, float]) -> None:
        self.move(*points[0])
        QTest.mousePress(self._canvas, LEFT, NONE, self.place(*points[0]))
        for point in points[1:]:
            self.move(*point, LEFT)
        QTest.mouseRelease(self._canvas, LEFT, NONE, self.place(*points[-1]))
        QApplication.processEvents()

    def draw(self, *points: tuple[float, float]) -> None:
        """Click from point to point, and end with a double click on the last."""
        for point in points:
            self.click(*point)
        self.double_click(*points[-1])


@pytest.fixture
def slide_layer(window, tiny_slide_path):
    (layer,) = actions.open_slides(window, tiny_slide_path)
    look_at_box(window, layer, VIEW)
    return layer


@pytest.fixture
def dock(window, slide_layer, qtbot):
    return open_dock(window, qtbot)


def open_dock(window, qtbot) -> AnnotateDock:
    dock = AnnotateDock(window)
    window.window.add_dock_widget(dock, name="Annotate")
    qtbot.waitUntil(lambda: dock.editor is not None, timeout=WAIT_MS)
    return dock


@pytest.fixture
def mouse(window, slide_layer, dock) -> Mouse:
    QApplication.processEvents()
    look_at_box(window, slide_layer, VIEW)
    return Mouse(window, slide_layer)


def areas(dock) -> list[tuple[str | None, int]]:
    return [(a.class_name, round(a.geometry.area)) for a in dock.editor.sheet]


def put(dock, *annotations: Annotation) -> list[str]:
    assert dock.editor.do(op.add(annotations))
    return [a.id for a in annotations]


def box(x: float, y: float, side: float, class_name: str = "Tumor") -> Annotation:
    import shapely

    return Annotation(shapely.box(x, y, x + side, y + side), class_name)


def test_a_polygon_is_drawn_undone_and_there_again_after_reopening(window, dock, mouse, qtbot):
    dock.box.tools["polygon"].click()
    mouse.draw((400, 400), (800, 400), (800, 700), (400, 700))
    qtbot.waitUntil(lambda: len(dock.editor.sheet) == 1)
    ((name, area),) = areas(dock)
    assert name == "Tumor"
    assert area == pytest.approx(400 * 300, rel=0.02)
    assert len(dock.editor.sketch.layer.data) == 0
    assert dock.box.undo.text() == "Undo: draw"
    dock.box.undo.click()
    assert areas(dock) == []
    dock.box.redo.click()
    drawn = list(dock.editor.sheet)
    dock.close_down()
    assert find_layer(window.layers, dock.entry.id, "annotations") is None
    again = open_dock(window, qtbot)
    (restored,) = again.editor.sheet
    assert restored.id == drawn[0].id
    assert restored.geometry.symmetric_difference(drawn[0].geometry).area < 10


def test_what_is_drawn_is_seen_where_it_was_drawn(window, dock, mouse, qtbot):
    dock.box.tools["freehand"].click()
    mouse.drag((400, 400), (600, 400), (800, 400), (800, 700), (600, 700), (400, 700), (400, 410))
    qtbot.waitUntil(lambda: len(dock.editor.sheet) == 1)
    pixels = np.asarray(dock.editor.layer.data[0][350:750, 350:850])
    x0, y0, x1, y1 = next(iter(dock.editor.sheet)).geometry.bounds
    rows, columns = np.nonzero(pixels)
    found = columns.min() + 350, rows.min() + 350, columns.max() + 351, rows.max() + 351
    assert found == pytest.approx((x0, y0, x1, y1), abs=1)


def test_an_outline_that_crosses_itself_is_repaired_and_told(dock, mouse, qtbot):
    dock.box.tools["polygon"].click()
    mouse.draw((400, 400), (700, 700), (700, 400), (400, 700))
    qtbot.waitUntil(lambda: len(dock.editor.sheet) == 1)
    assert "outline that crosses itself; it was repaired" in dock.message.text()
    assert next(iter(dock.editor.sheet)).geometry.geom_type == "MultiPolygon"


def test_a_brush_paints_and_an_eraser_takes_away(dock, mouse):
    dock.box.radius.setValue(20)
    dock.box.tools["brush"].click()
    mouse.drag((400, 500), (500, 500), (600, 500))
    # 200 px long and, at 0.5 µm, 80 px wide, with round ends
    assert areas(dock) == [("Tumor", pytest.approx(200 * 80 + np.pi * 40**2, rel=0.03))]
    mouse.drag((600, 500), (600, 600))
    assert len(areas(dock)) == 1
    mouse.drag((500, 900), (510, 900))
    assert len(areas(dock)) == 2
    before = areas(dock)[0][1]
    dock.box.tools["eraser"].click()
    mouse.drag((450, 500), (451, 500))
    assert areas(dock)[0][1] < before
    assert not dock.editor.picture._overrides


def test_a_drag_with_a_brush_does_not_move_the_slide_but_with_select_it_does(window, dock, mouse):
    centre = window.scene.camera.center
    dock.box.tools["brush"].click()
    mouse.drag((400, 500), (500, 500))
    assert window.scene.camera.center == centre
    dock.box.tools["select"].click()
    mouse.drag((400, 500), (450, 500), (500, 500))
    assert window.scene.camera.center != centre
    assert dock.editor.selection == ()


def test_chosen_areas_are_merged_split_and_deleted(dock, mouse, qtbot):
    first, second = put(dock, box(400, 400, 200), box(550, 400, 200))
    mouse.click(450, 500)
    mouse.click(700, 500, SHIFT)
    assert dock.editor.selection == (first, second)
    assert len(dock.editor.sketch.layer.data) == 2
    dock.box.actions["merge"].click()
    assert areas(dock) == [("Tumor", 350 * 200)]
    assert dock.editor.selection == (first,)
    dock.box.tools["split"].click()
    mouse.draw((500, 350), (500, 650))
    qtbot.waitUntil(lambda: len(dock.editor.sheet) == 2)
    assert sum(area for _, area in areas(dock)) == 350 * 200
    dock.box.actions["delete"].click()
    assert len(areas(dock)) == 1
    assert dock.editor.selection == ()


def test_a_double_click_lets_vertices_be_pulled(dock, mouse, qtbot):
    (key,) = put(dock, box(400, 400, 200))
    mouse.double_click(500, 500)
    assert dock.editor.selection == (key,)
    assert str(dock.editor.sketch.layer.mode) == "direct"
    assert dock.editor.picture._overrides == {key: None}
    mouse.drag((600, 600), (650, 650), (700, 700))
    qtbot.waitUntil(lambda: dock.editor.sheet.undo_label == "reshape")
    assert dock.editor.sheet[key].geometry.area == pytest.approx(200 * 200 + 200 * 100, rel=0.05)
    dock.box.tools["select"].click()
    assert not dock.editor.picture._overrides


def test_only_what_is_pulled_is_reshaped(dock, mouse, qtbot):
    odd = replace(box(400 + 1 / 3, 400, 200), measurements={"Area um^2": 1.0})
    first, second = put(dock, odd, box(650, 400, 200))
    dock.editor.choose([first, second])
    dock.box.actions["vertices"].click()
    mouse.drag((850, 600), (880, 640), (900, 650))
    qtbot.waitUntil(lambda: dock.editor.sheet.undo_label == "reshape")
    assert dock.editor.sheet[first] == odd
    assert dock.editor.sheet[second].geometry.area > 200 * 200
    mouse.drag((900, 650), (800, 400), (700, 350))
    qtbot.waitUntil(lambda: "crossed itself" in dock.message.text())
    assert dock.editor.sheet[second].geometry.is_valid


def test_classes_are_edited_locked_and_hidden_in_the_table(dock, mouse):
    table, editor = dock.classes.table, dock.editor
    put(dock, box(400, 400, 200), box(700, 700, 100, "Stroma"))
    table.item(0, NAME).setText("Cancer")
    table.item(0, KEY).setText("q")
    assert [a.class_name for a in editor.sheet] == ["Cancer", "Stroma"]
    assert editor.sheet.classes.of("Cancer").key == "q"
    table.item(1, NAME).setText("cancer")
    assert "Two classes have the name" in dock.message.text()
    assert table.item(1, NAME).text() == "Stroma"
    table.item(0, LOCK).setCheckState(Qt.CheckState.Checked)
    mouse.click(500, 500)
    dock.box.actions["delete"].click()
    assert "class Cancer is locked: unlock it" in dock.message.text()
    assert len(editor.sheet) == 2
    assert np.asarray(editor.layer.data[0][400:600, 400:600]).all()
    table.item(0, HIDE).setCheckState(Qt.CheckState.Checked)
    assert not np.asarray(editor.layer.data[0][400:600, 400:600]).any()
    dock.classes.add.click()
    assert editor.sheet.classes.names[-1] == "Class 5"
    table.selectRow(1)
    assert editor.class_name == "Stroma"
    table.item(0, LOCK).setCheckState(Qt.CheckState.Unchecked)
    assert areas(dock)[0][0] == "Cancer"
    dock.box.actions["set_class"].click()
    assert areas(dock)[0][0] == "Stroma"


def test_one_area_is_locked_and_unlocked(dock, mouse):
    put(dock, box(400, 400, 200))
    mouse.click(500, 500)
    dock.box.actions["lock"].click()
    dock.box.actions["delete"].click()
    assert "is locked: unlock it first" in dock.message.text()
    dock.box.actions["lock"].click()
    dock.box.actions["delete"].click()
    assert areas(dock) == []


@pytest.mark.parametrize("which", ["annotations", "sketch"])
def test_without_its_layer_a_document_is_closed_whole(window, dock, mouse, qtbot, which):
    put(dock, box(400, 400, 200))
    path = dock.editor.document.path
    window.layers.remove(find_layer(window.layers, dock.entry.id, which))
    assert "every change is kept" in dock.message.text()
    assert dock.editor is None
    assert [a.class_name for a in read_annotations(path)] == ["Tumor"]
    dock.close_down()
    assert len(open_dock(window, qtbot).editor.sheet) == 1


def test_keys_choose_classes_undo_and_delete(dock, mouse):
    put(dock, box(400, 400, 200))
    layer = dock.editor.sketch.layer
    mouse.click(500, 500)
    press(layer, "2")
    assert areas(dock)[0][0] == "Stroma"
    press(layer, "Ctrl+Z")
    assert areas(dock)[0][0] == "Tumor"
    press(layer, "Delete")
    assert areas(dock) == []
    press(layer, "Ctrl+Shift+Z")
    assert areas(dock) == []
    press(layer, "Ctrl+Z")
    assert len(areas(dock)) == 1


def press(layer, key: str) -> None:
    from app_model.types import KeyBinding

    layer.keymap[KeyBinding.from_str(key)](layer)


def test_the_wand_follows_the_map_and_says_when_there_is_none(
    window, dock, mouse, model, tmp_path, monkeypatch
):
    dock.box.tools["wand"].click()
    mouse.drag((700, 700), (701, 700))
    assert "segment the slide first" in dock.message.text()
    dock.take_regions()
    assert "Segment the slide first" in dock.message.text()
    list(actions.run_segmentation(window, box=VIEW, folder=tmp_path / "runs"))
    x, y = darkest(dock)
    grown = []
    for reach in (-60, 0, 60):
        mouse.drag((x, y), (x + reach + 1, y))
        grown.append(sum(area for _, area in areas(dock)))
        dock.editor.undo()
    assert 0 < grown[0] < grown[1] < grown[2]


def darkest(dock) -> tuple[float, float]:
    probability = dock.entry.probability
    row, column = np.unravel_index(np.argmax(probability.array()), probability.shape)
    y, x = probability.frame.to_level0(row + 0.5, column + 0.5)
    return x, y


@pytest.mark.parametrize("bulk", [2000, 1])
def test_model_regions_become_annotations_with_one_click(
    window, dock, mouse, model, qtbot, tmp_path, monkeypatch, bulk
):
    monkeypatch.setattr(annotate_documents, "BULK", bulk)
    list(actions.run_segmentation(window, box=VIEW, folder=tmp_path / "runs"))
    put(dock, box(400, 400, 20, "Stroma"))
    entry = dock.entry
    qtbot.waitUntil(lambda: dock.files.take.isEnabled(), timeout=WAIT_MS)
    dock.files.take.click()
    qtbot.waitUntil(lambda: dock.editor is not None and len(dock.editor.sheet) > 1, timeout=WAIT_MS)
    taken = [a for a in dock.editor.sheet if a.class_name == "Tumor"]
    from slideconcord.plugin.masks import finish
    from slideconcord.segmentation.exact import exact_mask

    mask = finish(exact_mask(entry.probability, entry.tuning))
    pixels = sum(a.geometry.area for a in taken) / entry.probability.frame.step_y**2
    assert pixels == pytest.approx(np.asarray(mask.array).sum())
    dock.box.undo.click()
    assert [a.class_name for a in dock.editor.sheet] == ["Stroma"]


def test_files_are_opened_and_saved_in_any_format(dock, mouse, qtbot, tmp_path):
    given = tmp_path / "given.geojson"
    write_annotations([box(400, 400, 100, "Gland"), box(600, 400, 100)], given)
    dock.open_file(given)
    qtbot.waitUntil(lambda: len(dock.editor.sheet) == 2, timeout=WAIT_MS)
    assert dock.editor.sheet.classes.names[-1] == "Gland"
    dock.open_file(tmp_path / "missing.xml")
    qtbot.waitUntil(lambda: "does not exist" in dock.message.text(), timeout=WAIT_MS)
    path, name = annotate_files.named(tmp_path / "copy", next(iter(annotate_files.FILTERS)))
    assert (path.name, name) == ("copy.geojson", "geojson")
    copy = tmp_path / "copy.xml"
    dock.save_copy(copy, "imagescope")
    assert {a.class_name for a in read_annotations(copy)} == {"Gland", "Tumor"}
    dock.save_copy(tmp_path / "no" / "copy.xml", "asap")
    assert "there is no folder" in dock.message.text()


def test_a_file_of_ones_own_is_edited_and_one_that_is_open_is_refused(dock, mouse, qtbot, tmp_path):
    own = tmp_path / "own" / "mine.geojson"
    dock.edit(own)
    qtbot.waitUntil(lambda: dock.editor is not None, timeout=WAIT_MS)
    put(dock, box(400, 400, 100))
    assert dock.editor.document.path == own
    with Document(tmp_path / "other.geojson"):
        dock.edit(tmp_path / "other.geojson")
        qtbot.waitUntil(lambda: "in another window" in dock.message.text(), timeout=WAIT_MS)
    assert [a.class_name for a in read_annotations(own)] == ["Tumor"]
    assert dock.editor is None


def test_a_place_that_a_study_gave_is_used(window, slide_layer, qtbot, tmp_path):
    entry = actions.slide_entry(window)
    path = tmp_path / "reading.geojson"
    session_of(window).workspace.documents[entry.slide] = GivenDocument(
        lambda: Document(path), "o1"
    )
    dock = open_dock(window, qtbot)
    assert dock.editor.document.path == path


def test_each_slide_keeps_its_own_and_its_undo(window, dock, tiny_slide_path, qtbot, tmp_path):
    put(dock, box(400, 400, 100))
    first = dock.editor
    window.layers.selection.active = first.sketch.layer
    (other,) = actions.open_slides(window, tiny_slide_path)
    window.layers.selection.active = other
    qtbot.waitUntil(lambda: "in another window" in dock.message.text(), timeout=WAIT_MS)
    dock.edit(tmp_path / "second.geojson")
    qtbot.waitUntil(lambda: dock.editor is not None, timeout=WAIT_MS)
    assert len(dock.editor.sheet) == 0
    window.layers.selection.active = first.layer
    assert dock.editor is first
    assert dock.box.undo.text() == "Undo: draw"
    window.layers.remove(find_layer(window.layers, first.entry.id, "slide"))
    assert first.layer not in window.layers


def test_annotations_stay_above_what_comes_later(window, dock, mouse, model, tmp_path):
    list(actions.run_segmentation(window, box=VIEW, folder=tmp_path / "runs"))
    names = [layer.name for layer in window.layers]
    assert names[-2:] == ["tiny · annotations", "tiny · drawing"]


def test_the_dock_fits_its_width(dock, mouse):
    inner = dock.body.parentWidget()
    assert inner.minimumSizeHint().width() <= dock.minimumWidth()


def test_a_real_slide_is_drawn_on(window, real_data: Path, qtbot):
    path = real_data / "slides" / "CMU-1-Small-Region.svs"
    (layer,) = window.open(str(path), plugin="slideconcord")
    dock = open_dock(window, qtbot)
    QApplication.processEvents()
    look_at_box(window, layer, Box(400, 300, 1500, 1500))
    dock.box.tools["polygon"].click()
    Mouse(window, layer).draw((500, 600), (900, 560), (1000, 900), (700, 1000))
    qtbot.waitUntil(lambda: len(dock.editor.sheet) == 1)
    assert dock.editor.document.path.parent.name.startswith("CMU-1-Small-Region-")
