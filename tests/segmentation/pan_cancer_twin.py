"""The paper's post-processing, slowly: OpenCV's smoothing, then SciPy, scikit-image and numpy."""

from __future__ import annotations

import math

import cv2
import numpy as np
from scipy import ndimage
from skimage.filters import apply_hysteresis_threshold
from skimage.measure import label, regionprops
from skimage.morphology import remove_small_objects

from slideconcord.segmentation.postprocess import PanCancer
from slideconcord.segmentation.tissue_pixels import TissueOptions


def slow_without_small(mask: np.ndarray, least_px: int) -> np.ndarray:
    # scikit-image's max_size is inclusive; its min_size, which the paper used, was not
    return remove_small_objects(mask, max_size=least_px - 1, connectivity=1)


def slow_clean(mask: np.ndarray, options: TissueOptions) -> np.ndarray:
    """Do the paper's four steps with SciPy and scikit-image."""
    square = np.ones((options.square_px,) * 2, bool)
    # outside the image nothing erodes and nothing dilates
    grown = ndimage.binary_dilation(mask, square)
    closed = ndimage.binary_erosion(grown, square, border_value=1)
    filled = ~slow_without_small(~closed, options.hole_px)
    shrunk = ndimage.binary_erosion(filled, square, border_value=1)
    opened = ndimage.binary_dilation(shrunk, square)
    return slow_without_small(opened, options.object_px)


def slow_prune(mask: np.ndarray, values: np.ndarray, percentile: float, above: int) -> np.ndarray:
    kept = np.zeros_like(mask)
    for region in regionprops(label(mask, connectivity=2)):
        if np.percentile(values[region.slice][region.image], percentile) > above:
            kept[region.slice] |= region.image
    return kept


def slow_twin(values: np.ndarray, tissue: np.ndarray | None, options: PanCancer) -> np.ndarray:
    """Do the paper's steps one after another."""
    height, width = values.shape
    factor = max(0.2, math.sqrt(options.least_area_px / (height * width)))
    small = cv2.resize(values, (int(width * factor), int(height * factor)), interpolation=3)
    small = cv2.GaussianBlur(cv2.medianBlur(small, 9), (5, 5), 0)
    smooth = cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA)
    low, high = options.thresholds.low_grey, options.thresholds.high_grey
    mask = apply_hysteresis_threshold(smooth, low, high)
    if options.prune_percentile is not None:
        of = smooth if options.prune_map == "smoothed" else values
        mask = slow_prune(mask, of, options.prune_percentile, high)
    if tissue is not None:
        mask = mask & tissue
    return slow_clean(mask, options.cleanup)
