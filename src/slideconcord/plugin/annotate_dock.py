"""The Annotate dock: classes, tools, and every change of the active slide kept at once."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QGridLayout, QGroupBox

from slideconcord.annotations.editing import ClassList
from slideconcord.errors import SlideconcordError
from slideconcord.plugin.annotate_actions import act
from slideconcord.plugin.annotate_box import ToolBox
from slideconcord.plugin.annotate_classes import ClassTable
from slideconcord.plugin.annotate_documents import Documents
from slideconcord.plugin.annotate_files import FilesBox
from slideconcord.plugin.annotate_jobs import open_at, reading, tracing
from slideconcord.plugin.annotate_tools import Tools
from slideconcord.plugin.annotating import Editor
from slideconcord.plugin.dock import Dock, line, link
from slideconcord.plugin.workspace import SlideEntry

NO_SLIDE = "Open a slide first."
STUDY_CLASSES = "This slide is read for a study, and the study says which classes there are."
NO_REGIONS = "Segment the slide first: there are no model regions yet."


class AnnotateDock(Dock):
    """Draws on the active slide."""

    title = "Annotate"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.editor: Editor | None = None
        self.tools: Tools | None = None
        self.documents = Documents(self.session, self)
        self.classes, self.box, self.files = ClassTable(), ToolBox(), FilesBox()
        self.message, self.place = line(name="message"), line(name="place")
        self._lay_out()
        self._connect()
        self.follow()

    def show_entry(self, entry: SlideEntry | None) -> None:
        self.documents.stop()
        self._lay_down()
        editor = self.documents.of(entry) if entry is not None else None
        if editor is not None:
            self._take_up(editor)
        elif entry is not None:
            self.documents.open(entry)
        else:
            self._say(NO_SLIDE)
            self._show()

    def let_go(self) -> None:
        self.documents.close()

    # --- for scripts and other docks ------------------------------------------------------------

    def edit(self, path: Path, classes: ClassList | None = None) -> None:
        """Edit the annotations of the active slide that are kept in ``path``; made when new."""
        if self.entry is not None:
            self.documents.open(self.entry, partial(open_at, path, self.entry.slide, classes))

    def keep_in(self, path: Path) -> None:
        """Edit as ``edit`` does, and do so whenever the slide is opened again."""
        if self.entry is not None:
            self.documents.keep(self.entry, path)

    def open_file(self, path: Path) -> None:
        """Add the annotations in a file of any known format."""
        if self.editor is not None:
            steps = partial(reading, path, self.editor.entry.slide)
            self.documents.add(self.editor, steps, "open file", f"Reading {path.name}…")

    def take_regions(self) -> None:
        """Make annotations of the class that is drawn of what the thresholds give now."""
        editor = self.editor
        if editor is None or editor.entry.probability is None:
            self._say(NO_REGIONS)
            return
        steps = partial(tracing, editor.entry, editor.class_name)
        self.documents.add(editor, steps, "take model regions", "Tracing the model's regions…")

    def save_copy(self, path: Path, format_name: str | None = None) -> None:
        """Write all annotations into a file of any known format, by default its ending's."""
        if self.editor is None:
            return
        try:
            shape = self.editor.entry.slide.box.shape
            told = self.editor.document.save_as(path, format=format_name, shape=shape)
        except SlideconcordError as error:
            self._say(str(error))
        else:
            self._say("\n".join([f"Saved {path.name}.", *told]))

    # --- whose turn it is -----------------------------------------------------------------------

    def _begin(self, editor: Editor) -> None:
        """Give the mouse to a document that was just opened."""
        editor.changed.connect(self._show)
        editor.chosen.connect(self._show_chosen)
        self._take_up(editor).take("select")

    def _take_up(self, editor: Editor) -> Tools:
        """Give the mouse and the dock to an editor."""
        self.editor, self.tools = editor, Tools(editor)
        self.tools.taken.connect(self.box.show_tool)
        self.tools.set_radius(self.box.radius.value())
        self._say("")
        self._show()
        return self.tools

    def _end(self, editor: Editor) -> None:
        if editor is self.editor:
            self._lay_down()

    def _lay_down(self) -> None:
        """Take the mouse and the dock from the editor that has them."""
        if self.tools is not None:
            self.tools.close()
        self.tools = self.editor = None

    # --- what the user does ---------------------------------------------------------------------

    def _use(self, tool: str) -> None:
        if self.tools is not None:
            self.tools.take(tool)  # type: ignore[arg-type]

    def _set_radius(self, radius_um: float) -> None:
        if self.tools is not None:
            self.tools.set_radius(radius_um)

    def _act(self, action: str) -> None:
        if self.editor is not None and self.tools is not None:
            act(action, self.editor, self.tools, self.box.smoothing.value())

    def _draw_class(self, name: str) -> None:
        if self.editor is not None:
            self.editor.draw_class(name)

    def _change_classes(self, make: Any) -> None:
        """Change the class list as asked; the table shows what came of it."""
        if self.editor is not None:
            self.editor.do(make)
            if self.tools is not None:
                self.tools.keys.bind_classes()
            self._show()

    # --- what is shown --------------------------------------------------------------------------

    def _show(self) -> None:
        editor, is_busy = self.editor, self.documents.is_busy
        for widget in (self.box, *self.files.buttons):
            widget.setEnabled(editor is not None and not is_busy)
        # also where the document could not be opened: another may do
        self.files.keep.setEnabled(self.entry is not None and not is_busy)
        self._withhold()
        if editor is None:
            self.classes.show_sheet(None, None)
            self.place.setText("")
        else:
            fixed = STUDY_CLASSES if self.documents.given(editor.entry) else ""
            self.classes.show_sheet(editor.sheet, editor.class_name, fixed)
            self.box.show_history(editor.sheet.undo_label, editor.sheet.redo_label)
            path = editor.document.path
            self.place.setText(link(f"Every change is kept in {path.name}.", path.parent))
        self._show_chosen()

    def _withhold(self) -> None:
        """Offer nothing that a given document rules out."""
        given = self.documents.given(self.entry) if self.entry is not None else None
        self.box.tools["wand"].setEnabled(not (given and given.is_blinded))
        if given:
            self.files.keep.setEnabled(False)
            for widget in (self.files.take, self.files.open) if given.is_blinded else ():
                widget.setEnabled(False)

    def _show_chosen(self) -> None:
        self.box.show_chosen(len(self.editor.selection) if self.editor else 0)

    def _say(self, text: str) -> None:
        self.message.setText(text)
        self.message.setVisible(bool(text))

    def _lay_out(self) -> None:
        classes = QGroupBox("Classes")
        QGridLayout(classes).addWidget(self.classes)
        for widget in (classes, self.box, self.files, self.message, self.place):
            self.body.addWidget(widget)
        self.body.addStretch(1)

    def _connect(self) -> None:
        self.documents.opened.connect(self._begin)
        self.documents.ending.connect(self._end)
        self.documents.changed.connect(self._show)
        self.documents.said.connect(self._say)
        self.box.tool_wanted.connect(self._use)
        self.box.action_wanted.connect(self._act)
        self.box.radius.valueChanged.connect(self._set_radius)
        self.classes.chosen.connect(self._draw_class)
        self.classes.change_wanted.connect(self._change_classes)
        self.files.take.clicked.connect(self.take_regions)
        self.files.open_wanted.connect(self.open_file)
        self.files.save_wanted.connect(self.save_copy)
        self.files.keep_wanted.connect(self.keep_in)
