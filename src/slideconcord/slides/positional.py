"""A file that many threads read at once, each at its own place."""

from __future__ import annotations

import os
import threading
from pathlib import Path


class _Descriptor:
    """An open file, closed when nobody holds it any more."""

    def __init__(self, path: Path) -> None:
        # O_BINARY exists on Windows only, where text mode would change bytes.
        self.number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


class PositionalFile:
    """Bytes at an offset, without a shared position and, where the system can, without a lock.

    Reads under way when it is closed end well: they hold the file until they are done.
    """

    def __init__(self, path: Path) -> None:
        descriptor = _Descriptor(path)
        self._descriptor: _Descriptor | None = descriptor
        self._lock = threading.Lock()
        self.size = os.fstat(descriptor.number).st_size

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
        held = self._descriptor
        if held is None:
            raise OSError("the file was closed")
        pieces = []
        while count:
            piece = self._read_some(held.number, offset, count)
            if not piece:
                raise OSError(f"the file ends before byte {offset + count}")
            pieces.append(piece)
            offset, count = offset + len(piece), count - len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_some(self, number: int, offset: int, count: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(number, count, offset)
        with self._lock:
            os.lseek(number, offset, os.SEEK_SET)
            return os.read(number, count)

    def close(self) -> None:
        self._descriptor = None
