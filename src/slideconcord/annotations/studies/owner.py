"""Who holds a lock: an observer in a process on a computer, and since when."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4


def now() -> datetime:
    """Return the time in UTC, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Owner:
    """One process that works on a file for somebody."""

    name: str
    """The observer's id."""
    host: str = field(default_factory=platform.node)
    pid: int = field(default_factory=os.getpid)
    born: str = field(default_factory=lambda: birth(os.getpid()))
    """Tells the process from a later one of the same number; empty where nothing does."""
    since: datetime = field(default_factory=now)
    token: str = field(default_factory=lambda: uuid4().hex)
    """Tells this lock from every other."""

    @property
    def is_dead(self) -> bool:
        """Whether the process is certainly gone; false for every process of another computer."""
        if self.host != platform.node():
            return False
        return not is_running(self.pid) or birth(self.pid) != self.born

    def __str__(self) -> str:
        since = self.since.strftime("%Y-%m-%d %H:%M UTC")
        return f"{self.name} on {self.host} (process {self.pid}, since {since})"

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "since": self.since.isoformat()})

    @classmethod
    def read(cls, path: Path) -> Owner | None:
        """Return whom a lock file names; None when it names nobody, or is not written yet.

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        """
        try:
            facts: dict[str, Any] = json.loads(path.read_bytes())
            return cls(**{**facts, "since": datetime.fromisoformat(facts["since"])})
        except (ValueError, TypeError, KeyError, PermissionError):
            # Windows forbids to read what is being replaced
            return None


def birth(pid: int) -> str:
    """Return what tells a process from others that had or will have its number."""
    try:
        # the 22nd value: clock ticks from the start of the system; its name may hold spaces
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        return f"{_boot()} {ticks}"
    except (OSError, IndexError):
        return ""


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def is_running(pid: int) -> bool:
    """Whether this computer has a process of that number."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return _is_running_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def _is_running_on_windows(pid: int) -> bool:
    # os.kill would end it
    import ctypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    may_wait, access_denied, still_there = 0x00100000, 5, 0x102
    handle = kernel.OpenProcess(may_wait, False, pid)
    if not handle:
        return bool(ctypes.get_last_error() == access_denied)  # type: ignore[attr-defined,unused-ignore]
    try:
        return bool(kernel.WaitForSingleObject(handle, 0) == still_there)
    finally:
        kernel.CloseHandle(handle)
