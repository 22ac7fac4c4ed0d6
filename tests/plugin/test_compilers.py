"""A window with software OpenGL, and a network loaded after it: the process survives."""

from __future__ import annotations

import subprocess
import sys

import pytest

from plugin.conftest import has_screen

pytest.importorskip("torch")
pytest.importorskip("segmentation_models_pytorch")

_LIFE = """
import threading
import napari
import numpy as np
from qtpy.QtWidgets import QApplication
from slideconcord.plugin.session import session_of

viewer = napari.Viewer(show=True)
viewer.add_image(np.eye(64))
QApplication.processEvents()
viewer.screenshot(flash=False)
session_of(viewer)

def load():
    import segmentation_models_pytorch
    print("loaded", flush=True)

thread = threading.Thread(target=load)
thread.start()
while thread.is_alive():
    QApplication.processEvents()
viewer.close()
"""


@pytest.mark.skipif(not has_screen(), reason="needs a screen")
def test_a_network_can_be_loaded_while_a_window_is_open():
    done = subprocess.run(
        [sys.executable, "-c", _LIFE], capture_output=True, text=True, timeout=600
    )
    assert "loaded" in done.stdout, done.stderr[-2000:]
    assert done.returncode == 0, done.stderr[-2000:]
