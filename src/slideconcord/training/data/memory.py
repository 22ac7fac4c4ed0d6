"""Tiles that stay in memory once they were read."""

from __future__ import annotations

from collections.abc import Callable

from slideconcord.training.data.tile import Mask, Rgb

KEPT_BYTES = 1 << 28


class TileMemory:
    """Keeps tiles until ``room_bytes`` are full; later ones are made anew each time."""

    def __init__(self, room_bytes: int = KEPT_BYTES) -> None:
        self._kept: dict[int, tuple[Rgb, Mask]] = {}
        self._room = room_bytes

    def get(self, index: int, make: Callable[[int], tuple[Rgb, Mask]]) -> tuple[Rgb, Mask]:
        """Return the tile of this number, made when it is not kept."""
        tile = self._kept.get(index) or make(index)
        # Two threads may make one tile at once: both then hold the same pixels.
        if index not in self._kept and (size := tile[0].nbytes + tile[1].nbytes) <= self._room:
            self._kept[index] = tile
            self._room -= size
        return tile
