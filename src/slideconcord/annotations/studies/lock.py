"""A lock on a file in a shared folder: it says whose it is, and outlives nobody by long.

`segmentation.lock` asks the system to drop a lock with its process. That does not reach over a
network, and says nothing of the person. Here a lock is a file, made by a call that fails where it
exists, which every file system that is shared can do. What is assumed: file names are seen by all
computers as soon as they are made, and clocks are wrong by less than the age that makes a lock
stale.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Self

from slideconcord.annotations.studies.owner import Owner, now
from slideconcord.errors import OutputError

STALE_AFTER = timedelta(hours=1)
"""Without a sign of life: a window that has a reading open gives one every minute."""
_WRITTEN_WITHIN_S = 2.0


class OwnedLock:
    """A lock held from construction to `release`.

    A lock whose process is gone, or that was not renewed for ``stale_after``, is taken over:
    ``replaced`` says whose it was. Whoever lost it is told by `require`.

    Parameters
    ----------
    path
        The lock file, beside what it locks.
    owner
        Who wants it.
    stale_after
        Age since it was last renewed, from which a lock of another computer counts as forgotten.

    Raises
    ------
    OutputError
        When somebody holds it, or the folder cannot be written.
    """

    def __init__(self, path: Path, owner: Owner, stale_after: timedelta = STALE_AFTER) -> None:
        self.path = path
        self.owner = owner
        self.replaced: Owner | None = None
        """Whose stale lock was taken over."""
        self._stale_after = stale_after
        while not self._create(self.path):
            self._take_over()
            if self.is_mine:
                return

    def require(self) -> None:
        """Refuse to go on when somebody else took the lock over.

        Raises
        ------
        OutputError
            Naming who did.
        """
        if not self.is_mine:
            other = _read(self.path)
            raise OutputError(
                f"{_subject(self.path)} was taken over by {other or 'somebody else'}, since it "
                "gave no sign of life for long: nothing was written. Close it and open it anew.",
                self.path,
            )

    def renew(self) -> None:
        """Begin its age anew.

        Raises
        ------
        OutputError
            When somebody else took it over.
        """
        self.require()
        os.utime(self.path)

    def release(self) -> None:
        """Give the file free; a lock that somebody took over is left alone."""
        claim = self._claim_path(self.owner)
        if self.is_mine and self._create(claim):
            if self.is_mine:
                self.path.unlink(missing_ok=True)
            claim.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def is_mine(self) -> bool:
        """Whether nobody took it over."""
        try:
            found = Owner.read(self.path)
        except FileNotFoundError:
            return False
        return found is not None and found.token == self.owner.token

    def _create(self, path: Path) -> bool:
        """Make a lock file; False where there is one."""
        try:
            file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        except OSError as error:
            raise OutputError(
                f"{path.parent} cannot be written: {error.strerror}. Ask whoever keeps the study "
                "for permission.",
                path,
            ) from error
        with os.fdopen(file, "w", encoding="utf-8") as text:
            text.write(self.owner.to_json())
        return True

    def _take_over(self) -> None:
        """Put ours in the place of a stale lock.

        Of several who try, one makes the claim, which bears the token of the stale lock; the claim
        then becomes the lock in one step, so that there is one at every moment.
        """
        held = _read(self.path)
        if self._is_live(held):
            who = held or "somebody"
            raise OutputError(
                f"{_subject(self.path)} is open: {who} holds it. Wait until it is closed there.",
                self.path,
            )
        claim = self._claim_path(held)
        if not self._create(claim):
            self._drop_forgotten(claim)
            return
        # between reading and claiming, somebody may have come first
        if self.path.exists() and _token(_read(self.path)) == _token(held):
            self._settle(claim)
            self.replaced = held
        else:
            claim.unlink(missing_ok=True)

    def _settle(self, claim: Path) -> None:
        try:
            claim.replace(self.path)
        except FileNotFoundError:
            return  # somebody else's claim went first
        except OSError as error:
            claim.unlink(missing_ok=True)
            raise OutputError(
                f"The lock {self.path} is stale but cannot be replaced: {error.strerror}. Delete "
                "it once nobody works on the file.",
                self.path,
            ) from error

    def _is_live(self, held: Owner | None) -> bool:
        age = self._age(self.path)
        if age is None:
            return False  # released just now
        if held is not None and held.is_dead:
            return False
        return age < self._stale_after

    def _drop_forgotten(self, claim: Path) -> None:
        """Remove the claim of a process that died on the way; wait for any other."""
        try:
            claimant, age = Owner.read(claim), self._age(claim)
        except FileNotFoundError:
            return
        if (claimant is not None and claimant.is_dead) or (age or timedelta()) > self._stale_after:
            claim.unlink(missing_ok=True)
        else:
            time.sleep(0.01)

    def _age(self, path: Path) -> timedelta | None:
        try:
            changed = path.stat().st_mtime
        except FileNotFoundError:
            return None
        return timedelta(seconds=max(now().timestamp() - changed, 0.0))

    def _claim_path(self, held: Owner | None) -> Path:
        return self.path.with_name(f"{self.path.name}.{_token(held)}")


def holder(path: Path) -> Owner | None:
    """Return whom a lock file names, if there is one."""
    with suppress(FileNotFoundError):
        return Owner.read(path)
    return None


def _read(path: Path) -> Owner | None:
    """Return whom a lock file names, once it is written; None when it is gone or names nobody."""
    until = time.monotonic() + _WRITTEN_WITHIN_S
    while True:
        try:
            owner = Owner.read(path)
        except FileNotFoundError:
            return None
        if owner is not None or time.monotonic() > until:
            return owner
        time.sleep(0.01)


def _token(owner: Owner | None) -> str:
    return "unreadable" if owner is None else owner.token


def _subject(lock: Path) -> str:
    return lock.name.removesuffix(".lock")
