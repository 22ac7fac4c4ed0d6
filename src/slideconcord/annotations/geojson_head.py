"""What a GeoJSON file of ours says of all its annotations, read without reading those."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from slideconcord.annotations.limits import one_line
from slideconcord.errors import AnnotationError

# As `geojson_write` begins every file.
_BEGIN = '{"type":"FeatureCollection","metadata":'
_HEAD_BYTES = 1 << 20


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the metadata at the head of a file; empty when it was not written by us.

    Raises
    ------
    AnnotationError
        When there is no such file, or its head is damaged.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES).decode(errors="replace")
    except OSError as error:
        raise AnnotationError(f"{path} cannot be read: {error.strerror or error}.", path) from error
    if not head.startswith(_BEGIN):
        return {}
    try:
        metadata, _ = json.JSONDecoder().raw_decode(head, len(_BEGIN))
    except ValueError as error:
        raise AnnotationError(
            f"{path}: the head of the file is damaged: {one_line(error)}. Take it from a backup.",
            path,
            "metadata",
        ) from error
    return metadata if isinstance(metadata, dict) else {}
