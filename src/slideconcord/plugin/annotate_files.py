"""The files of the Annotate dock: what comes in, what goes out, and where all is kept."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QGridLayout, QGroupBox, QPushButton, QWidget

from slideconcord.annotations.formats import FORMATS
from slideconcord.plugin.dock import narrow

ANY_FORMAT = "Annotations ({})".format(
    " ".join(f"*{suffix}" for known in FORMATS.values() for suffix in known.suffixes)
)
FILTERS = {
    f"{known.description} {key} ({' '.join(f'*{suffix}' for suffix in known.suffixes)})": key
    for key, known in FORMATS.items()
}
_COLUMNS = 2


class FilesBox(QGroupBox):
    """Asks for files, and says which were chosen."""

    open_wanted = Signal(Path)
    save_wanted = Signal(Path, str)
    """Where to, and the name of the format."""
    keep_wanted = Signal(Path)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Files", parent)
        self.take, self.open = QPushButton("Take model regions"), QPushButton("Open…")
        self.save_as, self.keep = QPushButton("Save as…"), QPushButton("Keep in…")
        self.buttons = self.take, self.open, self.save_as, self.keep
        grid = QGridLayout(self)
        for i, button in enumerate(self.buttons):
            grid.addWidget(narrow(button), i // _COLUMNS, i % _COLUMNS)
        self.open.clicked.connect(self._ask_open)
        self.save_as.clicked.connect(self._ask_save)
        self.keep.clicked.connect(self._ask_keep)

    def _ask_open(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open annotations", filter=ANY_FORMAT)
        if name:
            self.open_wanted.emit(Path(name))

    def _ask_save(self) -> None:
        name, chosen = QFileDialog.getSaveFileName(
            self, "Save annotations as", filter=";;".join(FILTERS)
        )
        if name:
            self.save_wanted.emit(*named(Path(name), chosen))

    def _ask_keep(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self,
            "Keep this slide's annotations in",
            filter="QuPath GeoJSON (*.geojson)",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if name:
            self.keep_wanted.emit(Path(name))


def named(path: Path, chosen: str) -> tuple[Path, str]:
    """Return a path with an ending of the format chosen in the dialog, and that format's name."""
    name = FILTERS[chosen]
    suffixes = FORMATS[name].suffixes
    is_named = path.name.lower().endswith(suffixes)
    return (path if is_named else path.with_name(path.name + suffixes[0])), name
