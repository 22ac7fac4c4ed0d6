"""Cases whose registrations are known because they were made by hand, for tests of agreement."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from conftest import tissue_like, write_pyramid
from slideconcord.comparison.case import Case, CaseScan
from slideconcord.comparison.case_registration import RegisteredCase
from slideconcord.comparison.registration import Quality, Registration, Scan
from slideconcord.comparison.registration.planes import affine_of, scaling, shifting, turning
from slideconcord.geometry import Frame, Mpp
from slideconcord.segmentation.mask import Mask
from slideconcord.slides import open_slide

HUB = "hub"
MPP = {HUB: 0.5, "turned": 0.4, "shifted": 0.5}
SHAPES = {HUB: (1600, 1800), "turned": (2400, 2500), "shifted": (1500, 1700)}
# from µm of the scan to µm of the hub
MAPS = {
    "turned": shifting(-60.0, -40.0) @ turning(11.0, (450.0, 450.0)),
    "shifted": shifting(31.3, -17.7),
}


def discs(seed: int = 3, count: int = 40) -> np.ndarray:
    """Return (n, 3) centres and radii in the hub's µm."""
    rng = np.random.default_rng(seed)
    return np.c_[rng.uniform(60, 740, (count, 2)), rng.uniform(8, 60, count)]


def in_discs(points_um: np.ndarray, circles: np.ndarray) -> np.ndarray:
    inside = np.zeros(len(points_um), bool)
    for y, x, radius in circles:
        inside |= np.hypot(*(points_um - (y, x)).T) < radius
    return inside


def drawn(scanner: str, circles: np.ndarray, slide, mpp: float = 2.0) -> Mask:
    """Return the discs as a scan's mask, exact at the centres of its pixels."""
    step = mpp / MPP[scanner]
    frame = Frame(0.0, 0.0, step, step)
    shape = tuple(int(side / step) for side in SHAPES[scanner])
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    centres_um = (np.c_[rows.ravel(), columns.ravel()] * step - 0.5) * MPP[scanner]
    matrix = MAPS.get(scanner, np.eye(3))
    on_hub = centres_um @ matrix[:2, :2].T + matrix[:2, 2]
    pixels = in_discs(on_hub, circles).reshape(shape)
    return Mask(pixels, frame, slide.mpp, slide.fingerprint)


def registered_case(
    folder: Path, circles: dict[str, np.ndarray], references: tuple[str, ...] = (), **quality: float
) -> RegisteredCase:
    """Write slides and masks, and return them as a case whose registrations are exact."""
    scans, sides = [], {}
    masks = Path(mkdtemp(dir=folder))
    measured = {"residual_p50_um": 0.5, "residual_p90_um": 1.1, **quality}
    for i, (scanner, drawing) in enumerate(circles.items()):
        path = folder / f"{scanner}.tif"
        if not path.exists():
            write_pyramid(path, tissue_like(*SHAPES[scanner], seed=i), MPP[scanner])
        with open_slide(path) as slide:
            mask = masks / f"{scanner}.mask.zarr"
            drawn(scanner, drawing, slide).save(mask)
            reference = masks / f"{scanner}.reference.zarr"
            if scanner in references:
                drawn(scanner, circles[HUB], slide).save(reference)
            sides[scanner] = Scan.of(slide)
        kept = reference if scanner in references else None
        scans.append(CaseScan(path, scanner, mask=mask, reference=kept))
    registrations = {
        name: Registration(
            side,
            sides[HUB],
            affine_of(MAPS[name] @ scaling(Mpp(*side.mpp))),
            "ok",
            method="tiles",
            quality=Quality(**measured),
        )
        for name, side in sides.items()
        if name != HUB
    }
    return RegisteredCase(Case("known", tuple(scans), HUB), registrations, {})
