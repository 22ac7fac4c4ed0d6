"""Other tiles as virtual scanners would show them: real tissue of more than one scanner.

What `rescan_tile` changes is colour, blur and noise; no pixel moves, and masks stay. Nothing that
is found on such tiles was found on a real scanner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field

from slideconcord.errors import TrainingError
from slideconcord.provenance import fingerprint_json
from slideconcord.samples.scanner import VirtualScanner
from slideconcord.training.data.folds import fold_numbers
from slideconcord.training.data.labels import Labels
from slideconcord.training.data.memory import TileMemory
from slideconcord.training.data.rescan import rescan_tile
from slideconcord.training.data.tile import Grid, Mask, Rgb, TileRecord, TileSource
from slideconcord.training.data.virtual import virtual_scanners


@dataclass(frozen=True)
class RescannedData:
    """The tiles of another source, each shown by virtual scanners instead of its own."""

    source: Any
    """A name in SOURCES with its settings."""
    scanners: Annotated[tuple[str, ...], Field(min_length=1)]
    """Virtual scanners by name."""
    each_patient: Literal["one", "all"] = "one"
    """Whether one scanner shows all tiles of a patient, so that scanners have other patients; or
    all show every tile, as one glass slide that went through each of them."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Names who is shown by which scanner, where it is one."""
    path: str = ""
    """Where the other source's data lie; the command line's --data comes first."""

    def open(self, grid: Grid, labels: Labels) -> RescannedTiles:
        """Open the other source and give its tiles to the scanners.

        Raises
        ------
        ParameterError
            When a scanner is not known or named twice, or the other source is wrong.
        TrainingError
            When there are fewer patients than scanners, or as the other source.
        """
        from slideconcord.training.data.sources import make_data

        where = "data.source.rescanned"
        scanners = virtual_scanners(self.scanners, f"{where}.scanners:")
        source = make_data(self.source, self.path, f"{where}.source").open(grid, labels)
        return RescannedTiles(source, grid, scanners, self.each_patient == "all", self.seed)


class RescannedTiles:
    """The tiles of `RescannedData`; see `TileSource`. What fits into 256 MiB stays in memory.

    A context is shown by its tile's scanner.

    Parameters
    ----------
    source
        Where the tiles come from. Patients, slides, groups and splits stay; scanners do not.
    grid
        How large their pixels are.
    scanners
        By whom they are shown.
    by_all
        Whether every tile is shown by every scanner; else every patient by one. Then the scanners
        get as even shares of the tiles of each split and group as whole patients allow.
    seed
        Names who is shown by which.
    """

    def __init__(
        self,
        source: TileSource,
        grid: Grid,
        scanners: Sequence[VirtualScanner],
        by_all: bool,
        seed: int,
    ) -> None:
        self._source, self._grid, self._scanners = source, grid, tuple(scanners)
        every = range(len(self._scanners))
        given = [every] * len(source.records) if by_all else _dealt(source, len(every), seed)
        self._shown = [(tile, number) for tile, by in enumerate(given) for number in by]
        self._memory = TileMemory()

    @property
    def classes(self) -> tuple[str, ...]:
        return self._source.classes

    @cached_property
    def records(self) -> tuple[TileRecord, ...]:
        return tuple(self._records())

    @cached_property
    def fingerprint(self) -> str:
        scanners = [repr(scanner) for scanner in self._scanners]
        facts = {"rescanned": self._source.fingerprint, "scanners": scanners}
        return fingerprint_json({**facts, "mpp": self._grid.mpp, "shown": self._shown})

    def read(self, index: int) -> tuple[Rgb, Mask]:
        return self._memory.get(index, self._read)

    def _records(self) -> Iterator[TileRecord]:
        for tile, number in self._shown:
            record, scanner = self._source.records[tile], self._scanners[number].name
            yield replace(record, name=f"{record.name} by {scanner}", scanner=scanner)

    def _read(self, index: int) -> tuple[Rgb, Mask]:
        tile, number = self._shown[index]
        rgb, mask = self._source.read(tile)
        scanner, grid = self._scanners[number], self._grid
        return rescan_tile(rgb, scanner, grid.mpp, grid.context, tile), mask


def _dealt(source: TileSource, scanners: int, seed: int) -> list[tuple[int]]:
    """Return the number of the scanner that shows each tile, the same for all of a patient."""
    patients = len({record.patient for record in source.records})
    if patients < scanners:
        raise TrainingError(
            f"data.source.rescanned: {patients} patient(s) cannot be given to {scanners} scanners: "
            "name fewer scanners, or let each_patient be shown by all."
        )
    kinds = [replace(r, scanner=f"{r.split}/{r.group}") for r in source.records]
    return [(number,) for number in fold_numbers(kinds, scanners, seed)]
