"""Batches read ahead by threads. Slide libraries let go of the GIL, so processes are not needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch

from slideconcord.errors import TrainingError
from slideconcord.training.data.prepare import padded
from slideconcord.training.data.tile import IGNORE, PADDING, Mask, Rgb

if TYPE_CHECKING:
    from torch import Tensor

    from slideconcord.training.data.prepare import Prepared

Places = Sequence[tuple[int, int]]
"""Where each tile of a batch stands in the endless order, and its number in the source."""

_AHEAD = 3
"""Batches being read while one is learnt from."""


@dataclass(frozen=True)
class ReadBatch:
    """A batch as read, in the memory of the processor."""

    images: Tensor
    """(tile, 3, y, x) uint8; with context (tile, 6, y, x)."""
    masks: Tensor
    """(tile, y, x) int64; with context (tile, 2, y, x)."""
    places: tuple[int, ...]
    """Where each tile stands in the endless order; names its randomness."""
    names: tuple[str, ...]
    scanners: tuple[str, ...]

    @property
    def truth(self) -> Tensor:
        """The masks (tile, y, x) of the tiles themselves."""
        return self.masks if self.masks.ndim == 3 else self.masks[:, 0]

    def parts(self, count: int) -> Iterator[ReadBatch]:
        """Cut the batch into ``count`` parts of about one size."""
        size = -(-len(self.places) // count)
        for start in range(0, len(self.places), size):
            cut = slice(start, start + size)
            yield ReadBatch(self.images[cut], self.masks[cut], self.places[cut], self.names[cut],
                            self.scanners[cut])  # fmt: skip


class Loader:
    """Reads the tiles of one device's share of the batches, some batches ahead.

    Parameters
    ----------
    prepared
        The data.
    side
        Pixels that tiles are padded to.
    batch
        Tiles of a whole batch.
    rank, world
        Which device this is, of how many: it reads every world-th tile of a batch.
    readers
        Threads.
    pad_value
        Grey level around smaller tiles that are checked on, as the model will see it.
    """

    def __init__(
        self, prepared: Prepared, side: int, batch: int, rank: int = 0, world: int = 1,
        readers: int = 4, pad_value: int = 0,
    ) -> None:  # fmt: skip
        self._data, self._side, self._batch = prepared, side, batch
        self._rank, self._world = rank, world
        self._readers, self._pad_value = readers, pad_value

    def training(self, first: int, steps: int) -> Iterator[ReadBatch]:
        """Yield the batches of the steps from ``first`` on.

        Around smaller tiles is their mirror image, whose mask is `PADDING`: so what measures a
        tile's colours measures the tile. After it comes `Learner.framed`.
        """

        def places(step: int) -> range:
            start = step * self._batch
            return range(start + self._rank, start + self._batch, self._world)

        wanted = (places(step) for step in range(first, steps))
        batches = (
            [(place, self._data.train[self._data.order[place]]) for place in batch]
            for batch in wanted
        )
        return self._read(batches, PADDING, None)

    def checking(self, batch: int) -> Iterator[ReadBatch]:
        """Yield the tiles to check on, each once over all devices; padding does not count."""
        own = list(enumerate(self._data.val))[self._rank :: self._world]
        batches = (own[k : k + batch] for k in range(0, len(own), batch))
        return self._read(batches, IGNORE, self._pad_value)

    def _read(
        self, batches: Iterator[Sequence[tuple[int, int]]], outside: int, pad_value: int | None
    ) -> Iterator[ReadBatch]:
        source, side = self._data.source, self._side

        def tile(index: int) -> tuple[Rgb, Mask]:
            return padded(*source.read(index), side, outside, pad_value)

        waiting: deque[tuple[Places, list[Future[tuple[Rgb, Mask]]]]] = deque()
        pool = ThreadPoolExecutor(self._readers, thread_name_prefix="tiles")
        try:
            while True:
                for batch in islice(batches, _AHEAD - len(waiting)):
                    waiting.append((batch, [pool.submit(tile, index) for _, index in batch]))
                if not waiting:
                    return
                batch, futures = waiting.popleft()
                yield self._stacked(batch, [future.result() for future in futures])
        finally:
            pool.shutdown(cancel_futures=True)

    def _stacked(self, batch: Places, tiles: Sequence[tuple[Rgb, Mask]]) -> ReadBatch:
        records = [self._data.source.records[index] for _, index in batch]
        names = tuple(record.name for record in records)
        for name, (rgb, mask) in zip(names, tiles, strict=True):
            if rgb.shape[:-1] != mask.shape or max(mask.shape) != self._side:
                raise TrainingError(
                    f"The tile {name} is {rgb.shape[-3]} x {rgb.shape[-2]} px, its mask "
                    f"{mask.shape[-2]} x {mask.shape[-1]}, where {self._side} x {self._side} "
                    "belong.",
                    [name],
                )
        # A context's channels come after those of its tile.
        stacked = torch.from_numpy(np.stack([rgb for rgb, _ in tiles]))
        images = stacked.movedim(-1, -3).flatten(1, -3)
        masks = torch.from_numpy(np.stack([mask for _, mask in tiles])).long()
        places, scanners = tuple(place for place, _ in batch), tuple(r.scanner for r in records)
        return ReadBatch(images, masks, places, names, scanners)
