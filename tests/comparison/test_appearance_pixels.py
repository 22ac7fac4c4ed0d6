"""Colour, stains, sharpness and features of pictures, against plain twins and known truth."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from slideconcord.comparison.appearance import (
    PictureStatistics,
    channel_statistics,
    features,
    project,
    sharpness_db,
    stain_vectors,
    white_point,
)
from slideconcord.comparison.appearance.sharpness import radial_power
from slideconcord.comparison.appearance.stains import optical_density
from slideconcord.errors import ParameterError, SlideconcordError
from slideconcord.samples import FIVE_SCANNERS, VirtualTissue, scan
from slideconcord.slides import open_slide

WHITE = np.array([243.0, 240.0, 236.0])
pictures = arrays(np.uint8, st.tuples(st.integers(2, 9), st.integers(2, 9), st.just(3)))


def texture(seed: int = 0, side: int = 256) -> np.ndarray:
    """Return grey noise with structure at every scale."""
    rng = np.random.default_rng(seed)
    grey = sum(cv2.GaussianBlur(rng.normal(0, 30 * s, (side, side)), (0, 0), s) for s in (1, 3, 9))
    return np.clip(128 + grey, 0, 255).astype(np.uint8)[..., None].repeat(3, 2)


@given(pictures)
def test_channel_statistics_are_those_of_all_pixels(rgb):
    mean, deviation = channel_statistics(rgb)
    for c in range(3):
        values = [float(v) for row in rgb[..., c] for v in row]
        middle = sum(values) / len(values)
        assert mean[c] == pytest.approx(middle)
        squares = sum((v - middle) ** 2 for v in values) / len(values)
        assert deviation[c] == pytest.approx(math.sqrt(squares), abs=1e-9)


def stained(scanner, seed: int, count: int = 20_000) -> np.ndarray:
    """Return pixels of mixtures of the two stains, seen by a scanner's colours."""
    rng = np.random.default_rng(seed)
    amounts = rng.gamma(1.2, 0.5, (count, 2)) * rng.choice([[1, 0.02], [0.02, 1], [1, 1]], count)
    density = amounts @ np.array([scanner.haematoxylin, scanner.eosin])
    return np.clip(np.rint(WHITE * 10.0**-density), 0, 255).astype(np.uint8)


def macenko_by_hand(rgb: np.ndarray, white: np.ndarray) -> list[np.ndarray]:
    """Do what the paper says, with other means: SVD, and angles one by one."""
    kept = [d for d in optical_density(rgb, white) if math.hypot(*d) > 0.15]
    _, _, axes = np.linalg.svd(np.array(kept) - np.mean(kept, 0), full_matrices=False)
    first, second = (axis if axis.sum() > 0 else -axis for axis in axes[:2])
    angles = sorted(math.atan2(d @ second, d @ first) for d in kept)
    ends = [np.quantile(angles, q) for q in (0.01, 0.99)]
    found = [abs(math.cos(a) * first + math.sin(a) * second) for a in ends]
    return sorted((v / math.hypot(*v) for v in found), key=lambda v: -v[0])


@pytest.mark.parametrize("name", list(FIVE_SCANNERS))
def test_stain_vectors_are_macenkos_and_near_the_truth(name: str):
    scanner = FIVE_SCANNERS[name]
    rgb = stained(scanner, seed=1)
    found = stain_vectors(rgb, WHITE)
    twin = macenko_by_hand(rgb, WHITE)
    np.testing.assert_allclose(found.haematoxylin, twin[0], atol=1e-3)
    np.testing.assert_allclose(found.eosin, twin[1], atol=1e-3)
    for vector, truth in ((found.haematoxylin, scanner.haematoxylin), (found.eosin, scanner.eosin)):
        cosine = vector @ np.array(truth) / np.linalg.norm(truth)
        assert math.degrees(math.acos(cosine)) < 6.0
    assert found.angles_to(found) == (0.0, 0.0)


def test_angles_between_scanners_are_those_of_their_vectors():
    one, two = (
        stain_vectors(stained(FIVE_SCANNERS[f"virtual-{name}"], 2), WHITE)
        for name in ("AT2", "DP200")
    )
    angles = one.angles_to(two)
    assert angles == pytest.approx(two.angles_to(one))
    cosine = float(one.eosin @ two.eosin)
    assert angles[1] == pytest.approx(math.degrees(math.acos(cosine)))
    assert min(angles) > 2.0


def test_pale_pixels_have_no_stains():
    with pytest.raises(ParameterError, match=r"Only 0 pixels are stained, .* give regions"):
        stain_vectors(np.full((50, 50, 3), 240, np.uint8), WHITE)


