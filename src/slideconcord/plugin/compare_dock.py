"""The Compare dock: a mask against a reference, as numbers and as the paper's Figure 4."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Slot
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QProgressBar,
    QPushButton,
)

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.agreement import (
    CUT,
    Agreement,
    Give,
    compare_steps,
    drop_overlay,
    file_reference,
    layer_reference,
    show_overlay,
)
from slideconcord.plugin.agreement_box import AgreementBox, note_of
from slideconcord.plugin.dock import Dock, line, narrow
from slideconcord.plugin.jobs import Job
from slideconcord.plugin.numbers_box import FILE_FILTER
from slideconcord.plugin.references import from_layer, layer_choices
from slideconcord.plugin.watching import Watching
from slideconcord.plugin.workspace import SlideEntry
from slideconcord.segmentation.postprocess import PAN_CANCER

PREDICTIONS = {
    CUT: "Mask of the Threshold dock",
    "pan-cancer": "Pan-cancer post-processing",
    "pan-cancer-fragmented": "Pan-cancer, fragmented samples",
}
CHOOSE, FILE, FOLDER = "Choose…", "From a file…", "From a saved mask…"
NO_SLIDE = "Open and segment a slide first."
NO_MAP = "Segment this slide first, or choose a saved mask as prediction."
NO_REFERENCE = "Choose a reference: a layer of this slide, an annotation file or a saved mask."
READY = "Ready to compare."
COMPARING = "Comparing…"


class CompareDock(Dock):
    """Compares a mask of the active slide with a reference."""

    title = "Compare"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._job: Job | None = None
        self._tissue: dict[str, Any] = {}
        self._watching = Watching()
        self.agreement: Agreement | None = None
        self.prediction, self.reference = QComboBox(), QComboBox()
        self.tissue_only = QCheckBox("Count tissue only")
        self.start, self.bar = QPushButton("Compare"), QProgressBar()
        self.message, self.numbers = line(name="message"), AgreementBox()
        self._lay_out()
        self._connect()
        self.follow()

    def let_go(self) -> None:
        self._watching.follow(None, {})
        self._stop()
        layers = self.viewer.layers.events
        layers.inserted.disconnect(self._offer)
        layers.removed.disconnect(self._offer)

    def show_entry(self, entry: SlideEntry | None) -> None:
        self._stop()
        self._watching.follow(entry, {"probability": self._say_state})
        self.reference.clear()
        self.agreement = None
        self.numbers.show_agreement(self.agreement)
        self._offer()
        self._say_state()

    # --- what the user does -------------------------------------------------------------------

    def compare(self) -> None:
        """Begin to compare what is chosen; the numbers follow."""
        entry = self.entry
        if entry is None or self._missing():
            return
        try:
            give = self._reference_of(entry)
        except SlideconcordError as error:
            self._fail(str(error))
            return
        tissue = self._tissue.get(entry.id, True) if self.tissue_only.isChecked() else False
        chosen = self.prediction.currentData()
        self._stop()
        self._job = Job(partial(compare_steps, entry, chosen, give, tissue), self)
        self._job.ended.connect(self._take)
        self.agreement = None
        self.numbers.show_agreement(self.agreement)
        self._say(COMPARING, busy=True)
        self._job.start()

    def choose_reference(self, path: Path) -> None:
        """Compare with annotations or a saved mask."""
        _add_path(self.reference, path)
        self._say_state()

    def choose_prediction(self, path: Path) -> None:
        """Compare a saved mask."""
        _add_path(self.prediction, path)
        self._say_state()

    # --- what is told -------------------------------------------------------------------------

    @Slot(object)
    def _take(self, job: Job) -> None:
        if job is not self._job or self.entry is None:
            return
        self._job, error = None, job.error
        if error is not None:
            self._fail(str(error))
            if not isinstance(error, SlideconcordError):
                raise error  # a fault of ours: napari shows where it happened
            return
        found: Agreement | None = job.result
        if found is None:
            self._say_state()
            return
        if found.tissue is not None:
            self._tissue[self.entry.id] = found.tissue
        self.agreement = found
        show_overlay(self.viewer, self.entry, found)
        self.numbers.show_agreement(self.agreement)
        self._say(note_of(found))

    def _fail(self, message: str) -> None:
        self.agreement = None
        if self.entry is not None:
            drop_overlay(self.viewer, self.entry)
        self.numbers.show_agreement(self.agreement)
        self._say(message)

    def _missing(self) -> str:
        """Return what is missing before one can compare; nothing when all is there."""
        if self.entry is None:
            return NO_SLIDE
        is_file = isinstance(self.prediction.currentData(), Path)
        if self.entry.probability is None and not is_file:
            return NO_MAP
        return "" if self.reference.currentData() is not None else NO_REFERENCE

    def _say_state(self, _value: Any = None) -> None:
        if self._job is None:
            self._say(self._missing() or READY)

    def _say(self, text: str, *, busy: bool = False) -> None:
        self.message.setText(text)
        self.bar.setVisible(busy)
        self.start.setEnabled(not busy and not self._missing())

    def _offer(self, _event: Any = None) -> None:
        """List the layers of this slide, and the file chosen before."""
        kept = self.reference.currentData()
        self.reference.blockSignals(True)
        self.reference.clear()
        self.reference.addItem(CHOOSE, None)
        for layer in layer_choices(self.viewer, self.entry) if self.entry is not None else []:
            self.reference.addItem(layer.name, layer)
        if isinstance(kept, Path):
            self.reference.addItem(kept.name, kept)
        self.reference.addItem(FILE, None)
        self.reference.addItem(FOLDER, None)
        self.reference.setCurrentIndex(max(_find(self.reference, kept), 0))
        self.reference.blockSignals(False)
        self._say_state()

    def _reference_of(self, entry: SlideEntry) -> Give:
        chosen = self.reference.currentData()
        if isinstance(chosen, Path):
            return file_reference(chosen, entry)
        return layer_reference(from_layer(chosen, self.session.layer_of(entry), entry))

    def _stop(self) -> None:
        if self._job is not None:
            self._job.close()
            self._job = None

    # --- how it is made -----------------------------------------------------------------------

    def _connect(self) -> None:
        self.reference.activated.connect(self._on_reference)
        self.prediction.activated.connect(self._on_prediction)
        self.start.clicked.connect(self.compare)
        self.viewer.layers.events.inserted.connect(self._offer)
        self.viewer.layers.events.removed.connect(self._offer)

    def _on_reference(self, _index: int) -> None:
        path = _ask(self, self.reference.currentText())
        if path is not None:
            self.choose_reference(path)
        elif self.reference.currentText() in (FILE, FOLDER):
            self.reference.setCurrentIndex(0)
        self._say_state()

    def _on_prediction(self, _index: int) -> None:
        path = _ask(self, self.prediction.currentText())
        if path is not None:
            self.choose_prediction(path)
        elif self.prediction.currentText() == FOLDER:
            self.prediction.setCurrentIndex(0)
        self._say_state()

    def _lay_out(self) -> None:
        for name, text in PREDICTIONS.items():
            self.prediction.addItem(text, name)
            if name in PAN_CANCER:
                tip = f"{PAN_CANCER[name].help} Takes the tissue into account."
                place = self.prediction.count() - 1
                self.prediction.setItemData(place, tip, Qt.ItemDataRole.ToolTipRole)
        self.prediction.addItem(FOLDER, None)
        self.prediction.setToolTip("The mask that is judged")
        self.reference.setToolTip("What it is compared with: an annotation or mask of this slide")
        self.tissue_only.setChecked(True)
        self.tissue_only.setToolTip(
            "Find the white background and leave it out of all counts, as in the pan-cancer paper"
        )
        form = QFormLayout()
        form.addRow("Prediction", narrow(self.prediction))
        form.addRow("Reference", narrow(self.reference))
        self.body.addLayout(form)
        self.bar.setRange(0, 0)
        for widget in (self.tissue_only, self.start, self.bar, self.message, self.numbers):
            self.body.addWidget(widget)
        self.body.addStretch(1)


def _find(box: QComboBox, value: Any) -> int:
    """Return the place of an item by its data; -1 where there is none."""
    if value is None:
        return -1
    places = range(box.count())
    return next((i for i in places if box.itemData(i) is value or box.itemData(i) == value), -1)


def _add_path(box: QComboBox, path: Path) -> None:
    place = _find(box, path)
    if place < 0:
        place = box.findText(FILE) if box.findText(FILE) >= 0 else box.findText(FOLDER)
        box.insertItem(place, path.name, path)
    box.setCurrentIndex(place)


def _ask(dock: CompareDock, chosen: str) -> Path | None:
    """Let the user choose a file or folder where the item asks for one."""
    name = ""
    if chosen == FILE:
        name, _ = QFileDialog.getOpenFileName(dock, "Compare with", "", FILE_FILTER)
    elif chosen == FOLDER:
        name = QFileDialog.getExistingDirectory(dock, "Folder of a saved mask (mask.zarr)")
    return Path(name) if name else None
