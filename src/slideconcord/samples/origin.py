"""What virtual slides say of themselves, so that results on them can say it, too."""

from __future__ import annotations

VIRTUAL = "VIRTUAL: computed by slideconcord, no patient and no glass slide"
MAKER = "slideconcord virtual scanner"
"""The maker of every virtual scanner, in the file as readers of slides find it."""


def virtual_note(scanner: str | None) -> str:
    """Return what must be said of slides of a scanner (`Slide.scanner`); "" where it may exist."""
    return VIRTUAL if scanner is not None and scanner.startswith(MAKER) else ""
