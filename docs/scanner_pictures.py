"""Picture the Scanners dock: ``python docs/scanner_pictures.py WINDOW.png PANELS.png``.

Takes the small virtual sample through the dock in the real viewer: two virtual scanners,
registered, segmented, seen in a linked grid (the whole window) and in four views of two (the
picture alone).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

WINDOW = (1600, 1000)
PANEL_PX, GAP_PX = 420, 8
VIEWS = ("curtain", "checkerboard", "difference", "agreement")
LOW, HIGH = 0.35, 0.8
# a gland and its surroundings, in µm of the hub, and screen pixels per µm
CENTRE_UM, ZOOM = (330.0, 480.0), 1.5


def main(window_png: Path, panels_png: Path) -> None:
    import napari

    from slideconcord.plugin import actions
    from slideconcord.plugin.demo import SAMPLE, paint, wait_for
    from slideconcord.plugin.sample_data import sample_slides

    with tempfile.TemporaryDirectory() as folder:
        viewer = napari.Viewer(show=True)
        viewer.window.resize(*WINDOW)
        actions.open_slides(viewer, sample_slides(SAMPLE, Path(folder) / "slides"))
        _, dock = viewer.window.add_plugin_dock_widget("slideconcord", "Scanners")
        for entry in dock.session.workspace.entries:
            for _ in actions.run_segmentation(
                viewer, entry.name, model="stain-density", folder=Path(folder) / "runs"
            ):
                paint(0.0)
            actions.set_thresholds(viewer, LOW, HIGH, slide=entry.name, min_area_um2=400.0)
        dock.take_open_slides()
        dock.register()
        wait_for(lambda: not dock.registrar.is_running)
        dock.measure()
        wait_for(lambda: not dock.measurer.is_running)
        viewer.scene.camera.center, viewer.scene.camera.zoom = (0.0, *CENTRE_UM), ZOOM
        dock.looking.view.cross.point(CENTRE_UM[0] + 20.0, CENTRE_UM[1] + 30.0)
        _settle(dock, paint, wait_for)
        viewer.screenshot(str(window_png), canvas_only=False, flash=False)
        _panels(viewer, dock, paint, wait_for).save(panels_png)
        viewer.close()


def _panels(viewer: Any, dock: Any, paint: Any, wait_for: Any) -> Image.Image:
    """Return the middle of the picture in each of four views, side by side."""
    row = Image.new("RGB", (len(VIEWS) * (PANEL_PX + GAP_PX) - GAP_PX, PANEL_PX), "white")
    for number, name in enumerate(VIEWS):
        dock.show_view(name)
        if (dial := dock.looking.view.dial) is not None and name == "checkerboard":
            dock.looking.view.turn(dial.value / 2)
        _settle(dock, paint, wait_for)
        picture = Image.fromarray(viewer.screenshot(canvas_only=True, flash=False)[..., :3])
        left, top = (picture.width - PANEL_PX) // 2, (picture.height - PANEL_PX) // 2
        panel = picture.crop((left, top, left + PANEL_PX, top + PANEL_PX))
        row.paste(panel, (number * (PANEL_PX + GAP_PX), 0))
    return row


def _settle(dock: Any, paint: Any, wait_for: Any) -> None:
    """Let the window draw until all it shows is sharp."""
    paint()
    wait_for(lambda: dock.looking.stage.is_complete)
    paint()


if __name__ == "__main__":
    main(*(Path(name) for name in sys.argv[1:3]))
