"""Cuts a GeoJSON file of any size into features, a few megabytes at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slideconcord.annotations import _json_scan as scan
from slideconcord.annotations.limits import LIMITS
from slideconcord.annotations.packed import CHUNK, read_pieces
from slideconcord.errors import AnnotationError

_MOST_AT_ONCE = 4096
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Batch(NamedTuple):
    """Whole features in a buffer of bytes."""

    buffer: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


class Splitter:
    """Iterates over the features of a file; afterwards ``shell`` is the text around them.

    ``shell`` is the document with its array of features emptied, so a single feature, which
    stands in no array, is all shell.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.shell = bytearray()
        self._state = np.zeros(scan.STATE_SIZE, np.int64)
        self._state[scan.BEGIN] = -1
        self._starts = np.empty(_MOST_AT_ONCE, np.int64)
        self._ends = np.empty(_MOST_AT_ONCE, np.int64)

    def __iter__(self) -> Iterator[Batch]:
        state, kept = self._state, b""
        for chunk in self._chunks():
            buffer = kept + chunk
            yield from self._scan(buffer, len(kept))
            begin = int(state[scan.BEGIN])
            kept = buffer[begin:] if begin >= 0 else b""
            if begin >= 0:
                state[scan.BEGIN] = 0
            self._check_size(len(kept), f"feature {self.count}")
        if kept:
            raise self._error(
                f"the file ends within feature {self.count}: it was cut off. Export it again."
            )

    def _scan(self, buffer: bytes, position: int) -> Iterator[Batch]:
        array = np.frombuffer(buffer, np.uint8)
        state = self._state
        while position < len(buffer):
            if state[scan.ANYTHING] == 2:
                found, position = scan.split_features(
                    array, position, state, self._starts, self._ends
                )
                if found:
                    yield Batch(array, self._starts[:found], self._ends[:found])
                    self._add(found)
                if state[scan.FAULT]:
                    raise self._error(
                        f"feature {self.count} {scan.FAULTS[int(state[scan.FAULT])]}."
                    )
                if state[scan.ANYTHING] == 3:
                    state[scan.ANYTHING] = 1
            else:
                stop = scan.skip_shell(array, position, state)
                self.shell += buffer[position:stop]
                position = stop
                self._check_size(len(self.shell), "the part outside the features")

    def _add(self, found: int) -> None:
        self.count += found
        if self.count > LIMITS.features:
            raise self._error(f"there are more than {LIMITS.features:,} features; split the file.")

    def _check_size(self, size: int, what: str) -> None:
        if size > LIMITS.feature_bytes:
            raise self._error(
                f"{what} is larger than {LIMITS.feature_bytes >> 20} MiB. "
                "Is this a GeoJSON file? Simplify the outline, or split it."
            )

    def _chunks(self) -> Iterator[bytes]:
        for i, piece in enumerate(read_pieces(self.path, CHUNK)):
            yield piece if i else self._without_mark(piece)

    def _without_mark(self, chunk: bytes) -> bytes:
        if chunk.startswith(_UTF16_MARKS):
            raise self._error("the text is UTF-16; save it as UTF-8.")
        return chunk.removeprefix(_UTF8_MARK)

    def _error(self, message: str) -> AnnotationError:
        return AnnotationError(f"{self.path}: {message}", self.path, self.count)
