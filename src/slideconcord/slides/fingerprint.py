"""What tells one slide from another: a hash of its bytes, whatever it is called."""

from __future__ import annotations

import hashlib
from pathlib import Path

from slideconcord.provenance import fingerprint_file

# Folders (OME-Zarr) may hold a million files: the sizes of all and the bytes of a few do.
_HASHED_FILES = 64


def fingerprint(path: Path) -> str:
    """Return a SHA-256 of a slide's file, or of the files of its folder."""
    companion = path.with_suffix("")
    if path.suffix.lower() == ".mrxs" and companion.is_dir():
        return _combined([fingerprint_file(path), _folder(companion)])
    return _folder(path) if path.is_dir() else fingerprint_file(path)


def _folder(folder: Path) -> str:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    sizes = ",".join(str(file.stat().st_size) for file in files)
    stride = max(len(files) // _HASHED_FILES, 1)
    return _combined([sizes, *(fingerprint_file(file) for file in files[::stride])])


def _combined(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
