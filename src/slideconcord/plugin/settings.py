"""What the user set under Preferences, with the manifest's defaults where napari has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import platformdirs

_DEFAULTS: dict[str, Any] = {
    "streaming.tile_cache_mb": 1024,
    "streaming.wait_ms": 40,
    "segmentation.results_folder": "",
    "segmentation.refresh_hz": 4,
}


def setting(name: str) -> Any:
    """Return a setting by ``section.key``, such as ``"streaming.wait_ms"``."""
    from napari.settings import get_plugin_settings

    section, key = name.split(".")
    try:
        return getattr(getattr(get_plugin_settings("slideconcord"), section), key)
    except (KeyError, AttributeError):
        return _DEFAULTS[name]  # the plugin is not registered: a script, or a test


def is_set(name: str) -> bool:
    """Tell whether the user changed a setting."""
    return bool(setting(name) != _DEFAULTS[name])


def results_folder() -> Path:
    """Return where results go when the user names no folder."""
    given = setting("segmentation.results_folder")
    if given:
        return Path(given).expanduser()
    return Path(platformdirs.user_cache_dir("slideconcord", appauthor=False)) / "results"
