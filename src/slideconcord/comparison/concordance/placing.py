"""What was found on each scan, as outlines in the pixels of the hub.

Outlines are moved, not pixels: a mask is resampled once, at the pixel size of the comparison, by
the rule that a pixel belongs where its centre lies.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slideconcord.annotations import Annotation, Annotations
from slideconcord.comparison.appearance.sampler import PlacedScan
from slideconcord.comparison.case import Case, CaseScan
from slideconcord.comparison.operands import annotations_of
from slideconcord.errors import MismatchError, ParameterError, UnsupportedSlideError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.segmentation.mask import Mask, open_mask
from slideconcord.segmentation.regions import find_regions

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from slideconcord.annotations.raster import Rasteriser
    from slideconcord.comparison.registration.value import Registration
    from slideconcord.slides import Slide

MASK_NAME = "mask.zarr"


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Outlines on one scan, in its level-0 pixels, and the part of it that was looked at."""

    outlines: Annotations
    looked_at: Box | None
    """Level-0 pixels, rounded outwards; all of the scan when None."""
    mpp: Mpp | None
    """Of the mask; outlines that were drawn have none."""
    kind: str
    """What it was: a mask, a probability map, annotations."""


def read_found(scan: CaseScan, slide: Slide, case: Case) -> Found | None:
    """Return what was found on a scan; None when the case names nothing.

    Raises
    ------
    MismatchError
        When it belongs to another slide.
    ParameterError, SlideError, AnnotationError, OutputError
        When it cannot be read.
    """
    if scan.probability is not None:
        return _from_probability(scan.probability, slide, case)
    return None if scan.mask is None else _read(scan.mask, slide, ())


def read_reference(scan: CaseScan, slide: Slide, case: Case) -> Annotations | None:
    """Return what is true on a scan, in its level-0 pixels; None when the case names nothing."""
    if scan.reference is None:
        return None
    return _read(scan.reference, slide, case.reference_classes).outlines


def find_on_disk(results: Path, slide: Slide) -> Path | None:
    """Return the folder in which ``segment --out`` left the mask of a slide."""
    for name in (slide.name, f"{slide.name}-{slide.fingerprint[:8]}"):
        place = results / name / MASK_NAME
        if place.is_dir() and open_mask(place).slide_fingerprint == slide.fingerprint:
            return place
    return None


def _read(path: Path, slide: Slide, classes: tuple[str, ...]) -> Found:
    from slideconcord.annotations import read_annotations

    mask = _mask_at(path)
    if mask is not None:
        annotations_of(mask, classes)
        return _of_mask(mask, slide, path, "mask")
    given = read_annotations(path, bounds=slide.bounds, mpp=slide.mpp)
    drawn_on = given.metadata.get("slide_fingerprint")
    if drawn_on and drawn_on != slide.fingerprint:
        raise _strangers(path, slide)
    chosen = annotations_of(given, classes)
    assert isinstance(chosen, Annotations)
    return Found(chosen, None, None, "annotations")


def _mask_at(path: Path) -> Mask | None:
    if not path.is_dir():
        return None
    try:
        return open_mask(path / MASK_NAME if (path / MASK_NAME).is_dir() else path)
    except UnsupportedSlideError:
        return None


def _from_probability(path: Path, slide: Slide, case: Case) -> Found:
    from slideconcord.segmentation.exact import exact_mask
    from slideconcord.segmentation.probability import open_probability

    probability = open_probability(path)
    with tempfile.TemporaryDirectory(prefix="slideconcord-") as folder:
        steps = exact_mask(probability, case.tuning, Path(folder) / MASK_NAME)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return _of_mask(end.value, slide, path, "probability")


def _of_mask(mask: Mask, slide: Slide, path: Path, kind: str) -> Found:
    if mask.slide_fingerprint and mask.slide_fingerprint != slide.fingerprint:
        raise _strangers(path, slide)
    frame, (height, width) = mask.frame, mask.shape
    stop_y, stop_x = frame.to_level0(height, width)
    looked_at = Box(
        round(frame.origin_y),
        round(frame.origin_x),
        round(stop_y) - round(frame.origin_y),
        round(stop_x) - round(frame.origin_x),
    )
    return Found(find_regions(mask), looked_at, mask.mpp, kind)


def _strangers(path: Path, slide: Slide) -> MismatchError:
    return MismatchError(
        f"{path.name} was made on another slide than {slide.path.name} (the fingerprints differ): "
        "name what belongs to this scan, or make it again."
    )


@dataclass(frozen=True, slots=True)
class Grid:
    """The pixels of the comparison: a grid on the hub."""

    frame: Frame
    shape: tuple[int, int]
    mpp: Mpp

    @classmethod
    def on(cls, hub: Slide, mpp: float) -> Grid:
        """Return the grid of a pixel size over all of the hub.

        Raises
        ------
        ParameterError
            When the hub is coarser.
        """
        step_y, step_x = hub.grid_step(mpp)
        return cls(Frame(0.0, 0.0, step_y, step_x), hub.grid_shape(mpp), Mpp.of(mpp))

    def box_um(self, y_um: float, x_um: float, side_um: float) -> Box:
        """Return the whole pixels of a square in the hub's µm (of pixel centres)."""
        top, left = (
            round((value / step_mpp + 0.5) / step)
            for value, step_mpp, step in (
                (y_um, self.mpp.y / self.frame.step_y, self.frame.step_y),
                (x_um, self.mpp.x / self.frame.step_x, self.frame.step_x),
            )
        )
        height, width = (max(round(side_um / mpp), 1) for mpp in self.mpp)
        return Box(top, left, height, width)

    def rasteriser(self, shapes: Iterable[Annotation | BaseGeometry]) -> Rasteriser:
        """Return shapes in hub pixels, to be filled box by box."""
        from slideconcord.annotations.raster import Rasteriser

        return Rasteriser(shapes, self.frame)


def placed_scans(
    hub: str,
    scanners: Iterable[str],
    registrations: Mapping[str, Registration],
    slides: Mapping[str, Slide],
) -> dict[str, PlacedScan]:
    """Return scans, and where the hub's µm lie on each."""
    return {
        name: PlacedScan.hub(name, slides[name])
        if name == hub
        else PlacedScan(name, slides[name], registrations[name].to_moving_px)
        for name in scanners
    }


def onto_hub(outlines: Annotations, registration: Registration | None) -> Annotations:
    """Move outlines of a scan into the hub's level-0 pixels; the hub's own stay."""
    return outlines if registration is None else registration.warp(outlines)


def scanned_area(
    slide: Slide, looked_at: Box | None, registration: Registration | None
) -> BaseGeometry:
    """Return the part of a scan that was scanned and looked at, in the hub's level-0 pixels."""
    import shapely

    box = slide.bounds or slide.box
    if looked_at is not None:
        box = box.intersect(looked_at)
    outline = Annotation(shapely.box(box.x, box.y, box.stop_x, box.stop_y))
    return onto_hub(Annotations.of([outline]), registration)[0].geometry


def common_area(areas: Iterable[BaseGeometry], case: str) -> BaseGeometry:
    """Return what all scans show.

    Raises
    ------
    ParameterError
        When that is nothing.
    """
    import shapely

    common = shapely.intersection_all(list(areas))
    if common.is_empty or common.area == 0:
        raise ParameterError(
            f"No part of the glass of case {case} is on all of its scans: leave out the scan that "
            "shows another part, and look at the registrations."
        )
    return common
