"""Reads files piece by piece, unpacked where they are gzip, and refuses gzip bombs."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from slideconcord.annotations.limits import LIMITS, one_line
from slideconcord.errors import AnnotationError

CHUNK = 4 << 20
_MAGIC = b"\x1f\x8b"


def read_pieces(path: Path, size: int = CHUNK) -> Iterator[bytes]:
    """Yield a file's bytes, at most ``size`` at a time.

    Raises
    ------
    AnnotationError
        When gzip data is damaged, or grows like no annotation file does.
    """
    with path.open("rb") as file:
        packed = file.read(2) == _MAGIC
        file.seek(0)
        source: IO[bytes] | gzip.GzipFile = gzip.GzipFile(fileobj=file) if packed else file
        total = 0
        while piece := _read(source, size, path):
            total += len(piece)
            if packed:
                _check_ratio(total, file.tell(), path)
            yield piece


def _read(source: IO[bytes] | gzip.GzipFile, size: int, path: Path) -> bytes:
    try:
        return source.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise AnnotationError(
            f"{path}: the gzip data is damaged: {one_line(error)}. Export it again.", path
        ) from error


def _check_ratio(unpacked: int, packed: int, path: Path) -> None:
    if unpacked > LIMITS.feature_bytes and unpacked > LIMITS.packed_ratio * max(packed, 1):
        raise AnnotationError(
            f"{path}: {packed:,} packed bytes grew to {unpacked:,}: this is no annotation file.",
            path,
        )
