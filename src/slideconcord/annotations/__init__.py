"""Polygons with class and observer, and the files they come in."""

from slideconcord.annotations.annotation import Annotation, Annotations
from slideconcord.annotations.exchange import read_annotations, write_annotations
from slideconcord.annotations.formats import FORMATS, Format

__all__ = [
    "FORMATS",
    "Annotation",
    "Annotations",
    "Format",
    "read_annotations",
    "write_annotations",
]
