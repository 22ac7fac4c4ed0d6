"""Several data sets as one: a main one, and others that are learnt from beside it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Any

from slideconcord.errors import ParameterError
from slideconcord.provenance import fingerprint_json
from slideconcord.training.data.labels import Labels
from slideconcord.training.data.split import TRAIN
from slideconcord.training.data.tile import Grid, Mask, Rgb, TileRecord, TileSource


@dataclass(frozen=True)
class MixedData:
    """Main data whose splits are named, and more to learn from that is never checked on.

    So a model sees what the main data do not show, such as muscle and empty glass, while its scores
    stay those of the main data.
    """

    main: Any
    """A name in SOURCES with its settings."""
    more: tuple[Any, ...]
    """As ``main``, each."""
    path: str = ""
    """Where the main data lie; the command line's --data comes first."""

    def open(self, grid: Grid, labels: Labels) -> MixedTiles:
        """Open all of them.

        Raises
        ------
        ParameterError
            When a part is not known or wrong, or the main data name no split.
        TrainingError
            As the parts.
        """
        from slideconcord.training.data.sources import make_data

        where = "data.source.mixed"
        main = make_data(self.main, self.path, f"{where}.main")
        more = [make_data(part, "", f"{where}.more") for part in self.more]
        first, *others = (part.open(grid, labels) for part in (main, *more))
        if not all(record.split for record in first.records):
            raise ParameterError(
                f"{where}: the main data do not say which tiles are learnt from and which are "
                "checked on: name it in their column split."
            )
        return MixedTiles(first, others)


class MixedTiles:
    """The tiles of `MixedData`; see `TileSource`.

    Parameters
    ----------
    main, others
        Sources of the same classes.
    """

    def __init__(self, main: TileSource, others: Sequence[TileSource]) -> None:
        self._sources = (main, *others)
        self._starts = [0, *accumulate(len(source.records) for source in self._sources)]

    @property
    def classes(self) -> tuple[str, ...]:
        return self._sources[0].classes

    @cached_property
    def records(self) -> tuple[TileRecord, ...]:
        main, *others = self._sources
        learnt = (replace(record, split=TRAIN) for source in others for record in source.records)
        return (*main.records, *learnt)

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_json({"mixed": [source.fingerprint for source in self._sources]})

    def read(self, index: int) -> tuple[Rgb, Mask]:
        part = bisect_right(self._starts, index) - 1
        return self._sources[part].read(index - self._starts[part])
