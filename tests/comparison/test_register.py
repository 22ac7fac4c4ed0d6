"""Registration of virtual scans whose truth is known, and of scans that do not belong together."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

import slideconcord as sc
from slideconcord.comparison.registration import Registering
from slideconcord.errors import ParameterError, RegistrationError
from slideconcord.samples import FIVE_SCANNERS, PoseRange, VirtualTissue, random_scanner, scan
from slideconcord.samples.landmarks import tissue_points

TISSUE, OTHER = VirtualTissue(61, 900.0, 900.0), VirtualTissue(62, 900.0, 900.0)
STRAIGHT = random_scanner(7, FIVE_SCANNERS["virtual-AT2"], PoseRange(0.0, 0.0, 0.0, 0.0))
TURNED = replace(
    random_scanner(8, FIVE_SCANNERS["virtual-P1000"]), rotation_deg=140.0, stretch=(1.012, 0.995)
).fitting(TISSUE)


def scanned(tissue, scanner, path: Path) -> Path:
    for _ in scan(tissue, scanner, path):
        pass
    return path


def written(rgb: np.ndarray, path: Path, mpp: float = 0.5) -> sc.Slide:
    per_cm = (1e4 / mpp, 1e4 / mpp)
    tifffile.imwrite(path, np.ascontiguousarray(rgb), photometric="rgb", tile=(256, 256),
                     resolution=per_cm, resolutionunit="CENTIMETER", metadata=None)  # fmt: skip
    return sc.open_slide(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("scans")


@pytest.fixture(scope="module")
def fixed(folder) -> sc.Slide:
    return sc.open_slide(scanned(TISSUE, STRAIGHT, folder / "fixed.ome.tiff"))


@pytest.fixture(scope="module")
def moving(folder) -> sc.Slide:
    return sc.open_slide(scanned(TISSUE, TURNED, folder / "moving.ome.tiff"))


@pytest.fixture(scope="module")
def found(moving, fixed) -> sc.Registration:
    return sc.register(moving, fixed)


def errors_um(found: sc.Registration) -> np.ndarray:
    y, x = tissue_points(TISSUE, 600, seed=3).T
    source, target = (
        np.array(scanner.map(TISSUE).to_scan(y, x)).T - 0.5 for scanner in (TURNED, STRAIGHT)
    )
    seen = np.isfinite(source).all(1) & np.isfinite(target).all(1)
    return np.hypot(*((found.to_fixed_px(source[seen]) - target[seen]) * found.fixed.mpp).T)


def whole(slide: sc.Slide) -> np.ndarray:
    return slide.read_region(0, slide.box)


def test_tissue_lies_where_the_truth_says(found, moving, fixed):
    assert (found.require(moving, fixed).status, found.reason) == ("ok", "")
    assert found.field is not None
    assert np.percentile(errors_um(found), 90) < 1.0
    assert np.percentile(errors_um(replace(found, field=None)), 90) < 5.0


def test_it_knows_how_good_it_is(found):
    quality, truth = found.quality, np.percentile(errors_um(found), 90)
    assert truth / 2 < quality.residual_p90_um < 2.5 * truth
    assert quality.residual_p90_um < quality.affine_p90_um
    assert quality.ncc > quality.ncc_null
    assert min(quality.coverage, quality.overlap) > 0.9
    assert quality.accepted <= quality.tiles


def test_the_pose_is_that_of_the_scanner(found):
    assert found.pose.rotation_deg == pytest.approx(-140.0, abs=1.0)
    assert found.pose.scale == pytest.approx((1.012 * 0.995) ** -0.5, abs=2e-3)
    assert not found.pose.mirrored


def test_the_same_again_gives_the_same(found, moving, fixed):
    again = sc.register(moving, fixed)
    assert again.affine == found.affine
    assert (again.field.nodes == found.field.nodes).all()


def test_without_a_field_only_the_affine_is_left(found, moving, fixed):
    plain = sc.register(moving, fixed, options=Registering(residual_field=False))
    assert plain.field is None
    assert plain.affine == found.affine
    assert plain.quality.residual_p90_um == found.quality.affine_p90_um


def test_the_papers_method_is_near_and_never_ok(found, moving, fixed):
    plain = sc.register(moving, fixed, method="orb-affine")
    assert plain.status == "coarse"
    assert "no residual" in plain.reason
    assert np.percentile(errors_um(found), 90) < np.percentile(errors_um(plain), 90) < 25.0


def test_another_slide_fails_and_maps_nothing(folder, fixed):
    path = scanned(OTHER, TURNED, folder / "other.ome.tiff")
    with sc.open_slide(path) as other:
        found = sc.register(other, fixed)
    assert found.status == "failed"
    assert "other tissue" in found.reason
    with pytest.raises(RegistrationError, match="does not lie on"):
        found.to_fixed_um([[0.0, 0.0]])


@pytest.mark.parametrize("role", ["moving", "fixed"])
def test_a_blank_slide_is_named(tmp_path, fixed, role):
    noise = np.random.default_rng(0).normal(243, 1.5, (900, 1100, 3))
    with written(noise.clip(0, 255).astype(np.uint8), tmp_path / "bare.tif") as bare:
        found = sc.register(bare, fixed) if role == "moving" else sc.register(fixed, bare)
    assert found.status == "failed"
    assert "no tissue on bare" in found.reason


def test_a_mirrored_scan_is_never_ok(tmp_path, moving, fixed):
    with written(whole(moving)[:, ::-1], tmp_path / "flip.tif", moving.mpp.y) as flipped:
        found = sc.register(flipped, fixed)
    assert (found.status, found.pose.mirrored) == ("coarse", True)
    assert "mirror image" in found.reason


def test_scans_that_share_a_tenth_are_never_ok(tmp_path, fixed):
    rgb, cut = whole(fixed), round(0.55 * fixed.shape[0])
    with (
        written(rgb[:cut], tmp_path / "top.tif") as top,
        written(rgb[-cut:], tmp_path / "bottom.tif") as bottom,
    ):
        found = sc.register(top, bottom)
    assert found.status != "ok"
    assert "of the tissue is on both" in found.reason


def test_a_part_lies_on_the_whole(tmp_path, fixed, moving):
    with written(whole(fixed)[:1100], tmp_path / "part.tif") as part:
        found = sc.register(moving, part)
    assert found.status == "ok"
    assert found.quality.overlap > 0.9


def test_a_wrong_pixel_size_is_told_with_the_right_one(folder, moving, fixed):
    with sc.open_slide(moving.path, mpp=0.8) as wrong:
        found = sc.register(wrong, fixed)
    assert found.status == "failed"
    assert "one of them is wrong" in found.reason
    told = float(re.search(r"--moving-mpp ([\d.]+)\)", found.reason)[1])
    assert told == pytest.approx(moving.mpp.y, rel=0.02)
    with sc.open_slide(moving.path, mpp=told) as right:
        assert sc.register(right, fixed).status == "ok"


def test_steps_come_one_by_one_and_can_be_left(moving, fixed):
    steps = sc.register_steps(moving, fixed)
    assert next(steps).name == "overview"
    for step in steps:
        assert 0 <= step.index <= step.total
        if step.name.startswith("tiles at 0.5"):
            break
    steps.close()
    fixed.read_region(0, sc.Box(0, 0, 8, 8))


def test_a_slide_on_itself_and_what_nobody_knows_is_refused(moving, fixed):
    with pytest.raises(ParameterError, match="same file twice"):
        sc.register(fixed, fixed)
    with pytest.raises(ParameterError, match="choose one of tiles, orb-affine"):
        sc.register(moving, fixed, method="magic")
    with pytest.raises(ParameterError, match=r"scale_tolerance=0\.9 is out of range"):
        Registering(scale_tolerance=0.9)


@pytest.mark.real
def test_real_scanners_of_different_pixel_size(real_data):
    one, other = sorted((real_data / "scanners" / "ki67-2-scanners").glob("*.tif"))
    with sc.open_slide(one) as moving, sc.open_slide(other) as fixed:
        found = sc.register(moving, fixed)
    assert found.status == "ok"
    assert found.pose.scale == pytest.approx(1.0, abs=0.005)


@pytest.mark.real
def test_another_stain_is_coarse_and_nearer_than_nothing(real_data):
    folder, points = real_data / "registration" / "rat-kidney", []
    stains = ("PanCytokeratin", "HE")
    for stain in stains:
        rows = csv.DictReader((folder / f"Rat-Kidney_{stain}.csv").read_text().splitlines())
        points.append([(float(row["Y"]), float(row["X"])) for row in rows])
    source, target = (np.array(p[: min(map(len, points))]) for p in points)
    moving, fixed = (sc.open_slide(folder / f"Rat-Kidney_{s}.jpg", mpp=9.92) for s in stains)
    with moving, fixed:
        found = sc.register(moving, fixed)
    assert found.status == "coarse"
    assert "other stains" in found.reason
    off = np.median(np.hypot(*(found.to_fixed_px(source) - target).T))
    assert off < 0.3 * np.median(np.hypot(*(source - target).T))
