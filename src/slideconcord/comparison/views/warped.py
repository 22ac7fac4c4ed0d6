"""A scan as a slide on the hub's pixels, resampled chunk by chunk when somebody looks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slideconcord.comparison.registration.planes import Matrix, Points, apply, inverted, scaling
from slideconcord.comparison.views.placed import PlacedScan, centres_um, coarsest_within, step_of
from slideconcord.comparison.views.warp import warp_affine, warp_bent
from slideconcord.errors import RegistrationError
from slideconcord.slides import Slide
from slideconcord.slides.reader import NativeLevel, SlideInfo

if TYPE_CHECKING:
    from slideconcord.geometry import Box
    from slideconcord.slides.reader import Rgb

NOT_SCANNED = (128, 128, 128)
"""Grey is what a scan does not reach: white would look like glass without tissue."""


class WarpedReader:
    """Gives a scan's pixels on the level grids of the hub; colours as the scan is shown in.

    Raises
    ------
    RegistrationError
        When the scan's registration failed: it lies nowhere.
    """

    def __init__(self, scan: PlacedScan, hub: Slide) -> None:
        require_aligned(scan)
        self._scan = scan
        self._hub = hub
        self.info = SlideInfo(
            format="warped",
            levels=tuple(
                NativeLevel(level.shape[:2], level.downsample, level.tile_shape)
                for level in hub.levels
            ),
            mpp=hub.mpp,
            scanner=scan.slide.scanner,
            background=NOT_SCANNED,
        )
        self._downsamples = [float(np.mean(level.downsample)) for level in scan.slide.levels]

    def read(self, level: int, box: Box) -> Rgb:
        """Return a box of a level of the hub, filled from the scan."""
        slide = self._scan.slide
        to_um = centres_um(self._hub.levels[level].frame, self._hub.mpp)
        matrix = px_matrix(self._scan) @ to_um
        source = slide.levels[coarsest_within(step_of(matrix), self._downsamples)]
        back = inverted(centres_um(source.frame, slide.mpp)) @ scaling(slide.mpp)

        def read(part: Box) -> Rgb:
            return slide.pyramid.read_shown(source.index, part)

        shape = source.shape[0], source.shape[1]
        if self._scan.is_affine:
            return warp_affine(read, shape, back @ matrix, box, NOT_SCANNED, nearest=False)

        def to_source(points: Points) -> Points:
            return apply(back, self._scan.to_px(apply(to_um, points)))

        return warp_bent(read, shape, to_source, box, NOT_SCANNED, nearest=False)

    def associated_image(self, name: str) -> Rgb:
        raise RegistrationError(f"{self._scan.name} on the hub has no image {name!r}.")

    def close(self) -> None:
        """Do nothing: the scan stays open."""


def warped_slide(scan: PlacedScan, hub: Slide) -> Slide:
    """Return a scan as a slide whose every pixel is one of the hub's; the hub itself as it is.

    Close it when it is no longer looked at: that lets go of its chunks, not of the scan.
    """
    if scan.is_hub:
        return hub
    name = Path(f"{scan.slide.name} on {hub.name}")
    return Slide(name, WarpedReader(scan, hub), hub.mpp, cache=hub.pyramid.cache)


def require_aligned(scan: PlacedScan) -> None:
    """Refuse a scan that lies nowhere.

    Raises
    ------
    RegistrationError
        When its registration failed.
    """
    if not scan.is_aligned and scan.transform is not None:
        reason = scan.transform.reason
        raise RegistrationError(
            f"{scan.name} is not aligned ({reason.rstrip('.')}): nothing can be laid over it. "
            "Align it by three pairs of points, or choose another scan.",
            reason,
        )


def px_matrix(scan: PlacedScan) -> Matrix:
    """Map µm of the hub to level-0 pixel centres of the scan, without the residual field."""
    return inverted(scan.affine_um @ scaling(scan.slide.mpp))
