"""Where annotations are kept and may be painted, over a viewer without a window."""

from __future__ import annotations

import shutil

import pytest
import shapely

from slideconcord.annotations import Annotation, read_annotations
from slideconcord.annotations.editing import operations as op
from slideconcord.plugin import actions
from slideconcord.plugin.annotate_dock import AnnotateDock
from slideconcord.plugin.strokes import Brush, Eraser

WAIT_MS = 60_000
CORNER = Annotation(shapely.box(-50, -50, 100, 100), "Tumor")


@pytest.fixture
def open_dock(viewer_model, tiny_slide_path, qtbot):
    actions.open_slides(viewer_model, tiny_slide_path)

    def make(*, is_refused: bool = False) -> AnnotateDock:
        dock = AnnotateDock(viewer_model)
        qtbot.addWidget(dock)
        qtbot.waitUntil(lambda: not dock.documents.is_busy, timeout=WAIT_MS)
        assert (dock.editor is None) == is_refused
        return dock

    return make


def keep_in(dock, path, qtbot) -> None:
    dock.files.keep_wanted.emit(path)
    qtbot.waitUntil(lambda: not dock.documents.is_busy, timeout=WAIT_MS)


def test_a_file_that_was_chosen_is_there_again(open_dock, tmp_path, qtbot):
    dock, path = open_dock(), tmp_path / "own" / "mine.geojson"
    beside = dock.editor.document.path
    keep_in(dock, path, qtbot)
    dock.close_down()
    again = open_dock()
    assert again.editor.document.path == path
    assert "mine.geojson is not there: the next change makes it" in again.message.text()
    assert again.editor.do(op.add([CORNER]))
    again.close_down()
    third = open_dock()
    assert (third.editor.document.path, len(third.editor.sheet)) == (path, 1)
    assert third.message.text() == ""
    keep_in(third, beside, qtbot)
    third.close_down()
    assert open_dock().editor.document.path == beside


def test_a_place_that_is_gone_is_named_and_another_can_be_chosen(open_dock, tmp_path, qtbot):
    dock, folder = open_dock(), tmp_path / "disk"
    keep_in(dock, folder / "mine.geojson", qtbot)
    dock.close_down()
    shutil.rmtree(folder)
    again = open_dock(is_refused=True)
    assert "mine.geojson, and that folder is not there: bring it back" in again.message.text()
    assert not folder.exists()
    assert again.files.keep.isEnabled()
    keep_in(again, tmp_path / "other.geojson", qtbot)
    assert again.editor.do(op.add([CORNER]))
    again.close_down()
    assert len(read_annotations(tmp_path / "other.geojson")) == 1


def test_edit_alone_is_not_remembered(open_dock, tmp_path, qtbot):
    dock = open_dock()
    beside = dock.editor.document.path
    dock.edit(tmp_path / "other.geojson")
    qtbot.waitUntil(lambda: dock.editor is not None, timeout=WAIT_MS)
    dock.close_down()
    assert open_dock().editor.document.path == beside


def lead(stroke, *points) -> None:
    for point in points:
        stroke.follow(point)
    stroke.end()


def test_a_brush_paints_nothing_beside_the_slide_but_an_eraser_erases_there(open_dock):
    dock = open_dock()
    editor = dock.editor
    box = editor.entry.slide.box
    y = box.height / 2
    lead(Brush(editor, 20, (30, y)), (30, y), (-200, y))
    (drawn,) = editor.sheet
    left, *_ = drawn.geometry.bounds
    assert left == 0
    lead(Brush(editor, 20, (box.width, 500)), (box.width, 500))
    assert max(a.geometry.bounds[2] for a in editor.sheet) == box.width
    lead(Brush(editor, 20, (-500, 500)), (-500, 500), (-600, 500))
    assert len(editor.sheet) == 2
    editor.do(op.add([CORNER]))
    lead(Eraser(editor, 40), (-50, -50), (-50, 100))
    assert editor.sheet[CORNER.id].geometry.bounds[0] > 0
