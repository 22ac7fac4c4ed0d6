"""Opening the scans of one glass slide in a window: those of a folder, or of a case file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slideconcord.errors import SlideError, UnsupportedSlideError
from slideconcord.plugin.layers import slide_layer
from slideconcord.plugin.reader import may_be_slide, open_or_ask

if TYPE_CHECKING:
    from slideconcord.comparison.case import CaseScan
    from slideconcord.plugin.session import Session
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.slides import Slide


def open_folder(session: Session, folder: Path) -> list[SlideEntry]:
    """Open every slide of a folder; those that are open already are taken as they are.

    Raises
    ------
    SlideError
        When the folder holds no slide, or one that is damaged.
    """
    entries = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not may_be_slide(path):
            continue
        try:
            entry = open_entry(session, path)
        except UnsupportedSlideError:
            continue  # a folder holds reports and outlines, too
        if entry is not None:
            entries.append(entry)
    if not entries:
        raise SlideError(f"{folder} holds no slide: choose the folder of the scans.", folder)
    return entries


def open_entry(session: Session, path: Path, scan: CaseScan | None = None) -> SlideEntry | None:
    """Return the entry of a slide, opened if need be; None when its pixel size stays unknown."""
    resolved = path.resolve()
    for entry in session.workspace.entries:
        if entry.slide.path.resolve() == resolved:
            return entry
    knows = scan is not None and scan.mpp is not None
    slide = scan.open() if scan and knows else open_or_ask(path, can_ask=_has_window(session))
    return None if slide is None else add_slide(session, slide)


def add_slide(session: Session, slide: Slide) -> SlideEntry | None:
    """Add the layer of a slide and return its entry."""
    data, keywords, _ = slide_layer(slide)
    slide_id = keywords["metadata"]["slideconcord"]["id"]
    session.viewer.add_image(data, **keywords)
    return session.workspace.find(slide_id)


def _has_window(session: Session) -> bool:
    return hasattr(session.viewer, "window")


@dataclass(frozen=True, slots=True)
class OpenedCase:
    """The slides of a case file in a window."""

    entries: list[SlideEntry]
    names: dict[str, str]
    """Scanner by the id of the entry."""
    sources: dict[str, CaseScan]
    """What the file says of a scan, by the id of the entry."""
    hub_id: str
    virtual: str


def open_case(session: Session, path: Path) -> OpenedCase:
    """Open the scans that a case file names.

    Raises
    ------
    SlideconcordError
        When the file is no case, or a scan cannot be opened.
    """
    from slideconcord.comparison.case_files import read_case

    case = read_case(path)
    entries, sources, hub_id = [], {}, ""
    for scan in case.scans:
        entry = open_entry(session, scan.path, scan)
        if entry is None:
            continue
        entries.append(entry)
        sources[entry.id] = scan
        if scan.scanner == case.hub:
            hub_id = entry.id
    names = {key: scan.scanner for key, scan in sources.items()}
    return OpenedCase(entries, names, sources, hub_id, case.virtual)
