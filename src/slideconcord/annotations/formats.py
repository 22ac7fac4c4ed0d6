"""Which annotation formats there are, and how a file's is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from slideconcord.annotations.annotation import Annotations
from slideconcord.annotations.hints import Hints
from slideconcord.annotations.packed import read_pieces
from slideconcord.errors import AnnotationError, ParameterError

Reader = Callable[[Path, Hints], Annotations]
Writer = Callable[[Annotations, Path, Hints], list[str]]
_HEAD_BYTES = 4096
_UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Format:
    """One annotation format; its module is imported when it is first used."""

    description: str
    suffixes: tuple[str, ...]
    reader: str
    """"module:function" with the signature ``Reader``."""
    writer: str
    """"module:function" with the signature ``Writer``."""
    begins: tuple[bytes, ...] = ()
    """How its files begin, white space left out."""
    contains: bytes = b""
    """What stands near the beginning of its files."""
    from_bounds: bool = False
    """Whether its program counts from the corner of the slide's bounds, as QuPath does."""

    def read(self, path: Path, hints: Hints) -> Annotations:
        reader: Reader = _load(self.reader)
        return reader(path, hints)

    def write(self, annotations: Annotations, path: Path, hints: Hints) -> list[str]:
        writer: Writer = _load(self.writer)
        return writer(annotations, path, hints)

    def fits(self, head: bytes) -> bool:
        return head.startswith(self.begins) and self.contains in head


_HERE = "slideconcord.annotations"
FORMATS: dict[str, Format] = {
    "geojson": Format(
        "QuPath GeoJSON",
        (".geojson", ".json", ".geojson.gz", ".json.gz"),
        f"{_HERE}.geojson_read:read",
        f"{_HERE}.geojson_write:write",
        begins=(b"{", b"["),
        from_bounds=True,
    ),
    "asap": Format(
        "ASAP XML",
        (".xml", ".xml.gz"),
        f"{_HERE}.asap_read:read",
        f"{_HERE}.asap_write:write",
        begins=(b"<",),
        contains=b"<ASAP_Annotations",
    ),
    "imagescope": Format(
        "Aperio ImageScope XML",
        (".xml", ".xml.gz"),
        f"{_HERE}.imagescope_read:read",
        f"{_HERE}.imagescope_write:write",
        begins=(b"<",),
        contains=b"<Annotations",
    ),
    "png": Format(
        "label mask",
        (".png",),
        f"{_HERE}.masks:read_png",
        f"{_HERE}.masks:write_png",
        begins=(b"\x89PNG",),
    ),
    "tiff": Format(
        "label mask",
        (".tif", ".tiff"),
        f"{_HERE}.masks:read_tiff",
        f"{_HERE}.masks:write_tiff",
        begins=(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    ),
    "ome-zarr": Format(
        "OME-Zarr labels 0.4 and 0.5",
        (".zarr",),
        f"{_HERE}.ome_labels:read",
        f"{_HERE}.ome_labels:write",
        begins=(b"zarr group",),
    ),
    "tiatoolbox": Format(
        "TIAToolbox annotation store",
        (".db",),
        f"{_HERE}.tiatoolbox:read",
        f"{_HERE}.tiatoolbox:write",
        begins=(b"SQLite format 3\0",),
    ),
}


def find_format(path: Path, name: str | None = None) -> Format:
    """Return the format named, or the one that the file's content shows.

    Raises
    ------
    ParameterError
        When nobody knows the name.
    AnnotationError
        When the content is none of the formats.
    """
    if name is not None:
        return named_format(name)
    head = _head(path)
    for known in FORMATS.values():
        if known.fits(head):
            return known
    raise AnnotationError(f"{path} is in no known annotation format: {_known()}.", path)


def format_for(path: Path, name: str | None = None) -> Format:
    """Return the format to write: the one named, or the one that the path's ending means."""
    if name is not None:
        return named_format(name)
    matching = [key for key, known in FORMATS.items() if path.name.lower().endswith(known.suffixes)]
    if len(matching) == 1:
        return FORMATS[matching[0]]
    if matching:
        choices = " or ".join(f"format={key!r}" for key in matching)
        raise AnnotationError(f"{path.name} can be in several formats: pass {choices}.", path)
    raise AnnotationError(
        f"{path.name} ends like no annotation format: {_known()}. "
        "Change the ending, or pass format=.",
        path,
    )


def named_format(name: str) -> Format:
    """Return a format by its name in ``FORMATS``."""
    if name not in FORMATS:
        raise ParameterError(f"format={name!r} is unknown: {_known()}.")
    return FORMATS[name]


def _known() -> str:
    return "known are " + ", ".join(
        f"{name} ({' '.join(known.suffixes)})" for name, known in FORMATS.items()
    )


def _head(path: Path) -> bytes:
    """Return how a file begins, unpacked, without mark and leading white space."""
    if path.is_dir():
        is_zarr = any((path / name).exists() for name in (".zgroup", "zarr.json"))
        return b"zarr group" if is_zarr else b""
    head = next(read_pieces(path, _HEAD_BYTES), b"")
    return head.removeprefix(_UTF8_MARK).lstrip()


def _load(home: str) -> Callable[..., Any]:
    module, function = home.split(":")
    return getattr(import_module(module), function)
