"""Virtual tissue and virtual scanners: slides whose truth is known exactly.

Nothing here shows a patient. Names are loaded at their first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "VirtualTissue": "tissue",
    "CLASS_NAMES": "tissue",
    "VirtualScanner": "scanner",
    "SCANNERS": "presets",
    "FIVE_SCANNERS": "presets",
    "rescan": "rescan",
    "landmarks_csv": "landmarks",
    "tissue_points": "landmarks",
    "PoseRange": "pairs",
    "random_pair": "pairs",
    "random_scanner": "pairs",
    "Part": "placement",
    "ScanMap": "placement",
    "Stitching": "stitching",
    "scan": "digitise",
    "truth_mask": "regions",
    "truth_regions": "regions",
    "SAMPLES": "cases",
    "write_sample": "cases",
    "sample_steps": "cases",
    "shipped_files": "cases",
    "write_repeating_slide": "repeating",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
