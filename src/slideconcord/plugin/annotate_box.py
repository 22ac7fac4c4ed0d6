"""The buttons of the Annotate dock: tools, what they are set to, and what is done to the chosen."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from slideconcord.plugin.dock import narrow

TOOLS = {
    "select": ("Select", "Click to choose, Shift for more, double click to pull vertices"),
    "polygon": ("Polygon", "Click from vertex to vertex; a double click ends"),
    "freehand": ("Freehand", "Draw an outline with the button held down"),
    "brush": ("Brush", "Paint; beginning inside an area of the class adds to it"),
    "eraser": ("Eraser", "Take away from what is chosen, else from the class that is drawn"),
    "wand": ("Wand", "Press on likely tissue; drag right or up to grow, left or down to shrink"),
    "split": ("Split", "Draw a line across; a double click ends and cuts"),
}
ACTIONS = {
    "set_class": ("Set class", "Give what is chosen the class that is chosen in the list"),
    "merge": ("Merge", "Join the chosen areas into the one chosen first"),
    "subtract": ("Subtract", "Take the others out of the area chosen first; the others stay"),
    "fill_holes": ("Fill holes", "Fill the holes of the chosen areas"),
    "smooth": ("Smooth", "Round the outlines of the chosen areas to the radius above"),
    "vertices": ("Pull vertices", "Show the vertices of the chosen areas, to be pulled"),
    "lock": ("Lock", "Lock what is chosen, or unlock it when all of it is locked"),
    "delete": ("Delete", "Delete what is chosen"),
}
_COLUMNS = 4


class ToolBox(QGroupBox):
    """Which tool the mouse is, and what is done to what is chosen."""

    tool_wanted = Signal(str)
    action_wanted = Signal(str)
    """A key of ``ACTIONS``, "undo" or "redo"."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Draw", parent)
        self.tools: dict[str, QPushButton] = {}
        self.actions: dict[str, QPushButton] = {}
        self.radius, self.smoothing = _um(20.0, 0.5, 2000.0), _um(5.0, 0.1, 500.0)
        self.undo, self.redo = QPushButton("Undo"), QPushButton("Redo")
        self._group = QButtonGroup(self)
        column = QVBoxLayout(self)
        column.addLayout(self._tool_grid())
        form = QFormLayout()
        form.addRow("Brush radius", self.radius)
        form.addRow("Smoothing radius", self.smoothing)
        column.addLayout(form)
        column.addLayout(self._action_grid())
        history = QHBoxLayout()
        for button in (self.undo, self.redo):
            history.addWidget(narrow(button))
        column.addLayout(history)
        self.undo.clicked.connect(lambda: self.action_wanted.emit("undo"))
        self.redo.clicked.connect(lambda: self.action_wanted.emit("redo"))

    def show_tool(self, tool: str) -> None:
        self.tools[tool].setChecked(True)

    def show_history(self, undo: str | None, redo: str | None) -> None:
        """Say what can be undone and redone."""
        for button, text, what in ((self.undo, "Undo", undo), (self.redo, "Redo", redo)):
            button.setEnabled(what is not None)
            button.setText(f"{text}: {what}" if what else text)

    def show_chosen(self, count: int) -> None:
        """Offer what so many chosen annotations allow."""
        for key, button in self.actions.items():
            button.setEnabled(count >= (2 if key in ("merge", "subtract") else 1))

    def _tool_grid(self) -> QGridLayout:
        grid = QGridLayout()
        for i, (key, (text, tip)) in enumerate(TOOLS.items()):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, key=key: self.tool_wanted.emit(key))
            self._group.addButton(button)
            self.tools[key] = button
            grid.addWidget(narrow(button), i // _COLUMNS, i % _COLUMNS)
        return grid

    def _action_grid(self) -> QGridLayout:
        grid = QGridLayout()
        for i, (key, (text, tip)) in enumerate(ACTIONS.items()):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, key=key: self.action_wanted.emit(key))
            self.actions[key] = button
            grid.addWidget(narrow(button), i // 3, i % 3)
        return grid


def _um(value: float, least: float, most: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(least, most)
    box.setDecimals(1)
    box.setSuffix(" µm")
    box.setValue(value)
    return box
