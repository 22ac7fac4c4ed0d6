"""A file that many threads read at once, each at its own place."""

from __future__ import annotations

import os
import threading
from pathlib import Path


class PositionalFile:
    """Bytes at an offset, without a shared position and, where the system can, without a lock."""

    def __init__(self, path: Path) -> None:
        # O_BINARY exists on Windows only, where text mode would change bytes.
        self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._lock = threading.Lock()
        self.size = os.fstat(self._fd).st_size

    def read_at(self, offset: int, count: int) -> bytes:
        """Return exactly ``count`` bytes.

        Raises
        ------
        OSError
            When the file ends before, or is closed.
        """
        # A corrupt count must not allocate gigabytes first.
        if offset < 0 or count < 0 or offset + count > self.size:
            raise OSError(f"the file ends before byte {offset + count}")
        pieces = []
        while count:
            piece = self._read_some(offset, count)
            if not piece:
                raise OSError(f"the file ends before byte {offset + count}")
            pieces.append(piece)
            offset, count = offset + len(piece), count - len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_some(self, offset: int, count: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._fd, count, offset)
        with self._lock:
            os.lseek(self._fd, offset, os.SEEK_SET)
            return os.read(self._fd, count)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
