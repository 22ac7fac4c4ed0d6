"""The pan-cancer paper's post-processing: probability map to mask, step by step as published.

Skrede et al. 2026, Methods, "Result post-processing"; what the text leaves open is as in the
authors' code. In order: the map at 5 µm per pixel (coarse_map.py); `smooth_map`; hysteresis,
strictly above 85 and 229, 4-connected; pruning of 8-connected regions by their 95th percentile;
only where there is tissue; holes filled and small regions left out (`clean_mask`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import MismatchError, ParameterError
from slideconcord.provenance import record
from slideconcord.segmentation.coarse_map import CoarseMap, coarse_map
from slideconcord.segmentation.hysteresis import hysteresis
from slideconcord.segmentation.mask import Mask, open_mask
from slideconcord.segmentation.prune import prune_regions
from slideconcord.segmentation.reframe import in_frame
from slideconcord.segmentation.thresholds import PRESETS, Thresholds
from slideconcord.segmentation.tissue_pixels import TissueOptions, clean_mask

Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
PruneMap = Literal["smoothed", "unsmoothed"]


@dataclass(frozen=True, slots=True)
class PanCancer:
    """The constants of the method, from the paper's "Result post-processing"."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    """85 and 229 of 255: a stored value must exceed them."""
    prune_percentile: float | None = 95.0
    """A region stays when this percentile of its values exceeds high; None: no pruning."""
    prune_map: PruneMap = "smoothed"
    """Which map the percentile is taken from: the paper's text says smoothed, but the authors'
    code takes the unsmoothed one."""
    least_shrink: float = 0.2
    """The map is smoothed at this scale, or at a finer one if it is small."""
    least_area_px: int = 1_000_000
    """Smaller maps are not shrunk below this area, and enlarged to it."""
    median_px: int = 9
    gaussian_px: int = 5
    """Side of the Gaussian's kernel; its standard deviation is OpenCV's for that side, 1.1 px."""
    cleanup: TissueOptions = field(default_factory=TissueOptions)
    """Holes and small regions, and the 5 µm per pixel of all of it."""

    def __post_init__(self) -> None:
        if self.prune_map not in ("smoothed", "unsmoothed"):
            raise ParameterError(
                f"prune_map={self.prune_map!r} is not known. Choose smoothed or unsmoothed."
            )
        if self.prune_percentile is not None and not 0 <= self.prune_percentile <= 100:
            raise ParameterError(
                f"prune_percentile={self.prune_percentile!r} is no percentile: "
                "give 0 to 100, or None."
            )

    def facts(self) -> dict[str, Any]:
        """Return all of it for a provenance record."""
        return {"method": "pan-cancer", **asdict(self)}


class PanCancerPreset(NamedTuple):
    """A named choice of constants and when to use it."""

    options: PanCancer
    help: str


PAN_CANCER: Mapping[str, PanCancerPreset] = MappingProxyType(
    {
        "pan-cancer": PanCancerPreset(PanCancer(), "As published: thresholds 1/3 and 0.9."),
        "pan-cancer-fragmented": PanCancerPreset(
            PanCancer(PRESETS["fragmented"].thresholds, prune_percentile=None),
            "Thresholds 0.05 and 0.10 without pruning, best for fragmented samples in the "
            "paper's exploratory analysis 10.",
        ),
    }
)


def postprocess(
    probability: Any,
    tissue: Mask | None,
    options: PanCancer = PAN_CANCER["pan-cancer"].options,
    out: str | os.PathLike[str] | None = None,
    *,
    class_name: str | None = None,
    overwrite: bool = False,
) -> Mask:
    """Make the mask of a probability map as the pan-cancer paper does, at 5 µm per pixel.

    Parameters
    ----------
    probability
        A ProbabilityMap at 5 µm per pixel or finer.
    tissue
        What `find_tissue` found on the slide; None leaves that step out, and the mask says so.
    options
        One of `PAN_CANCER`, or your own.
    out
        Where to write an OME-Zarr label pyramid; the mask stays in memory when None.
    class_name
        Which class; the map's target class when None.
    overwrite
        Whether ``out`` may replace a mask.

    Returns
    -------
    Mask

    Raises
    ------
    ParameterError
        When the map is coarser than 5 µm per pixel.
    MismatchError
        When the tissue is that of another slide.
    OutputError
        When ``out`` holds something or cannot be written.
    """
    coarse = coarse_map(probability, options.cleanup.mpp, class_name)
    inside = None
    if tissue is not None:
        fitted = in_frame(tissue, coarse.frame, coarse.shape, probability.slide_fingerprint)
        inside = np.asarray(fitted.array[:, :])
    pixels = postprocess_pixels(coarse.values, inside, options)
    mask = _describe(coarse, pixels, tissue, options)
    if out is None:
        return mask
    mask.save(out, overwrite=overwrite)
    return open_mask(Path(out))


