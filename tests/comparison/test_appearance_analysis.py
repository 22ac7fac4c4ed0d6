"""Paired regions of virtual scans whose poses and colours are known, from pixels to files."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from slideconcord.comparison.appearance import (
    PatchFacts,
    PlacedScan,
    Region,
    Sampling,
    ScanFacts,
    ScannerCase,
    analyse_scanners,
    analysis_of,
    choose_regions,
    measure_patches,
    read_patch,
    write_analysis,
)
from slideconcord.comparison.appearance.plots import appearance_plot, sharpness_plot
from slideconcord.comparison.cohort import summarise
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box, Mpp
from slideconcord.samples import FIVE_SCANNERS, VirtualTissue, scan, truth_mask
from slideconcord.segmentation.mask import Mask
from slideconcord.slides import open_slide

TISSUE = VirtualTissue(5, 700.0, 800.0)
SMALL = Sampling(count=3, side_um=150.0, side_px=192)
HUB = replace(FIVE_SCANNERS["virtual-AT2"], stitching=None)
SOFT = replace(FIVE_SCANNERS["virtual-DP200"], stitching=None, rotation_deg=33.0).fitting(TISSUE)
# as the hub sees it, but for where it lies
MOVED = replace(HUB, name="virtual-moved", rotation_deg=-70.0, flip=True, seed=9).fitting(TISSUE)


def placed(scanner, slide) -> PlacedScan:
    there, hub = scanner.map(TISSUE), HUB.map(TISSUE)

    def to_level0(points_um: np.ndarray) -> np.ndarray:
        corners = points_um / HUB.mpp + 0.5
        found = there.to_scan(*hub.to_tissue(corners[:, 0], corners[:, 1]))
        return np.stack(found, axis=1) - 0.5

    return PlacedScan(scanner.name, slide, to_level0)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder, slides = tmp_path_factory.mktemp("scans"), []
    for scanner in (HUB, SOFT, MOVED):
        list(scan(TISSUE, scanner, folder / f"{scanner.name}.ome.tiff"))
        slides.append(open_slide(folder / f"{scanner.name}.ome.tiff"))
    classes, frame = truth_mask(TISSUE, HUB, mpp=4.0)
    scans = [placed(s, slide) for s, slide in zip((SOFT, MOVED), slides[1:], strict=True)]
    tissue = Mask(classes > 0, frame, Mpp(HUB.mpp, HUB.mpp))
    yield ScannerCase("slide 1", (PlacedScan.hub(HUB.name, slides[0]), *scans), tissue)
    for slide in slides:
        slide.close()


@pytest.fixture(scope="module")
def analysis(case):
    return analyse_scanners([case], sampling=SMALL, how="pca")


def test_items_3_and_4_ten_regions_of_800_micrometres_become_1024_pixels():
    paper = Sampling()
    assert (paper.count, paper.side_um, paper.side_px) == (10, 800.0, 1024)
    assert paper.mpp == 0.78125


def test_regions_lie_on_tissue_on_all_scans_and_apart(case):
    regions = choose_regions(case, SMALL)
    assert regions == choose_regions(case, SMALL)
    assert regions != choose_regions(case, replace(SMALL, seed=1))
    assert [region.index for region in regions] == [0, 1, 2]
    top, left = case.tissue.frame.translate_um(case.tissue.slide_mpp)
    for region in regions:
        steps = (np.arange(40) + 0.5) / 40 * region.side_um
        rows = np.rint((region.y_um + steps - top) / 4.0).astype(int)
        columns = np.rint((region.x_um + steps - left) / 4.0).astype(int)
        assert np.asarray(case.tissue.array)[np.ix_(rows, columns)].mean() > 0.48
        for each in case.scans:
            corners = each.to_level0(region.corners)
            assert (corners >= 0).all()
            assert (corners < each.slide.shape).all()
        others = [other for other in regions if other is not region]
        assert all(region.apart_from(other) for other in others)


def test_fewer_regions_are_told_and_none_is_refused(case):
    few = replace(SMALL, count=40)
    analysis = analysis_of(list(measure_patches(case, few)), sampling=few, how="pca")
    assert 3 < len(analysis.scans[0].patches) < 40
    assert analysis.missing == {"slide 1": 40 - len(analysis.scans[0].patches)}
    with pytest.raises(ParameterError, match=r"slide 1 has no square of 5000 µm .* on all 3 scans"):
        choose_regions(case, Sampling(side_um=5000.0))


def test_a_patch_shows_the_same_tissue_whatever_the_pose(case):
    hub, _, moved = case.scans
    for region in choose_regions(case, SMALL):
        one, two = (read_patch(each, region, 192).astype(float) for each in (hub, moved))
        assert one.shape == (192, 192, 3)
        assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.97
        shifted = np.roll(two, 2, axis=0)
        assert np.abs(one - two).mean() < 0.5 * np.abs(one - shifted).mean()


def test_a_patch_that_needs_no_resampling_is_the_slide_itself(case):
    hub = case.scans[0]
    # µm are pixel centres times mpp: the edge of pixel 200 lies at 99.75 µm
    region = Region(0, 99.75, 119.75, 75.0, 1.0)
    stored = hub.slide.read_region(0, Box(200, 240, 150, 150))
    np.testing.assert_array_equal(read_patch(hub, region, 150), stored)
    halved = stored.reshape(75, 2, 75, 2, 3).mean((1, 3))
    assert np.abs(read_patch(hub, region, 75) - halved).max() <= 0.5


def test_pixels_are_never_made_up(case):
    with pytest.raises(ParameterError, match=r"virtual-AT2 has 0\.5 µm per pixel, coarser than"):
        read_patch(case.scans[0], Region(0, 100.0, 100.0, 50.0, 1.0), 200)


def test_the_reference_is_exactly_zero_and_a_mere_pose_nearly(analysis):
    assert analysis.reference == "virtual-AT2"
    apart = analysis.paired(analysis.channel_values())
    assert not analysis.unpaired("virtual-AT2", apart).any()
    assert np.abs(analysis.unpaired("virtual-moved", apart)).max() < 2.0
    assert np.abs(analysis.unpaired("virtual-DP200", apart)).max() > 10.0


def test_differences_have_the_sign_that_the_scanners_were_made_with(analysis):
    rows = {(r["scanner"], r["value"]): r for r in analysis.difference_table().records()}
    # the virtual DP200 is softer, and its gamma lets more light through
    assert rows["virtual-DP200", "sharpness_db"]["mean_difference"] < -0.5
    assert rows["virtual-DP200", "green_mean"]["mean_difference"] > 5.0
    assert abs(rows["virtual-moved", "sharpness_db"]["mean_difference"]) < 0.5
    one = rows["virtual-DP200", "red_sd"]
    assert (one["slides"], one["patches"]) == (1, 3)
    assert math.isnan(one["low"])
    scans = {r["scanner"]: r for r in analysis.scan_table().records()}
    assert scans["virtual-AT2"]["eosin_angle_deg"] == 0.0
    assert scans["virtual-moved"]["eosin_angle_deg"] < 1.5
    assert scans["virtual-DP200"]["eosin_angle_deg"] > 5.0


def fake(case: str, scanner: str, values: list[float]) -> ScanFacts:
    patches = tuple(
        PatchFacts(
            case, scanner, Region(i, 0.0, 0.0, 800.0, 1.0), np.full(3, v), np.full(3, v / 10),
            np.array([0.05, 0.3]), np.array([1.0, v]), np.array([v, 2 * v, i]),
        )
        for i, v in enumerate(values)
    )  # fmt: skip
    return ScanFacts(case, scanner, np.full(3, 240.0), None, patches)


def test_a_slide_counts_once_whatever_its_number_of_regions():
    scans = [
        fake("a", "ref", [100.0, 110.0]),
        fake("a", "x", [104.0, 116.0]),
        fake("b", "ref", [90.0]),
        fake("b", "x", [92.0]),
        fake("c", "x", [99.0]),
    ]
    table = analysis_of(scans, "ref", how="pca").difference_table()
    (row,) = [r for r in table.records() if (r["scanner"], r["value"]) == ("x", "red_mean")]
    expected = summarise([5.0, 2.0, math.nan])
    assert (row["slides"], row["patches"]) == (2, 4)
    assert row["mean_difference"] == expected.mean == 3.5
    assert (row["low"], row["high"]) == (expected.low, expected.high)


def test_scans_without_stains_or_reference_are_undefined_not_zero():
    analysis = analysis_of([fake("a", "x", [1.0, 2.0]), fake("b", "ref", [3.0])], "ref", how="pca")
    (x, _) = analysis.scan_table().records()
    assert math.isnan(x["eosin_red"])
    assert math.isnan(x["eosin_angle_deg"])
    assert np.isnan(analysis.unpaired("x", analysis.paired(analysis.channel_values()))).all()


def test_an_unknown_reference_is_refused_with_the_names():
    with pytest.raises(ParameterError, match="'AT3' is no scanner of these cases: choose from 'x'"):
        analysis_of([fake("a", "x", [1.0])], "AT3")
    with pytest.raises(ParameterError, match="there is no case"):
        analyse_scanners([])


def test_a_slide_that_is_there_twice_is_refused():
    with pytest.raises(ParameterError, match="a is there twice from x: give every slide"):
        analysis_of([fake("a", "x", [1.0]), fake("a", "x", [2.0])])


def test_one_region_of_two_scanners_is_enough():
    found = analysis_of([fake("a", "x", [1.0]), fake("a", "y", [3.0])])
    assert found.projection.label == "principal axes (few patches)"
    assert found.difference_table().column("mean_difference")[:2] == [0.0, 2.0]


def test_a_case_of_one_scan_or_of_twice_the_same_is_refused(case):
    hub = case.scans[0]
    with pytest.raises(ParameterError, match="at least two scans of different scanners: it has 1"):
        ScannerCase("one", (hub,), case.tissue)
    with pytest.raises(ParameterError, match="'virtual-AT2' is named twice"):
        ScannerCase("two", (hub, hub), case.tissue)
    with pytest.raises(ParameterError, match="min_tissue=0"):
        Sampling(min_tissue=0.0)
    with pytest.raises(ParameterError, match="0 regions of 800 µm"):
        Sampling(count=0)


def test_an_encoder_of_ones_own_is_used_and_named(case):
    class Corner:
        label = "the first pixel"

        def __call__(self, rgb):
            return rgb[0, 0].astype(float)

    found = analyse_scanners([case], sampling=SMALL, encoder=Corner(), how="pca")
    assert found.feature_label == "the first pixel"
    assert found.patches[0].features.shape == (3,)
    assert found.provenance()["features"] == "the first pixel"


needs_matplotlib = pytest.mark.skipif(
    not __import__("importlib.util").util.find_spec("matplotlib"),
    reason="matplotlib is not installed",
)


@needs_matplotlib
def test_the_plot_shows_every_patch_unpaired_and_paired(analysis):
    figure = appearance_plot(analysis)
    assert len(figure.axes) == 8
    red, paired = figure.axes[0], figure.axes[4]
    values = analysis.channel_values()
    dots = np.concatenate([line.get_xydata() for line in red.lines if len(line.get_xydata())])
    assert sorted(dots[:, 0]) == pytest.approx(sorted(values[:, 0, 0]))
    reference = paired.lines[0].get_xydata()
    assert len(reference) == 3
    assert not reference.any()
    assert "no network" in figure.get_suptitle()
    curves = {line.get_label(): line.get_ydata() for line in sharpness_plot(analysis).axes[0].lines}
    assert not curves["virtual-AT2"].any()
    assert curves["virtual-DP200"][-6] < -1.0


@needs_matplotlib
def test_the_files_hold_the_tables_and_what_they_were_made_from(analysis, tmp_path):
    files = write_analysis(analysis, tmp_path)
    assert {file.name for file in files} == {file.name for file in tmp_path.iterdir()}
    with (tmp_path / "patches.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert {row["red_mean_difference"] for row in rows if row["scanner"] == "virtual-AT2"} == {
        "0.0"
    }
    told = json.loads((tmp_path / "analysis.json").read_text())
    assert told["reference"] == "virtual-AT2"
    assert told["sampling"]["side_um"] == 150.0
    assert all(len(each["fingerprint"]) == 64 for each in told["scans"])
    assert (tmp_path / "appearance.png").stat().st_size > 10_000
