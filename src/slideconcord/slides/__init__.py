"""Slides: bytes on disk -> lazy pyramid. One line in `READERS` adds a format."""

from __future__ import annotations

from slideconcord.slides.cache import TileCache, shared_cache
from slideconcord.slides.level import Level
from slideconcord.slides.opening import READERS, open_slide
from slideconcord.slides.reader import NativeLevel, SlideInfo, SlideReader
from slideconcord.slides.slide import Slide

__all__ = [
    "READERS",
    "Level",
    "NativeLevel",
    "Slide",
    "SlideInfo",
    "SlideReader",
    "TileCache",
    "open_slide",
    "shared_cache",
]
