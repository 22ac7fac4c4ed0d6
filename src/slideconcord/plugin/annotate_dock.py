"""The Annotate dock: classes, tools, and every change of the active slide kept at once."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import Slot
from qtpy.QtWidgets import QFileDialog, QGridLayout, QGroupBox, QPushButton

from slideconcord.annotations.editing import ClassList, Document
from slideconcord.annotations.editing import operations as op
from slideconcord.annotations.editing.document import BULK
from slideconcord.annotations.formats import FORMATS
from slideconcord.errors import SlideconcordError
from slideconcord.plugin.annotate_box import ToolBox
from slideconcord.plugin.annotate_classes import ClassTable
from slideconcord.plugin.annotate_jobs import (
    add_to,
    default_path,
    open_at,
    opening,
    reading,
    tracing,
)
from slideconcord.plugin.annotate_tools import Tools
from slideconcord.plugin.annotating import Editor
from slideconcord.plugin.dock import Dock, line, link, narrow
from slideconcord.plugin.jobs import Job
from slideconcord.plugin.settings import results_folder
from slideconcord.plugin.workspace import SlideEntry

NO_SLIDE = "Open a slide first."
GONE = "The layer is gone; every change is kept. Close this dock and open it again to go on."
ANY_FORMAT = "Annotations ({})".format(
    " ".join(f"*{suffix}" for known in FORMATS.values() for suffix in known.suffixes)
)
FILTERS = {
    f"{known.description} {key} ({' '.join(f'*{suffix}' for suffix in known.suffixes)})": key
    for key, known in FORMATS.items()
}


class AnnotateDock(Dock):
    """Draws on the active slide."""

    title = "Annotate"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.editor: Editor | None = None
        self.tools: Tools | None = None
        self._editors: dict[str, Editor] = {}
        """By the slide's id: they stay as they are while another slide is the active one."""
        self._openers: dict[str, Callable[[], Document]] = {}
        self.observer: str | None = None
        """Who draws: noted with every new annotation."""
        self._job: Job | None = None
        self._then: Callable[[Any], None] | None = None
        self.classes, self.box = ClassTable(), ToolBox()
        self.take, self.open, self.save_as = (
            QPushButton("Take model regions"),
            QPushButton("Open…"),
            QPushButton("Save as…"),
        )
        self.keep = QPushButton("Keep in…")
        self.message, self.place = line(name="message"), line(name="place")
        self._lay_out()
        self._connect()
        self.session.workspace.entries.events.removed.connect(self._on_removed)
        self.viewer.layers.events.removed.connect(self._on_layer_removed)
        self.follow()

    def show_entry(self, entry: SlideEntry | None) -> None:
        self._stop()
        self._lay_down()
        kept = self._editors.get(entry.id) if entry is not None else None
        if kept is not None:
            self._take_up(kept)
        elif entry is None:
            self._say(NO_SLIDE)
            self._show()
        else:
            self._open(entry, self._opener(entry))

    def let_go(self) -> None:
        self.session.workspace.entries.events.removed.disconnect(self._on_removed)
        self.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self._stop()
        self._lay_down()
        for editor in self._editors.values():
            editor.close()
        self._editors.clear()

    # --- for scripts and other docks ------------------------------------------------------------

    def edit(self, path: Path, classes: ClassList | None = None) -> None:
        """Edit the annotations of the active slide that are kept in ``path``; made when new."""
        if self.entry is not None:
            self._open(self.entry, partial(open_at, path, self.entry.slide, classes))

    def open_file(self, path: Path) -> None:
        """Add the annotations in a file of any known format."""
        if self.editor is not None:
            slide = self.editor.entry.slide
            self._say(f"Reading {path.name}…")
            self._begin(lambda: reading(path, slide), lambda found: self._add(found, "open file"))

    def take_regions(self) -> None:
        """Make annotations of the class that is drawn of what the thresholds give now."""
        editor = self.editor
        if editor is None or editor.entry.probability is None:
            self._say("Segment the slide first: there are no model regions yet.")
            return
        entry, class_name = editor.entry, editor.class_name
        self._say("Tracing the model's regions…")
        self._begin(
            lambda: tracing(entry, class_name),
            lambda found: self._add(found, "take model regions"),
        )

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

    # --- documents ------------------------------------------------------------------------------

    def _opener(self, entry: SlideEntry) -> Callable[[], Document]:
        """Return what opens a slide's document: a study's, else the one beside its results."""
        workspace = self.session.workspace
        if (given := workspace.documents.get(entry.slide)) is not None:
            return given.open
        folder = workspace.results_folder or results_folder()
        return partial(open_at, default_path(folder, entry.slide), entry.slide)

    def _open(
        self, entry: SlideEntry, opener: Callable[[], Document], adding: tuple[Any, ...] = ()
    ) -> None:
        self._stop()
        self._lay_down()
        if (before := self._editors.pop(entry.id, None)) is not None:
            before.close()
        self._openers[entry.id] = opener
        self._say("Opening…")
        self._begin(
            lambda: opening(opener, adding),
            lambda document: self._take_document(document, entry),
        )

    # --- work beside the window -----------------------------------------------------------------

    def _begin(
        self, steps: Callable[[], Generator[Any, None, Any]], then: Callable[[Any], None]
    ) -> None:
        self._stop()
        self._then = then
        self._job = Job(steps, self)
        self._job.ended.connect(self._on_ended)
        self._job.start()
        self._show()

    @Slot(object)
    def _on_ended(self, job: Job) -> None:
        if job is not self._job or self._then is None:
            return
        then, self._job, self._then = self._then, None, None
        if job.error is None:
            self._say("")
            then(job.result)
        else:
            self._say(str(job.error))
        self._show()
        if job.error is not None and not isinstance(job.error, SlideconcordError):
            raise job.error  # a fault of ours: napari shows where it happened

    def _stop(self) -> None:
        job, self._job, self._then = self._job, None, None
        if job is not None:
            job.close()
            if isinstance(job.result, Document):
                job.result.close()

    def _take_document(self, document: Document, entry: SlideEntry) -> None:
        given = self.session.workspace.documents.get(entry.slide)
        observer = given.observer if given is not None else self.observer
        editor = Editor(self.session, entry, document, observer, self)
        editor.changed.connect(self._show)
        editor.chosen.connect(self._show_chosen)
        editor.said.connect(self._say)
        self._editors[entry.id] = editor
        self._take_up(editor).take("select")
        self._say("\n".join(document.report))

    def _add(self, found: tuple[list[Any], tuple[str, ...]], label: str) -> None:
        annotations, report = found
        editor = self.editor
        if editor is None:
            return
        if not annotations:
            self._say("There was nothing to add.")
        elif len(annotations) > BULK:
            self._open(editor.entry, self._openers[editor.entry.id], tuple(annotations))
        elif editor.do_all(lambda do: add_to(do, editor.document, annotations, label)):
            self._say("\n".join([f"{len(annotations):,} annotation(s) added.", *report]))

    def _take_up(self, editor: Editor) -> Tools:
        """Give the mouse and the dock to an editor."""
        self.editor, self.tools = editor, Tools(editor)
        self.tools.taken.connect(self.box.show_tool)
        self.tools.set_radius(self.box.radius.value())
        self._say("")
        self._show()
        return self.tools

    def _lay_down(self) -> None:
        """Take the mouse and the dock from the editor that has them."""
        if self.tools is not None:
            self.tools.close()
        self.tools = self.editor = None

    def _on_removed(self, _index: int, entry: SlideEntry) -> None:
        if entry.id in self._editors:
            self._drop(self._editors[entry.id])

    def _on_layer_removed(self, event: Any) -> None:
        """End what cannot go on without its layer."""
        for editor in list(self._editors.values()):
            if event.value in (editor.layer, editor.sketch.layer):
                self._drop(editor)
                self._say(GONE)

    def _drop(self, editor: Editor) -> None:
        del self._editors[editor.entry.id]
        if editor is self.editor:
            self._lay_down()
        editor.close()
        self._show()

    # --- what the user does ---------------------------------------------------------------------

    def _use(self, tool: str) -> None:
        if self.tools is not None:
            self.tools.take(tool)  # type: ignore[arg-type]

    def _act(self, action: str) -> None:
        editor, tools = self.editor, self.tools
        if editor is None or tools is None:
            return
        ids, mpp = editor.selection, editor.entry.slide.mpp
        radius = self.box.smoothing.value()
        doings: dict[str, Callable[[], Any]] = {
            "undo": editor.undo,
            "redo": editor.redo,
            "delete": editor.delete_chosen,
            "lock": editor.toggle_lock,
            "set_class": editor.set_class,
            "vertices": tools.pull_vertices,
            "merge": lambda: editor.do(lambda sheet: op.merge(sheet, ids)),
            "subtract": lambda: editor.do(lambda sheet: op.subtract(sheet, ids)),
            "fill_holes": lambda: editor.do(lambda sheet: op.fill_holes(sheet, ids, mpp)),
            "smooth": lambda: editor.do(lambda sheet: op.smooth(sheet, ids, radius, mpp)),
        }
        doings[action]()

    def _draw_class(self, name: str) -> None:
        if self.editor is not None:
            self.editor.draw_class(name)

    def _set_radius(self, radius_um: float) -> None:
        if self.tools is not None:
            self.tools.set_radius(radius_um)

    def _with_classes(self, make: Callable[[Any], Any]) -> None:
        """Change the class list as asked; the table shows what came of it."""
        if self.editor is not None:
            self.editor.do(make)
            if self.tools is not None:
                self.tools.bind_classes()
            self._show()

    def _ask_open(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open annotations", filter=ANY_FORMAT)
        if name:
            self.open_file(Path(name))

    def _ask_save(self) -> None:
        name, chosen = QFileDialog.getSaveFileName(
            self, "Save annotations as", filter=";;".join(FILTERS)
        )
        if name:
            self.save_copy(*named(Path(name), chosen))

    def _ask_keep(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self,
            "Keep this slide's annotations in",
            filter="QuPath GeoJSON (*.geojson)",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if name:
            self.edit(Path(name))

    # --- what is shown --------------------------------------------------------------------------

    def _show(self) -> None:
        editor = self.editor
        ready = editor is not None and self._job is None
        for widget in (self.box, self.take, self.open, self.save_as, self.keep):
            widget.setEnabled(ready)
        self._withhold(editor)
        if editor is None:
            self.classes.show_sheet(None, None)
            self.place.setText("")
        else:
            self.classes.show_sheet(editor.sheet, editor.class_name)
            self.box.show_history(editor.sheet.undo_label, editor.sheet.redo_label)
            path = editor.document.path
            self.place.setText(link(f"Every change is kept in {path.name}.", path.parent))
        self._show_chosen()

    def _withhold(self, editor: Editor | None) -> None:
        """Offer nothing that a given document rules out."""
        given = editor and self.session.workspace.documents.get(editor.entry.slide)
        self.box.tools["wand"].setEnabled(not (given and given.is_blinded))
        if given:
            self.keep.setEnabled(False)
            for widget in (self.take, self.open) if given.is_blinded else ():
                widget.setEnabled(False)

    def _show_chosen(self) -> None:
        self.box.show_chosen(len(self.editor.selection) if self.editor else 0)

    def _say(self, text: str) -> None:
        self.message.setText(text)
        self.message.setVisible(bool(text))

    def _lay_out(self) -> None:
        files = QGroupBox("Files")
        grid = QGridLayout(files)
        for i, button in enumerate((self.take, self.open, self.save_as, self.keep)):
            grid.addWidget(narrow(button), i // 2, i % 2)
        classes = QGroupBox("Classes")
        QGridLayout(classes).addWidget(self.classes)
        for widget in (classes, self.box, files, self.message, self.place):
            self.body.addWidget(widget)
        self.body.addStretch(1)

    def _connect(self) -> None:
        box, table = self.box, self.classes
        box.tool_wanted.connect(self._use)
        box.action_wanted.connect(self._act)
        box.radius.valueChanged.connect(self._set_radius)
        table.chosen.connect(self._draw_class)
        table.edited.connect(
            lambda name, new: self._with_classes(lambda s: op.replace_class(s, name, new()))
        )
        table.locked.connect(
            lambda name, on: self._with_classes(
                lambda s: op.edit_classes(s, s.classes.with_locked(name, on), "lock class")
            )
        )
        table.hidden.connect(
            lambda name, on: self._with_classes(
                lambda s: op.edit_classes(s, s.classes.with_hidden(name, on), "hide class")
            )
        )
        table.added.connect(
            lambda new: self._with_classes(
                lambda s: op.edit_classes(s, s.classes.added(new), "add class")
            )
        )
        table.removed.connect(lambda name: self._with_classes(lambda s: op.remove_class(s, name)))
        self.take.clicked.connect(self.take_regions)
        self.open.clicked.connect(self._ask_open)
        self.save_as.clicked.connect(self._ask_save)
        self.keep.clicked.connect(self._ask_keep)


def named(path: Path, chosen: str) -> tuple[Path, str]:
    """Return a path with an ending of the format chosen in the dialog, and that format's name."""
    name = FILTERS[chosen]
    suffixes = FORMATS[name].suffixes
    is_named = path.name.lower().endswith(suffixes)
    return (path if is_named else path.with_name(path.name + suffixes[0])), name
