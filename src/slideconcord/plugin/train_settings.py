"""The settings of a recipe, to look at and to change: what --set is on the command line."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QHeaderView,
    QLineEdit,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

HEIGHT_PX = 190


class SettingsTable(QWidget):
    """Key and value of every setting; what was changed is bold."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.filter = QLineEdit()
        self.table = QTableWidget(0, 2)
        self._given: dict[str, str] = {}
        self._is_filling = False
        self._lay_out()
        self.filter.textChanged.connect(self._apply_filter)
        self.table.itemChanged.connect(self._on_changed)

    @property
    def changes(self) -> tuple[str, ...]:
        """What differs from the recipe, as after --set."""
        values = self._values()
        return tuple(f"{key}={values[key]}" for key in values if values[key] != self._given[key])

    def show_settings(self, settings: Mapping[str, str]) -> None:
        """Show another recipe's settings, all as the recipe has them."""
        self._given = dict(settings)
        self._is_filling = True
        self.table.setRowCount(len(settings))
        for row, (key, value) in enumerate(settings.items()):
            name = QTableWidgetItem(key)
            name.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            name.setToolTip(f"--set {key}={value}")
            item = QTableWidgetItem(value)
            item.setToolTip(f"The recipe says {value}")
            self.table.setItem(row, 0, name)
            self.table.setItem(row, 1, item)
        self._is_filling = False
        self._apply_filter(self.filter.text())
        self.changed.emit()

    def set_value(self, key: str, text: str) -> None:
        """Change one setting, as a hand would."""
        self.table.item(list(self._given).index(key), 1).setText(text)

    def _values(self) -> dict[str, str]:
        return {key: self.table.item(row, 1).text().strip() for row, key in enumerate(self._given)}

    def _on_changed(self, item: QTableWidgetItem) -> None:
        if self._is_filling or item.column() != 1:
            return
        font = item.font()
        font.setBold(item.text().strip() != list(self._given.values())[item.row()])
        self._is_filling = True
        item.setFont(font)
        self._is_filling = False
        self.changed.emit()

    def _apply_filter(self, text: str) -> None:
        for row, key in enumerate(self._given):
            self.table.setRowHidden(row, text.strip().lower() not in key.lower())

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.filter.setPlaceholderText("find a setting")
        self.filter.setClearButtonEnabled(True)
        column.addWidget(self.filter)
        self.table.setHorizontalHeaderLabels(["Setting", "Value"])
        self.table.verticalHeader().setVisible(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        header.resizeSection(0, 165)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setFixedHeight(HEIGHT_PX)
        column.addWidget(self.table)
