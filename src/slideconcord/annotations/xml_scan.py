"""Walks an XML file without building a tree; entities and document types are refused."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Protocol
from xml.sax.saxutils import quoteattr

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, XMLParser

from slideconcord.annotations.limits import LIMITS, one_line, short_text
from slideconcord.annotations.packed import read_pieces
from slideconcord.errors import AnnotationError

# what XML 1.0 cannot hold, however it is escaped
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Handler(Protocol):
    """What a format does at the beginning and the end of an element."""

    def start(self, tag: str, attributes: dict[str, str]) -> None: ...
    def end(self, tag: str) -> None: ...


class _Target:
    """Passes elements on to a handler; counts depth, so that no file nests without end."""

    def __init__(self, handler: Handler, root: str, path: Path) -> None:
        self._handler, self._root, self._path = handler, root, path
        self._depth = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._depth == 0 and tag != self._root:
            raise AnnotationError(
                f"{self._path}: the XML begins with <{tag[:40]}>, not <{self._root}>.", self._path
            )
        self._depth += 1
        if self._depth > LIMITS.nesting:
            raise AnnotationError(f"{self._path}: <{tag[:40]}> is nested too deep.", self._path)
        for key, value in attributes.items():
            short_text(value, f"{key[:40]} attribute", f"<{tag[:40]}>", self._path)
        self._handler.start(tag, attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._handler.end(tag)

    def close(self) -> None:
        return None


def walk(path: Path, root: str, handler: Handler) -> None:
    """Pass every element of the file to ``handler``; the outermost must be ``root``.

    Raises
    ------
    AnnotationError
        When the file is no XML, another kind of XML, or declares entities or a document type.
    """
    parser = XMLParser(target=_Target(handler, root, path), forbid_dtd=True)
    try:
        for piece in read_pieces(path):
            parser.feed(piece)
        parser.close()
    except DefusedXmlException as error:
        raise AnnotationError(
            f"{path}: the XML declares a document type or entities, which no annotation needs and "
            "attacks use. Remove the declaration.",
            path,
        ) from error
    except ParseError as error:
        raise AnnotationError(f"{path}: the XML is damaged: {one_line(error)}.", path) from error


def number(attributes: dict[str, str], key: str, label: str, path: Path) -> float:
    """Return a finite number from an attribute.

    Raises
    ------
    AnnotationError
        When it is missing or no finite number.
    """
    text = attributes.get(key, "")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise AnnotationError(
            f"{path}: {label} has {key}={text[:40]!r} where a finite number belongs. "
            "Correct or remove it.",
            path,
            label,
        )
    return value


def attribute(value: str) -> str:
    """Return text quoted for XML; characters that XML cannot hold become a replacement mark."""
    return quoteattr(_FORBIDDEN.sub("\ufffd", value), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def decimal(value: float) -> str:
    """Return the shortest text that reads back as the same number."""
    return repr(float(value)).removesuffix(".0")
