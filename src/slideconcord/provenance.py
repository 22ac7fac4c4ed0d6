"""What made a result: versions, model, slide, parameters. No path and no free text of the slide."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

# Libraries whose version can change a pixel of a result.
_RECORDED = ("slideconcord", "numpy", "scikit-image", "opencv-python-headless", "torch", "timm",
             "segmentation-models-pytorch", "openvino", "openslide-python", "openslide-bin",
             "tifffile", "imagecodecs", "zarr")  # fmt: skip
_SAMPLE_BYTES = 1 << 20


def versions() -> dict[str, str]:
    """Return the installed version of every library that can change a result."""
    found = {"python": platform.python_version()}
    for name in _RECORDED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def fingerprint_file(path: Path) -> str:
    """Return a SHA-256 over the size and the first, middle and last MiB of a file.

    A gigapixel file is identified in milliseconds; its name and place do not enter.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for start in sorted(
            {0, max(size // 2 - _SAMPLE_BYTES // 2, 0), max(size - _SAMPLE_BYTES, 0)}
        ):
            file.seek(start)
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def fingerprint_json(value: Mapping[str, Any]) -> str:
    """Return a SHA-256 of a JSON value that does not depend on the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def record(**made_from: Any) -> dict[str, Any]:
    """Return a provenance record: ``made_from`` plus versions and the time in UTC."""
    return {
        "software": "slideconcord",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        **made_from,
    }