def postprocess_pixels(
    values: Bytes,
    tissue: Bools | None = None,
    options: PanCancer = PAN_CANCER["pan-cancer"].options,
) -> Bools:
    """Do the steps on pixels: map (y, x) uint8 at 5 µm, and tissue (y, x) bool, to bool (y, x).

    Raises
    ------
    ParameterError
        When the map is not uint8 (y, x).
    MismatchError
        When the tissue has another shape.
    """
    _check(values, tissue)
    thresholds, percentile = options.thresholds, options.prune_percentile
    smooth = smooth_map(values, options)
    mask = hysteresis(smooth, thresholds.low, thresholds.high)
    if percentile is not None:
        inside = smooth if options.prune_map == "smoothed" else values
        mask = prune_regions(mask, inside, percentile, thresholds.high_grey)
    if tissue is not None:
        mask &= tissue
    return clean_mask(mask, options.cleanup)


def smooth_map(values: Bytes, options: PanCancer = PAN_CANCER["pan-cancer"].options) -> Bytes:
    """Smooth a map (y, x) uint8: shrunk, median, Gaussian, and back to its size.

    Both resizings are OpenCV's INTER_AREA. A map below ``least_area_px`` is enlarged first, as in
    the paper.
    """
    height, width = values.shape
    factor = max(options.least_shrink, math.sqrt(options.least_area_px / (height * width)))
    size = max(math.floor(width * factor), 1), max(math.floor(height * factor), 1)
    small = cv2.resize(np.ascontiguousarray(values), size, interpolation=cv2.INTER_AREA)
    small = cv2.medianBlur(small, options.median_px)
    small = cv2.GaussianBlur(small, (options.gaussian_px, options.gaussian_px), 0)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def smoothed_map(
    probability: Any,
    options: PanCancer = PAN_CANCER["pan-cancer"].options,
    class_name: str | None = None,
) -> CoarseMap:
    """Return the map at 5 µm per pixel, smoothed: what the paper's analysis 10 thresholds.

    Raises
    ------
    ParameterError
        When the map is coarser than 5 µm per pixel.
    """
    coarse = coarse_map(probability, options.cleanup.mpp, class_name)
    return replace(coarse, values=smooth_map(coarse.values, options))


def _check(values: Bytes, tissue: Bools | None) -> None:
    if values.ndim != 2 or values.dtype != np.uint8 or 0 in values.shape:
        raise ParameterError(
            f"The method needs a map (y, x) of uint8, 0 to 255, not {values.dtype} {values.shape}."
        )
    if tissue is not None and tissue.shape != values.shape:
        raise MismatchError(
            f"The tissue has {tissue.shape[0]} x {tissue.shape[1]} px, but the map has "
            f"{values.shape[0]} x {values.shape[1]}: make both of one slide at one pixel size."
        )


def _describe(coarse: CoarseMap, pixels: Bools, tissue: Mask | None, options: PanCancer) -> Mask:
    return Mask(
        array=pixels,
        frame=coarse.frame,
        slide_mpp=coarse.slide_mpp,
        slide_fingerprint=coarse.slide_fingerprint,
        slide_bounds=coarse.slide_bounds,
        class_name=coarse.target,
        provenance=record(
            **options.facts(),
            tissue=None if tissue is None else dict(tissue.provenance),
            complete=coarse.complete,
            probability=dict(coarse.provenance),
        ),
    )
