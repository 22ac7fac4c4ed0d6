"""The Segment dock: choose a model and an area, run, watch, cancel, go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QSpinBox,
    QVBoxLayout,
)

from slideconcord.errors import ModelError
from slideconcord.geometry import Box
from slideconcord.plugin.dock import Dock, line, link, narrow
from slideconcord.plugin.results import drawn_box, show_area
from slideconcord.plugin.runner import Runner
from slideconcord.plugin.segmenting import LEAST_BOX_PX, SegmentRequest, time_left
from slideconcord.plugin.settings import results_folder
from slideconcord.plugin.viewport import visible_box
from slideconcord.plugin.workspace import Area, RunState, SlideEntry
from slideconcord.segmentation.options import PredictOptions

AREAS: dict[Area, tuple[str, str]] = {
    "slide": ("Whole slide", "Segment all of the slide, what you look at first"),
    "view": ("Visible view", "Segment only what the window shows now"),
    "rectangle": ("Drawn rectangle", "Segment only the newest rectangle drawn on the slide"),
}
DEVICES = {"auto": "Automatic", "cpu": "CPU", "cuda": "NVIDIA GPU (CUDA)", "mps": "Apple GPU (MPS)"}
FOLDER_ENTRY = "Model folder…"


class SegmentDock(Dock):
    """Runs a model over the active slide."""

    title = "Segment"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.runner = Runner(self.session)
        self.model = QComboBox()
        self.about = line(name="about")
        self.areas = QButtonGroup(self)
        self.draw = QPushButton("Draw rectangle")
        self.device = QComboBox()
        self.tile = QSpinBox()
        self.tile_note = line(name="tile note")
        self.skip = QCheckBox("Leave out tiles without tissue")
        self.tta = QComboBox()
        self.folder = QLineEdit()
        self.run = QPushButton("Run")
        self.cancel = QPushButton("Cancel")
        self.on_cpu = QPushButton("Run on the CPU instead")
        self.progress = QProgressBar()
        self.state = line(name="state")
        self._lay_out()
        self._fill_models()
        self.tile.valueChanged.connect(self._describe)
        self.on_cpu.clicked.connect(self._start_on_cpu)
        self.model.activated.connect(self._take_model)
        self.draw.clicked.connect(self._draw_rectangle)
        self.run.clicked.connect(self.start)
        self.cancel.clicked.connect(self.runner.cancel)
        self.runner.changed.connect(self._show_run)
        self.session.workspace.events.model.connect(self._show_model)
        self.follow()

    def let_go(self) -> None:
        self.session.workspace.events.model.disconnect(self._show_model)
        self.runner.close()

    def show_entry(self, entry: SlideEntry | None) -> None:
        self._show_run()

    def start(self) -> None:
        """Run over the active slide with what the dock is set to."""
        if self.entry is None:
            return
        area = self._area()
        box = self.chosen_box()
        if area != "slide" and box is None:
            self.state.setText(_missing(area))
            return
        folder = self.folder.text().strip()
        self.runner.start(
            self.entry,
            SegmentRequest(
                model=str(self.model.currentData()),
                device=str(self.device.currentData()),
                box=box,
                folder=Path(folder).expanduser() if folder else results_folder(),
                tile_px=self.tile.value() or None,
                skip_background=self.skip.isChecked(),
                tta=str(self.tta.currentData()),
            ),
        )

    def _start_on_cpu(self) -> None:
        self.device.setCurrentIndex(self.device.findData("cpu"))
        self.start()

    def chosen_box(self) -> Box | None:
        """Return the part of level 0 to segment; None for all of it, or when there is none."""
        layer = self.session.layer_of(self.entry)
        area = self._area()
        if self.entry is None or layer is None or area == "slide":
            return None
        if area == "view":
            box: Box | None = visible_box(self.viewer, layer, self.entry.slide.box)
        else:
            box = drawn_box(self.viewer, self.entry)
        return box if box is not None and min(box.shape) >= LEAST_BOX_PX else None

    def _area(self) -> Area:
        return list(AREAS)[self.areas.checkedId()]

    def _draw_rectangle(self) -> None:
        if self.entry is not None:
            self.areas.button(list(AREAS).index("rectangle")).setChecked(True)
            show_area(self.viewer, self.entry)

    def _fill_models(self) -> None:
        from slideconcord.segmentation.model import list_models

        self.model.clear()
        for spec in list_models():
            self.model.addItem(f"{spec.name} {spec.version}", spec.name)
        self.model.addItem(FOLDER_ENTRY, "")
        self._show_model(self.session.workspace.model)

    def _take_model(self, index: int) -> None:
        if self.model.itemData(index):
            self.session.workspace.model = self.model.itemData(index)
        else:
            self._choose_folder()
        self._describe()

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Model folder (with model.json)")
        self.session.workspace.model = folder or self.session.workspace.model
        self._show_model(self.session.workspace.model)

    def _show_model(self, model: str) -> None:
        """Choose a model, whoever asked for it; a folder joins the others."""
        known = self.model.findData(model)
        if known < 0:
            known = self.model.count() - 1
            self.model.insertItem(known, model_label(model), model)
        self.model.setCurrentIndex(known)
        self._describe()

    def _describe(self, _changed: object = None) -> None:
        model = str(self.model.currentData())
        self.about.setText(describe_model(model))
        self.tile_note.setText(tile_note(model, self.tile.value()))
        for label in (self.about, self.tile_note):
            label.setVisible(bool(label.text()))

    def _show_run(self) -> None:
        run = self.entry.run if self.entry else RunState()
        is_ours = self.runner.entry is self.entry
        self.run.setEnabled(self.entry is not None and not self.runner.is_running)
        self.cancel.setEnabled(is_ours and run.status == "running")
        self.draw.setEnabled(self.entry is not None)
        self.on_cpu.setVisible(is_ours and run.offers_cpu)
        self.progress.setRange(0, run.total or (0 if run.is_busy else 1))  # 0 to 0 would look busy
        self.progress.setValue(run.done)
        self.progress.setFormat(f"{run.done} / {run.total} tiles" if run.total else "")
        self.state.setText(self._state_text(run, is_ours))

    def _state_text(self, run: RunState, is_ours: bool) -> str:
        if self.entry is None:
            return "Open a slide first."
        if self.runner.is_running and not is_ours and self.runner.entry is not None:
            return f"{self.runner.entry.name} is being segmented."
        if run.status == "done" and self.entry.probability is not None:
            return link("Done. Tune it in the Threshold dock.", self.entry.probability.path.parent)
        return run.message or time_left(run.seconds_left)

    def _lay_out(self) -> None:
        model = QGroupBox("Model")
        column = QVBoxLayout(model)
        column.addWidget(narrow(self.model))
        column.addWidget(self.about)
        self.body.addWidget(model)
        self.body.addWidget(self._area_group())
        self.body.addWidget(self._output_group())
        run = QGroupBox("Run")
        column = QVBoxLayout(run)
        buttons = QHBoxLayout()
        self.run.setToolTip("Segment the area; a run that was stopped goes on where it was")
        self.cancel.setToolTip("Stop after the tile in hand; finished tiles are kept")
        buttons.addWidget(self.run)
        buttons.addWidget(self.cancel)
        column.addLayout(buttons)
        self.progress.setTextVisible(True)
        column.addWidget(self.progress)
        column.addWidget(self.state)
        self.on_cpu.setToolTip("Slower by far, but with the memory of the whole computer")
        column.addWidget(self.on_cpu)
        self.body.addWidget(run)
        self.body.addStretch(1)

    def _area_group(self) -> QGroupBox:
        group = QGroupBox("Area")
        column = QVBoxLayout(group)
        for number, (text, tip) in enumerate(AREAS.values()):
            button = QRadioButton(text)
            button.setToolTip(tip)
            self.areas.addButton(button, number)
            column.addWidget(button)
        self.areas.button(0).setChecked(True)
        self.draw.setToolTip("Draw the rectangle to segment on the slide")
        column.addWidget(self.draw)
        return group

    def _output_group(self) -> QGroupBox:
        group = QGroupBox("Where")
        form = QFormLayout(group)
        for key, text in DEVICES.items():
            self.device.addItem(text, key)
        self.device.setToolTip("Automatic takes CUDA, then MPS, then the CPU")
        form.addRow("Compute on", narrow(self.device))
        options = PredictOptions.__dataclass_fields__
        limits = options["tile_px"].metadata
        self.tile.setRange(0, limits["max"])
        self.tile.setSingleStep(256)
        self.tile.setKeyboardTracking(False)
        self.tile.setSpecialValueText("the model's own")
        self.tile.setToolTip(limits["help"])
        form.addRow("Tile side, px", narrow(self.tile))
        form.addRow(self.tile_note)
        self.skip.setToolTip(options["skip_background"].metadata["help"])
        form.addRow(self.skip)
        turns = options["tta"].metadata
        for text, key in zip(turns["labels"], turns["choices"], strict=True):
            self.tta.addItem(text, key)
        self.tta.setCurrentIndex(self.tta.findData(options["tta"].default))
        self.tta.setToolTip(turns["help"])
        form.addRow("Augmentation", narrow(self.tta))
        row = QHBoxLayout()
        self.folder.setPlaceholderText("cache folder")
        self.folder.setClearButtonEnabled(True)
        self.folder.setToolTip(f"Folder for the results. When empty: {results_folder()}")
        choose = QPushButton("…")
        choose.setMaximumWidth(32)
        choose.setToolTip("Choose a folder for the results")
        choose.clicked.connect(self._choose_output)
        row.addWidget(narrow(self.folder))
        row.addWidget(choose)
        form.addRow("Save to", row)
        return group

    def _choose_output(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the results")
        if folder:
            self.folder.setText(folder)


def model_label(folder: str) -> str:
    """Return what a chooser calls a model folder: the model's name, and where it is."""
    from slideconcord.segmentation.spec import read_spec

    path = Path(folder)
    try:
        return f"{read_spec(path).name} ({path.parent.name}/{path.name})"
    except ModelError:
        return path.name  # what is wrong with it is said by `describe_model`


