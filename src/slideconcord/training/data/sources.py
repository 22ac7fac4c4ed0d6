"""Kinds of data that recipes can name. A new kind is one dataclass with `open`, and a line here."""

from __future__ import annotations

from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, Protocol

from slideconcord.errors import ParameterError
from slideconcord.training.data.folders import EbhiSeg, FolderData
from slideconcord.training.data.labels import Labels
from slideconcord.training.data.mixed import MixedData
from slideconcord.training.data.rescanned import RescannedData
from slideconcord.training.data.slides import SlideData
from slideconcord.training.data.tile import Grid, TileSource
from slideconcord.training.data.virtual import VirtualData
from slideconcord.training.settings import make_part


class Data(Protocol):
    """Settings of one kind of data."""

    def open(self, grid: Grid, labels: Labels) -> TileSource: ...


SOURCES: MappingProxyType[str, type[Data]] = MappingProxyType(
    {
        "slides": SlideData,
        "folder": FolderData,
        "ebhi-seg": EbhiSeg,
        "virtual": VirtualData,
        "mixed": MixedData,
        "rescanned": RescannedData,
    }
)


def make_data(value: Any, path: str, where: str) -> Data:
    """Make the settings of a source that another one builds on.

    Parameters
    ----------
    value
        A name in SOURCES with its settings.
    path
        Where its data lie; as its settings say when empty.
    where
        The place in the recipe, for messages.

    Raises
    ------
    ParameterError
        When it is not known or wrong, or has a path but lies nowhere.
    """
    made: Any = make_part(SOURCES, value, where)
    if not path:
        return made
    if "path" not in {known.name for known in fields(made)}:
        raise ParameterError(f"--data {path}: the data of {where} are computed and lie nowhere.")
    return replace(made, path=path)
