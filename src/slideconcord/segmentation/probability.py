"""A probability map on disk: OME-Zarr, uint8, one channel a class, with its place on the slide.

Stored value v stands for the probability v / 255. The map may still be growing: an unfinished one
lies in ``probability.partial.zarr`` and is renamed when it is whole; arrays taken from it go on
working across the renaming.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import zarr
from numpy.typing import DTypeLike, NDArray

from slideconcord.errors import OutputError, ParameterError, UnsupportedSlideError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.slides.ngff import Multiscale, read_multiscale

MAP_NAME, PARTIAL_NAME = "probability.zarr", "probability.partial.zarr"
# The key of our own attributes, beside those of OME-Zarr.
ATTRIBUTES = "slideconcord"


class LevelArray:
    """One class at one level, as a 2-D array that reads from disk when it is indexed."""

    ndim = 2

    def __init__(self, owner: ProbabilityMap, level: int, channel: int) -> None:
        _, height, width = owner.arrays[level].shape
        _, chunk_height, chunk_width = owner.arrays[level].chunks
        self._owner, self._level, self._channel = owner, level, channel
        self.shape = (height, width)
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)
        self.size = height * width
        self.nbytes = self.size
        self.chunks = (chunk_height, chunk_width)

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        key = key if isinstance(key, tuple) else (key,)
        return np.asarray(self._owner.arrays[self._level][(self._channel, *key)])

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self[row] for row in range(len(self)))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:, :], dtype)

    def __repr__(self) -> str:
        return f"<LevelArray {self.shape} uint8 of {self._owner.path.name}/{self._level}>"


class ProbabilityMap:
    """Probabilities of every class of a model over a slide or a box of it."""

    def __init__(self, path: Path, pyramid: Multiscale, about: Mapping[str, Any]) -> None:
        self._path = path
        self._arrays: tuple[zarr.Array[Any], ...] = pyramid.arrays
        self._about = about
        self.classes: tuple[str, ...] = tuple(about["classes"])
        self.target: str = about["target"]
        """The class that low and high act on."""
        self.frame = Frame(*about["frame"])
        """Where the map lies on its slide."""
        self.mpp = Mpp(*about["mpp"])
        """Pixel size of level 0 of the map, µm."""
        self.slide_mpp = Mpp(*about["slide_mpp"])
        """Level-0 pixel size of the slide, µm."""
        self.slide_fingerprint: str = about["slide_fingerprint"]
        self.slide_name: str = about["slide_name"]
        bounds = about["slide_bounds"]
        self.slide_bounds = None if bounds is None else Box(*bounds)
        """The scanned part of the slide (``openslide.bounds-*``), level 0."""
        self.low: float = about["low"]
        """The model's own thresholds, 0..1."""
        self.high: float = about["high"]

    @property
    def path(self) -> Path:
        """The folder; its name changes when a growing map is finished."""
        self._follow()
        return self._path

    @property
    def complete(self) -> bool:
        """Whether every tile is in the map."""
        return self.path.name != PARTIAL_NAME

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What made the map; short while it grows, the whole ``run.json`` when it is finished."""
        self._follow()
        return MappingProxyType(dict(self._about["provenance"]))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of level 0 of the map."""
        height, width = self._arrays[0].shape[1:]
        return height, width

    @property
    def level_count(self) -> int:
        return len(self._arrays)

    @property
    def arrays(self) -> tuple[zarr.Array[Any], ...]:
        """The arrays (class, y, x), finest first."""
        self._follow()
        return self._arrays

    def level(self, index: int, class_name: str | None = None) -> LevelArray:
        """Return one class (the target when not named) at one level, each half the one before.

        Raises
        ------
        ParameterError
            When there is no such level or class.
        """
        if not 0 <= index < self.level_count:
            raise ParameterError(
                f"{self._path} has levels 0 to {self.level_count - 1}, not {index}."
            )
        return LevelArray(self, index, self._channel(class_name))

    def levels(self, class_name: str | None = None) -> list[LevelArray]:
        """Return one class at every level, finest first, as napari takes them."""
        return [self.level(index, class_name) for index in range(self.level_count)]

    def level_frame(self, index: int) -> Frame:
        """Return where the pixels of a level lie on the slide."""
        return self.frame.coarser(2.0**index)

    def array(self, class_name: str | None = None) -> NDArray[np.uint8]:
        """Read one class (the target when not named) whole into memory."""
        return self.level(0, class_name)[:, :]

    def _channel(self, class_name: str | None) -> int:
        name = self.target if class_name is None else class_name
        if name in self.classes:
            return self.classes.index(name)
        raise ParameterError(
            f"{self._path} holds no class {name!r}; it holds {', '.join(self.classes)}."
        )

    def _follow(self) -> None:
        """Go to the finished map when the growing one has been renamed."""
        if self._path.name != PARTIAL_NAME or self._path.is_dir():
            return
        finished = self._path.with_name(MAP_NAME)
        if finished.is_dir():
            pyramid, about = _read(finished)
            self._path, self._arrays, self._about = finished, pyramid.arrays, about

    def __repr__(self) -> str:
        state = "" if self.complete else ", unfinished"
        return f"<ProbabilityMap {self.path} {self.shape} {'/'.join(self.classes)}{state}>"


def open_probability(path: str | Path) -> ProbabilityMap:
    """Open a map: the ``.zarr`` folder, or the output folder of a run, finished or not.

    Raises
    ------
    OutputError
        When there is none, or it was not made by slideconcord.
    """
    path = Path(path)
    for folder in (path, path / MAP_NAME, path / PARTIAL_NAME):
        if (folder / ".zattrs").is_file() or (folder / "zarr.json").is_file():
            return ProbabilityMap(folder, *_read(folder))
    raise OutputError(
        f"{path} holds no probability map. Give the output folder of a run or its {MAP_NAME}.", path
    )


def _read(path: Path) -> tuple[Multiscale, Mapping[str, Any]]:
    try:
        pyramid = read_multiscale(path)
    except UnsupportedSlideError as error:
        raise OutputError(f"{path} is no probability map: {error}", path) from error
    about = pyramid.attributes.get(ATTRIBUTES)
    if not isinstance(about, Mapping) or "target" not in about or "frame" not in about:
        raise OutputError(
            f"{path} is an OME-Zarr, but no probability map made by slideconcord.", path
        )
    return pyramid, about


def write_about(path: Path, about: Mapping[str, Any]) -> None:
    """Put our attributes into a map's ``.zattrs``, at once or not at all."""
    file = path / ".zattrs"
    attributes = json.loads(file.read_text(encoding="utf-8"))
    attributes[ATTRIBUTES] = dict(about)
    partial = path / ".zattrs.partial"
    partial.write_text(json.dumps(attributes, indent=2), encoding="utf-8")
    partial.replace(file)
