"""The parts of the Study dock: who reads what in which round, and the list of slides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QProgressBar,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
)

from slideconcord.plugin.dock import line, narrow

if TYPE_CHECKING:
    from slideconcord.annotations.studies import Observer, ReadingStatus, Round, Study

COLOURS = {"not started": "#9a9a9a", "in progress": "#c98a00", "finished": "#3fa34d"}
_ROWS, _ROW_PX = 10, 22
_NOBODY = "Choose who you are"


class WhoBox(QGroupBox):
    """Which study, who reads, and in which round."""

    open_wanted = Signal()
    chosen = Signal(str, str)
    """Observer and round; the observer is empty while nobody was chosen."""

    def __init__(self) -> None:
        super().__init__("Study")
        self.open = QPushButton("Open study…")
        self.name = line(name="study")
        self.observer, self.round = QComboBox(), QComboBox()
        self.instructions = line(name="instructions")
        self.open.setToolTip("Open the folder of a study: the one with study.yaml")
        self.observer.setToolTip("Your readings are kept under this name; you see no other's")
        self.round.setToolTip("One reading of all slides; a later one does not see an earlier")
        form = QFormLayout()
        form.addRow("You are", narrow(self.observer))
        form.addRow("Round", narrow(self.round))
        column = QVBoxLayout(self)
        column.addWidget(self.open)
        column.addWidget(self.name)
        column.addLayout(form)
        column.addWidget(self.instructions)
        self.open.clicked.connect(self.open_wanted)
        self.observer.activated.connect(self._say)
        self.round.activated.connect(self._say)
        self.show_study(None)

    def show_study(self, study: Study | None) -> None:
        """Fill in what can be chosen."""
        self.observer.clear()
        self.round.clear()
        self.observer.addItem(_NOBODY, "")
        for observer in study.observers if study else ():
            self.observer.addItem(observer.shown, observer.id)
        for each in study.rounds if study else ():
            self.round.addItem(each.name, each.name)
        self.name.setText(study.name if study else "No study is open.")
        self.instructions.setText(study.instructions.strip() if study else "")
        self.instructions.setVisible(bool(study and study.instructions.strip()))
        for field in (self.observer, self.round):
            field.setEnabled(study is not None)

    def show_choice(self, observer: Observer | None, chosen: Round | None) -> None:
        """Show who reads, and in which round."""
        self.observer.setCurrentIndex(self.observer.findData(observer.id if observer else ""))
        if chosen is not None:
            self.round.setCurrentIndex(self.round.findData(chosen.name))

    def _say(self, _index: int) -> None:
        self.chosen.emit(self.observer.currentData() or "", self.round.currentData() or "")


class SlidesBox(QGroupBox):
    """The slides in the observer's order, how each stands, and what can be done with it."""

    open_wanted = Signal(str)
    """The id of a slide to begin, go on with, or reopen."""
    next_wanted = Signal()
    finish_wanted = Signal()
    leave_wanted = Signal()

    def __init__(self) -> None:
        super().__init__("Your slides")
        self.progress = QProgressBar()
        self.table = QTreeWidget()
        self.next, self.open = QPushButton("Next slide"), QPushButton("Open")
        self.finish, self.leave = QPushButton("Finish"), QPushButton("Close")
        self.state = line(name="state")
        self._lay_out()
        self.next.clicked.connect(self.next_wanted)
        self.open.clicked.connect(self._say_open)
        self.finish.clicked.connect(self.finish_wanted)
        self.leave.clicked.connect(self.leave_wanted)
        self.table.itemDoubleClicked.connect(self._say_open)
        self.table.itemSelectionChanged.connect(self._follow_choice)
        self.show_slides((), "", has_next=False)

    @property
    def chosen(self) -> str:
        """The id of the slide that is marked in the list; empty when none is."""
        items = self.table.selectedItems()
        return str(items[0].data(0, Qt.ItemDataRole.UserRole)) if items else ""

    def show_slides(self, slides: Sequence[ReadingStatus], reading: str, *, has_next: bool) -> None:
        """Fill the list; ``reading`` is the id of the slide that is open."""
        marked = self.chosen
        self.table.clear()
        for number, each in enumerate(slides, 1):
            self.table.addTopLevelItem(_row(number, each, is_open=each.slide == reading))
        finished = sum(each.state == "finished" for each in slides)
        self.progress.setRange(0, max(len(slides), 1))
        self.progress.setValue(finished)
        self.progress.setFormat(f"{finished} of {len(slides)} finished")
        self._mark(marked)
        self.next.setEnabled(has_next and not reading)
        self.finish.setEnabled(bool(reading))
        self.leave.setEnabled(bool(reading))
        self._is_reading = bool(reading)
        self._follow_choice()

    def say(self, text: str) -> None:
        """Show one line for the user."""
        self.state.setText(text)

    def _mark(self, slide: str) -> None:
        for item in _items(self.table):
            if item.data(0, Qt.ItemDataRole.UserRole) == slide:
                item.setSelected(True)

    def _follow_choice(self) -> None:
        items = self.table.selectedItems()
        is_finished = bool(items) and items[0].text(1) == "finished"
        self.open.setText("Reopen" if is_finished else "Open")
        self.open.setEnabled(bool(items) and not self._is_reading)

    def _say_open(self) -> None:
        if self.chosen and not self._is_reading:
            self.open_wanted.emit(self.chosen)

    def _lay_out(self) -> None:
        self._is_reading = False
        self.next.setToolTip("Open the first slide of your list that is not finished")
        self.open.setToolTip("Open the marked slide; a finished one is reopened, and that is noted")
        self.finish.setToolTip(
            "Keep your reading for good, also when there is nothing on the slide"
        )
        self.leave.setToolTip("Close the slide; what you drew is kept, and you can go on later")
        table = self.table
        table.setHeaderLabels(["Slide", "State", "Drawn"])
        table.setRootIsDecorated(False)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setFixedHeight((_ROWS + 1) * _ROW_PX)
        header = table.header()
        if header is not None:
            header.setStretchLastSection(False)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            for column in (1, 2):
                header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        column = QVBoxLayout(self)
        column.addWidget(self.progress)
        column.addWidget(table)
        for buttons in ((self.next, self.open), (self.finish, self.leave)):
            row = QHBoxLayout()
            for button in buttons:
                row.addWidget(button)
            column.addLayout(row)
        column.addWidget(self.state)


def _row(number: int, status: ReadingStatus, *, is_open: bool) -> QTreeWidgetItem:
    drawn = str(status.annotations) if status.record and not is_open else ""
    state = f"{status.state}, open" if is_open else status.state
    item = QTreeWidgetItem([f"{number}. {status.slide}", state, drawn])
    item.setData(0, Qt.ItemDataRole.UserRole, status.slide)
    item.setForeground(1, QColor(COLOURS[status.state]))
    if status.problem:
        item.setText(1, "damaged")
        item.setToolTip(1, status.problem)
    if is_open:
        font = item.font(0)
        font.setBold(True)
        item.setFont(0, font)
    return item


def _items(table: QTreeWidget) -> Iterable[QTreeWidgetItem]:
    for number in range(table.topLevelItemCount()):
        if (item := table.topLevelItem(number)) is not None:
            yield item
