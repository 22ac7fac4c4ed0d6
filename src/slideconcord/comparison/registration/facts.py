"""What a registration says of its scans, and how well they lie on one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from slideconcord.geometry import Mpp

if TYPE_CHECKING:
    from slideconcord.slides import Slide

Status = Literal["ok", "coarse", "failed"]
STATUSES: tuple[Status, ...] = ("ok", "coarse", "failed")


@dataclass(frozen=True, slots=True)
class Scan:
    """Which file a side of a registration is; no path, and nothing that names a patient."""

    fingerprint: str
    name: str
    mpp: Mpp
    """Pixel size of level 0 in µm that was registered with."""
    shape: tuple[int, int]
    """Height and width of level 0."""

    @classmethod
    def of(cls, slide: Slide) -> Self:
        return cls(slide.fingerprint, slide.name, slide.mpp, slide.shape)


@dataclass(frozen=True, slots=True)
class Quality:
    """How well the tissue of both scans lies on one another; NaN where it was not measured."""

    inliers: int = 0
    """Features that agree on the pose."""
    tiles: int = 0
    """Tiles in which both scans were compared at fine resolution."""
    accepted: int = 0
    """Tiles whose local shift was found beyond doubt."""
    coverage: float = float("nan")
    """Share of the common tissue that accepted tiles stand for."""
    overlap: float = float("nan")
    """Common tissue as a share of the tissue of the scan that has less."""
    residual_p50_um: float = float("nan")
    """Median distance of held-out tiles from where the transform puts them."""
    residual_p90_um: float = float("nan")
    affine_p50_um: float = float("nan")
    """The same without the residual field."""
    affine_p90_um: float = float("nan")
    ncc: float = float("nan")
    """Median normalised cross-correlation of the tiles, each at its best shift."""
    ncc_null: float = float("nan")
    """99th percentile of the same at wrong places."""

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; what was not measured is null."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return {name: None if value != value else value for name, value in found.items()}
