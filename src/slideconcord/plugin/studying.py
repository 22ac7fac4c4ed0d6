"""An observer at work on a study in a window: one reading is open at a time, locked and blinded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer, Signal

from slideconcord.annotations.studies import Desk, Reading, Round, Study, open_study
from slideconcord.errors import ParameterError, SlideconcordError
from slideconcord.plugin.blindfold import Blindfold
from slideconcord.plugin.opening_case import add_slide
from slideconcord.plugin.study_layers import model_layer, region_layer
from slideconcord.plugin.workspace import GivenDocument

if TYPE_CHECKING:
    from slideconcord.annotations.studies import ReadingStatus, StudySlide
    from slideconcord.plugin.layers import LayerData
    from slideconcord.plugin.session import Session
    from slideconcord.plugin.workspace import SlideEntry

SIGN_OF_LIFE_MS = 60_000


class Studying(QObject):
    """Opens, finishes and closes readings; the Study dock shows what it knows."""

    changed = Signal()
    """The study, who reads, the reading that is open, or how slides stand."""
    said = Signal(str)
    """One line for the user."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.study: Study | None = None
        self.desk: Desk | None = None
        """The study as the chosen observer may see it; None until somebody was chosen."""
        self.round: Round | None = None
        self.reading: Reading | None = None
        self.entry: SlideEntry | None = None
        """The slide that is read."""
        self._blindfold: Blindfold | None = None
        self._beside: list[Layer] = []
        """What is shown besides slide and reading."""
        self._life = QTimer(self)
        self._life.setInterval(SIGN_OF_LIFE_MS)
        self._life.timeout.connect(self.give_sign_of_life)
        session.workspace.entries.events.removed.connect(self._on_closed)

    def open_study(self, folder: Path) -> None:
        """Open a study, with nobody chosen yet.

        Raises
        ------
        ParameterError
            When the folder holds no study, or one that makes no sense.
        """
        study = open_study(folder)
        self.leave()
        self.study, self.desk, self.round = study, None, study.rounds[0]
        if len(study.observers) == 1:
            self.desk = study.desk(study.observers[0].id)
        self.changed.emit()

    def choose(self, observer_id: str, round_name: str) -> None:
        """Say who reads and in which round; a reading that is open is closed.

        Raises
        ------
        ParameterError
            When the study has no such observer or round.
        """
        if self.study is None:
            raise ParameterError("No study is open: open one first.")
        desk = self.study.desk(observer_id) if observer_id else None
        chosen = self.study.round(round_name or None)
        self.leave()
        self.desk, self.round = desk, chosen
        self.changed.emit()

    def slides(self) -> tuple[ReadingStatus, ...]:
        """Return how every slide of the round stands, in the observer's order."""
        if self.desk is None or self.round is None:
            return ()
        return self.desk.slides(self.round.name)

    def next_slide(self) -> str:
        """Return the id of the slide to read next; empty when there is none."""
        if self.desk is None or self.round is None:
            return ""
        found = self.desk.next_slide(self.round.name)
        return found.id if found else ""

    def open(self, slide_id: str) -> None:
        """Begin a reading, go on with it, or reopen it when it is finished.

        Raises
        ------
        SlideconcordError
            When it may not or cannot be opened; nothing is open then.
        """
        if self.desk is None or self.round is None:
            raise ParameterError("Choose who you are first: your readings are kept by that.")
        self.leave()
        state = next(each.state for each in self.slides() if each.slide == slide_id)
        take = self.desk.reopen if state == "finished" else self.desk.open
        reading = take(slide_id, self.round.name)
        try:
            self._show(reading)
        except BaseException:
            reading.close()
            self.leave()
            raise
        self.said.emit(_told(reading))
        self.changed.emit()

    def finish(self) -> None:
        """Finish the reading that is open, and close it.

        Raises
        ------
        AnnotationError
            When an annotation has no class of the study; the reading stays open.
        OutputError
            When it was taken over, or cannot be written.
        """
        if self.reading is not None:
            slide = self.reading.about.id
            self.reading.finish()
            self.leave()
            self.said.emit(f"{slide} is finished.")

    def leave(self) -> None:
        """Close the reading that is open; what was drawn is kept."""
        reading, entry, self.reading, self.entry = self.reading, self.entry, None, None
        self._life.stop()
        if self._blindfold is not None:
            self._blindfold.take_off()
            self._blindfold = None
        for layer in self._beside:
            if layer in self._session.viewer.layers:
                self._session.viewer.layers.remove(layer)
        self._beside.clear()
        if entry is not None:
            self._session.workspace.documents.pop(entry.slide, None)
            if (layer := self._session.layer_of(entry)) is not None:
                self._session.viewer.layers.remove(layer)
        if reading is not None:
            reading.close()
            self.changed.emit()

    def give_sign_of_life(self) -> None:
        """Keep the reading from counting as forgotten; close it when somebody took it over."""
        if self.reading is None:
            return
        try:
            self.reading.renew()
        except SlideconcordError as error:
            self.leave()
            self.said.emit(str(error))

    def close(self) -> None:
        """Close what is open and let go of the window."""
        self._session.workspace.entries.events.removed.disconnect(self._on_closed)
        self.leave()

    def _show(self, reading: Reading) -> None:
        """Show the slide and nothing else, ready to be drawn on."""
        session = self._session
        slide = reading.about.open()
        # whoever reads must not see a file's name, which may tell a patient's or a diagnosis
        slide.name = reading.about.id
        session.workspace.documents[slide] = GivenDocument(
            reading.edit, reading.observer.id, reading.study.model_output == "hidden"
        )
        self.reading, self.entry = reading, add_slide(session, slide)
        layer = session.layer_of(self.entry)
        if self.entry is None or layer is None:
            raise ParameterError(f"Slide {reading.about.id} could not be shown: open it again.")
        if reading.study.model_output == "hidden":
            self._blindfold = Blindfold(session.viewer, self.entry.id, self.said.emit)
        self._show_beside(reading.about, self.entry)
        session.viewer.layers.selection.active = layer
        session.workspace.active = self.entry
        session.viewer.reset_view()
        self._life.start()

    def _show_beside(self, about: StudySlide, entry: SlideEntry) -> None:
        """Show the part that is to be read and, where the study says so, what a model found."""
        if about.region is not None:
            self._add(region_layer(about.region, entry))
        if about.model is not None and self._blindfold is None:
            self._add(model_layer(about.model, entry))

    def _add(self, data: LayerData) -> None:
        layer = Layer.create(*data)
        layer.editable = False
        self._beside.append(layer)
        self._session.viewer.add_layer(layer)

    def _on_closed(self, _index: int, entry: SlideEntry) -> None:
        if entry is self.entry:
            self.leave()


def _told(reading: Reading) -> str:
    said = [f"{reading.about.id} is open."]
    if reading.replaced is not None:
        said.append(f"It had been left open by {reading.replaced} and was taken over.")
    said.extend(reading.recovered)
    return " ".join(said)
