"""What to learn from: the recipe's own data, a folder or table, or slides with annotations."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from slideconcord.plugin.dock import narrow
from slideconcord.plugin.session import Session
from slideconcord.plugin.training import AnnotatedSlide, annotations_beside, write_manifest

OWN, PLACE, SLIDES = "own", "place", "slides"
KINDS = {
    OWN: "The recipe's own data",
    PLACE: "A folder, or a table of slides",
    SLIDES: "Annotated slides",
}
COLUMNS = ("Slide", "Annotations", "Patient")
_PATH = Qt.ItemDataRole.UserRole


class TrainData(QWidget):
    """Chooses what to learn from."""

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.kind = QComboBox()
        self.place = QLineEdit()
        self.folder, self.file = QPushButton("Folder…"), QPushButton("Table…")
        self.slides = QTableWidget(0, len(COLUMNS))
        self.open, self.add, self.remove = (
            QPushButton(text) for text in ("Open slides", "Add…", "Remove")
        )
        self._lay_out()
        self.kind.currentIndexChanged.connect(self._show_kind)
        self.place.textChanged.connect(self.changed)
        self.folder.clicked.connect(self._choose_folder)
        self.file.clicked.connect(self._choose_file)
        self.open.clicked.connect(self.add_open)
        self.add.clicked.connect(self._choose_slide)
        self.remove.clicked.connect(self._remove)
        self.slides.cellDoubleClicked.connect(self._choose_annotations)
        self._show_kind()

    def listed(self) -> list[AnnotatedSlide]:
        """Return the slides that are listed."""
        rows = ([self.slides.item(r, c) for c in range(3)] for r in range(self.slides.rowCount()))
        return [
            AnnotatedSlide(Path(slide.data(_PATH)), Path(drawn.data(_PATH)), patient.text())
            for slide, drawn, patient in rows
        ]

    def path(self, beside: Path) -> Path | None:
        """Return what ``--data`` would be; slides are written as a table beside the run.

        Raises
        ------
        ParameterError
            When slides are listed without annotations or patient, or none are.
        """
        kind = self.kind.currentData()
        if kind == SLIDES:
            return write_manifest(self.listed(), beside.with_name(f"{beside.name}-slides.csv"))
        given = self.place.text().strip()
        return Path(given).expanduser() if kind == PLACE and given else None

    def add_open(self) -> None:
        """List the open slides; a file of annotations beside one, and of its name, is its own."""
        known = {each.file for each in self.listed()}
        for entry in self._session.workspace.entries:
            if entry.slide.path not in known:
                self.add_slide(entry.slide.path, annotations_beside(entry.slide))

    def add_slide(self, file: Path, annotations: Path | None, patient: str = "") -> None:
        """List a slide; its patient is its name until another is typed."""
        row = self.slides.rowCount()
        self.slides.insertRow(row)
        for column, path in enumerate((file, annotations)):
            item = QTableWidgetItem(path.name if path else "double click…")
            item.setData(_PATH, str(path or ""))
            item.setToolTip(str(path or "Choose the file of annotations"))
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            self.slides.setItem(row, column, item)
        self.slides.setItem(row, 2, QTableWidgetItem(patient or file.stem))
        self.changed.emit()

    def _choose_slide(self) -> None:
        files, _ = QFileDialog.getOpenFileNames(self, "Slides to learn from")
        for file in files:
            self.add_slide(Path(file), None)

    def _choose_annotations(self, row: int, column: int) -> None:
        if column != 1:
            return
        name, _ = QFileDialog.getOpenFileName(
            self, f"Annotations of {self.slides.item(row, 0).text()}"
        )
        if name:
            item = self.slides.item(row, 1)
            item.setText(Path(name).name)
            item.setData(_PATH, name)
            item.setToolTip(name)
            self.changed.emit()

    def _remove(self) -> None:
        for row in sorted({item.row() for item in self.slides.selectedItems()}, reverse=True):
            self.slides.removeRow(row)
        self.changed.emit()

    def _choose_folder(self) -> None:
        if folder := QFileDialog.getExistingDirectory(
            self, "Folder with image, mask and index.csv"
        ):
            self.place.setText(folder)

    def _choose_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Table of slides", filter="Table (*.csv)")
        if name:
            self.place.setText(name)

    def _show_kind(self, _index: int = 0) -> None:
        kind = self.kind.currentData()
        for widget in (self.place, self.folder, self.file):
            widget.setVisible(kind == PLACE)
        for widget in (self.slides, self.open, self.add, self.remove):
            widget.setVisible(kind == SLIDES)
        if kind == SLIDES and not self.slides.rowCount():
            self.add_open()
        self.changed.emit()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for key, text in KINDS.items():
            self.kind.addItem(text, key)
        column.addWidget(narrow(self.kind))
        row = QHBoxLayout()
        self.place.setPlaceholderText("folder, or CSV with file, annotations, patient")
        row.addWidget(narrow(self.place), 1)
        row.addWidget(self.folder)
        row.addWidget(self.file)
        column.addLayout(row)
        self.slides.setHorizontalHeaderLabels(list(COLUMNS))
        self.slides.verticalHeader().setVisible(False)
        self.slides.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.slides.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.slides.setFixedHeight(120)
        self.slides.setToolTip(
            "Double click chooses annotations; slides of one patient need the patient's one name: "
            "nobody is learnt from and checked on"
        )
        column.addWidget(self.slides)
        row = QHBoxLayout()
        for button in (self.open, self.add, self.remove):
            row.addWidget(button)
        column.addLayout(row)
