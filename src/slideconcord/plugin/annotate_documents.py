"""Which slides of a window are annotated: documents opened beside it, kept until a slide goes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from slideconcord.annotations.editing.document import BULK
from slideconcord.plugin.annotate_jobs import add_to, open_chosen, open_kept, opening
from slideconcord.plugin.annotating import Editor
from slideconcord.plugin.settings import results_folder
from slideconcord.plugin.task import Steps, Task

if TYPE_CHECKING:
    from pathlib import Path

    from slideconcord.annotations import Annotation
    from slideconcord.annotations.editing import Document
    from slideconcord.plugin.session import Session
    from slideconcord.plugin.workspace import GivenDocument, SlideEntry

GONE = "The layer is gone; every change is kept. Close this dock and open it again to go on."
Opener = Callable[[], "Document"]
Found = tuple[list["Annotation"], tuple[str, ...]]


class Documents(QObject):
    """Opens documents and what is added to them; an editor stays while another slide is active."""

    opened = Signal(object)
    """The Editor of a document that is open from now on."""
    ending = Signal(object)
    """An Editor that is about to close."""
    changed = Signal()
    """Which documents are open, or whether one is on its way."""
    said = Signal(str)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.observer: str | None = None
        """Who draws: noted with every new annotation."""
        self._editors: dict[str, Editor] = {}
        """By the slide's id."""
        self._openers: dict[str, Opener] = {}
        self._task = Task(self)
        self._task.changed.connect(self._on_task)
        session.workspace.entries.events.removed.connect(self._on_removed)
        session.viewer.layers.events.removed.connect(self._on_layer_removed)

    @property
    def is_busy(self) -> bool:
        return self._task.is_running

    def of(self, entry: SlideEntry) -> Editor | None:
        """Return the editor of a slide, once its document is open."""
        return self._editors.get(entry.id)

    def given(self, entry: SlideEntry) -> GivenDocument | None:
        """Return who else keeps the annotations of a slide: a study."""
        return self._session.workspace.documents.get(entry.slide)

    def close(self) -> None:
        """Let go of every document."""
        self._session.workspace.entries.events.removed.disconnect(self._on_removed)
        self._session.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self.stop()
        for editor in list(self._editors.values()):
            self._end(editor)

    def stop(self) -> None:
        """Leave what is on its way."""
        self._task.close()

    def open(
        self, entry: SlideEntry, opener: Opener | None = None, adding: tuple[Annotation, ...] = ()
    ) -> None:
        """Open the document of a slide; what was open of it is closed.

        Without an opener it is a study's, else the one that was kept before.
        """
        self.stop()
        if (before := self.of(entry)) is not None:
            self._end(before)
        self._openers[entry.id] = opens = opener or self._opener(entry)
        self._task.start(
            lambda: opening(opens, adding),
            lambda document: self._take(document, entry),
            "Opening…",
            _let_go,
        )

    def keep(self, entry: SlideEntry, path: Path) -> None:
        """Keep the annotations of a slide in another file, from now on."""
        self.open(entry, partial(open_chosen, self._folder, entry.slide, path))

    def add(self, editor: Editor, steps: Steps, label: str, text: str) -> None:
        """Add what steps find to a document; ``label`` is how undo calls it."""
        self._task.start(steps, lambda found: self._add(editor, found, label), text)

    @property
    def _folder(self) -> Path:
        return self._session.workspace.results_folder or results_folder()

    def _opener(self, entry: SlideEntry) -> Opener:
        if (given := self.given(entry)) is not None:
            return given.open
        return partial(open_kept, self._folder, entry.slide)

    def _take(self, document: Document, entry: SlideEntry) -> None:
        given = self.given(entry)
        observer = given.observer if given is not None else self.observer
        editor = Editor(self._session, entry, document, observer, self)
        editor.said.connect(self.said)
        self._editors[entry.id] = editor
        self.opened.emit(editor)
        self.said.emit("\n".join(document.report))

    def _add(self, editor: Editor, found: Found, label: str) -> None:
        annotations, report = found
        if self.of(editor.entry) is not editor:
            return
        if not annotations:
            self.said.emit("There was nothing to add.")
        elif len(annotations) > BULK:
            self.open(editor.entry, self._openers[editor.entry.id], tuple(annotations))
        elif editor.do_all(lambda do: add_to(do, editor.document, annotations, label)):
            self.said.emit("\n".join([f"{len(annotations):,} annotation(s) added.", *report]))

    def _end(self, editor: Editor) -> None:
        del self._editors[editor.entry.id]
        self.ending.emit(editor)
        editor.close()
        self.changed.emit()

    def _on_task(self) -> None:
        self.said.emit(self._task.message)
        self.changed.emit()

    def _on_removed(self, _index: int, entry: SlideEntry) -> None:
        if (editor := self.of(entry)) is not None:
            self._end(editor)

    def _on_layer_removed(self, event: Any) -> None:
        """End what cannot go on without its layer."""
        for editor in list(self._editors.values()):
            if event.value in (editor.layer, editor.sketch.layer):
                self._end(editor)
                self.said.emit(GONE)


def _let_go(document: Document) -> None:
    document.close()
