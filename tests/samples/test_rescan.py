"""Pictures seen by virtual scanners: densities, white, blur and noise are what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from slideconcord.errors import ParameterError
from slideconcord.samples import FIVE_SCANNERS, VirtualScanner
from slideconcord.samples.rescan import rescan

PLAIN = VirtualScanner("plain", white=(255, 255, 255), blur_um=0, noise=0)


def picture(side: int = 64) -> np.ndarray:
    return np.random.default_rng(3).integers(30, 256, (side, side, 3), dtype=np.uint8)


def test_the_scanner_of_the_picture_itself_changes_nothing():
    assert np.abs(rescan(picture(), PLAIN, 0.5).astype(int) - picture()).max() <= 1


@pytest.mark.parametrize("name", FIVE_SCANNERS)
def test_amounts_of_stain_are_kept_and_seen_in_the_colours_of_the_scanner(name):
    scanner = replace(FIVE_SCANNERS[name], blur_um=0, noise=0)
    amounts = np.random.default_rng(4).uniform(0, 0.7, (8, 8, 2))

    def seen(by: VirtualScanner) -> np.ndarray:
        density = by.gamma * (amounts @ np.array([by.haematoxylin, by.eosin]))
        return np.exp(-density) * by.white

    found = rescan(np.rint(seen(PLAIN)).astype(np.uint8), scanner, 0.5)
    assert np.abs(found - seen(scanner)).max() < 3  # a dark picture has few grey levels


def test_glass_has_the_white_of_the_scanner_and_the_noise_its_deviation():
    scanner = FIVE_SCANNERS["virtual-P1000"]
    glass = np.full((200, 200, 3), 255, np.uint8)
    found = rescan(glass, scanner, 0.5)
    assert found.mean((0, 1)) == pytest.approx(scanner.white, abs=0.1)
    assert found.std() > 0.7 * scanner.noise
    assert np.array_equal(found, rescan(glass, scanner, 0.5)), "the same once more"
    assert not np.array_equal(found, rescan(glass, scanner, 0.5, number=1))


def test_the_point_spread_is_as_wide_in_um_whatever_the_pixel():
    edge = np.full((40, 80, 3), 255, np.uint8)
    edge[:, :40] = 80
    for mpp in (0.5, 1.0):
        found = rescan(edge, replace(PLAIN, blur_um=2.0), mpp)[20, :, 1] / 255
        slope = np.gradient(found.astype(float), mpp)
        place = (np.arange(80) - 39.5) * mpp
        centre = (slope * place).sum() / slope.sum()
        width = np.sqrt((slope * (place - centre) ** 2).sum() / slope.sum())
        assert width == pytest.approx(2.0, rel=0.1)


def test_no_pixel_moves():
    spot = np.full((41, 41, 3), 255, np.uint8)
    spot[18:23, 18:23] = 0
    found = rescan(spot, replace(PLAIN, blur_um=1.5), 0.5)[..., 1]
    assert found[20, 20] == found.min() < 200
    assert np.array_equal(found, found[::-1])
    assert np.array_equal(found, found.T)


@pytest.mark.parametrize(("array", "mpp"), [(picture()[..., 0], 0.5), (picture(), 0.0)])
def test_what_is_no_picture_is_refused(array, mpp):
    with pytest.raises(ParameterError, match="must be RGB"):
        rescan(array, PLAIN, mpp)
