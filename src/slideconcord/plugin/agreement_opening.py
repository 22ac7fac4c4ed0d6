"""The study whose finished readings are compared: opened by its analyst, slide by slide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.agreement_study import AnalystStudy
from slideconcord.plugin.opening_case import add_slide

if TYPE_CHECKING:
    from slideconcord.plugin.agreement_sources import Source
    from slideconcord.plugin.session import Session
    from slideconcord.plugin.workspace import SlideEntry


class OpenedStudy(QObject):
    """A study in a window, or none yet."""

    changed = Signal()
    said = Signal(str)
    """Why a study or one of its slides cannot be opened."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.study: AnalystStudy | None = None

    def open(self, folder: Path, entry: SlideEntry | None) -> None:
        """Take a study; its first slide opens unless ``entry``, the one at hand, is of it."""
        try:
            self.study = study = AnalystStudy.open(folder)
        except SlideconcordError as error:
            self.said.emit(str(error))
            return
        self.changed.emit()
        if study.slides and not self.place_of(entry):
            self.open_slide(study.slides[0].id)

    def open_slide(self, slide_id: str) -> None:
        """Look at a slide of the study; one that is open already is chosen."""
        study, session = self.study, self._session
        if study is None:
            return
        entries = session.workspace.entries
        entry = next((each for each in entries if self.place_of(each) == slide_id), None)
        try:
            entry = entry or add_slide(session, study.study.slide(slide_id).open())
        except SlideconcordError as error:
            self.said.emit(str(error))
            return
        session.viewer.layers.selection.active = session.layer_of(entry)

    @property
    def slide_ids(self) -> list[str]:
        """The slides that somebody finished."""
        return [] if self.study is None else [each.id for each in self.study.slides]

    @property
    def numbers(self) -> dict[str, str] | None:
        """What observers go by, where a study numbers them."""
        return None if self.study is None else self.study.numbers

    def place_of(self, entry: SlideEntry | None) -> str:
        """Return which slide of the study an open slide is; "" when it is none."""
        if self.study is None or entry is None:
            return ""
        place = self.study.place_of(entry.slide)
        return place.id if place is not None else ""

    def sources(self, entry: SlideEntry) -> list[Source]:
        """Return the finished readings of an open slide."""
        return [] if self.study is None else self.study.sources(entry.slide)
