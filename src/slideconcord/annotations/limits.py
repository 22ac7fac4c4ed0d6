"""How much of a file readers accept; generous for any slide, small enough for a workstation."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

from slideconcord.errors import AnnotationError


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may ask for before it is refused."""

    feature_bytes: int = 128 << 20
    """Text of one feature."""
    vertices: int = 400_000_000
    """Positions in the whole file."""
    features: int = 20_000_000
    nesting: int = 64
    text: int = 1 << 16
    """Characters of one name, class or metadata value."""
    packed_ratio: int = 200
    """Unpacked over packed bytes of a .gz, looked at beyond ``feature_bytes``."""


LIMITS = Limits()


def short_text(value: str, what: str, label: str, path: str | PathLike[str]) -> str:
    """Return ``value`` unless it is longer than any name or note can be."""
    if len(value) > LIMITS.text:
        raise AnnotationError(
            f"{path}: {label} has a {what} of {len(value):,} characters; at most {LIMITS.text:,} "
            "are read. Shorten it, or remove the feature.",
            path,
            label,
        )
    return value


def one_line(error: BaseException) -> str:
    """Return what a library says is wrong, as one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:117] + "..."