def test_power_is_parsevals():
    rgb = texture(3)
    grey = rgb.astype(float).mean(-1)
    window = np.outer(np.hanning(256), np.hanning(256))
    shown = (grey - (grey * window).sum() / window.sum()) * window
    full = np.abs(np.fft.fft2(shown)) ** 2 / (window**2).sum()
    _, power = radial_power(rgb, 0.5)
    radius = np.hypot(*np.meshgrid(*[np.fft.fftfreq(256, 0.5)] * 2))
    ring = (radius >= 10 / 24) & (radius < 11 / 24)
    # rfft counts half of the plane: the same mean, for a real picture is symmetric
    assert power[10] == pytest.approx(full[ring].mean(), rel=0.02)


@pytest.mark.parametrize("sigma_um", [0.5, 0.8])
def test_a_point_spread_takes_the_decibels_it_must(sigma_um: float):
    mpp, sharp = 0.5, texture(1, 512)
    soft = cv2.GaussianBlur(sharp, (0, 0), sigma_um / mpp)
    frequencies, power = radial_power(sharp, mpp)
    _, less = radial_power(soft, mpp)
    seen = (frequencies > 0.05) & (frequencies < 0.4)
    expected = np.exp(-((2 * math.pi * sigma_um * frequencies) ** 2))
    found = 10 * np.log10(less[seen] / power[seen])
    np.testing.assert_allclose(found, 10 * np.log10(expected[seen]), atol=1.0)
    assert sharpness_db(soft, mpp) < sharpness_db(sharp, mpp) - 3.0


def test_contrast_is_not_sharpness():
    rgb = texture(2)
    paler = (128 + 0.5 * (rgb.astype(float) - 128)).astype(np.uint8)
    assert sharpness_db(paler, 0.5) == pytest.approx(sharpness_db(rgb, 0.5), abs=0.2)
    assert math.isnan(sharpness_db(np.full((64, 64, 3), 90, np.uint8), 0.5))


@pytest.mark.parametrize("name", ["virtual-DP200", "virtual-UFS"])
def test_the_white_point_is_that_of_the_glass(name: str, tmp_path):
    scanner = replace(FIVE_SCANNERS[name], mpp=1.0)
    list(scan(VirtualTissue(5, 500.0, 600.0), scanner, tmp_path / "s.ome.tiff"))
    with open_slide(tmp_path / "s.ome.tiff") as slide:
        np.testing.assert_allclose(white_point(slide), scanner.white, atol=2.0)


@given(st.integers(0, 50))
@settings(max_examples=20)
def test_principal_axes_keep_the_distances_that_a_plane_can(seed: int):
    values = np.random.default_rng(seed).normal(size=(20, 6)) * (5, 3, 1, 1, 1, 1)
    found = project(values, "pca").points
    scaled = (values - values.mean(0)) / values.std(0)
    eigenvalues = np.linalg.eigvalsh(scaled.T @ scaled)[::-1]
    np.testing.assert_allclose((found**2).sum(0), eigenvalues[:2])
    assert abs(found[:, 0] @ found[:, 1]) < 1e-8


def test_what_cannot_be_projected_is_refused_in_words(monkeypatch):
    with pytest.raises(ParameterError, match=r"shape \(1, 4\) .* at least 2 patches"):
        project(np.zeros((1, 4)))
    with pytest.raises(ParameterError, match="finite numbers"):
        project(np.full((5, 4), np.nan))
    monkeypatch.setattr(features, "find_spec", lambda name: None)
    with pytest.raises(SlideconcordError, match=r"pip install 'slideconcord\[umap\]'"):
        project(np.eye(5), "umap")
    assert project(np.eye(12)).label == "principal axes (umap-learn is not installed)"
    assert project(np.eye(5)).label == "principal axes (few patches)"


@pytest.mark.skipif(not features.find_spec("umap"), reason="umap-learn is not installed")
def test_umap_keeps_clusters_apart_and_is_the_same_each_time():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, (20, 8)), rng.normal(9, 1, (20, 8))])
    one, two = project(values), project(values)
    assert one.label == "UMAP"
    np.testing.assert_array_equal(one.points, two.points)
    a, b = one.points[:20], one.points[20:]
    apart = np.linalg.norm(a.mean(0) - b.mean(0))
    assert apart > 2 * max(a.std(0).max(), b.std(0).max())


def test_picture_statistics_say_what_they_are_and_are_finite_for_any_picture():
    encode = PictureStatistics(0.8)
    assert "no network" in encode.label
    for rgb in (texture(1, 64), np.full((64, 64, 3), 255, np.uint8)):
        found = encode(rgb)
        assert found.shape == (33,)
        assert np.isfinite(found).all()
