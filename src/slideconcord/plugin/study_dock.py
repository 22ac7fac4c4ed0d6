"""The Study dock: read the slides of a study, one by one, as one of its observers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.dock import Dock, bring_up
from slideconcord.plugin.study_box import SlidesBox, WhoBox
from slideconcord.plugin.studying import Studying


class StudyDock(Dock):
    """Shows an observer their slides, in their order, and opens them to be annotated."""

    title = "Study"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.work = Studying(self.session, self)
        self.who, self.slides = WhoBox(), SlidesBox()
        for box in (self.who, self.slides):
            self.body.addWidget(box)
        self.body.addStretch(1)
        self.who.open_wanted.connect(self._ask_folder)
        self.who.chosen.connect(self.choose)
        self.slides.open_wanted.connect(self.open_slide)
        self.slides.next_wanted.connect(self.open_next)
        self.slides.finish_wanted.connect(self.finish)
        self.slides.leave_wanted.connect(self.leave)
        self.work.changed.connect(self._show)
        self.work.said.connect(self.slides.say)
        self._show()

    def let_go(self) -> None:
        self.work.close()

    def open_study(self, folder: Path) -> None:
        """Open the folder of a study."""
        if self._try(lambda: self.work.open_study(folder)):
            self.who.show_study(self.work.study)
            self._show()

    def choose(self, observer_id: str, round_name: str = "") -> None:
        """Say who reads, and in which round."""
        self._try(lambda: self.work.choose(observer_id, round_name))

    def open_slide(self, slide_id: str) -> None:
        """Open a reading, or reopen it."""
        if self._try(lambda: self.work.open(slide_id)) and hasattr(self.viewer, "window"):
            self._open_annotate()

    def open_next(self) -> None:
        """Open the next slide that is not finished."""
        if slide := self.work.next_slide():
            self.open_slide(slide)

    def finish(self) -> None:
        """Finish the reading that is open."""
        self._try(self.work.finish)

    def leave(self) -> None:
        """Close the reading that is open; it can be gone on with."""
        self._try(self.work.leave)

    def _try(self, action: Callable[[], None]) -> bool:
        """Do something; what a user can cause is said in the dock."""
        try:
            action()
        except SlideconcordError as error:
            self.slides.say(str(error))
            self._show()
            return False
        return True

    def _open_annotate(self) -> None:
        """Bring the dock to draw with to the front, as a tab beside this one."""
        window: Any = self.viewer.window
        _, widget = window.add_plugin_dock_widget("slideconcord", "Annotate", tabify=True)
        bring_up(widget)

    def _show(self) -> None:
        work = self.work
        self.who.show_choice(work.desk.observer if work.desk else None, work.round)
        reading = work.reading.about.id if work.reading else ""
        self.slides.show_slides(work.slides(), reading, has_next=bool(work.next_slide()))
        if work.study is not None and work.desk is None:
            self.slides.say("Choose who you are to see your slides.")

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a study")
        if folder:
            self.open_study(Path(folder))
