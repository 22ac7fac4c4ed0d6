"""The Agreement dock: how far readings of a slide agree, where they differ, and a report."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.agreement_drawing import DrawingAgreement
from slideconcord.plugin.agreement_keys import bind_keys, unbind_keys
from slideconcord.plugin.agreement_opening import OpenedStudy
from slideconcord.plugin.agreement_setup import SetupBox
from slideconcord.plugin.agreement_sources import file_sources, numbered, sources_of
from slideconcord.plugin.agreement_view import AgreementView
from slideconcord.plugin.agreement_work import (
    Compared,
    compare_steps,
    report_steps,
    study_report_steps,
)
from slideconcord.plugin.dock import Dock, link
from slideconcord.plugin.task import Task
from slideconcord.plugin.watching import Watching

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.mask import Mask

FILTER = "Annotations (*.geojson *.json *.gz *.xml *.png *.tif *.tiff *.db);;All files (*)"
NO_SLIDE = "Open a slide first."
TOO_FEW = "Tick two readings or more: layers of this slide, files, or a study's."
BLINDED = (
    "A reading of a study is open in this window: finish or close it first. Agreement is for the "
    "study's analyst; an observer sees no other reading."
)


class AgreementDock(Dock):
    """Compares what several readers marked on the active slide."""

    title = "Agreement"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._files: dict[str, list[Path]] = {}
        self._tissue: dict[str, Mask] = {}
        self.setup, self.work, self._watching = SetupBox(), Task(self), Watching()
        self.opened = OpenedStudy(self.session, self)
        self.view = AgreementView(self.session, self)
        self.drawing = DrawingAgreement(self.session, self)
        for box in (self.setup, self.view.look, self.drawing.box):
            self.body.addWidget(box)
        self.body.addStretch(1)
        self._connect()
        bind_keys(self)
        self.follow()

    def let_go(self) -> None:
        unbind_keys(self)
        self._watching.follow(None, {})
        for worker in (self.work, self.view, self.drawing):
            worker.close()
        layers = self.viewer.layers.events
        layers.inserted.disconnect(self._offer)
        layers.removed.disconnect(self._offer)

    def show_entry(self, entry: SlideEntry | None) -> None:
        self._watching.follow(entry, {"probability": self._offer, "index": self._offer})
        self._forget()
        self.drawing.live.drop()
        self._offer()

    # --- what the user does -------------------------------------------------------------------

    def add_files(self, paths: list[Path]) -> None:
        """Take annotation files or saved masks as readings of the active slide."""
        if self.entry is not None:
            known = self._files.setdefault(self.entry.id, [])
            known += [path for path in paths if path not in known]
            self._offer()

    def open_study(self, folder: Path) -> None:
        """Take the finished readings of a study; its first slide opens unless one is at hand."""
        if self._is_blinded:
            self.setup.say(BLINDED)
        else:
            self.opened.open(folder, self.entry)

    def compare(self) -> None:
        """Compare the readings that are ticked; the matrix follows."""
        entry = self.entry
        if entry is None or self._missing():
            return
        try:
            options = self.setup.options
        except SlideconcordError as error:
            self.setup.say(str(error))
            return
        self._forget()
        tissue = (
            (self._known_tissue(entry) or True) if self.setup.tissue_only.isChecked() else False
        )
        numbers = self.opened.numbers
        steps = partial(compare_steps, entry, self.setup.ticked, options, tissue, numbers)
        self.work.start(steps, self._take, "Comparing…")

    def choose_class(self, name: str) -> None:
        """Look at another class."""
        if self.view.compared is not None:
            self.view.show_class(name)
            self.follow_drawing()

    def next_disagreement(self, step: int = 1) -> None:
        """Move the camera to the next place on which the readings differ."""
        self.view.walk.go(step)

    def write_report(self, folder: Path) -> None:
        """Write the report of what was compared into a folder, and open it."""
        entry, compared = self.entry, self.view.compared
        if entry is not None and compared is not None:
            self.work.start(
                partial(report_steps, entry, compared, folder), self._take_report, "Picturing…"
            )

    def write_study_report(self, folder: Path) -> None:
        """Compare all slides of the study, write the report into a folder, and open it."""
        study = self.opened.study
        if study is not None and not self._is_blinded:
            steps = partial(study_report_steps, study.study, self.setup.options, folder)
            self.work.start(steps, self._take_report, "Reading the study…")

    def follow_drawing(self) -> None:
        """Compare the chosen drawing with the chosen reading after every stroke."""
        entry = self.entry
        if entry is None or self._is_blinded:
            self.drawing.live.drop()
        else:
            class_name = self.view.look.class_name.currentData() or None
            self.drawing.follow(entry, self._known_tissue(entry), class_name)

    def tune_against(self) -> None:
        """Make the chosen reading the reference of the Threshold dock."""
        if self.entry is not None:
            self.drawing.tune(self.entry)

    # --- what is told -------------------------------------------------------------------------

    def _take(self, compared: Compared) -> None:
        if self.entry is None:
            return
        if compared.tissue is not None:
            self._tissue[self.entry.id] = compared.tissue
        self.view.show(self.entry, compared)

    def _take_report(self, files: list[Path]) -> None:
        self.setup.say(link("The report is written.", files[0].parent))
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(files[0].resolve())))

    def _show_work(self) -> None:
        view, is_work = self.view, self.work.is_running or self.work.message
        missing = "" if view.compared is not None else self._missing()
        self.setup.show_task(self.work if is_work else view.drawing, missing)
        self.setup.compare.setEnabled(not self.work.is_running and not self._missing())

    # --- what it knows ------------------------------------------------------------------------

    @property
    def _is_blinded(self) -> bool:
        """Whether somebody reads a slide of a study in this window."""
        return bool(self.session.workspace.documents)

    def _missing(self) -> str:
        if self.entry is None:
            return NO_SLIDE
        if self._is_blinded:
            return BLINDED
        return "" if len(self.setup.ticked) > 1 else TOO_FEW

    def _offer(self, _event: Any = None) -> None:
        """List the readings of this slide."""
        entry, layer = self.entry, self.session.layer_of(self.entry)
        sources = []
        if entry is not None and layer is not None:
            files = file_sources(self._files.get(entry.id, ()), entry.slide)
            layers = sources_of(self.viewer, entry, layer)
            sources = numbered([*layers, *files, *self.opened.sources(entry)])
        self.setup.offer(sources)
        self.drawing.offer(entry if layer is not None else None, sources)
        self.setup.show_study(self.opened.slide_ids, self.opened.place_of(entry))

    def _known_tissue(self, entry: SlideEntry) -> Mask | None:
        """Return where a slide holds tissue, if that was found already."""
        found = entry.tissue.mask if entry.tissue is not None else None
        return self._tissue.get(entry.id, found)

    def _forget(self) -> None:
        """What was compared no longer holds."""
        self.work.close()
        self.view.forget()
        self._show_work()

    # --- how it is made -----------------------------------------------------------------------

    def _ask_files(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(self, "Readings of this slide", "", FILTER)
        self.add_files([Path(name) for name in names])

    def _ask_folder(self, title: str, then: Any) -> None:
        folder = QFileDialog.getExistingDirectory(self, title)
        if folder:
            then(Path(folder))

    def _connect(self) -> None:
        setup, look, ask = self.setup, self.view.look, self._ask_folder
        report, study_report = "Folder for the report", "Folder for the report of the study"
        setup.files_wanted.connect(self._ask_files)
        setup.study_wanted.connect(lambda: ask("Folder of a study", self.open_study))
        setup.report_wanted.connect(lambda: ask(study_report, self.write_study_report))
        look.report_wanted.connect(lambda: ask(report, self.write_report))
        setup.slide_wanted.connect(self.opened.open_slide)
        setup.compare_wanted.connect(self.compare)
        setup.cancel_wanted.connect(self.work.cancel)
        setup.chosen.connect(self._show_work)
        look.class_chosen.connect(self.choose_class)
        self.drawing.box.chosen.connect(self.follow_drawing)
        self.drawing.box.tune_wanted.connect(self.tune_against)
        self.opened.changed.connect(self._offer)
        self.opened.said.connect(setup.say)
        self.drawing.said.connect(setup.say)
        for task in (self.work, self.view.drawing):
            task.changed.connect(self._show_work)
        self.viewer.layers.events.inserted.connect(self._offer)
        self.viewer.layers.events.removed.connect(self._offer)
