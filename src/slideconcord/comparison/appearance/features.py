"""Features of patches, and their projection onto a plane for looking at."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from slideconcord.comparison.appearance.colour import channel_statistics
from slideconcord.comparison.appearance.sharpness import radial_power
from slideconcord.errors import ParameterError, SlideconcordError

Rgb = npt.NDArray[np.uint8]
Reals = npt.NDArray[np.float64]
FEWEST_FOR_UMAP = 10
How = Literal["auto", "umap", "pca"]


class Encoder(Protocol):
    """What turns a patch into numbers; the label says what it is, for plots and tables."""

    @property
    def label(self) -> str: ...

    def __call__(self, rgb: Rgb) -> npt.NDArray[np.floating]:
        """Return (d,) features of a (y, x, 3) uint8 patch."""
        ...


@dataclass(frozen=True, slots=True)
class PictureStatistics:
    """Features that need no network: colour and texture, 33 numbers.

    They see what a scanner does to a picture and nothing of what the tissue is. They are no
    stand-in for learned features, and their label says so.
    """

    mpp: float
    label: str = "colour and texture statistics (no network)"

    def __call__(self, rgb: Rgb) -> Reals:
        mean, deviation = channel_statistics(rgb)
        together = np.cov(rgb.reshape(-1, 3).T.astype(np.float64))
        # a channel without contrast goes with none
        correlation = together / (np.outer(deviation, deviation) + 1e-6)
        _, power = radial_power(rgb, self.mpp)
        texture = np.log10(np.nan_to_num(power) + 1e-3)
        return np.concatenate([mean, deviation, correlation[np.triu_indices(3, 1)], texture])


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Patches as points of a plane."""

    points: Reals
    """(n, 2)"""
    label: str
    """How they were made, such as "UMAP"."""


def project(features: npt.ArrayLike, how: How = "auto", seed: int = 0) -> Projection:
    """Project features onto a plane: UMAP where umap-learn is installed, else principal axes.

    Fewer than 10 patches have no neighbourhoods to speak of, so they go onto principal axes too.
    Each feature is brought to mean 0 and deviation 1 first. Distances in a UMAP are no
    measurements: read clusters from it, and numbers from the tables.

    Parameters
    ----------
    features
        (n, d), at least 2 patches.
    how
        ``"auto"``, or one of the two by name.

    Raises
    ------
    ParameterError
        When there are fewer than 2 patches, or a feature is not finite.
    SlideconcordError
        When UMAP is asked for and not installed.
    """
    values = np.asarray(features, np.float64)
    if values.ndim != 2 or len(values) < 2 or not np.isfinite(values).all():
        raise ParameterError(
            f"Features of shape {values.shape} cannot be projected: give at least 2 patches with "
            "finite numbers, (n, d)."
        )
    spread = values.std(0)
    scaled = (values - values.mean(0)) / np.where(spread > 1e-12, spread, 1.0)
    there = find_spec("umap") is not None
    if how == "umap" and not there:
        raise SlideconcordError(
            "UMAP needs umap-learn, which is not installed. Run: pip install 'slideconcord[umap]'"
        )
    few = len(values) < FEWEST_FOR_UMAP
    if how == "umap" or (how == "auto" and there and not few):
        return Projection(_umap(scaled, seed), "UMAP")
    why = "" if there else " (umap-learn is not installed)"
    return Projection(_principal(scaled), f"principal axes{' (few patches)' if few else why}")


def _umap(values: Reals, seed: int) -> Reals:
    with warnings.catch_warnings():
        # it tells everyone that it could do more with tensorflow
        warnings.simplefilter("ignore", ImportWarning)
        from umap import UMAP

    neighbours = min(15, len(values) - 1)
    # few points have no spectral layout; a seed forbids threads, and saying so saves a warning
    init = "spectral" if len(values) > 20 else "random"
    reducer = UMAP(n_neighbors=neighbours, init=init, random_state=seed, n_jobs=1)
    return np.asarray(reducer.fit_transform(values), np.float64)


def _principal(values: Reals) -> Reals:
    """Return coordinates on the first two principal axes; the sign makes the largest positive."""
    u, s, _ = np.linalg.svd(values, full_matrices=False)
    points = np.zeros((len(values), 2))
    kept = min(2, len(s))
    points[:, :kept] = u[:, :kept] * s[:kept]
    largest = np.abs(points).argmax(0)
    signs = np.sign(points[largest, [0, 1]])
    return np.where(signs == 0, 1.0, signs) * points
