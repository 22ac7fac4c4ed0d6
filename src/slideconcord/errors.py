"""Every error that slideconcord raises on purpose.

SlideconcordError                    every message says what, where, what to do
├─ SlideError(OSError)               .path
│  ├─ UnsupportedSlideError          .tried = {"openslide": "...", "tiff": "..."}
│  ├─ MissingMppError                "a.tif has no pixel size. Pass mpp=0.25 (or --mpp 0.25)."
│  └─ DamagedSlideError              .tiles that could not be read
├─ OutputError(OSError)              .path that could not be written, or holds something else
├─ ModelError(ValueError)            .model
│  └─ ModelMemoryError               .device whose memory does not hold one tile
├─ AnnotationError(ValueError)       .path, .feature
├─ RegistrationError(RuntimeError)   .reason
├─ TrainingError(ValueError)         .tiles; data that teach nothing, a loss that is no number
├─ MismatchError(ValueError)         masks in different frames, low > high
└─ ParameterError(ValueError)        a value out of its range, or a name nobody knows
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any


class SlideconcordError(Exception):
    """Base of every error raised on purpose; its text is one line fit for a user."""


class SlideError(SlideconcordError, OSError):
    """A slide that cannot be opened or read; ``path`` names it."""

    def __init__(self, message: str, path: str | PathLike[str] = "") -> None:
        super().__init__(message)
        self.path = fspath(path)


class UnsupportedSlideError(SlideError):
    """No reader understands the file; ``tried`` gives each reader's reason."""

    def __init__(
        self, message: str, path: str | PathLike[str] = "", tried: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, path)
        self.tried = dict(tried or {})


class MissingMppError(SlideError):
    """The file has no pixel size, or one no microscope slide can have."""


class DamagedSlideError(SlideError):
    """Some tiles could not be decoded; ``tiles`` lists them as (level, row, column)."""

    def __init__(
        self,
        message: str,
        path: str | PathLike[str] = "",
        tiles: Sequence[tuple[int, int, int]] = (),
    ) -> None:
        super().__init__(message, path)
        self.tiles = tuple(tiles)


class OutputError(SlideconcordError, OSError):
    """A result that cannot be written, or an output folder that holds another result."""

    def __init__(self, message: str, path: str | PathLike[str] = "") -> None:
        super().__init__(message)
        self.path = fspath(path)


class ModelError(SlideconcordError, ValueError):
    """A model that is unknown, damaged or does not fit; ``model`` names it."""

    def __init__(self, message: str, model: str = "") -> None:
        super().__init__(message)
        self.model = model


class ModelMemoryError(ModelError):
    """One tile alone is too much for the memory of ``device``; another device may hold it."""

    def __init__(self, message: str, model: str = "", device: str = "") -> None:
        super().__init__(message, model)
        self.device = device


class AnnotationError(SlideconcordError, ValueError):
    """An annotation file that cannot be understood; ``feature`` says which part."""

    def __init__(self, message: str, path: str | PathLike[str] = "", feature: Any = None) -> None:
        super().__init__(message)
        self.path = fspath(path)
        self.feature = feature


class RegistrationError(SlideconcordError, RuntimeError):
    """Two scans that could not be laid on one another; ``reason`` says why."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class TrainingError(SlideconcordError, ValueError):
    """Data that cannot be learnt from, or a training that went astray; ``tiles`` names where."""

    def __init__(self, message: str, tiles: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.tiles = tuple(tiles)


class MismatchError(SlideconcordError, ValueError):
    """Things that do not fit together: other frames, other slides, low above high."""


class ParameterError(SlideconcordError, ValueError):
    """A value outside its range, or a name that nobody registered."""


def first_sentence(error: BaseException) -> str:
    """Return what a library's error says first, to quote in one of ours; its kind if nothing."""
    return re.split(r"\.\s|\n", str(error).strip())[0].rstrip(".") or type(error).__name__
