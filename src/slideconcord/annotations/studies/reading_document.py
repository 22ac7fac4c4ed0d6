"""The document of a reading: it changes nothing once somebody else has taken the reading over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from slideconcord.annotations.editing import About, Change, ClassList, Document
from slideconcord.annotations.editing.journal import journal_of, read_journal
from slideconcord.errors import OutputError

# As the umask of each observer allows: whoever keeps the study must read what they draw.
SHARED = 0o666


class ReadingDocument(Document):
    """A document whose every change asks first whether the reading is still one's own.

    Parameters
    ----------
    path, about, classes, metadata
        As for `Document`.
    require_mine
        Raises `OutputError` when it is not.
    """

    def __init__(
        self,
        path: Path,
        about: About,
        classes: ClassList,
        metadata: Mapping[str, Any],
        require_mine: Callable[[], None],
    ) -> None:
        self._require_mine = require_mine
        super().__init__(path, about, classes=classes, metadata=metadata, mode=SHARED)

    def do(self, change: Change) -> None:
        self._require_mine()
        super().do(change)

    def undo(self) -> Change | None:
        self._require_mine()
        return super().undo()

    def redo(self) -> Change | None:
        self._require_mine()
        return super().redo()

    def save(self) -> None:
        self._require_mine()
        super().save()

    def close(self, *, save: bool = True) -> None:
        """Make the snapshot whole, unless it is somebody else's by now, and let go of it."""
        if self.is_closed:
            return
        try:
            self._require_mine()
        except OutputError:
            self.abandon()
        else:
            super().close(save=save)


def has_unsaved(path: Path) -> bool:
    """Whether the journal of a reading holds changes, as a crash leaves it."""
    held = read_journal(journal_of(path))
    return held is not None and bool(held.records or held.torn)
