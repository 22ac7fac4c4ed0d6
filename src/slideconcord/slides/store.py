"""A slide as a read-only zarr v3 store: a group with one array a level, one chunk a tile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype

if TYPE_CHECKING:
    from slideconcord.slides.level import Level
    from slideconcord.slides.slide import Slide

_GROUP = "zarr.json"


class SlideStore(Store):
    """Serve the tiles of a slide as uncompressed chunks.

    Tiles are decoded by the slide's pool: zarr's event loop only waits for them, so many chunks
    decode at once.
    """

    def __init__(self, slide: Slide) -> None:
        super().__init__(read_only=True)
        self._slide = slide
        self._is_open = True

    supports_writes = False
    supports_deletes = False
    supports_partial_writes = False
    supports_listing = True

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        if (document := self._document(key)) is not None:
            return prototype.buffer.from_bytes(cut(document, byte_range))
        if (place := self._chunk(key)) is None:
            return None
        chunk = await self._tile(*place)
        return prototype.buffer.from_bytes(cut(chunk, byte_range))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return await asyncio.gather(*(self.get(key, prototype, at) for key, at in key_ranges))

    async def exists(self, key: str) -> bool:
        return self._document(key) is not None or self._chunk(key) is not None

    async def list(self) -> AsyncIterator[str]:
        yield _GROUP
        for level in self._slide.levels:
            yield f"{level.index}/{_GROUP}"
            rows, columns = level.grid
            for row in range(rows):
                for column in range(columns):
                    yield f"{level.index}/c/{row}/{column}/0"

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        async for key in self.list():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        folder = prefix.strip("/")
        start = f"{folder}/" if folder else ""
        seen = set()
        async for key in self.list_prefix(start):
            child = key[len(start) :].partition("/")[0]
            if child not in seen:
                seen.add(child)
                yield child

    async def set(self, key: str, value: Buffer) -> NoReturn:
        self._refuse()

    async def delete(self, key: str) -> NoReturn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise PermissionError(f"{self._slide.path.name} is open for reading only")

    def with_read_only(self, read_only: bool = False) -> SlideStore:
        if not read_only:
            self._refuse()
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SlideStore) and other._slide is self._slide

    __hash__ = None  # type: ignore[assignment]

    def _document(self, key: str) -> bytes | None:
        if key == _GROUP:
            return group_document(self._slide)
        level, _, rest = key.partition("/")
        if rest == _GROUP and (found := self._level(level)) is not None:
            return array_document(found)
        return None

    def _level(self, text: str) -> Level | None:
        known = text.isdecimal() and int(text) < len(self._slide.levels)
        return self._slide.levels[int(text)] if known else None

    def _chunk(self, key: str) -> tuple[int, int, int] | None:
        """Return (level, row, column) of a chunk's key such as ``0/c/3/7/0``."""
        parts = key.split("/")
        if len(parts) != 5 or parts[1] != "c" or parts[4] != "0":
            return None
        level = self._level(parts[0])
        if level is None or not (parts[2].isdecimal() and parts[3].isdecimal()):
            return None
        row, column = int(parts[2]), int(parts[3])
        inside = row < level.grid[0] and column < level.grid[1]
        return (level.index, row, column) if inside else None

    async def _tile(self, level: int, row: int, column: int) -> bytes:
        pyramid = self._slide.pyramid
        job = pyramid.schedule(level, row, column)
        try:
            # shielded: a reader that gives up must not take the tile from others
            tile = await asyncio.shield(asyncio.wrap_future(job.future))
        finally:
            pyramid.cache.drop(job)
        rgb = pyramid.show(tile, level, row, column)
        height, width = pyramid.plans[level].chunk
        if rgb.shape[:2] != (height, width):
            missing = (0, height - rgb.shape[0]), (0, width - rgb.shape[1]), (0, 0)
            rgb = np.pad(rgb, missing)
        return rgb.tobytes()


def cut(data: bytes, request: ByteRequest | None) -> bytes:
    """Return the part of a value that a byte request names."""
    match request:
        case RangeByteRequest(start, end):
            return data[start:end]
        case OffsetByteRequest(offset):
            return data[offset:]
        case SuffixByteRequest(suffix):
            return data[-suffix:] if suffix else b""
        case _:
            return data


def group_document(slide: Slide) -> bytes:
    """Return the metadata of the group: pixel size and what each level is."""
    levels = [{"path": str(v.index), "downsample": list(v.downsample)} for v in slide.levels]
    facts = {"mpp": list(slide.mpp), "colour": slide.colour, "levels": levels}
    return _json({"zarr_format": 3, "node_type": "group", "attributes": {"slideconcord": facts}})


def array_document(level: Level) -> bytes:
    """Return the metadata of a level's array."""
    return _json(
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(level.shape),
            "data_type": "uint8",
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": list(level.chunks)},
            },
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0,
            "codecs": [{"name": "bytes"}],
            "dimension_names": ["y", "x", "c"],
            "attributes": {"downsample": list(level.downsample), "mpp": list(level.mpp)},
        }
    )


def _json(value: dict[str, object]) -> bytes:
    return json.dumps(value).encode()
