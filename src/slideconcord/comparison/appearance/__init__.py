"""How scanners render the same tissue: colour, sharpness, stains and features of paired regions.

The protocol is that of SCORPION (arXiv 2507.20907), section 2.2. `analyse_scanners` does all of
it; the steps are pure functions of pictures that can be used alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "analyse_scanners": "analysis",
    "measure_patches": "measure",
    "analysis_of": "analysis",
    "ScannerAnalysis": "analysis",
    "PatchFacts": "measure",
    "ScanFacts": "measure",
    "ScannerCase": "sampler",
    "PlacedScan": "sampler",
    "Sampling": "sampler",
    "Region": "sampler",
    "choose_regions": "sampler",
    "read_patch": "patches",
    "white_point": "colour",
    "channel_statistics": "colour",
    "stain_vectors": "stains",
    "sharpness_db": "sharpness",
    "PictureStatistics": "features",
    "project": "features",
    "write_analysis": "report",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
