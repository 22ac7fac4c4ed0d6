"""One scan of a case and where it lies on the hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from slideconcord.comparison.registration.planes import Matrix, Points
from slideconcord.geometry import Frame, Mpp
from slideconcord.slides import Slide

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Transform(Protocol):
    """What a view needs of a `Registration`."""

    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def layer_affine(self) -> Matrix: ...
    @property
    def field(self) -> object | None: ...
    def to_fixed_um(self, points_px: ArrayLike) -> Points: ...
    def to_moving_px(self, points_um: ArrayLike) -> Points: ...


@dataclass(frozen=True, slots=True, eq=False)
class PlacedScan:
    """A slide and its place in the hub's µm frame, whose origin is the hub's first pixel centre."""

    slide: Slide
    name: str
    """What it is called on the screen: the scanner."""
    transform: Transform | None = None
    """None: this scan is the hub."""

    @property
    def is_hub(self) -> bool:
        return self.transform is None

    @property
    def is_aligned(self) -> bool:
        """Whether it may be shown on the hub."""
        return self.transform is None or self.transform.status != "failed"

    @property
    def is_affine(self) -> bool:
        """Whether an affine says all: nothing is left for a residual field."""
        return self.transform is None or self.transform.field is None

    @property
    def affine_um(self) -> Matrix:
        """Map µm of the scan to µm of the hub, without the residual field."""
        return np.eye(3) if self.transform is None else np.asarray(self.transform.layer_affine)

    def to_px(self, points_um: Points) -> Points:
        """Map (n, 2) µm of the hub to level-0 pixel centres of the scan, field and all."""
        if self.transform is None:
            return points_um / np.array(self.slide.mpp)
        return self.transform.to_moving_px(points_um)

    def to_um(self, points_px: Points) -> Points:
        """Map (n, 2) level-0 pixel centres of the scan to µm of the hub, field and all."""
        if self.transform is None:
            return points_px * np.array(self.slide.mpp)
        return self.transform.to_fixed_um(points_px)


def centres_um(frame: Frame, mpp: Mpp) -> Matrix:
    """Map pixel indices of a map on a slide to µm of that slide (both of pixel centres)."""
    (sy, sx), (ty, tx) = frame.scale_um(mpp), frame.translate_um(mpp)
    return np.array([[sy, 0, ty], [0, sx, tx], [0, 0, 1]])


def step_of(matrix: Matrix) -> float:
    """Return how many source pixels a map takes per pixel: the root of the area's factor."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))


def coarsest_within(step: float, downsamples: list[float]) -> int:
    """Return the coarsest level (finest first) whose pixels are no larger than ``step``."""
    # a fifth larger is not seen, and saves reading four times as much
    return max((i for i, d in enumerate(downsamples) if d <= 1.2 * step), default=0)
