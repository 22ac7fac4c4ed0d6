"""The residual field: fitted to believed tiles, kept only where it helps tiles it has not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from slideconcord.comparison.registration.field import CAP_UM, JACOBIAN, ResidualField, jacobians
from slideconcord.comparison.registration.fit import distances
from slideconcord.comparison.registration.planes import Matrix, Points, apply
from slideconcord.comparison.registration.residuals import FOLDS, Bools, Pairs, rms

_GAIN, _LEAST_GAIN_UM = 0.2, 0.2
_COARSER = (1, 2, 4)
_AS_GOOD = 1.15
_REACH = 2.0
_SOFTENED, _SLACK = 20, 1e-3


def choose_field(pairs: Pairs, matrix: Matrix) -> tuple[ResidualField, NDArray[np.float64]] | None:
    """Return the field that helps tiles most which it has not seen, and their errors; or None.

    Every fifth tile is left out in turn, none beside another, so each is foretold by its four
    neighbours: about the farthest that any tissue is from a tile.
    """
    moved = apply(matrix, pairs.source_um)
    before = distances(moved, pairs.target_um)
    fold = (2 * pairs.index[:, 0] + pairs.index[:, 1]) % FOLDS
    plain, unseen = rms(before), {}
    for coarser in _COARSER:
        off = np.full(len(pairs), np.nan)
        for k in range(FOLDS):
            left = fold == k
            trained = _field(pairs.part(~left), moved[~left], coarser)
            if trained is not None:
                off[left] = distances(trained.apply(moved[left]), pairs.target_um[left])
        if plain - rms(off) >= max(_GAIN * plain, _LEAST_GAIN_UM):
            unseen[coarser] = off
    if not unseen:
        return None
    least = min(rms(off) for off in unseen.values())
    # the finest of those about as good: in use, tissue is nearer to a tile than left-out tiles are
    coarser = min(c for c, off in unseen.items() if rms(off) <= _AS_GOOD * least)
    field = _field(pairs, moved, coarser)
    return None if field is None else (field, unseen[coarser])


def _field(pairs: Pairs, moved: Points, coarser: int) -> ResidualField | None:
    """Return the field through the medians of cells of tiles; None where it would fold tissue."""
    shift = pairs.target_um - moved
    if np.hypot(*shift.T).max() > CAP_UM:
        return None
    cell = pairs.index // coarser
    low = cell.min(0) - 3
    shape = tuple(cell.max(0) - low + 4)
    nodes, known = _medians(cell - low, shift, shape)
    nodes = _spread(nodes, known)
    spacing = pairs.spacing_um * coarser
    first = np.array(pairs.origin_um) + (low * coarser + (coarser - 1) / 2) * pairs.spacing_um
    tamed = _tamed(nodes, spacing)
    if tamed is None:
        return None
    return ResidualField((float(first[0]), float(first[1])), spacing, np.round(tamed, 4))


def _tamed(nodes: NDArray[np.float64], spacing_um: float) -> NDArray[np.float64] | None:
    """Soften nodes where the field would stretch tissue too much; None where that is not enough."""
    for _ in range(_SOFTENED):
        stretch = jacobians(nodes, spacing_um)
        wild = (stretch.min(0) < JACOBIAN[0] + _SLACK) | (stretch.max(0) > JACOBIAN[1] - _SLACK)
        if not wild.any():
            return nodes
        # the four corners of each cell that is too steep
        corners = ndimage.binary_dilation(
            np.pad(wild, ((0, 1), (0, 1))), np.ones((2, 2), np.bool_), origin=-1
        )
        mean = ndimage.uniform_filter(nodes, (3, 3, 1), mode="constant")
        nodes = np.where(corners[..., None], mean, nodes)
    return None


def _medians(
    cell: NDArray[np.int64], shift: Points, shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], Bools]:
    flat = np.ravel_multi_index(tuple(cell.T), shape)
    nodes, known = np.zeros((*shape, 2)), np.zeros(shape, bool)
    places = np.unique(flat)
    for axis in range(2):
        nodes.reshape(-1, 2)[places, axis] = ndimage.median(shift[:, axis], flat, places)
    known.flat[places] = True
    return nodes, known


def _spread(nodes: NDArray[np.float64], known: Bools) -> NDArray[np.float64]:
    """Fill unknown nodes from their neighbours, less the farther those are; the border is 0."""
    weight = known.astype(np.float64)
    blur = (1.0, 1.0, 0.0)
    total = ndimage.gaussian_filter(weight, 1.0, mode="constant", truncate=4.0)
    mixed = ndimage.gaussian_filter(nodes, blur, mode="constant", truncate=4.0)
    mixed /= np.maximum(total, 1e-9)[..., None]
    far = ndimage.distance_transform_edt(~known)
    decay = np.clip(1 - (far - 1) / _REACH, 0, 1)[..., None]
    filled: NDArray[np.float64] = np.where(known[..., None], nodes, mixed * decay)
    return filled
