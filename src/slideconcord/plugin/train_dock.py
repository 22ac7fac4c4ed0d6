"""The Train dock: choose data and a recipe, watch the curves, stop, go on, use the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Slot
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
)

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.dock import Dock, line, link, narrow
from slideconcord.plugin.jobs import Job
from slideconcord.plugin.segment_dock import DEVICES
from slideconcord.plugin.settings import results_folder
from slideconcord.plugin.task import Task
from slideconcord.plugin.train_curves import TrainCurves
from slideconcord.plugin.train_data import TrainData
from slideconcord.plugin.train_settings import SettingsTable
from slideconcord.plugin.training import (
    TrainRequest,
    recipe_files,
    recipe_head,
    recipe_steps,
    train_pieces,
)

KEPT = "Stopped at step {step} of {steps}. Start goes on from there."
CURVES_PX = 210


class TrainDock(Dock):
    """Trains a model beside the GUI."""

    title = "Train"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.reading = Task(self)
        self.job: Job | None = None
        self.model: Path | None = None
        """The folder of the model that the last run left."""
        self._at = (0, 0)
        self._out = Path()
        self.recipe = QComboBox()
        self.file = QPushButton("…")
        self.head = line(name="head")
        self.data = TrainData(self.session)
        self.settings = SettingsTable()
        self.device = QComboBox()
        self.folder = QLineEdit()
        self.start, self.stop = QPushButton("Start"), QPushButton("Stop")
        self.progress = QProgressBar()
        self.state = line(name="state")
        self.curves = TrainCurves()
        self.use = QPushButton("Use this model now")
        self.command = line(name="command")
        self._lay_out()
        self._connect()
        self._choose_recipe()
        self.follow()

    def let_go(self) -> None:
        self.reading.close()
        if self.job is not None:
            self.job.close()  # the step in hand ends, and the run is kept
            self.job = None

    def request(self) -> TrainRequest:
        """Return what the dock is set to.

        Raises
        ------
        ParameterError
            When the slides that are listed do not do.
        """
        out = self.out()
        return TrainRequest(
            recipe=str(self.recipe.currentData()),
            out=out,
            data=self.data.path(out),
            changes=self.settings.changes,
            device=str(self.device.currentData()),
        )

    def out(self) -> Path:
        """Return the folder of the run."""
        given = self.folder.text().strip()
        return Path(given).expanduser() if given else self._usual_out()

    def _usual_out(self) -> Path:
        return results_folder() / "training" / Path(str(self.recipe.currentData())).stem

    def _begin(self) -> None:
        if self.job is not None:
            return
        try:
            request = self.request()
        except SlideconcordError as error:
            self.state.setText(str(error))
            return
        self._out, self.model, self._at = request.out, None, (0, 0)
        self.curves.begin(request.out)
        self.job = Job(lambda: train_pieces(request))
        self.job.advanced.connect(self._advance)
        self.job.ended.connect(self._end)
        self.job.start()
        self._tell("Loading what trains…")
        self.reveal(self.curves)

    def _stop(self) -> None:
        if self.job is not None:
            self.job.cancel()
            self._tell("Stopping after this step…")

    @Slot(object)
    def _advance(self, piece: Any) -> None:
        if self.job is None:
            return
        if isinstance(piece, str):
            self._tell(piece)
            return
        self._at = piece.step, piece.steps
        self.curves.add(piece)
        if not self.job.was_cancelled:
            self._tell(self._said(piece))

    def _said(self, step: Any) -> str:
        loss = "" if step.loss is None else f"loss {step.loss:.4f}"
        dice = f", Dice {self.curves.dice[-1][1]:.4f}" if self.curves.dice else ""
        parts = f", each batch in {step.parts} parts" if step.parts > 1 else ""
        said = f"{loss}{dice}{parts}"
        return ": ".join(filter(None, (step.phase, said)))

    @Slot(object)
    def _end(self, job: Job) -> None:
        if job is not self.job:
            return
        self.job = None
        self.curves.wait()
        if job.error is not None:
            self._tell(str(job.error))
            if not isinstance(job.error, SlideconcordError):
                raise job.error  # a fault of ours: napari shows where it happened
        elif job.result is None:
            step, steps = self._at
            self._tell(KEPT.format(step=step, steps=steps) if step else "Stopped.")
        else:
            self.model = job.result
            self.curves.begin(self._out)
            self._tell(link("Done.", self._out))
            self.reveal(self.use)

    def _use(self) -> None:
        """Put the model into the Segment dock's chooser, and choose it."""
        if self.model is not None:
            self.session.workspace.model = str(self.model)
            self._tell("The Segment dock runs this model now.")

    def _tell(self, text: str) -> None:
        step, steps = self._at
        is_running = self.job is not None
        self.state.setText(text)
        self.start.setEnabled(not is_running and not self.reading.is_running)
        self.stop.setEnabled(is_running and not (self.job and self.job.was_cancelled))
        self.use.setEnabled(self.model is not None)
        self.progress.setRange(0, steps or (0 if is_running else 1))  # 0 to 0 looks busy
        self.progress.setValue(step)
        self.progress.setFormat(f"step {step} of {steps}" if steps else "")

    def _choose_recipe(self, _index: int = 0) -> None:
        recipe = str(self.recipe.currentData())
        self.head.setText(recipe_head(recipe))
        self.folder.setPlaceholderText(str(self._usual_out()))
        self.settings.show_settings({})
        self.reading.start(
            lambda: recipe_steps(recipe), self.settings.show_settings, "Reading the recipe…"
        )

    def _choose_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Recipe", filter="Recipe (*.yaml *.yml)")
        if name:
            if self.recipe.findData(name) < 0:
                self.recipe.addItem(Path(name).name, name)
            self.recipe.setCurrentIndex(self.recipe.findData(name))

    def _show_reading(self) -> None:
        if self.job is None:
            self._tell(self.reading.message)
        self._show_command()

    def _show_command(self) -> None:
        place = self.data.place.text().strip() if self.data.place.isVisible() else ""
        shown = TrainRequest(
            str(self.recipe.currentData()),
            self.out(),
            Path(place) if place else None,
            self.settings.changes,
            str(self.device.currentData()),
        )
        self.command.setText(shown.command)

    def _connect(self) -> None:
        self.recipe.currentIndexChanged.connect(self._choose_recipe)
        self.file.clicked.connect(self._choose_file)
        self.reading.changed.connect(self._show_reading)
        self.start.clicked.connect(self._begin)
        self.stop.clicked.connect(self._stop)
        self.use.clicked.connect(self._use)
        for signal in (self.settings.changed, self.data.changed, self.folder.textChanged):
            signal.connect(self._show_command)
        self.device.currentIndexChanged.connect(self._show_command)

    def _lay_out(self) -> None:
        for name in recipe_files():
            self.recipe.addItem(name, name)
        self.recipe.setCurrentIndex(max(self.recipe.findData("pan-cancer-small"), 0))
        group = QGroupBox("Recipe")
        column = QVBoxLayout(group)
        row = QHBoxLayout()
        row.addWidget(narrow(self.recipe), 1)
        self.file.setMaximumWidth(32)
        self.file.setToolTip("Choose a recipe of your own (YAML)")
        row.addWidget(self.file)
        column.addLayout(row)
        column.addWidget(self.head)
        self.body.addWidget(group)
        group = QGroupBox("Data")
        QVBoxLayout(group).addWidget(self.data)
        self.body.addWidget(group)
        group = QGroupBox("Settings")
        QVBoxLayout(group).addWidget(self.settings)
        self.body.addWidget(group)
        self.body.addWidget(self._run_group())

    def _run_group(self) -> QGroupBox:
        group = QGroupBox("Run")
        column, form = QVBoxLayout(group), QFormLayout()
        column.addLayout(form)
        for key, text in DEVICES.items():
            self.device.addItem(text, key)
        form.addRow("Compute on", narrow(self.device))
        self.folder.setClearButtonEnabled(True)
        self.folder.setToolTip("Folder of the run; a run that is there and was stopped goes on")
        form.addRow("Save to", narrow(self.folder))
        row = QHBoxLayout()
        self.start.setToolTip("Train; a run that was stopped goes on where it was")
        self.stop.setToolTip("Stop after the step in hand; the run is kept as it stands")
        row.addWidget(self.start)
        row.addWidget(self.stop)
        column.addLayout(row)
        self.curves.setFixedHeight(CURVES_PX)
        self.use.setToolTip("Choose it in the Segment dock")
        self.command.setToolTip("The same on the command line")
        for widget in (self.progress, self.state, self.curves, self.use, self.command):
            column.addWidget(widget)
        return group
