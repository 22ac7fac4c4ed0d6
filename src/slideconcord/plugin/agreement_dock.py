"""The Agreement dock: how far readings of a slide agree, where they differ, and a report."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.agreement_keys import bind_keys, unbind_keys
from slideconcord.plugin.agreement_layers import KINDS, hide, show_pair, show_votes
from slideconcord.plugin.agreement_live import LiveScore, drawings_of
from slideconcord.plugin.agreement_live_box import LiveBox
from slideconcord.plugin.agreement_look import MEASURES, LookBox
from slideconcord.plugin.agreement_setup import SetupBox
from slideconcord.plugin.agreement_sources import choice_of, file_sources, numbered, sources_of
from slideconcord.plugin.agreement_study import AnalystStudy
from slideconcord.plugin.agreement_walk import DisputeWalk
from slideconcord.plugin.agreement_work import (
    Compared,
    Drawn,
    Levels,
    compare_steps,
    drawing_steps,
    pair_steps,
    report_steps,
    study_report_steps,
)
from slideconcord.plugin.comparing import Comparer
from slideconcord.plugin.dock import Dock, link
from slideconcord.plugin.opening_case import add_slide
from slideconcord.plugin.task import Task
from slideconcord.plugin.watching import Watching

if TYPE_CHECKING:
    from slideconcord.comparison.observers.result import ClassAgreement
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.mask import Mask

FILTER = "Annotations (*.geojson *.json *.gz *.xml *.png *.tif *.tiff *.db);;All files (*)"
NO_SLIDE = "Open a slide first."
TOO_FEW = "Tick two readings or more: layers of this slide, files, or a study's."
ITSELF = "A drawing always agrees with itself: choose another reading."
BLINDED = (
    "A reading of a study is open in this window: finish or close it first. Agreement is for the "
    "study's analyst; an observer sees no other reading."
)


class AgreementDock(Dock):
    """Compares what several readers marked on the active slide."""

    title = "Agreement"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.compared: Compared | None = None
        self.drawn: Drawn | None = None
        self.pair: tuple[str, str] | None = None
        """The labels of the two readings that are looked at."""
        self._files: dict[str, list[Path]] = {}
        self._tissue: dict[str, Mask] = {}
        self.study: AnalystStudy | None = None
        self.work, self.drawing = Task(self), Task(self)
        self.walk = DisputeWalk(self.session, self)
        self.live, self._comparer = LiveScore(self.session, self), Comparer(self)
        self._watching = Watching()
        self.setup, self.look, self.live_box = SetupBox(), LookBox(), LiveBox()
        for box in (self.setup, self.look, self.live_box):
            self.body.addWidget(box)
        self.body.addStretch(1)
        self._connect()
        bind_keys(self)
        self.follow()

    def let_go(self) -> None:
        unbind_keys(self)
        self._watching.follow(None, {})
        for worker in (self.work, self.drawing, self.walk, self.live, self._comparer):
            worker.close()
        layers = self.viewer.layers.events
        layers.inserted.disconnect(self._offer)
        layers.removed.disconnect(self._offer)

    def show_entry(self, entry: SlideEntry | None) -> None:
        self._watching.follow(entry, {"probability": self._offer, "index": self._offer})
        self._forget()
        self.live.drop()
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
            return
        try:
            self.study = study = AnalystStudy.open(folder)
        except SlideconcordError as error:
            self.setup.say(str(error))
            return
        self._offer()
        if study.slides and (self.entry is None or study.place_of(self.entry.slide) is None):
            self.open_slide(study.slides[0].id)

    def open_slide(self, slide_id: str) -> None:
        """Look at another slide of the study."""
        study = self.study
        if study is None:
            return
        for entry in self.session.workspace.entries:
            place = study.place_of(entry.slide)
            if place is not None and place.id == slide_id:
                self.viewer.layers.selection.active = self.session.layer_of(entry)
                return
        try:
            added = add_slide(self.session, study.study.slide(slide_id).open())
        except SlideconcordError as error:
            self.setup.say(str(error))
            return
        self.viewer.layers.selection.active = self.session.layer_of(added)

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
        numbers = self.study.numbers if self.study is not None else None
        steps = partial(compare_steps, entry, self.setup.ticked, options, tissue, numbers)
        self.work.start(steps, self._take, "Comparing…")

    def choose_class(self, name: str) -> None:
        """Look at another class."""
        if self.compared is not None:
            self._show_class(name)
            self.follow_drawing()

    def choose_pair(self, row: int, column: int) -> None:
        """Show where two readings differ, and both outlines."""
        found, drawn = self._agreement(), self.drawn
        if found is None or drawn is None:
            return
        self.pair = first, second = found.readers[row].label, found.readers[column].label
        self._follow_walk()
        steps = partial(pair_steps, drawn.stack, first, second)
        self.drawing.start(steps, self._take_pair, "Drawing…")

    def next_disagreement(self, step: int = 1) -> None:
        """Move the camera to the next place on which the readings differ."""
        self.walk.go(step)

    def write_report(self, folder: Path) -> None:
        """Write the report of what was compared into a folder, and open it."""
        entry, compared = self.entry, self.compared
        if entry is not None and compared is not None:
            self.work.start(
                partial(report_steps, entry, compared, folder), self._take_report, "Picturing…"
            )

    def write_study_report(self, folder: Path) -> None:
        """Compare all slides of the study, write the report into a folder, and open it."""
        if self.study is not None and not self._is_blinded:
            steps = partial(study_report_steps, self.study.study, self.setup.options, folder)
            self.work.start(steps, self._take_report, "Reading the study…")

    def follow_drawing(self) -> None:
        """Compare the chosen drawing with the chosen reading after every stroke."""
        entry, layer, source = self.entry, self.live_box.drawing.currentData(), self.live_box.source
        if entry is None or layer is None or source is None or self._is_blinded:
            self.live.drop()
        elif source.key is layer:
            self.live.drop()
            self.live_box.say(ITSELF)
        else:
            class_name = self.look.class_name.currentData() or None
            self.live.follow(entry, layer, source, self._known_tissue(entry), class_name)

    def tune_against(self) -> None:
        """Make the chosen reading the reference of the Threshold dock."""
        entry, source = self.entry, self.live_box.source
        if entry is None or source is None:
            return
        try:
            self._comparer.compare(entry, choice_of(source, self.session.layer_of(entry), entry))
        except SlideconcordError as error:
            self.setup.say(str(error))

    def called(self, label: str) -> str:
        """Return what a reader is called on the screen: a number, unless names are wanted."""
        if self.compared is None or not self.look.names.isChecked():
            return label
        number, comma, rest = label.partition(",")
        return self.compared.names.get(number, number) + comma + rest

    # --- what is told -------------------------------------------------------------------------

    def _take(self, compared: Compared) -> None:
        if self.entry is not None and compared.tissue is not None:
            self._tissue[self.entry.id] = compared.tissue
        self.compared = compared
        names = compared.class_names
        self.look.show_classes(names, names[0])
        self._show_class(names[0])

    def _take_report(self, files: list[Path]) -> None:
        self.setup.say(link("The report is written.", files[0].parent))
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(files[0].resolve())))

    def _show_class(self, name: str) -> None:
        compared = self.compared
        if compared is None:
            return
        self._drop_pictures()
        self._show_matrix()
        self.drawing.start(
            partial(drawing_steps, compared, name), self._take_drawn, "Laying on one another…"
        )

    def _take_drawn(self, drawn: Drawn) -> None:
        self.drawn = drawn
        self._show_votes()
        self._follow_walk()

    def _take_pair(self, levels: tuple[Levels, Levels]) -> None:
        if self.entry is None or self.drawn is None or self.pair is None:
            return
        names = self.called(self.pair[0]), self.called(self.pair[1])
        show_pair(self.viewer, self.entry, self.drawn.stack, levels, names)
        self._show_legend()

    def _show_matrix(self, _value: Any = None) -> None:
        found = self._agreement()
        if found is not None:
            self.look.show_agreement(found, self.look.measure.currentData(), self.called)
            self.look.caption.setText(self._caption())
            self._show_legend()

    def _show_votes(self, _value: Any = None) -> None:
        if self.entry is None:
            return
        if self.drawn is not None and self.look.votes.isChecked():
            drawn = self.drawn
            show_votes(self.viewer, self.entry, drawn.stack, drawn.votes, len(drawn.voters))
        else:
            hide(self.viewer, self.entry, "votes")
        self._show_legend()

    def _show_names(self, _value: Any = None) -> None:
        self._show_matrix()
        self._follow_walk()
        if self.pair is not None and self.drawn is not None:
            steps = partial(pair_steps, self.drawn.stack, *self.pair)
            self.drawing.start(steps, self._take_pair, "Drawing…")

    def _show_legend(self) -> None:
        pair = self.pair and (self.called(self.pair[0]), self.called(self.pair[1]))
        shows_votes = self.drawn is not None and self.look.votes.isChecked()
        voters = len(self.drawn.voters) if self.drawn is not None and shows_votes else 0
        self.look.show_legend(pair, voters)

    def _caption(self) -> str:
        if self.compared is None:
            return ""
        slide, options = self.compared.found.slides[0], self.compared.found.options
        area = slide.counted_px * slide.grid.pixel_um2 * 1e-6
        measure = MEASURES[self.look.measure.currentData()]
        tolerance = f", within {options.tolerance_um:g} µm" if measure == "Surface Dice" else ""
        what = "tissue" if self.compared.slide.tissue is not None else "slide"
        return f"{measure}{tolerance}, on {area:.3g} mm² of {what} at {slide.grid.mpp.y:.3g} µm/px."

    def _show_work(self) -> None:
        running = self.work if self.work.is_running or self.work.message else self.drawing
        self.setup.show_task(running, "" if self.compared is not None else self._missing())
        self.setup.compare.setEnabled(not self.work.is_running and not self._missing())

    # --- what it knows ------------------------------------------------------------------------

    def _agreement(self) -> ClassAgreement | None:
        name = self.look.class_name.currentData()
        return None if self.compared is None else self.compared.of_class(name)

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
        if self.live.layer is not None and self.live.layer not in self.viewer.layers:
            self.live.drop()
        if entry is None or layer is None:
            self.setup.offer([])
            self.live_box.offer([], [])
        else:
            files = file_sources(self._files.get(entry.id, ()), entry.slide)
            studied = self.study.sources(entry.slide) if self.study is not None else []
            sources = numbered([*sources_of(self.viewer, entry, layer), *files, *studied])
            self.setup.offer(sources)
            self.live_box.offer(drawings_of(self.viewer, entry), sources)
        self._show_study()
        self._show_live()

    def _show_study(self) -> None:
        study, entry = self.study, self.entry
        place = study.place_of(entry.slide) if study is not None and entry is not None else None
        ids = [each.id for each in study.slides] if study is not None else []
        self.setup.show_study(ids, place.id if place is not None else "")

    def _known_tissue(self, entry: SlideEntry) -> Mask | None:
        """Return where a slide holds tissue, if that was found already."""
        found = entry.tissue.mask if entry.tissue is not None else None
        return self._tissue.get(entry.id, found)

    def _show_live(self) -> None:
        entry = self.entry
        can_tune = entry is not None and entry.index is not None
        self.live_box.show_score(self.live, can_tune=can_tune)

    def _follow_walk(self) -> None:
        drawn = self.drawn
        names = self.pair or (drawn.voters if drawn is not None else ())
        stack = None if drawn is None else drawn.stack
        self.walk.follow(self.entry, stack, names, self.called)

    def _drop_pictures(self) -> None:
        self.drawing.close()
        self.pair = self.drawn = None
        self._follow_walk()
        for entry in self.session.workspace.entries:
            hide(self.viewer, entry, *KINDS)

    def _forget(self) -> None:
        """What was compared no longer holds."""
        self.work.close()
        self.compared = None
        self._drop_pictures()
        self.look.show_nothing()
        self._show_work()

    # --- how it is made -----------------------------------------------------------------------

    def _ask_files(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(self, "Readings of this slide", "", FILTER)
        self.add_files([Path(name) for name in names])

    def _ask_study(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a study")
        if folder:
            self.open_study(Path(folder))

    def _ask_study_report(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the report of the study")
        if folder:
            self.write_study_report(Path(folder))

    def _ask_report(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the report")
        if folder:
            self.write_report(Path(folder))

    def _connect(self) -> None:
        setup, look = self.setup, self.look
        setup.files_wanted.connect(self._ask_files)
        setup.study_wanted.connect(self._ask_study)
        setup.slide_wanted.connect(self.open_slide)
        setup.compare_wanted.connect(self.compare)
        setup.cancel_wanted.connect(self.work.cancel)
        setup.chosen.connect(self._show_work)
        look.class_chosen.connect(self.choose_class)
        look.measure_chosen.connect(self._show_matrix)
        look.pair_chosen.connect(self.choose_pair)
        look.votes_wanted.connect(self._show_votes)
        look.names_wanted.connect(self._show_names)
        look.step_wanted.connect(self.next_disagreement)
        look.report_wanted.connect(self._ask_report)
        setup.report_wanted.connect(self._ask_study_report)
        self.live_box.chosen.connect(self.follow_drawing)
        self.live_box.tune_wanted.connect(self.tune_against)
        self.live.changed.connect(self._show_live)
        self._comparer.changed.connect(lambda: self.setup.say(self._comparer.message))
        for task in (self.work, self.drawing):
            task.changed.connect(self._show_work)
        self.walk.changed.connect(lambda: look.say_walk(self.walk.message))
        self.viewer.layers.events.inserted.connect(self._offer)
        self.viewer.layers.events.removed.connect(self._offer)
