"""Reading and writing whole chunks of a Zarr v2 array, without a detour through zarr's loop.

zarr's own way costs as much again as compressing and writing a chunk; the bytes are the same.
"""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numcodecs import get_codec  # type: ignore[import-untyped]
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


class ChunkedArray:
    """A uint8 array (class, y, x) on disk with one class a chunk. Chunks appear whole or not.

    ``drafts`` is a folder on the same disk for chunks half written: a crash leaves them there,
    and not among the others.
    """

    def __init__(self, folder: Path, drafts: Path) -> None:
        about: dict[str, Any] = json.loads((folder / ".zarray").read_text(encoding="utf-8"))
        self._folder, self._drafts = folder, drafts
        self._codec: Any = get_codec(about["compressor"])
        self.classes, self.height, self.width = about["shape"]
        self.chunk_px: int = about["chunks"][1]

    @property
    def chunk_shape(self) -> tuple[int, int]:
        """Rows and columns of chunks."""
        return math.ceil(self.height / self.chunk_px), math.ceil(self.width / self.chunk_px)

    def read(self, row: int, column: int) -> Bytes:
        """Return a chunk of every class (class, y, x); at the border it is smaller."""
        height = min(self.chunk_px, self.height - row * self.chunk_px)
        width = min(self.chunk_px, self.width - column * self.chunk_px)
        block = np.zeros((self.classes, height, width), np.uint8)
        for channel in range(self.classes):
            path = self._path(channel, row, column)
            if path.is_file():
                chunk = np.frombuffer(self._codec.decode(path.read_bytes()), np.uint8)
                block[channel] = chunk.reshape(self.chunk_px, self.chunk_px)[:height, :width]
        return block

    def write(self, row: int, column: int, block: Bytes) -> None:
        """Write a chunk of every class. A chunk of zeros is none, as Zarr has it."""
        whole = np.zeros((self.classes, self.chunk_px, self.chunk_px), np.uint8)
        whole[:, : block.shape[1], : block.shape[2]] = block
        for channel, chunk in enumerate(whole):
            path = self._path(channel, row, column)
            if chunk.any():
                self._replace(path, self._codec.encode(chunk))
            else:
                path.unlink(missing_ok=True)

    def _replace(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._drafts / f"{threading.get_ident()}.partial"
        draft.write_bytes(content)
        draft.replace(path)

    def _path(self, channel: int, row: int, column: int) -> Path:
        return self._folder / str(channel) / str(row) / str(column)
