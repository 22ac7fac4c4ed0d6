"""Where a slide's annotations are kept: beside its results, or in a file that somebody chose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slideconcord.annotations.exchange import atomic, make_folder
from slideconcord.errors import OutputError
from slideconcord.plugin.segmenting import slide_folder

if TYPE_CHECKING:
    from slideconcord.slides import Slide

FILE_NAME, NOTE_NAME = "annotations.geojson", "annotations-kept-in.txt"


def default_path(folder: Path, slide: Slide) -> Path:
    """Return where a slide's annotations are kept when nobody says otherwise."""
    return slide_folder(folder, slide) / FILE_NAME


def place_of(folder: Path, slide: Slide) -> Path:
    """Return where a slide's annotations are kept: in the file that was chosen last, if any.

    Raises
    ------
    OutputError
        When the folder of the chosen file is gone.
    """
    note = slide_folder(folder, slide) / NOTE_NAME
    if not note.exists():
        return default_path(folder, slide)
    path = Path(note.read_text(encoding="utf-8").strip())
    if not path.parent.is_dir():
        raise OutputError(
            f"The annotations of {slide.name} are kept in {path}, and that folder is not there: "
            "bring it back, or choose another file with Keep in….",
            path,
        )
    return path


def remember_place(folder: Path, slide: Slide, path: Path) -> None:
    """Note that a slide's annotations are kept in a file of one's own from now on.

    Raises
    ------
    OutputError
        When that cannot be noted.
    """
    note = slide_folder(folder, slide) / NOTE_NAME
    make_folder(note.parent)
    with atomic(note) as partial:
        partial.write_text(f"{path.absolute()}\n", encoding="utf-8")
