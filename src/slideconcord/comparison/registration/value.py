"""A registration: where one scan lies on another, how good that is, and whether to trust it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slideconcord.comparison.registration.facts import STATUSES, Quality, Scan, Status
from slideconcord.comparison.registration.field import ResidualField
from slideconcord.comparison.registration.planes import (
    Matrix,
    Points,
    Pose,
    apply,
    inverted,
    matrix_of,
    pose_of,
    scaling,
)
from slideconcord.errors import MismatchError, ParameterError, RegistrationError
from slideconcord.geometry import Affine

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from shapely.geometry.base import BaseGeometry

    from slideconcord.annotations import Annotation, Annotations
    from slideconcord.slides import Slide

# Straight edges are cut so short before a field bends them.
_EDGE_UM = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """Where the moving scan lies in the µm frame of the fixed scan.

    A frame's origin is the centre of its scan's first level-0 pixel: µm are pixel centres times
    mpp, as in napari. Level-0 *pixels* are pixel centres here; outlines (`warp`) are in corner
    coordinates, as everywhere.
    """

    moving: Scan
    fixed: Scan
    affine: Affine
    """Level-0 pixel centres (y, x) of the moving scan to µm of the fixed scan."""
    status: Status
    """``ok``; ``coarse``: look before you measure; ``failed``: nothing is aligned."""
    reason: str = ""
    """Why it is not ``ok``; "" when it is."""
    method: str = ""
    field: ResidualField | None = None
    """What the affine leaves over, where tiles that it had not seen lie better with it."""
    quality: Quality = dataclasses.field(default_factory=Quality)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.status not in STATUSES or (self.status == "ok") != (self.reason == ""):
            raise ParameterError(
                f"status {self.status!r} with reason {self.reason!r}: "
                "ok has no reason, coarse and failed have one."
            )

    @property
    def matrix(self) -> Matrix:
        """`affine` as 3 x 3 on (y, x, 1)."""
        return matrix_of(self.affine)

    @property
    def layer_affine(self) -> Matrix:
        """3 x 3 on (y, x, 1), for the ``affine`` of any napari layer of the moving scan.

        It maps µm of the moving scan to µm of the fixed one; scale and translate of the layer
        stay. The residual field is not in it.
        """
        moved: Matrix = self.matrix @ inverted(scaling(self.moving.mpp))
        return moved

    @property
    def pose(self) -> Pose:
        """Scale, turn and shear from the moving scan's µm to the fixed scan's."""
        return pose_of(self.layer_affine)

    def to_fixed_um(self, points_px: ArrayLike) -> Points:
        """Map (n, 2) level-0 pixel centres (y, x) of the moving scan to µm of the fixed scan.

        Raises
        ------
        RegistrationError
            When the registration failed: nothing is aligned.
        """
        moved = apply(self._trusted, _points(points_px))
        return moved if self.field is None else self.field.apply(moved)

    def to_fixed_px(self, points_px: ArrayLike) -> Points:
        """Map (n, 2) level-0 pixel centres of the moving scan to those of the fixed scan."""
        return self.to_fixed_um(points_px) / np.array(self.fixed.mpp)

    def to_moving_px(self, points_um: ArrayLike) -> Points:
        """Map (n, 2) µm of the fixed scan back to level-0 pixel centres of the moving scan."""
        points = _points(points_um)
        points = points if self.field is None else self.field.undo(points)
        return apply(inverted(self._trusted), points)

    def fixed_to_moving_px(self, points_px: ArrayLike) -> Points:
        """Map (n, 2) level-0 pixel centres of the fixed scan to those of the moving scan."""
        return self.to_moving_px(_points(points_px) * np.array(self.fixed.mpp))

    def warp(self, annotations: Iterable[Annotation]) -> Annotations:
        """Move annotations of the moving scan onto the fixed scan.

        Parameters
        ----------
        annotations
            In level-0 pixels of the moving scan, (x, y), corner convention.

        Returns
        -------
        The same in level-0 pixels of the fixed scan; measurements stay what they were.

        Raises
        ------
        RegistrationError
            When the registration failed.
        """
        return self._warped(annotations, self.to_fixed_px, min(self.moving.mpp))

    def warp_back(self, annotations: Iterable[Annotation]) -> Annotations:
        """Move annotations of the fixed scan onto the moving scan; see `warp`."""
        return self._warped(annotations, self.fixed_to_moving_px, min(self.fixed.mpp))

    def require(self, moving: Slide | Scan, fixed: Slide | Scan) -> Self:
        """Return this registration, or refuse it for scans that it was not made from.

        Raises
        ------
        MismatchError
            Naming the scan that is another one.
        """
        for role, made_from, given in (
            ("moving", self.moving, moving),
            ("fixed", self.fixed, fixed),
        ):
            if made_from.fingerprint != given.fingerprint:
                raise MismatchError(
                    f"This registration was made with {made_from.name} as its {role} scan, and "
                    f"{given.name} is another file (the fingerprints differ): register it anew, "
                    "or give the scan that it was made from."
                )
            if not np.allclose(made_from.mpp, given.mpp, rtol=1e-6):
                raise MismatchError(
                    f"{given.name} was registered at {made_from.mpp.y:g} µm/px and is now open at "
                    f"{given.mpp.y:g}: open it with mpp={made_from.mpp.y:g}, or register it anew."
                )
        return self

    def write(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Self:
        """Write the registration as one JSON file; it appears whole or not at all.

        Raises
        ------
        OutputError
            When the file is there and ``overwrite`` is false, or it cannot be written.
        """
        from slideconcord.comparison.registration.files import write_registration

        write_registration(self, path, overwrite=overwrite)
        return self

    @property
    def _trusted(self) -> Matrix:
        if self.status == "failed":
            raise RegistrationError(
                f"{self.moving.name} does not lie on {self.fixed.name}: {self.reason} "
                "Register it by three pairs of points, or leave the scan out.",
                self.reason,
            )
        return self.matrix

    def _warped(self, annotations: Iterable[Annotation], move: Any, mpp: float) -> Annotations:
        from slideconcord.annotations import Annotations

        def warped(geometry: BaseGeometry) -> BaseGeometry:
            return _warp_geometry(geometry, move, _EDGE_UM / mpp if self.field else None)

        given = annotations if isinstance(annotations, Annotations) else Annotations.of(annotations)
        items = [
            replace(
                each,
                geometry=warped(each.geometry),
                nucleus=None if each.nucleus is None else warped(each.nucleus),
                # an ellipse that is turned no longer fills its bounding box
                is_ellipse=False,
            )
            for each in given
        ]
        return replace(given, items=tuple(items))


def _points(points: ArrayLike) -> Points:
    found = np.asarray(points, np.float64)
    if found.ndim != 2 or found.shape[1] != 2:
        raise ParameterError(f"points of shape {found.shape}: give (n, 2), each (y, x).")
    return found


def _warp_geometry(geometry: BaseGeometry, move: Any, edge_px: float | None) -> BaseGeometry:
    """Map an outline (x, y), corner convention, by a map of pixel centres (y, x)."""
    import shapely

    if edge_px is not None:
        geometry = shapely.segmentize(geometry, edge_px)
    return shapely.transform(geometry, lambda xy: move(xy[:, ::-1] - 0.5)[:, ::-1] + 0.5)
