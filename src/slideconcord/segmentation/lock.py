"""One process at a time in an output folder.

The system drops the lock when its owner ends, however it ends, so none is ever left behind.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from slideconcord.errors import OutputError

_log = logging.getLogger(__name__)
LOCK_NAME = "run.lock"
_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}
# Far behind the text, because Windows hides locked bytes from other readers.
_LOCKED_BYTE = 1 << 20


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
            if not _take(file):
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


def _take(file: BinaryIO) -> bool:
    """Lock the file; False when another open file has it locked."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(_LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        # Some network file systems have no locks at all; refusing them helps nobody.
        _log.warning("%s cannot be locked (%s): start no second run there", file.name, error)
    return True


def _owner(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() or "unknown"
    except OSError:
        return "unknown"
