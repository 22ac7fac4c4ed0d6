"""Kinds of data that recipes can name. A new kind is one dataclass with `open`, and a line here."""

from __future__ import annotations

from types import MappingProxyType
from typing import Protocol

from slideconcord.training.data.folders import EbhiSeg, FolderData
from slideconcord.training.data.labels import Labels
from slideconcord.training.data.mixed import MixedData
from slideconcord.training.data.slides import SlideData
from slideconcord.training.data.tile import Grid, TileSource
from slideconcord.training.data.virtual import VirtualData


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
    }
)
