"""Where the masks of two scans agree and differ, on the pixels of the hub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.registration.planes import Matrix, Points, apply, inverted
from slideconcord.comparison.views.placed import PlacedScan, centres_um, coarsest_within, step_of
from slideconcord.comparison.views.warp import warp_affine, warp_bent
from slideconcord.comparison.views.warped import px_matrix, require_aligned
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.segmentation.mask import Mask

Kinds = NDArray[np.uint8]
NEITHER, A_ONLY, B_ONLY, BOTH = 0, 1, 2, 3
_OUT, _IN, _UNKNOWN = 0, 1, 2


class MaskLevel(Protocol):
    """Pixels (y, x) of a mask, read box by box; other than 0 is inside."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __getitem__(self, index: tuple[slice, slice]) -> NDArray[np.generic]: ...


@dataclass(frozen=True, slots=True, eq=False)
class PlacedMask:
    """A scan's mask, to be read on the hub. Nearest pixels are picked, never mixed."""

    scan: PlacedScan
    levels: Sequence[MaskLevel]
    """Finest first; each halves the one before."""
    frame: Frame
    """Where the finest level lies in level 0 of the scan's slide."""

    @classmethod
    def of(cls, mask: Mask, scan: PlacedScan) -> PlacedMask:
        """Place a `Mask` of the scan's slide."""
        return cls(scan, mask.levels or (mask.array,), mask.frame)

    def read(self, to_um: Matrix, box: Box) -> Kinds:
        """Return (y, x) uint8: 0 outside, 1 inside, 2 where nothing was segmented or scanned.

        Parameters
        ----------
        to_um
            Map of output pixel centres (y, x, 1) to µm of the hub.
        box
            The part of the output that is wanted.

        Raises
        ------
        RegistrationError
            When the scan is not aligned.
        """
        require_aligned(self.scan)
        to_px = px_matrix(self.scan) @ to_um
        finest = inverted(centres_um(self.frame, Mpp(1.0, 1.0)))
        factors = [2.0**i for i in range(len(self.levels))]
        number = coarsest_within(step_of(finest @ to_px), factors)
        level, frame = self.levels[number], self.frame.coarser(factors[number])
        back = inverted(centres_um(frame, Mpp(1.0, 1.0)))

        def read(part: Box) -> Kinds:
            return (np.asarray(level[part.slices]) != 0).astype(np.uint8)

        shape = level.shape[0], level.shape[1]
        if self.scan.is_affine:
            return warp_affine(read, shape, back @ to_px, box, _UNKNOWN, nearest=True)

        def to_source(points: Points) -> Points:
            return apply(back, self.scan.to_px(apply(to_um, points)))

        return warp_bent(read, shape, to_source, box, _UNKNOWN, nearest=True)


def agreement(a: PlacedMask, b: PlacedMask, to_um: Matrix, box: Box) -> Kinds:
    """Return (y, x) uint8: 0 neither, 1 A only, 2 B only, 3 both; 0 too where one is unknown."""
    in_a, in_b = a.read(to_um, box), b.read(to_um, box)
    kinds: Kinds = in_a + 2 * in_b
    kinds[(in_a == _UNKNOWN) | (in_b == _UNKNOWN)] = NEITHER
    return kinds
