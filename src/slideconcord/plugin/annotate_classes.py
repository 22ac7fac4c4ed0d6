"""The class list of the Annotate dock, and what a hand changes in it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
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
from slideconcord.annotations.editing import operations as op
from slideconcord.plugin.annotate_class_rows import (
    COLOUR,
    COUNT,
    HIDE,
    KEY,
    LOCK,
    NAME,
    TITLES,
    row_of,
)

if TYPE_CHECKING:
    from slideconcord.annotations.editing import Sheet

ADD_TIP = "Add a class; double click its name, key or colour to change them"
REMOVE_TIP = "Remove the chosen class with all that was drawn of it"
_WIDTHS = {COLOUR: 28, KEY: 38, LOCK: 44, HIDE: 44, COUNT: 52}
_ROW_PX, _MOST_ROWS = 24, 8


class ClassTable(QWidget):
    """Shows a class list and says what a hand wants of it."""

    chosen = Signal(str)
    """Draw this class."""
    change_wanted = Signal(object)
    """A function that gives, for a Sheet, the Change of its classes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sheet: Sheet | None = None
        self._fixed = ""
        self._is_filling = False
        self.table = QTableWidget(0, len(TITLES))
        self.add, self.remove = QPushButton("Add class"), QPushButton("Remove class")
        self._lay_out()
        self.table.itemSelectionChanged.connect(self._choose)
        self.table.itemChanged.connect(self._take_edit)
        self.table.cellDoubleClicked.connect(self._ask_colour)
        self.add.clicked.connect(self._add)
        self.remove.clicked.connect(self._remove)

    def show_sheet(self, sheet: Sheet | None, class_name: str | None, fixed: str = "") -> None:
        """Show the classes of a sheet, and which of them is drawn.

        ``fixed`` says why the list cannot be changed; classes can be locked and hidden even so.
        """
        self._sheet, self._fixed, self._is_filling = sheet, fixed, True
        try:
            self.table.setRowCount(len(sheet.classes) if sheet is not None else 0)
            if sheet is not None:
                self._fill(sheet, class_name)
            rows = min(max(self.table.rowCount(), 2), _MOST_ROWS) + 1
            self.table.setFixedHeight(rows * _ROW_PX + 4)
        finally:
            self._is_filling = False
        self.setEnabled(sheet is not None)
        for button, tip in ((self.add, ADD_TIP), (self.remove, REMOVE_TIP)):
            button.setEnabled(not fixed)
            button.setToolTip(fixed or tip)

    def _fill(self, sheet: Sheet, class_name: str | None) -> None:
        for row, each in enumerate(sheet.classes):
            for column, item in enumerate(row_of(each, sheet, self._fixed)):
                self.table.setItem(row, column, item)
            if each.name == class_name:
                self.table.selectRow(row)

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
            self.change_wanted.emit(
                lambda s: op.edit_classes(s, s.classes.with_locked(each.name, is_on), "lock class")
            )
        elif item.column() == HIDE:
            self.change_wanted.emit(
                lambda s: op.edit_classes(s, s.classes.with_hidden(each.name, is_on), "hide class")
            )
        elif item.column() == NAME:
            self._replace(each, name=item.text().strip())
        elif item.column() == KEY:
            self._replace(each, key=item.text().strip().lower())

    def _replace(self, each: AnnotationClass, **values: Any) -> None:
        # made by the change, so that what makes no sense is refused as a change is
        self.change_wanted.emit(lambda s: op.replace_class(s, each.name, replace(each, **values)))

    def _ask_colour(self, row: int, column: int) -> None:
        each = self._class_of(row)
        if column != COLOUR or each is None or self._fixed:
            return
        found = QColorDialog.getColor(QColor(*each.colour), self, f"Colour of {each.name}")
        if found.isValid():
            self._replace(each, colour=(found.red(), found.green(), found.blue()))

    def _add(self) -> None:
        if self._sheet is None:
            return
        listed = list(self._sheet.classes)
        names, keys = {each.name for each in listed}, {each.key for each in listed}
        number = next(n for n in range(len(listed) + 1, 1000) if f"Class {n}" not in names)
        key = next((k for k in "123456789" if k not in keys), "")
        new = AnnotationClass(f"Class {number}", next_colour(listed), key)
        self.change_wanted.emit(lambda s: op.edit_classes(s, s.classes.added(new), "add class"))

    def _remove(self) -> None:
        each = self._class_of(self.table.currentRow())
        if each is not None:
            self.change_wanted.emit(lambda s: op.remove_class(s, each.name))

    def _lay_out(self) -> None:
        table = self.table
        table.setHorizontalHeaderLabels(TITLES)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(_ROW_PX)
        table.horizontalHeader().setFixedHeight(_ROW_PX)
        table.horizontalHeader().setMinimumSectionSize(20)
        table.setShowGrid(False)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        for column, width in _WIDTHS.items():
            table.setColumnWidth(column, width)
        table.horizontalHeader().setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        buttons = QHBoxLayout()
        for button in (self.add, self.remove):
            buttons.addWidget(button)
        column_box = QVBoxLayout(self)
        column_box.setContentsMargins(0, 0, 0, 0)
        column_box.addWidget(table)
        column_box.addLayout(buttons)
