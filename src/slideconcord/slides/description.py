"""The facts of a slide as plain values, for people and for provenance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slideconcord.slides.level import Level
    from slideconcord.slides.slide import Slide


_DOUBLE_ENDINGS = (".ome.tif", ".ome.tiff", ".ome.btf", ".ome.zarr", ".zarr")


def slide_name(path: Path) -> str:
    """Return what people call a slide: its file's name without the ending."""
    lower = path.name.lower()
    ending = max((end for end in _DOUBLE_ENDINGS if lower.endswith(end)), key=len, default="")
    if ending and len(ending) < len(lower):
        return path.name[: -len(ending)]
    return path.name if path.is_dir() else path.stem


def describe_slide(slide: Slide) -> dict[str, Any]:
    """Return what `Slide.description` promises: no free text of the file, so no patient."""
    bounds = slide.bounds
    has_profile = slide.info.icc_profile is not None
    is_as_named = has_profile or slide.colour == "raw"
    return {
        "name": slide.name,
        "format": slide.info.format,
        "vendor": slide.vendor,
        "scanner": slide.scanner,
        "objective_power": slide.info.objective_power,
        "shape": list(slide.shape),
        "mpp": list(slide.mpp),
        "mpp_source": slide.mpp_source,
        "bounds": [bounds.y, bounds.x, bounds.height, bounds.width] if bounds else None,
        "background": list(slide.background),
        "icc_profile": has_profile,
        "colour": slide.colour if is_as_named else "srgb (no profile: as raw)",
        "levels": [_describe_level(level) for level in slide.levels],
        "fingerprint": slide.fingerprint,
    }


def _describe_level(level: Level) -> dict[str, Any]:
    return {
        "shape": list(level.shape[:2]),
        "downsample": list(level.downsample),
        "tile": list(level.tile_shape),
        "native": level.native is not None,
    }
