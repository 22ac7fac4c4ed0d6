"""The plugin's tests: their own napari settings, caches and, where it is needed, a screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari")

from napari.components import ViewerModel

from slideconcord.plugin import settings
from slideconcord.plugin.session import session_of
from slideconcord.segmentation import model_files
from slideconcord.segmentation.model import Model
from slideconcord.segmentation.spec import ModelSpec

TILE_PX = 128


def has_screen() -> bool:
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


if not has_screen():
    # Widgets by themselves need no screen; a napari window needs one, for its OpenGL canvas.
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if has_screen():
        return
    skip = pytest.mark.skip(reason="no display: run under xvfb-run to test the window")
    for item in items:
        if item.get_closest_marker("viewer"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep results, samples and settings of the user out of the tests."""
    home = tmp_path / "home"
    monkeypatch.setenv("NAPARI_CONFIG", str(home / "napari.yaml"))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name, **_: str(home / "cache" / name))
    monkeypatch.setattr(settings, "setting", settings._DEFAULTS.__getitem__)
    return home


@pytest.fixture(autouse=True)
def quick_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model that nobody chose be the one that needs no network."""
    monkeypatch.setattr(model_files, "_TRAINED_NEEDS", ("no_such_library",))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    """Return a model that answers with the darkness of each pixel, as every model's name."""
    spec = ModelSpec(
        name="darkness", version="1", architecture="test", mpp=1.0, tile_px=TILE_PX,
        overlap_px=16, classes=("dark",), activation="none", low=0.3, high=0.5,
        licence="none", training_data="none",
    )  # fmt: skip
    made = Model.from_function(spec, darkness)
    monkeypatch.setattr("slideconcord.segmentation.model.load_model", lambda *_, **__: made)
    return made


def darkness(rgb: np.ndarray) -> np.ndarray:
    return np.clip((235 - rgb.mean(-1, dtype=np.float32)) / 110, 0, 1)[None]


@pytest.fixture
def viewer_model() -> Iterator[ViewerModel]:
    """Return a napari viewer without a window."""
    viewer = ViewerModel()
    yield viewer
    session_of(viewer).close()
    viewer.layers.clear()


@pytest.fixture
def window(make_napari_viewer_proxy: Callable[..., Any]) -> Any:
    """Return a napari window as plugins see it."""
    return make_napari_viewer_proxy(show=True, strict_qt="raise")
