"""A lock on an open file, which the system drops when its owner ends, however it ends."""

from __future__ import annotations

import errno
import logging
import os
import sys
from typing import BinaryIO

_log = logging.getLogger(__name__)
_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}
# Far behind the content, because Windows hides locked bytes from other readers.
_LOCKED_BYTE = 1 << 40


def lock(file: BinaryIO) -> bool:
    """Lock a file until it is closed; False when another open file has it locked."""
    try:
        if sys.platform == "win32":
            import msvcrt

            at = file.tell()
            file.seek(_LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(at)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        # Some network file systems have no locks at all; refusing them helps nobody.
        _log.warning("%s cannot be locked (%s): open it nowhere else", file.name, error)
    return True


def sync_folder(folder: os.PathLike[str]) -> None:
    """Put on disk which files a folder has, where the system can."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
