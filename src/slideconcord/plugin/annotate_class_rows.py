"""A row of the class list: colour, name, key, lock, hide and how many there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QTableWidgetItem

if TYPE_CHECKING:
    from slideconcord.annotations.classes import AnnotationClass
    from slideconcord.annotations.editing import Sheet

COLOUR, NAME, KEY, LOCK, HIDE, COUNT = range(6)
TITLES = ("", "Class", "Key", "Lock", "Hide", "n")
_SWATCH_PX = 14


def row_of(each: AnnotationClass, sheet: Sheet, fixed: str) -> Iterator[QTableWidgetItem]:
    """Give the cells of a class from left to right; ``fixed`` says why it cannot be changed."""
    texts = {NAME: each.name, KEY: each.key.upper(), COUNT: f"{sheet.counts[each.name]:,}"}
    checks = {LOCK: sheet.classes.locked, HIDE: sheet.classes.hidden}
    for column in range(len(TITLES)):
        item = QTableWidgetItem(texts.get(column, ""))
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        if column in (NAME, KEY) and not fixed:
            flags |= Qt.ItemFlag.ItemIsEditable
        if column in checks:
            flags |= Qt.ItemFlag.ItemIsUserCheckable
            is_on = each.name in checks[column]
            item.setCheckState(Qt.CheckState.Checked if is_on else Qt.CheckState.Unchecked)
        if column == COLOUR:
            item.setIcon(_swatch(each))
            item.setToolTip(fixed or "Double click to choose another colour")
        if column in (NAME, KEY):
            item.setToolTip(fixed)
        if column == COUNT:
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        item.setFlags(flags)
        yield item


def _swatch(each: AnnotationClass) -> QIcon:
    swatch = QPixmap(_SWATCH_PX, _SWATCH_PX)
    swatch.fill(QColor(*each.colour))
    return QIcon(swatch)
