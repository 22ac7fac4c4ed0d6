"""Every change on disk before it counts as made.

The journal lies beside the snapshot whose changes it records, ``case.geojson.journal`` beside
``case.geojson``. Each line is one record; a record is confirmed once its line is whole and on
disk. A last line without its end is a change that was being written when the power went: it is
cut off and reported. Anything else that does not fit its checksum is damage, and refused.

(`segmentation.journal` forgets everything from the first line that it cannot read, since a tile can
be predicted again. What a hand drew cannot: that is why the two share nothing.)
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from slideconcord.annotations.editing.change import Change
from slideconcord.annotations.editing.records import NEWLINE, from_line, record_of, to_line
from slideconcord.errors import AnnotationError, OutputError
from slideconcord.file_lock import lock

PRIVATE = 0o600
_KIND, _VERSION = "slideconcord annotations", 1


def journal_of(path: Path) -> Path:
    """Return where the changes since the snapshot ``path`` are."""
    return path.with_name(path.name + ".journal")


@dataclass(frozen=True, slots=True)
class Journalled:
    """What a journal holds."""

    start: int
    """The number of the change before its first."""
    records: tuple[dict[str, Any], ...] = ()
    size: int = 0
    """Bytes of whole lines."""
    torn: int = 0
    """Bytes after them: of a change that was being written."""

    @property
    def last(self) -> int:
        """The number of its last change."""
        return self.start + len(self.records)


def read_journal(path: Path) -> Journalled | None:
    """Return what a journal holds; None where there is none, or it was never begun.

    Raises
    ------
    AnnotationError
        When it is damaged otherwise than by a last line cut short.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AnnotationError(f"{path} cannot be read: {error.strerror}.", path) from error
    *lines, rest = data.split(NEWLINE)
    if not lines:
        return None
    start = _read_head(lines[0], path)
    records = tuple(_read(line, at, start, path) for at, line in enumerate(lines[1:], 1))
    return Journalled(start, records, len(data) - len(rest), len(rest))


def _read_head(line: bytes, path: Path) -> int:
    head = _checked(line, 1, path)
    if head.get("journal") != _KIND or not isinstance(head.get("from"), int):
        raise AnnotationError(f"{path} is no journal of annotations: move it away.", path)
    if head.get("version") != _VERSION:
        raise AnnotationError(
            f"{path} was written by another version of slideconcord (journal version "
            f"{head.get('version')}, not {_VERSION}): open it with that one, and save there.",
            path,
        )
    return int(head["from"])


def _read(line: bytes, at: int, start: int, path: Path) -> dict[str, Any]:
    record = _checked(line, at + 1, path)
    if record.get("n") != start + at:
        raise AnnotationError(
            f"{path} is damaged: line {at + 1} is change {record.get('n')}, not {start + at}. "
            "Restore it from a backup.",
            path,
        )
    return record


def _checked(line: bytes, number: int, path: Path) -> dict[str, Any]:
    try:
        return from_line(line)
    except ValueError as error:
        raise AnnotationError(
            f"{path} is damaged in line {number}: {error}. Restore it from a backup, or remove "
            "that line and all after it to go on from the changes before.",
            path,
        ) from error


class Journal:
    """A journal that is being written.

    Parameters
    ----------
    file : open for reading and writing, locked by its owner
    path : what messages call it
    held : what it holds; None begins it anew
    start : the number of the last change that the snapshot holds, where it is begun anew
    """

    def __init__(self, file: BinaryIO, path: Path, held: Journalled | None, start: int) -> None:
        self._file, self.path = file, path
        self.number = held.last if held else start
        """The number of the last change that is on disk."""
        self._start = held.start if held else start
        self._end = held.size if held else 0
        if held is None:
            self.begin(start)
        elif held.torn:
            self._cut()

    @property
    def is_empty(self) -> bool:
        """Whether the snapshot holds every change."""
        return self.number == self._start

    @property
    def is_closed(self) -> bool:
        return self._file.closed

    def append(self, change: Change) -> None:
        """Put a change on disk; it is confirmed when this returns.

        Raises
        ------
        OutputError
            When it cannot be written whole; nothing of it is left then.
        """
        self._write(to_line(record_of(change, self.number + 1)))
        self.number += 1

    def begin(self, start: int) -> None:
        """Forget all changes: a snapshot holds them up to number ``start``.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        self._end = 0
        with suppress(OSError):
            self._cut()
        self._write(to_line({"journal": _KIND, "version": _VERSION, "from": start}))
        self._start = self.number = start

    def close(self) -> None:
        """Let go of the file; one that records nothing goes."""
        with self._file, suppress(OSError):
            if self.is_empty:
                self.path.unlink()

    def abandon(self) -> None:
        """Let go of the file and leave it as it is: it is somebody else's now."""
        self._file.close()

    def _write(self, line: bytes) -> None:
        try:
            self._file.seek(self._end)
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):
                self._cut()
            raise OutputError(
                f"{self.path} cannot be written: {error.strerror or error}. "
                "The change was not made; make room, and make it again.",
                self.path,
            ) from error
        self._end += len(line)

    def _cut(self) -> None:
        self._file.seek(self._end)
        self._file.truncate()


def open_locked(path: Path, mode: int) -> BinaryIO:
    """Open a journal that nobody else writes, made when it is not there.

    Raises
    ------
    OutputError
        When another window has it, or it cannot be made.
    """
    while True:
        file = open_private(path, mode)
        if not lock(file):
            file.close()
            raise OutputError(
                f"{path.name.removesuffix('.journal')} is being edited in another window: "
                "close it there first.",
                path,
            )
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        # its owner removed it between our opening and our locking
        file.close()


def open_private(path: Path, mode: int = PRIVATE) -> BinaryIO:
    """Open a file to read and write, made for its owner alone when it is not there.

    Raises
    ------
    OutputError
        When it cannot be.
    """
    try:
        made = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), mode)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.", path) from error
    return os.fdopen(made, "r+b", buffering=0)
