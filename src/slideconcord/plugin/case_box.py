"""The upper part of the Scanners dock: which scans there are, the hub, and how each lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QProgressBar,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
)

from slideconcord.plugin.dock import line, narrow

if TYPE_CHECKING:
    from slideconcord.plugin.registering import Registrar
    from slideconcord.plugin.scans import Case, Scan

COLOURS = {"ok": "#3fa34d", "coarse": "#c98a00", "failed": "#d64545"}
_ROW_PX = 22


class CaseBox(QGroupBox):
    """Shows a case and its registrations, and says what the user wants of them."""

    open_slides_wanted = Signal()
    folder_wanted = Signal()
    file_wanted = Signal()
    hub_chosen = Signal(str)
    """The id of a scan."""
    register_wanted = Signal()
    cancel_wanted = Signal()

    def __init__(self) -> None:
        super().__init__("Case")
        self.from_open = QPushButton("Open slides")
        self.from_folder = QPushButton("Folder…")
        self.from_file = QPushButton("case.yaml…")
        self.table = QTreeWidget()
        self.hub = QComboBox()
        self.register = QPushButton("Register")
        self.cancel = QPushButton("Cancel")
        self.progress = QProgressBar()
        self.state = line(name="state")
        self._lay_out()
        self.from_open.clicked.connect(self.open_slides_wanted)
        self.from_folder.clicked.connect(self.folder_wanted)
        self.from_file.clicked.connect(self.file_wanted)
        self.hub.activated.connect(lambda i: self.hub_chosen.emit(self.hub.itemData(i)))
        self.register.clicked.connect(self.register_wanted)
        self.cancel.clicked.connect(self.cancel_wanted)

    def show_case(self, case: Case) -> None:
        """Fill the table and the choice of hub."""
        self.table.clear()
        self.hub.clear()
        for scan in case.scans:
            self.table.addTopLevelItem(_row(scan))
            self.hub.addItem(scan.name, scan.id)
        if case.hub is not None:
            self.hub.setCurrentIndex(self.hub.findData(case.hub.id))
        rows = max(len(case.scans), 2) + 1
        self.table.setFixedHeight(rows * _ROW_PX + 8)
        self.hub.setEnabled(bool(case.scans))
        if not case.scans:
            self.state.setText(
                "Open the scans of one glass slide, then press Open slides to make a case of them."
            )

    def show_work(self, registrar: Registrar, case: Case) -> None:
        """Show how far the registrations are."""
        busy = registrar.is_running
        self.register.setEnabled(bool(case.scans) and not busy)
        self.cancel.setEnabled(busy)
        for button in (self.from_open, self.from_folder, self.from_file):
            button.setEnabled(not busy)
        self.hub.setEnabled(bool(case.scans) and not busy)
        self.progress.setValue(round(registrar.share * 100))
        if case.scans:
            self.state.setText(registrar.message or summary(case))

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        self.from_open.setToolTip("Make a case of all slides that are open in this window")
        self.from_folder.setToolTip("Open every slide of a folder as the scans of one glass slide")
        self.from_file.setToolTip("Open the scans that a case file names")
        column.addLayout(_side_by_side(self.from_open, self.from_folder, self.from_file))
        self._make_table()
        column.addWidget(self.table)
        self.hub.setToolTip(
            "The scan whose frame all others are laid on. Another hub means registering anew."
        )
        row = QHBoxLayout()
        row.addWidget(QLabel("Hub"))
        row.addWidget(narrow(self.hub), stretch=1)
        column.addLayout(row)
        self.register.setToolTip("Lay every scan on the hub; the window stays usable meanwhile")
        self.cancel.setToolTip("Stop after the step in hand; finished scans keep their place")
        column.addLayout(_side_by_side(self.register, self.cancel))
        self.progress.setRange(0, 100)
        column.addWidget(self.progress)
        column.addWidget(self.state)

    def _make_table(self) -> None:
        table = self.table
        table.setHeaderLabels(["Scan", "Status", "p50 / p90 µm"])
        table.setRootIsDecorated(False)
        table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        table.setToolTip(
            "Residual: distance of held-out tiles from where the registration puts them"
        )
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = table.header()
        if header is not None:
            header.setStretchLastSection(False)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            for column in (1, 2):
                header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)


def _row(scan: Scan) -> QTreeWidgetItem:
    registration = scan.registration
    if registration is None:
        return QTreeWidgetItem([scan.name, "hub", ""])
    quality = registration.quality
    p50, p90 = quality.residual_p50_um, quality.residual_p90_um
    residual = f"{p50:.2f} / {p90:.2f}" if p50 == p50 else "—"
    item = QTreeWidgetItem([scan.name, registration.status, residual])
    item.setForeground(1, QColor(COLOURS[registration.status]))
    for column in range(3):
        item.setToolTip(column, registration.reason or f"{quality.accepted} tiles, no complaint")
    return item


def summary(case: Case) -> str:
    """Say in a line or a few what keeps scans from being compared."""
    told = [
        f"{scan.name}: {scan.registration.reason}"
        for scan in case.scans
        if scan.registration is not None and scan.registration.status != "ok"
    ]
    return "\n".join(told) if told else "All scans lie on the hub."


def _side_by_side(*buttons: QPushButton) -> QHBoxLayout:
    row = QHBoxLayout()
    for button in buttons:
        row.addWidget(button)
    return row
