"""One slide's annotations in a viewer: what is chosen, what is drafted, and every change kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from slideconcord.annotations import Annotation
from slideconcord.annotations.editing import Change, Document, Sheet
from slideconcord.annotations.editing import operations as op
from slideconcord.errors import SlideconcordError
from slideconcord.plugin.annotate_layers import class_colours, new_picture, picture_layer
from slideconcord.plugin.live import refresh_live
from slideconcord.plugin.results import same_selection
from slideconcord.plugin.sketch import Sketch
from slideconcord.plugin.tags import KEY, tag_of

if TYPE_CHECKING:
    from slideconcord.plugin.session import Session
    from slideconcord.plugin.workspace import SlideEntry

MOST_FOR_SNAPSHOT = 20_000
"""With more annotations a document is closed as a journal: a snapshot would hold up the window."""


class Editor(QObject):
    """Shows a document on its slide and passes every change on to it."""

    changed = Signal()
    """Annotations, classes or what can be undone."""
    chosen = Signal()
    """Which annotations are chosen."""
    said = Signal(str)
    """One line for the user: what went wrong; empty when nothing did."""

    def __init__(
        self,
        session: Session,
        entry: SlideEntry,
        document: Document,
        observer: str | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.session, self.entry, self.document = session, entry, document
        self.observer = observer
        self.selection: tuple[str, ...] = ()
        names = document.sheet.classes.names
        self.class_name: str | None = names[0] if names else None
        """The class that is drawn."""
        self.picture = new_picture(document.sheet, entry)
        data, keywords, _ = picture_layer(self.picture, document.sheet, entry)
        keywords["metadata"][KEY]["editor"] = self  # so that what is drawn can be compared
        with same_selection(session.viewer):
            self.layer = session.viewer.add_labels(data, **keywords)
        self.sketch = Sketch(self)
        session.viewer.layers.events.inserted.connect(self._stay_on_top)

    @property
    def sheet(self) -> Sheet:
        return self.document.sheet

    def close(self) -> None:
        """Take the layers away and let go of the file."""
        self.session.viewer.layers.events.inserted.disconnect(self._stay_on_top)
        self.sketch.close()
        if self.layer in self.session.viewer.layers:
            self.session.viewer.layers.remove(self.layer)
        try:
            self.document.close(save=len(self.sheet) <= MOST_FOR_SNAPSHOT)
        except SlideconcordError as error:
            self.said.emit(str(error))  # the journal keeps every change

    def _stay_on_top(self, event: Any) -> None:
        """Let no map or mask that comes later cover what is drawn."""
        tag, layers = tag_of(event.value), self.session.viewer.layers
        if tag is not None and tag["kind"] != "annotations":
            for ours in (self.layer, self.sketch.layer):
                if ours in layers:
                    layers.move(layers.index(ours), len(layers))

    # --- changes --------------------------------------------------------------------------------

    def do(self, make: Change | Callable[[Sheet], Change]) -> bool:
        """Make a change and keep it; what is refused is said."""
        return self._attempt(lambda: self._do(make(self.sheet) if callable(make) else make))

    def do_all(self, doing: Callable[[Callable[[Change], None]], Any]) -> bool:
        """Make several changes; the first that is refused is said, and ends it."""
        return self._attempt(lambda: doing(self._do))

    def undo(self) -> bool:
        return self._attempt(lambda: self._show(self.document.undo()))

    def redo(self) -> bool:
        return self._attempt(lambda: self._show(self.document.redo()))

    def draft(self, annotation: Annotation | None) -> None:
        """Show an annotation as it would be, without changing it yet."""
        self.override({} if annotation is None else {annotation.id: annotation})

    def override(self, shown: dict[str, Annotation | None]) -> None:
        """Show annotations otherwise than they are, or (None) not at all."""
        self.picture.override(shown)
        refresh_live(self.layer)

    def _do(self, change: Change) -> None:
        self.document.do(change)
        self._show(change)

    def _show(self, change: Change | None) -> None:
        if change is None:
            return
        if change.classes is not None:
            self.picture.spoil_all()
            self.layer.colormap = class_colours(self.picture, self.sheet)
            if self.class_name not in self.sheet.classes.names:
                names = self.sheet.classes.names
                self.class_name = names[0] if names else None
        self.picture.spoil(change.bounds)
        refresh_live(self.layer)
        self.choose(key for key in self.selection if key in self.sheet)
        self.changed.emit()

    def _attempt(self, action: Callable[[], Any]) -> bool:
        try:
            action()
        except SlideconcordError as error:
            self.said.emit(str(error))
            self.sketch.show_selection()
            return False
        self.said.emit("")
        return True

    # --- what is chosen -------------------------------------------------------------------------

    def choose(self, keys: Iterable[str]) -> None:
        """Choose annotations, in the order in which they are to be worked on."""
        self.selection = tuple(dict.fromkeys(keys))
        self.sketch.show_selection()
        self.chosen.emit()

    def choose_at(self, x: float, y: float, *, more: bool = False) -> None:
        """Choose the topmost annotation at a level-0 point; ``more`` adds or takes away one."""
        found = self.sheet.at(x, y)[:1]
        key = found[0].id if found else None
        if not more:
            self.choose([key] if key else [])
        elif key in self.selection:
            self.choose(other for other in self.selection if other != key)
        elif key is not None:
            self.choose([*self.selection, key])

    def draw_class(self, name: str) -> None:
        """Draw another class from now on."""
        self.class_name = name
        self.changed.emit()

    def set_class(self) -> None:
        """Give what is chosen the class that is drawn."""
        if self.selection:
            self.do(lambda sheet: op.set_class(sheet, self.selection, self.class_name))

    def take_class(self, name: str) -> None:
        """Draw another class from now on, and give it to what is chosen."""
        self.draw_class(name)
        self.set_class()

    def template(self, geometry: Any, at: tuple[float, float] | None = None) -> Annotation:
        """Return what a stroke that begins at a point adds to: what lies there, or a new one."""
        for annotation in self.sheet.at(*at) if at is not None else ():
            is_ours = annotation.class_name == self.class_name
            has_area = annotation.geometry.geom_type in ("Polygon", "MultiPolygon")
            if is_ours and has_area and not self.sheet.is_locked(annotation):
                return annotation
        colour = self.sheet.classes.of(self.class_name).colour if self.class_name else None
        return Annotation(geometry, self.class_name, colour, observer=self.observer)

    def toggle_lock(self) -> None:
        """Lock what is chosen one by one, or unlock it when all of it is locked."""
        ids = self.selection
        if ids:
            lock = not all(self.sheet[key].locked for key in ids)
            self.do(lambda sheet: op.set_locked(sheet, ids, lock))

    def delete_chosen(self) -> None:
        if self.selection:
            self.do(lambda sheet: op.delete(sheet, self.selection))
