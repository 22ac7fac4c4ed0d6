"""What an affine leaves over: a small displacement on a grid, capped and smooth enough to trust."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.registration.planes import Points
from slideconcord.errors import ParameterError

CAP_UM = 20.0
"""No node moves a point further."""
JACOBIAN = (0.8, 1.25)
"""How much the field may shrink or stretch an area anywhere."""
_ROUNDS = 12


@dataclass(frozen=True, slots=True, eq=False)
class ResidualField:
    """Displacement in µm as a function of a place in the fixed scan's µm frame; bilinear.

    Beyond the grid the displacement is 0: its outermost nodes are.
    """

    origin_um: tuple[float, float]
    """Place (y, x) of the first node."""
    spacing_um: float
    """Distance of the nodes."""
    nodes: NDArray[np.float64]
    """(rows, columns, 2) displacement (y, x) in µm; at least 2 x 2 nodes, 0 along the border."""

    def __post_init__(self) -> None:
        nodes = self.nodes
        if not (nodes.ndim == 3 and nodes.shape[2] == 2 and min(nodes.shape[:2]) >= 2):
            raise ParameterError(
                f"a residual field of shape {nodes.shape}: give (rows, columns, 2)."
            )
        if not (np.isfinite(nodes).all() and np.abs(nodes).max() <= CAP_UM and self.spacing_um > 0):
            raise ParameterError(f"a residual field must be finite and at most {CAP_UM:g} µm.")
        low, high = self.jacobian
        if not JACOBIAN[0] <= low <= high <= JACOBIAN[1]:
            raise ParameterError(
                f"a residual field that stretches areas by {low:.4f} to {high:.4f} is no field of "
                f"a scanner: {JACOBIAN[0]:g} to {JACOBIAN[1]:g} are allowed."
            )

    @property
    def jacobian(self) -> tuple[float, float]:
        """Smallest and largest factor by which the field changes an area."""
        stretch = jacobians(self.nodes, self.spacing_um)
        return float(stretch.min()), float(stretch.max())

    @property
    def largest_um(self) -> float:
        """Length of the longest displacement of a node."""
        return float(np.hypot(self.nodes[..., 0], self.nodes[..., 1]).max())

    def __call__(self, points_um: Points) -> Points:
        """Return the displacement (n, 2) in µm at points (n, 2) of the fixed frame."""
        at = (points_um - np.array(self.origin_um)) / self.spacing_um
        last = np.array(self.nodes.shape[:2]) - 1
        at = np.clip(at, 0, last)
        low = np.minimum(at.astype(np.int64), last - 1)
        part = at - low
        (i, j), (u, v) = low.T, part.T[..., None]
        upper = self.nodes[i, j] * (1 - v) + self.nodes[i, j + 1] * v
        lower = self.nodes[i + 1, j] * (1 - v) + self.nodes[i + 1, j + 1] * v
        moved: Points = upper * (1 - u) + lower * u
        return moved

    def apply(self, points_um: Points) -> Points:
        """Return points (n, 2) moved by the field."""
        return points_um + self(points_um)

    def undo(self, points_um: Points) -> Points:
        """Return where points (n, 2) came from; a fixed point, as the field hardly stretches."""
        source = points_um - self(points_um)
        for _ in range(_ROUNDS):
            source = points_um - self(source)
        return source


def jacobians(nodes: NDArray[np.float64], spacing_um: float) -> NDArray[np.float64]:
    """Return the change of area, (4, row, column), at the corners of each bilinear cell.

    Inside a cell it lies between those.
    """
    down, along = np.diff(nodes, axis=0) / spacing_um, np.diff(nodes, axis=1) / spacing_um
    return np.stack(
        [
            (1 + d[..., 0]) * (1 + a[..., 1]) - d[..., 1] * a[..., 0]
            for d in (down[:, :-1], down[:, 1:])
            for a in (along[:-1], along[1:])
        ]
    )
