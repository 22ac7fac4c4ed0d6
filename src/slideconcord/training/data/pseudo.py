"""Tiles whose masks a model made: what it is sure of counts, the rest is not learnt from."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from slideconcord.errors import TrainingError
from slideconcord.geometry import Box
from slideconcord.provenance import fingerprint_json
from slideconcord.training.data.tile import (
    IGNORE,
    Grid,
    Mask,
    Rgb,
    TileRecord,
    TileSource,
    shares_of,
    shown_to,
)

if TYPE_CHECKING:
    from slideconcord.segmentation.model import Model


def pseudo_mask(model: Model, rgb: Rgb, threshold: float) -> Mask:
    """Return the likeliest class of each pixel (y, x) uint8; `IGNORE` below the threshold.

    ``rgb`` is a tile (y, x, 3), or with its context (level, y, x, 3); see `shown_to`.
    """
    scores = model(shown_to(model, rgb))
    return np.where(scores.max(0) >= threshold, scores.argmax(0), IGNORE).astype(np.uint8)


class PseudoLabelled:
    """Another source, the masks of some of its tiles made by a model; see `TileSource`.

    What the data say of these tiles is not looked at. Of a context, what its tile covers is
    labelled, and the rest is not learnt from.

    Parameters
    ----------
    source, grid
        Where the tiles come from, and how they were cut.
    tiles
        Whose masks are made.
    model, threshold
        Who makes them, and how sure it must be.
    folder
        Where the masks are kept; those that are there are not made again.
    """

    def __init__(
        self,
        source: TileSource,
        grid: Grid,
        tiles: Sequence[int],
        model: Model,
        threshold: float,
        folder: Path,
    ) -> None:
        self._source, self._grid, self._tiles = source, grid, frozenset(tiles)
        self._model, self._threshold, self._folder = model, threshold, folder
        if model.spec.classes != source.classes:
            raise TrainingError(
                f"Model {model.name!r} finds {', '.join(model.spec.classes)}, but the classes to "
                f"learn are {', '.join(source.classes)}: it cannot label their tiles."
            )

    def make(self) -> Generator[tuple[int, int]]:
        """Make the masks that are not there, yielding (tiles done, tiles) after each."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for done, index in enumerate(sorted(self._tiles), 1):
            path = self._path(index)
            if not path.is_file():
                rgb, _ = self._source.read(index)
                partial = path.with_suffix(f".{os.getpid()}.partial")
                mask = pseudo_mask(self._model, rgb, self._threshold)
                Image.fromarray(mask).save(partial, format="png")
                partial.replace(path)
            yield done, len(self._tiles)

    def facts(self) -> dict[str, object]:
        """Return who labelled how many tiles, and how sure it had to be."""
        by = {"name": self._model.name, "hash": self._model.hash}
        return {"tiles": len(self._tiles), "by": by, "threshold": self._threshold}

    @property
    def classes(self) -> tuple[str, ...]:
        return self._source.classes

    @cached_property
    def records(self) -> tuple[TileRecord, ...]:
        """The records; shares of classes are those of the masks made."""
        return tuple(
            replace(record, shares=shares_of(self._mask(index), len(self.classes)))
            if index in self._tiles
            else record
            for index, record in enumerate(self._source.records)
        )

    @property
    def fingerprint(self) -> str:
        facts = {"source": self._source.fingerprint, "tiles": sorted(self._tiles)}
        return fingerprint_json({**facts, "by": self._model.hash, "threshold": self._threshold})

    def read(self, index: int) -> tuple[Rgb, Mask]:
        rgb, mask = self._source.read(index)
        if index not in self._tiles:
            return rgb, mask
        own = self._mask(index)
        if self._grid.context is None:
            return rgb, own
        height, width = own.shape
        whole = (self._grid.tile_px,) * 2
        box = Box(0, 0, height, width)
        return rgb, np.stack([own, self._grid.context.labels_around(own, box, whole, IGNORE)])

    def _mask(self, index: int) -> Mask:
        with Image.open(self._path(index)) as image:
            return np.asarray(image, np.uint8)

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:07}.png"
