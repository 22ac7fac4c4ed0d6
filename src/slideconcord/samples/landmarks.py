"""Points of a virtual tissue and where each of its scans shows them, exactly."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from slideconcord.geometry import Box
from slideconcord.samples.scanner import VirtualScanner
from slideconcord.samples.tissue import VirtualTissue

_GRID_UM = 20.0


def tissue_points(tissue: VirtualTissue, count: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """Return (count, 2) random points (y, x) µm on the tissue; fewer when it is too small."""
    grid = Box(0, 0, int(tissue.height_um // _GRID_UM), int(tissue.width_um // _GRID_UM))
    cells = np.argwhere(tissue.truth(grid, _GRID_UM) > 0)
    chosen = np.random.default_rng(seed).permutation(len(cells))[:count]
    return np.asarray((cells[chosen] + 0.5) * _GRID_UM, np.float64)


def landmarks_csv(
    tissue: VirtualTissue, scanners: Mapping[str, VirtualScanner], count: int = 200
) -> str:
    """Return a table of points and their level-0 corner coordinates in every scan.

    Points that any scan hides in the slit of a seam are left out.
    """
    points = tissue_points(tissue, count)
    y, x = points.T
    places = {
        name: np.array(scanner.map(tissue).to_scan(y, x)) for name, scanner in scanners.items()
    }
    seen = np.all([np.isfinite(place).all(0) for place in places.values()], axis=0)
    lines = ["point,scanner,y_px,x_px"]
    for index in np.flatnonzero(seen):
        for name, (py, px) in places.items():
            lines.append(f"{index},{name},{py[index]:.4f},{px[index]:.4f}")
    return "\n".join(lines) + "\n"
