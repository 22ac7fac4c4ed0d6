"""Tiles from folders: ``image/NAME.*``, ``mask/NAME.*`` of the same stems, and ``index.csv``.

The index says whose each tile is, which no picture does: its columns are ``name`` and ``patient``
and, as wanted, ``slide``, ``scanner``, ``group`` and ``split``. Tiles that name no slide count as
those of their patient's only slide.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from slideconcord.errors import ParameterError, TrainingError
from slideconcord.geometry import Box
from slideconcord.provenance import fingerprint_file, fingerprint_json
from slideconcord.training.data.index import read_index
from slideconcord.training.data.labels import Labels
from slideconcord.training.data.memory import TileMemory
from slideconcord.training.data.tile import IGNORE, Grid, Mask, Rgb, TileRecord, shares_of

INDEX = "index.csv"
_OPTIONAL = ("slide", "scanner", "group", "split")
_MOST_NAMED = 3
_MASK_MODES = ("1", "L", "P")


@dataclass(frozen=True)
class FolderData:
    """A folder with images, masks and an index; masks hold one whole number a pixel."""

    path: str = ""
    """The folder; the command line's --data comes first."""
    images: str = "image"
    masks: str = "mask"
    group_column: str = "group"
    """Which column of the index holds the group."""
    by_group: bool = False
    """Whether labels name the group too, as "255 Polyp"; the value 0 stays "0"."""
    picture_mpp: float | None = None
    """Pixel size of the pictures, µm, when they are to be shrunk to data.mpp by a whole factor."""
    centre: bool = False
    """Whether a tile is the middle of its picture, data.tile_px a side, instead of the whole: what
    is around it is then what data.context shows."""

    def open(self, grid: Grid, labels: Labels) -> FolderTiles:
        """Read the index and every mask, and refuse what does not fit together.

        Raises
        ------
        TrainingError, ParameterError
            When files are missing, sizes differ, or a mask holds a value without a class.
        """
        if grid.context is not None and not self.centre:
            raise ParameterError(
                "data.context: whole pictures show nothing beyond their tiles. Take their middle "
                "(data.source: centre: true, and a smaller data.tile_px), slides or virtual data, "
                "or a network without context."
            )
        if not self.path:
            raise ParameterError("data.source: give the folder of the data (--data FOLDER).")
        factor = grid.mpp / (self.picture_mpp or grid.mpp)
        if round(factor) < 1 or abs(factor - round(factor)) > 1e-6:
            raise ParameterError(
                f"data.source: pictures of {self.picture_mpp:g} µm a pixel are no whole number of "
                f"times finer than data.mpp {grid.mpp:g}: change data.mpp."
            )
        return FolderTiles(self, grid, labels)


@dataclass(frozen=True)
class EbhiSeg(FolderData):
    """EBHI-Seg: colorectal H&E of six diagnoses, 224 px (Shi et al. 2023, CC BY 4.0).

    doi 10.3389/fmed.2023.1114673. The pixel size is not published. The group is the diagnosis.
    """

    group_column: str = "diagnosis"


