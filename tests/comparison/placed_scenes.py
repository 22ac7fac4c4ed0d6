"""A smooth scene given by a formula, seen by scanners of any pose: every pixel's truth is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fake_slides import ArrayReader
from slideconcord.comparison.views.placed import PlacedScan
from slideconcord.geometry import Mpp
from slideconcord.slides import Slide, TileCache


@dataclass
class Pose:
    """A transform by turn, scale and shift: µm of the scan to µm of the hub."""

    turn_deg: float = 0.0
    shift_um: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    mpp: tuple[float, float] = (0.5, 0.5)
    status: str = "ok"
    reason: str = ""
    bend_um: float = 0.0

    @property
    def layer_affine(self) -> np.ndarray:
        turn = math.radians(self.turn_deg)
        cos, sin = self.scale * math.cos(turn), self.scale * math.sin(turn)
        y, x = self.shift_um
        return np.array([[cos, sin, y], [-sin, cos, x], [0, 0, 1]])

    @property
    def field(self) -> str | None:
        return "bends" if self.bend_um else None

    def to_moving_px(self, points_um):
        bent = points_um - self.bend_um * np.sin(points_um[:, ::-1] / 60)
        back = np.linalg.inv(self.layer_affine)
        return (bent @ back[:2, :2].T + back[:2, 2]) / self.mpp


def scene(points_um: np.ndarray) -> np.ndarray:
    """Return the colours (..., 3), 60 to 200, at places (..., 2) in µm of the hub."""
    y, x = points_um[..., 0], points_um[..., 1]
    waves = [np.sin(y / 31 + x / 47), np.cos(x / 10 - y / 13), np.sin((x + y) / 70)]
    return np.stack([130 + 70 * wave for wave in waves], -1)


def blob(points_um: np.ndarray) -> np.ndarray:
    """Return a mask (...) of places (..., 2) in µm of the hub: waves of hand-sized regions."""
    y, x = points_um[..., 0], points_um[..., 1]
    return np.sin(y / 23) * np.sin(x / 29) > 0.1


def pixels_um(shape: tuple[int, int], mpp, step: float = 1.0) -> np.ndarray:
    """Return where pixel centres of a level lie, (y, x, 2), in µm of their scan."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    return (np.stack([y, x], -1) * step + (step - 1) / 2) * np.array(mpp)


def hub_um(places_um: np.ndarray, pose: Pose | None) -> np.ndarray:
    """Carry places of a scan to the hub (through the affine alone)."""
    if pose is None:
        return places_um
    return places_um @ pose.layer_affine[:2, :2].T + pose.layer_affine[:2, 2]


def scanned(
    pose: Pose | None = None,
    shape: tuple[int, int] = (700, 900),
    mpp: tuple[float, float] = (0.5, 0.5),
    name: str = "A",
    tile: int = 64,
) -> PlacedScan:
    """Return the scene as a scan of three stored levels."""
    images = []
    for level in range(3):
        step = 2.0**level
        size = shape[0] >> level, shape[1] >> level
        colours = scene(hub_um(pixels_um(size, mpp, step), pose))
        images.append(colours.round().astype(np.uint8))
    reader = ArrayReader(images, tile=(tile, tile))
    slide = Slide(Path(f"{name}.svs"), reader, Mpp(*mpp), cache=TileCache(64 << 20, threads=2))
    if pose is not None:
        pose.mpp = mpp
    return PlacedScan(slide, name, pose)


def about_middle(
    turn_deg: float,
    shape: tuple[int, int] = (700, 900),
    mpp: tuple[float, float] = (0.5, 0.5),
    **more: float,
) -> Pose:
    """Return the pose whose scan of that size has its middle on that of a 700 x 900 px hub."""
    middle = hub_um(np.array(shape) / 2 * np.array(mpp), Pose(turn_deg, **more))
    shift = np.array([175.0, 225.0]) - middle
    return Pose(turn_deg, (float(shift[0]), float(shift[1])), **more)
