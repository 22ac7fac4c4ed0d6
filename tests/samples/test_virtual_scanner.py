"""Virtual scanners: poses, colours and files that are known exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from slideconcord.errors import OutputError, ParameterError
from slideconcord.geometry import Affine, Box
from slideconcord.samples import (
    SCANNERS,
    Stitching,
    VirtualScanner,
    VirtualTissue,
    scan,
    truth_mask,
    truth_regions,
)
from slideconcord.samples.camera import develop
from slideconcord.samples.digitise import describe
from slideconcord.slides import open_slide

TISSUE = VirtualTissue(4, 400.0, 500.0)
A, B = SCANNERS["virtual-A"], SCANNERS["virtual-B"]
POSED = replace(B, rotation_deg=30.0, flip=True, margin_um=130.0)


def test_two_scanners_of_different_character() -> None:
    assert A.mpp != B.mpp
    assert B.rotation_deg != 0
    assert B.blur_um > A.blur_um
    assert all(name == scanner.name and "virtual" in name for name, scanner in SCANNERS.items())


@pytest.mark.parametrize("scanner", [A, B, POSED])
def test_affine_and_its_inverse_undo_each_other(scanner: VirtualScanner) -> None:
    forth, back = scanner.affine(TISSUE), scanner.affine(TISSUE).inverse()
    for point in ((0.0, 0.0), (123.4, 77.0), (400.0, 500.0)):
        np.testing.assert_allclose(back(*forth(*point)), point, atol=1e-9)


def test_pose_is_what_its_numbers_say() -> None:
    scanner = VirtualScanner("s", mpp=0.5, shift_um=(10.0, -4.0))
    np.testing.assert_allclose(scanner.affine(TISSUE)(200.0, 250.0), (420.0, 492.0))
    turned = replace(scanner, rotation_deg=90.0, shift_um=(0.0, 0.0))
    centre = turned.affine(TISSUE)(200.0, 250.0)
    # a quarter turn takes what lay to the right (+x) down (+y)
    np.testing.assert_allclose(turned.affine(TISSUE)(200.0, 260.0), np.add(centre, (20.0, 0.0)))
    mirrored = replace(scanner, flip=True, shift_um=(0.0, 0.0))
    np.testing.assert_allclose(mirrored.affine(TISSUE)(200.0, 260.0), np.add(centre, (0.0, -20.0)))


def test_truth_of_a_scan_is_the_tissues_truth_through_its_pose() -> None:
    classes, frame = truth_mask(TISSUE, POSED, mpp=2.0)
    back = POSED.map(TISSUE).to_tissue
    rng = np.random.default_rng(0)
    for _ in range(60):
        i, j = (int(rng.integers(n)) for n in classes.shape)
        y, x = map(float, back(*frame.to_level0(i + 0.5, j + 0.5)))
        point = Affine(((1.0, 0.0, y - 0.5), (0.0, 1.0, x - 0.5)))
        assert TISSUE.truth(Box(0, 0, 1, 1), to_tissue=point)[0, 0] == classes[i, j]


def test_truth_regions_rasterise_to_the_mask() -> None:
    classes, frame = truth_mask(TISSUE, B, mpp=2.0)
    found = truth_regions(TISSUE, B, mpp=2.0)
    assert set(found.class_names) == {"Normal epithelium", "Tumor"}
    assert "VIRTUAL" in found.metadata["origin"]
    for value, name in ((2, "Normal epithelium"), (3, "Tumor")):
        area = sum(region.geometry.area for region in found.of_class(name))
        pixels = (classes == value).sum() * frame.step_y * frame.step_x
        assert area == pytest.approx(pixels)
    assert [r.id for r in found] == [r.id for r in truth_regions(TISSUE, B, mpp=2.0)]


@pytest.mark.parametrize("scanner", [A, POSED])
def test_neighbouring_views_are_slices_of_one_image(scanner: VirtualScanner) -> None:
    whole = scanner.view(TISSUE, Box(500, 480, 60, 70))
    parts = [scanner.view(TISSUE, Box(500, x, 60, w)) for x, w in ((480, 33), (513, 37))]
    # the blur adds in another order at other places: one grey level at most, and rarely
    difference = np.abs(whole.astype(int) - np.concatenate(parts, axis=1))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001


def test_camera_is_beer_and_lambert_then_the_point_spread() -> None:
    scanner = replace(B, noise=0.0)
    box, reach = Box(0, 0, 40, 50), 8
    rng = np.random.default_rng(1)
    stain = rng.uniform(0, 1, (40 + 2 * reach, 50 + 2 * reach, 2)).astype(np.float32)
    density = stain @ np.array([scanner.haematoxylin, scanner.eosin]) * scanner.gamma
    sigma = scanner.blur_um / scanner.mpp
    light = cv2.GaussianBlur(10.0**-density, (0, 0), sigma)[reach:-reach, reach:-reach]
    expected = light * scanner.white
    assert np.abs(develop(stain, scanner, box, reach) - expected).max() < 1.0


def test_noise_has_the_size_that_was_asked_for() -> None:
    scanner = replace(A, noise=3.0, white=(128.0, 128.0, 128.0))
    glass = scanner.view(TISSUE, Box(-900, -900, 200, 200))
    assert glass.std() == pytest.approx(3.0, rel=0.1)
    assert glass.mean() == pytest.approx(128.0, abs=0.5)


def test_scanner_that_cannot_exist_is_refused_in_words() -> None:
    with pytest.raises(ParameterError, match="'x' cannot exist: mpp, gamma, stretch and white"):
        VirtualScanner("x", mpp=0.0)
    with pytest.raises(ParameterError, match="JPEG quality 1 to 100"):
        VirtualScanner("x", jpeg_quality=101)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "b.ome.tiff"
    bands = list(scan(TISSUE, B, path))
    assert [band.index for band in bands] == list(range(bands[0].total))
    return path


def test_scan_is_a_pyramid_that_readers_understand(scanned: Path) -> None:
    height, width = B.shape(TISSUE)
    with tifffile.TiffFile(scanned) as tiff:
        assert tiff.is_ome
        levels = tiff.series[0].levels
        assert [level.shape[:2] for level in levels] == [(height, width), (height // 2, width // 2)]
        assert all(level.keyframe.is_tiled for level in levels)
        assert "VIRTUAL" in tiff.pages[0].description
    with open_slide(scanned, reader="tiff") as slide:
        assert slide.shape == (height, width)
        np.testing.assert_allclose(slide.mpp, (B.mpp, B.mpp))
        assert slide.scanner is not None
        assert "virtual" in slide.scanner


def test_scan_shows_the_view_within_jpeg(scanned: Path) -> None:
    box = Box(300, 400, 200, 210)
    with open_slide(scanned, reader="tiff") as slide:
        stored = slide.read_region(0, box).astype(int)
        half = slide.read_region(1, Box(150, 200, 100, 105)).astype(int)
    seen = B.view(TISSUE, box).astype(int)
    assert np.abs(stored - seen).mean() < 6
    mean = seen.reshape(100, 2, 105, 2, 3).mean((1, 3))
    assert np.abs(half - mean).mean() < 6
    assert np.abs((half - mean).mean()) < 1


def test_threads_change_nothing(scanned: Path, tmp_path: Path) -> None:
    list(scan(TISSUE, B, tmp_path / "one.ome.tiff", threads=1))
    assert (tmp_path / "one.ome.tiff").read_bytes() == scanned.read_bytes()


def test_scan_given_up_leaves_nothing(tmp_path: Path) -> None:
    bands = scan(TISSUE, A, tmp_path / "a.ome.tiff")
    next(bands)
    bands.close()
    assert list(tmp_path.iterdir()) == []


def test_scan_into_a_missing_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written.*Choose a folder that exists"):
        list(scan(VirtualTissue(1, 300.0, 300.0), A, tmp_path / "none" / "a.ome.tiff"))


def test_a_file_names_everything_that_moves_its_picture() -> None:
    assert describe(TISSUE, A).endswith("rotation 0 deg, shift (y, x) 0, 0 µm.")
    moved = replace(A, stretch=(1.01, 1.0), shear_deg=0.1, stitching=Stitching(jitter_um=1.0))
    text = describe(TISSUE, moved)
    for said in ("stretch (1.01, 1.0)", "shear_deg 0.1", "jitter_um=1.0", "VIRTUAL", "invented"):
        assert said in text