class FolderTiles:
    """The tiles of `FolderData`; see `TileSource`. What fits into 256 MiB stays in memory.

    Of a context, what lies beyond its picture is white, and nothing is learnt there.
    """

    def __init__(self, data: FolderData, grid: Grid, labels: Labels) -> None:
        self._folder, self._grid, self._labels = Path(data.path), grid, labels
        self._memory = TileMemory()
        self._centre = data.centre
        self._factor = round(grid.mpp / (data.picture_mpp or grid.mpp))
        columns = tuple(data.group_column if c == "group" else c for c in _OPTIONAL)
        if not self._folder.is_dir():
            raise TrainingError(
                f"There is no folder {self._folder}: give the one that holds {data.images}, "
                f"{data.masks} and {INDEX} (--data FOLDER)."
            )
        rows = read_index(self._folder / INDEX, ("name", "patient"), columns)
        names = [row["name"] for row in rows]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise TrainingError(f"{INDEX} lists {twice!r} twice: every tile has one line.")
        images = self._found(data.images, names)
        masks = self._found(data.masks, names)
        self._files = list(zip(images, masks, strict=True))
        self._groups = [row[data.group_column] if data.by_group else "" for row in rows]
        with ThreadPoolExecutor() as pool:
            shares = list(pool.map(self._shares, self._files, self._groups))
        self._records = tuple(
            TileRecord(
                row["name"],
                row["patient"],
                row["slide"] or row["patient"],
                row["scanner"] or "unknown",
                row[data.group_column],
                row["split"],
                share,
            )
            for row, share in zip(rows, shares, strict=True)
        )

    @property
    def classes(self) -> tuple[str, ...]:
        return self._labels.names

    @property
    def records(self) -> tuple[TileRecord, ...]:
        return self._records

    @cached_property
    def fingerprint(self) -> str:
        more: dict[str, object] = {} if self._factor == 1 else {"shrunk": self._factor}
        more |= {"centre": str(self._grid)} if self._centre else {}
        more |= {"groups": self._groups} if any(self._groups) else {}
        files = [[fingerprint_file(path) for path in pair] for pair in self._files]
        return fingerprint_json({"folder": 1, "files": files, "labels": str(self._labels), **more})

    def read(self, index: int) -> tuple[Rgb, Mask]:
        return self._memory.get(index, self._read)

    def _read(self, index: int) -> tuple[Rgb, Mask]:
        image, mask = self._files[index]
        rgb = _pixels(image, "RGB", self._factor)
        labels = self._mask(mask, self._groups[index])
        if rgb.shape[:2] != labels.shape:
            raise _unlike(image, _size(rgb), labels)
        return self._cut(rgb, labels) if self._centre else (rgb, labels)

    def _cut(self, rgb: Rgb, labels: Mask) -> tuple[Rgb, Mask]:
        """Return the middle of a picture and of its mask, with context where that is wanted."""
        box, context = self._middle(labels), self._grid.context
        tile, mask = rgb[box.slices], labels[box.slices]
        if context is None:
            return tile.copy(), mask.copy()
        whole = (self._grid.tile_px,) * 2
        around = context.around(rgb, box, whole)
        truth = context.labels_around(labels, box, whole, IGNORE)
        return np.stack([tile, around]), np.stack([mask, truth])

    def _middle(self, labels: Mask) -> Box:
        """Return where the tile lies in its picture; all of it where the picture is smaller."""
        height, width = (min(side, self._grid.tile_px) for side in labels.shape)
        return Box((labels.shape[0] - height) // 2, (labels.shape[1] - width) // 2, height, width)

    def _found(self, folder: str, names: Sequence[str]) -> list[Path]:
        place = self._folder / folder
        there = {path.stem: path for path in sorted(place.glob("*")) if path.is_file()}
        if missing := [name for name in names if name not in there]:
            shown = ", ".join(missing[:_MOST_NAMED])
            more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
            raise TrainingError(
                f"{place} has no file for {len(missing)} of {len(names)} names in {INDEX}: "
                f"{shown}{more}. Add what is missing, or take these lines out.",
                missing,
            )
        return [there[name] for name in names]

    def _shares(self, files: tuple[Path, Path], group: str) -> tuple[float, ...]:
        image, mask = files
        with _opened(image) as picture:
            size = -(-picture.height // self._factor), -(-picture.width // self._factor)
        labels = self._mask(mask, group)
        if labels.shape != size:
            raise _unlike(image, f"{size[0]} x {size[1]}", labels)
        if self._centre:
            labels = labels[self._middle(labels).slices]
        elif max(size) > self._grid.tile_px:
            raise TrainingError(
                f"{image.name} has {size[0]} x {size[1]} px, more than data.tile_px "
                f"{self._grid.tile_px}: give a larger tile_px, or cut it into tiles.",
                [image.stem],
            )
        return shares_of(labels, len(self.classes))

    def _mask(self, path: Path, group: str) -> Mask:
        with _opened(path) as picture:
            if picture.mode not in _MASK_MODES:
                raise TrainingError(
                    f"The mask {path.name} is a picture in colour ({picture.mode}): "
                    "it must hold one whole number from 0 to 255 a pixel.",
                    [path.stem],
                )
            values = _array(picture.convert("L") if picture.mode == "1" else picture, path)
        labels = self._labels.translated(values, f"The mask {path.name}", group)
        return _shrunk(labels, self._factor)


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except (UnidentifiedImageError, OSError) as error:
        raise TrainingError(
            f"{path} cannot be read as a picture ({error}): save it anew, or take its line out of "
            f"{INDEX}.",
            [path.stem],
        ) from error


def _pixels(path: Path, mode: str, factor: int = 1) -> Rgb:
    with _opened(path) as picture:
        try:
            return _array(picture.convert(mode).reduce(factor), path)
        except OSError as error:
            raise _damaged(path, error) from error


def _shrunk(labels: Mask, factor: int) -> Mask:
    """Return the mask with each block of pixels as one: its most frequent label, or the lowest."""
    if factor == 1:
        return labels
    present = np.unique(labels)
    shares = [np.asarray(Image.fromarray(np.where(labels == label, 255, 0).astype(np.uint8))
                         .reduce(factor)) for label in present]  # fmt: skip
    return present[np.argmax(shares, 0)]


def _damaged(path: Path, error: Exception) -> TrainingError:
    return TrainingError(
        f"{path} is damaged ({error}): copy it anew, or take its line out of {INDEX}.", [path.stem]
    )


def _unlike(image: Path, size: str, labels: Mask) -> TrainingError:
    return TrainingError(
        f"{image.name} has {size} px, its mask {_size(labels)}: they must show the same. Save the "
        f"mask in the size of the picture, or take its line out of {INDEX}.",
        [image.stem],
    )


def _array(picture: Image.Image, path: Path) -> Rgb:
    try:
        return np.asarray(picture, np.uint8)
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _size(pixels: Rgb) -> str:
    return f"{pixels.shape[0]} x {pixels.shape[1]}"
