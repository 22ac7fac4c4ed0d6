"""The class list of the Annotate dock: colour, name, key, lock, hide and how many there are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from slideconcord.annotations.classes import AnnotationClass, next_colour

if TYPE_CHECKING:
    from slideconcord.annotations.editing import Sheet

COLOUR, NAME, KEY, LOCK, HIDE, COUNT = range(6)
_TITLES = ("", "Class", "Key", "Lock", "Hide", "n")
_ROW_PX, _MOST_ROWS = 24, 8


class ClassTable(QWidget):
    """Shows a class list and says what a hand wants of it."""

    chosen = Signal(str)
    """Draw this class."""
    edited = Signal(str, object)
    """The class called so should be this AnnotationClass."""
    locked = Signal(str, bool)
    hidden = Signal(str, bool)
    added = Signal(object)
    """An AnnotationClass."""
    removed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sheet: Sheet | None = None
        self._is_filling = False
        self.table = QTableWidget(0, len(_TITLES))
        self.add, self.remove = QPushButton("Add class"), QPushButton("Remove class")
        self._lay_out()
        self.table.itemSelectionChanged.connect(self._choose)
        self.table.itemChanged.connect(self._take_edit)
        self.table.cellDoubleClicked.connect(self._ask_colour)
        self.add.clicked.connect(self._add)
        self.remove.clicked.connect(self._remove)

    def show_sheet(self, sheet: Sheet | None, class_name: str | None) -> None:
        """Show the classes of a sheet, and which of them is drawn."""
        self._sheet, self._is_filling = sheet, True
        try:
            classes = list(sheet.classes) if sheet is not None else []
            self.table.setRowCount(len(classes))
            for row, each in enumerate(classes):
                self._fill(row, each)
                if each.name == class_name:
                    self.table.selectRow(row)
            rows = min(max(len(classes), 2), _MOST_ROWS) + 1
            self.table.setFixedHeight(rows * _ROW_PX + 4)
        finally:
            self._is_filling = False
        self.setEnabled(sheet is not None)

    def _fill(self, row: int, each: AnnotationClass) -> None:
        if self._sheet is None:
            return
        swatch = QPixmap(14, 14)
        swatch.fill(QColor(*each.colour))
        texts = {
            NAME: each.name,
            KEY: each.key.upper(),
            COUNT: f"{self._sheet.counts[each.name]:,}",
        }
        checks = {LOCK: self._sheet.classes.locked, HIDE: self._sheet.classes.hidden}
        for column in range(len(_TITLES)):
            item = QTableWidgetItem(texts.get(column, ""))
            flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
            if column in (NAME, KEY):
                flags |= Qt.ItemFlag.ItemIsEditable
            if column in checks:
                flags |= Qt.ItemFlag.ItemIsUserCheckable
                is_on = each.name in checks[column]
                item.setCheckState(Qt.CheckState.Checked if is_on else Qt.CheckState.Unchecked)
            if column == COLOUR:
                item.setIcon(QIcon(swatch))
                item.setToolTip("Double click to choose another colour")
            if column == COUNT:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setFlags(flags)
            self.table.setItem(row, column, item)

    def _class_of(self, row: int) -> AnnotationClass | None:
        listed = list(self._sheet.classes) if self._sheet is not None else []
        return listed[row] if 0 <= row < len(listed) else None

    def _choose(self) -> None:
        each = self._class_of(self.table.currentRow())
        if not self._is_filling and each is not None:
            self.chosen.emit(each.name)

    def _take_edit(self, item: QTableWidgetItem) -> None:
        each = self._class_of(item.row())
        if self._is_filling or each is None:
            return
        is_on = item.checkState() == Qt.CheckState.Checked
        if item.column() == LOCK:
            self.locked.emit(each.name, is_on)
        elif item.column() == HIDE:
            self.hidden.emit(each.name, is_on)
        elif item.column() == NAME:
            self.edited.emit(each.name, lambda: replace(each, name=item.text().strip()))
        elif item.column() == KEY:
            self.edited.emit(each.name, lambda: replace(each, key=item.text().strip().lower()))

    def _ask_colour(self, row: int, column: int) -> None:
        each = self._class_of(row)
        if column != COLOUR or each is None:
            return
        found = QColorDialog.getColor(QColor(*each.colour), self, f"Colour of {each.name}")
        if found.isValid():
            colour = found.red(), found.green(), found.blue()
            self.edited.emit(each.name, lambda: replace(each, colour=colour))

    def _add(self) -> None:
        if self._sheet is None:
            return
        listed = list(self._sheet.classes)
        names, keys = {each.name for each in listed}, {each.key for each in listed}
        number = next(n for n in range(len(listed) + 1, 1000) if f"Class {n}" not in names)
        key = next((k for k in "123456789" if k not in keys), "")
        self.added.emit(AnnotationClass(f"Class {number}", next_colour(listed), key))

    def _remove(self) -> None:
        each = self._class_of(self.table.currentRow())
        if each is not None:
            self.removed.emit(each.name)

    def _lay_out(self) -> None:
        table = self.table
        table.setHorizontalHeaderLabels(_TITLES)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(_ROW_PX)
        table.horizontalHeader().setFixedHeight(_ROW_PX)
        table.horizontalHeader().setMinimumSectionSize(20)
        table.setShowGrid(False)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        for column, width in {COLOUR: 28, KEY: 34, LOCK: 38, HIDE: 38, COUNT: 58}.items():
            table.setColumnWidth(column, width)
        table.horizontalHeader().setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        buttons = QHBoxLayout()
        for button in (self.add, self.remove):
            buttons.addWidget(button)
        column_box = QVBoxLayout(self)
        column_box.setContentsMargins(0, 0, 0, 0)
        column_box.addWidget(table)
        column_box.addLayout(buttons)
