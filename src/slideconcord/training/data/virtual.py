"""Virtual tissue as training data: endless, with an exact truth, from several scanners.

Good for trying recipes and for tests. A model trained on it knows nothing of real tissue.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock

import numpy as np

from slideconcord.errors import ParameterError
from slideconcord.geometry import Box
from slideconcord.provenance import fingerprint_json
from slideconcord.samples.presets import FIVE_SCANNERS, SCANNERS
from slideconcord.samples.scanner import VirtualScanner
from slideconcord.samples.tissue import CLASS_NAMES, VirtualTissue
from slideconcord.segmentation.tiles import TileGrid
from slideconcord.training.data.labels import Labels
from slideconcord.training.data.tile import IGNORE, Grid, Mask, Rgb, TileRecord, shares_of
from slideconcord.training.settings import unknown

_KNOWN = SCANNERS | FIVE_SCANNERS


@dataclass(frozen=True)
class VirtualData:
    """Virtual tissues, each a patient with one glass slide, seen by virtual scanners."""

    tissues: int = 6
    first_seed: int = 100
    side_um: float = 600.0
    scanners: tuple[str, ...] = ("virtual-A", "virtual-B")

    def open(self, grid: Grid, labels: Labels) -> VirtualTiles:
        """Cut the tiles; they are computed when first read."""
        if self.tissues < 1:
            raise ParameterError("data.source.virtual.tissues: there must be at least one.")
        virtual_scanners(self.scanners, "data.source.virtual.scanners:")
        return VirtualTiles(self, grid, labels)


def virtual_scanners(names: Sequence[str], where: str) -> tuple[VirtualScanner, ...]:
    """Return virtual scanners by name.

    Raises
    ------
    ParameterError
        When one is not known, or named twice.
    """
    for name in names:
        if name not in _KNOWN:
            raise unknown(where, name, _KNOWN)
        if names.count(name) > 1:
            raise ParameterError(f"{where} {name} is named twice: name it once.")
    return tuple(_KNOWN[name] for name in names)


@dataclass(frozen=True, slots=True)
class _Place:
    tissue: VirtualTissue
    scanner: VirtualScanner
    box: Box


class VirtualTiles:
    """The tiles of `VirtualData`; see `TileSource`. Tiles once read stay in memory."""

    def __init__(self, data: VirtualData, grid: Grid, labels: Labels) -> None:
        self._data, self._grid, self._labels = data, grid, labels
        self._places = tuple(self._cut())
        self._kept: dict[int, tuple[Rgb, Mask]] = {}
        self._scans: dict[tuple[int, str], tuple[Rgb, Mask]] = {}
        self._lock = Lock()

    @property
    def classes(self) -> tuple[str, ...]:
        return self._labels.names

    @cached_property
    def records(self) -> tuple[TileRecord, ...]:
        return tuple(self._record(place) for place in self._places)

    @property
    def fingerprint(self) -> str:
        facts = {"virtual": 1, "data": str(self._data), "grid": str(self._grid)}
        return fingerprint_json({**facts, "labels": str(self._labels)})

    def read(self, index: int) -> tuple[Rgb, Mask]:
        with self._lock:
            kept = self._kept.get(index)
        if kept is None:
            kept = self._seen(self._places[index])
            with self._lock:
                self._kept[index] = kept
        return kept

    def _seen(self, place: _Place) -> tuple[Rgb, Mask]:
        context = self._grid.context
        if context is None:
            return place.scanner.view(place.tissue, place.box), self._mask(place)
        rgb, mask = self._scan(place)
        whole, part = (self._grid.tile_px,) * 2, place.box.slices
        around = context.around(rgb, place.box, whole)
        # The tissue itself goes on, but no scan of it does: beyond it nothing is learnt.
        truth = context.labels_around(mask, place.box, whole, IGNORE)
        return np.stack([rgb[part], around]), np.stack([mask[part], truth])

    def _scan(self, place: _Place) -> tuple[Rgb, Mask]:
        """Return a whole scan, which stays in memory: what is around a tile is part of it."""
        key = place.tissue.seed, place.scanner.name
        with self._lock:
            scan = self._scans.get(key)
            if scan is None:
                box = Box(0, 0, *place.scanner.shape(place.tissue))
                scan = place.scanner.view(place.tissue, box), self._mask(replace(place, box=box))
                self._scans[key] = scan
        return scan

    def _cut(self) -> Iterator[_Place]:
        data, grid = self._data, self._grid
        for seed in range(data.first_seed, data.first_seed + data.tissues):
            tissue = VirtualTissue(seed, data.side_um, data.side_um)
            for name in data.scanners:
                scanner = replace(_KNOWN[name], mpp=grid.mpp)
                tiles = TileGrid(scanner.shape(tissue), grid.tile_px, grid.overlap_px)
                for k in range(len(tiles)):
                    yield _Place(tissue, scanner, tiles.box(k))

    def _record(self, place: _Place) -> TileRecord:
        tissue = f"tissue-{place.tissue.seed}"
        name = f"{tissue}/{place.scanner.name}@{place.box.y},{place.box.x}"
        shares = shares_of(self._mask(place), len(self.classes))
        return TileRecord(name, tissue, tissue, place.scanner.name, "virtual", "", shares)

    def _mask(self, place: _Place) -> Mask:
        numbers = [self._labels.number(name, "the virtual tissue") for name in CLASS_NAMES]
        truth = place.scanner.truth(place.tissue, place.box)
        return np.array(numbers, np.uint8)[truth]
