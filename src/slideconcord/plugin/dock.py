"""What every dock shares: the session it speaks for, and letting go when it closes."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QCloseEvent, QShowEvent
from qtpy.QtWidgets import (
    QComboBox,
    QDockWidget,
    QFrame,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from slideconcord.plugin.session import Session, session_of
from slideconcord.plugin.workspace import SlideEntry

if TYPE_CHECKING:
    from napari.viewer import Viewer

DEFAULT_WIDTH, FIELD_WIDTH = 350, 70
LINK_COLOUR = "#5b9bd5"  # readable on dark and on light


class CloseWatch(QObject):
    """Tells when the window that a widget is in closes."""

    closing = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._window: QWidget | None = None

    def follow(self, window: QWidget | None) -> None:
        """Watch another window, or none."""
        if self._window is not None:
            self._window.removeEventFilter(self)
        self._window = window
        if window is not None:
            window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Close:
            self.closing.emit()
        return False


class Dock(QWidget):
    """A dock that follows the active slide.

    Subclasses fill ``self.body``, override ``show_entry`` and, to end what they began, ``let_go``.
    """

    title = ""
    """What its tab says; napari's own title does not fit on one."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._watch = CloseWatch(self)
        self._watch.closing.connect(self.close_down)
        self.session: Session = session_of(napari_viewer)
        self.entry: SlideEntry | None = None
        self._is_open = True
        self.body = self._make_body()
        self.session.workspace.events.active.connect(self.follow)

    @property
    def viewer(self) -> Viewer:
        return self.session.viewer

    def follow(self, entry: SlideEntry | None = None) -> None:
        """Speak about the active slide from now on."""
        self.entry = self.session.workspace.active
        self.show_entry(self.entry)

    def show_entry(self, entry: SlideEntry | None) -> None:
        """Fill the dock with what is known of ``entry``."""

    def let_go(self) -> None:
        """Stop work and disconnect: called once, when the dock or the window closes."""

    def close_down(self) -> None:
        if self._is_open:
            self._is_open = False
            self._watch.follow(None)
            self.session.workspace.events.active.disconnect(self.follow)
            self.let_go()

    def showEvent(self, event: QShowEvent) -> None:
        # The main window's close event reaches no dock by itself.
        self._watch.follow(self.window())
        self._name_tab()
        super().showEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.close_down()
        super().closeEvent(event)

    def reveal(self, widget: QWidget) -> None:
        """Scroll to a part of the dock."""
        self._scroll.ensureWidgetVisible(widget)

    def _name_tab(self) -> None:
        parent = self.parentWidget()
        while parent is not None and not isinstance(parent, QDockWidget):
            parent = parent.parentWidget()
        if parent is not None and self.title:
            parent.setWindowTitle(self.title)

    def _make_body(self) -> QVBoxLayout:
        inner = QWidget()
        body = QVBoxLayout(inner)
        body.setContentsMargins(6, 6, 6, 6)
        body.setSpacing(8)
        self._scroll = scroll = QScrollArea()
        scroll.setWidget(inner)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
        self.setMinimumWidth(DEFAULT_WIDTH)
        return body


def bring_up(widget: QWidget) -> None:
    """Bring the tab of a dock's widget to the front."""
    parent: QWidget | None = widget
    while parent is not None:
        parent.raise_()
        parent = parent.parentWidget()


def line(text: str = "", *, name: str = "") -> QLabel:
    """Return a label of wrapped, selectable text."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.LinksAccessibleByMouse
    )
    label.setOpenExternalLinks(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    label.setObjectName(name)
    return label


def narrow(widget: QWidget) -> QWidget:
    """Let a field be as narrow as the dock wants it, whatever its longest text."""
    if isinstance(widget, QComboBox):
        widget.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        widget.setMinimumContentsLength(8)
    widget.setMinimumWidth(FIELD_WIDTH)
    widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return widget


def link(text: str, folder: Path) -> str:
    """Return a line that ends in a link to a folder."""
    target = folder.resolve().as_uri()
    return f'{escape(text)} <a style="color: {LINK_COLOUR}" href="{target}">Open folder</a>'