def describe_model(name_or_folder: str) -> str:
    """Return what a model says of itself, for people; what is wrong with it when it is."""
    from slideconcord.segmentation.model_files import model_folder
    from slideconcord.segmentation.spec import read_spec

    if not name_or_folder:
        return ""
    try:
        spec = read_spec(model_folder(name_or_folder))
    except ModelError as error:
        return str(error)
    classes = ", ".join(spec.classes)
    wide = "" if spec.context is None else f" · sees {spec.context.downsample} × as far around"
    return f"{spec.description}\n{spec.mpp:g} µm/px{wide} · {classes} · {spec.licence}"


def tile_note(name_or_folder: str, tile_px: int) -> str:
    """Return what to say of a tile size for a model; nothing when it is the model's own."""
    from slideconcord.segmentation.model_files import model_folder
    from slideconcord.segmentation.plan import unlike_model
    from slideconcord.segmentation.spec import read_spec

    if not (name_or_folder and tile_px):
        return ""
    try:
        return unlike_model(read_spec(model_folder(name_or_folder)), tile_px) or ""
    except ModelError:
        # What is wrong with it is said by `describe_model`.
        return ""


def _missing(area: Area) -> str:
    if area == "view":
        return "The view does not show this slide: move it into view, or choose Whole slide."
    return "There is no rectangle on this slide: press Draw rectangle, then drag on the slide."
