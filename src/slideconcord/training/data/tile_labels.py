"""One label for a whole tile, for learning to classify tiles instead of pixels."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from slideconcord.provenance import fingerprint_json
from slideconcord.training.data.tile import Mask, Rgb, TileRecord, TileSource


class TileLabels:
    """The tiles of another source, every pixel of a tile labelled with the tile's own class.

    Parameters
    ----------
    source
        Where the tiles come from.
    least
        A tile is of the last class that covers at least this share of it, and of the first class
        when none does.
    """

    def __init__(self, source: TileSource, least: float) -> None:
        self._source, self._least = source, least

    @property
    def classes(self) -> tuple[str, ...]:
        return self._source.classes

    @cached_property
    def records(self) -> tuple[TileRecord, ...]:
        return tuple(
            replace(record, shares=tuple(float(k == self._label(record)) for k in self._numbers))
            for record in self._source.records
        )

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_json({"tiles of": self._source.fingerprint, "least": self._least})

    def read(self, index: int) -> tuple[Rgb, Mask]:
        rgb, mask = self._source.read(index)
        return rgb, np.full_like(mask, self._label(self._source.records[index]))

    @property
    def _numbers(self) -> range:
        return range(len(self.classes))

    def _label(self, record: TileRecord) -> int:
        covering = [k for k, share in enumerate(record.shares) if share >= self._least]
        return covering[-1] if covering else 0
