"""One process at a time in an output folder.

The system drops the lock when its owner ends, however it ends, so none is ever left behind.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from slideconcord.errors import OutputError
from slideconcord.file_lock import lock

LOCK_NAME = "run.lock"


class FolderLock:
    """A lock on a folder, held from construction to `release`.

    Raises
    ------
    OutputError
        When another run holds it, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_NAME
        self._file = self._open(folder)

    def release(self) -> None:
        """Give the folder free; the lock file goes too."""
        # Closing unlocks. Windows cannot remove an open file; one left over does no harm.
        with self._file, suppress(OSError):
            self.path.unlink()

    def _open(self, folder: Path) -> BinaryIO:
        while True:
            try:
                file = self.path.open("a+b")
            except OSError as error:
                raise OutputError(
                    f"{folder} cannot be written: {error.strerror}. Choose another place.", folder
                ) from error
            if not lock(file):
                owner = _owner(self.path)
                file.close()
                raise OutputError(
                    f"{folder} is being written by another run (process {owner}). "
                    "Wait for it, cancel it, or choose another place.",
                    folder,
                )
            if self._is_same(file):
                file.truncate(0)
                file.write(str(os.getpid()).encode())
                file.flush()
                return file
            # The owner before removed the file between our opening and our locking.
            file.close()

    def _is_same(self, file: BinaryIO) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False


def _owner(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() or "unknown"
    except OSError:
        return "unknown"
