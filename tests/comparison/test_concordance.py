"""Agreement of scanners against slow twins, closed forms and cases whose truth is known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from comparison.registered_cases import HUB, discs, registered_case
from slideconcord.annotations.raster import Rasteriser
from slideconcord.comparison.case import Case, CaseScan
from slideconcord.comparison.case_registration import RegisteredCase
from slideconcord.comparison.concordance.ceiling import Residual, pair_distances, self_overlaps
from slideconcord.comparison.concordance.measure import compare_scanners
from slideconcord.comparison.concordance.options import Measuring
from slideconcord.comparison.concordance.overlap import count_pixels
from slideconcord.comparison.concordance.placing import Grid
from slideconcord.comparison.concordance.result import ALONE, summarise_pairs
from slideconcord.comparison.concordance.study import Bootstrap, study_of
from slideconcord.errors import MismatchError, ParameterError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.segmentation.mask import open_mask
from slideconcord.slides import open_slide

SMALL = Measuring(regions=4, region_um=150.0)
DISCS = discs()
APART = np.add(DISCS, (5.0, 0.0, 0.0))
NOTHING = np.empty((0, 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("concordance")


@pytest.fixture(scope="module")
def registered(folder):
    return registered_case(
        folder, {HUB: DISCS, "turned": DISCS, "shifted": APART}, references=(HUB, "turned")
    )


@pytest.fixture(scope="module")
def found(registered):
    return compare_scanners(registered, SMALL)


def pulled(registered, mpp):
    """Return every mask at the centres of the hub's pixels, looked up one by one."""
    case = registered.case
    with open_slide(case.scan(case.hub).path) as hub:
        step = mpp / hub.mpp.y
        shape = hub.grid_shape(mpp)
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    centres = np.c_[rows.ravel(), columns.ravel()] * step - 0.5
    masks, shown = [], []
    for scan in case.scans:
        mask = open_mask(scan.mask)
        registration = registered.registrations.get(scan.scanner)
        there = centres if registration is None else registration.fixed_to_moving_px(centres)
        at = np.floor((there + 0.5) / mask.frame.step_y).astype(int)
        inside = ((at >= 0) & (at < mask.shape)).all(1)
        at[~inside] = 0
        masks.append(np.asarray(mask.array[...])[tuple(at.T)] & inside)
        shown.append(inside)
    return np.array(masks), np.logical_and.reduce(shown)


def plain_dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_moved_outlines_give_what_looking_pixels_up_one_by_one_gives(registered, found):
    masks, shown = pulled(registered, 2.0)
    # a pixel whose centre lies on an edge may fall to either side
    assert found.slide.pixels == pytest.approx(shown.sum(), rel=2e-4)
    for i, j in combinations(range(3), 2):
        slow = plain_dice(masks[i] & shown, masks[j] & shown)
        assert found.dice()[i, j] == pytest.approx(slow, abs=2e-4)


@given(arrays(np.bool_, (4, 7, 9)), arrays(np.bool_, (7, 9)))
def test_packed_counts_are_plain_counts(masks, counted):
    packed = count_pixels(masks, counted)
    assert packed.pixels == counted.sum()
    for i in range(4):
        for j in range(4):
            assert packed.shared[i, j] == (masks[i] & masks[j] & counted).sum()
    table = packed.counts(0, 1)
    assert table.n == counted.sum()
    assert table.fp == (masks[0] & ~masks[1] & counted).sum()


def test_the_same_answer_is_near_its_ceiling_and_another_is_below(found):
    dice, ceiling = found.dice(), found.ceilings["slide"]
    names = found.scanners
    same, apart = names.index("turned"), names.index("shifted")
    assert dice[0, same] > 0.985 > dice[0, apart]
    assert ceiling[0, apart] - dice[0, apart] > 0.03
    # two errors of registration stand between scans of which neither is the hub
    assert ceiling[same, apart] < min(ceiling[0, same], ceiling[0, apart]) < 1


def test_mean_minimum_and_the_worst_pair(found):
    values = {pair: found.dice()[np.triu_indices(3, 1)][k] for k, pair in enumerate(found.pairs)}
    summary = found.summary()
    assert summary.mean == pytest.approx(np.mean(list(values.values())))
    assert summary.minimum == min(values.values()) == values[summary.worst]
    assert summary.pairs == 3 == len(found.pairs)


def test_regions_pooled_are_their_pixels_together_and_their_mean_counts_each_once(found):
    assert len(found.regions) == 4
    shared = sum(region.overlaps.shared for region in found.regions)
    sizes = np.diag(shared)
    assert found.dice("pooled")[0, 1] == 2 * shared[0, 1] / (sizes[0] + sizes[1])
    each = [r.overlaps.dice()[0, 1] for r in found.regions]
    assert found.dice("regions")[0, 1] == pytest.approx(np.nanmean(each))


def test_accuracy_is_measured_in_each_scans_own_reference_or_in_another_scans(found):
    assert found.reference_from == {HUB: HUB, "turned": "turned", "shifted": HUB}
    assert found.accuracy(HUB).dsc == 1.0
    # its mask and its reference move alike, so registration costs nothing
    assert found.accuracy("turned").dsc == 1.0
    assert found.accuracy("shifted").dsc == pytest.approx(found.dice()[0, 2])
    assert ALONE not in found.warnings


def test_consistency_alone_says_so_everywhere(folder):
    case = registered_case(folder, {HUB: DISCS, "turned": DISCS})
    alone = compare_scanners(case, SMALL)
    assert alone.warnings[0] == ALONE == study_of([alone]).warnings[0]
    assert ALONE in alone.to_json()["warnings"]
    assert alone.accuracy(HUB) is None
    assert study_of([alone]).to_json()["accuracy"] is None


@pytest.mark.parametrize(
    ("empty", "value", "both", "one"), [("undefined", math.nan, 4, 0), ("perfect", 1.0, 4, 0)]
)
def test_two_empty_masks_follow_the_rule_and_are_counted(folder, empty, value, both, one):
    case = registered_case(folder, {HUB: NOTHING, "turned": NOTHING})
    found = compare_scanners(case, replace(SMALL, empty=empty))
    row = found.pair_table().records()[0]
    for level in ("slide_dice", "regions_dice", "pooled_dice"):
        assert row[level] == pytest.approx(value, nan_ok=True)
    assert (row["regions_both_empty"], row["regions_one_empty"]) == (both, one)
    assert any("constant answer" in warning for warning in found.warnings)


def test_one_empty_mask_is_no_agreement(folder):
    found = compare_scanners(registered_case(folder, {HUB: DISCS, "turned": NOTHING}), SMALL)
    row = found.pair_table().records()[0]
    assert row["slide_dice"] == 0.0
    assert row["regions_one_empty"] == sum(r.overlaps.sizes[0] > 0 for r in found.regions)


def with_status(registered, scanner, status, reason):
    changed = replace(registered.registrations[scanner], status=status, reason=reason)
    return replace(registered, registrations={**registered.registrations, scanner: changed})


def test_scans_that_do_not_lie_on_the_hub_are_left_out_by_name_and_reason(registered):
    found = compare_scanners(
        with_status(registered, "shifted", "failed", "No tissue on shifted, other than on hub."),
        SMALL,
    )
    assert found.scanners == (HUB, "turned")
    assert [(e.scanner, e.reason) for e in found.excluded] == [
        ("shifted", "Its registration failed: No tissue on this scan, other than on the hub.")
    ]
    assert found.to_json()["excluded"][0]["scanner"] == "shifted"


def test_coarse_scans_are_measured_only_when_asked_for_and_named(registered):
    coarse = with_status(registered, "shifted", "coarse", "Few tiles.")
    assert "Few tiles." in compare_scanners(coarse, SMALL).excluded[0].reason
    found = compare_scanners(coarse, replace(SMALL, accept_coarse=True))
    assert found.excluded == ()
    assert "registration of shifted is only coarse" in " ".join(found.warnings)


def test_an_unmeasured_residual_gives_no_ceiling(folder):
    nothing = {"residual_p50_um": math.nan, "residual_p90_um": math.nan}
    case = registered_case(folder, {HUB: DISCS, "turned": DISCS}, **nothing)
    found = compare_scanners(case, SMALL)
    assert np.isnan(found.ceilings["slide"]).all()
    assert found.to_json()["levels"]["slide"]["ceiling"] == [[None, None], [None, None]]


def test_too_few_scans_are_told_with_every_reason(registered):
    failed = with_status(registered, "shifted", "failed", "Blank.")
    bare = tuple(replace(s, mask=None) if s.scanner == HUB else s for s in failed.case.scans)
    failed = replace(failed, case=replace(failed.case, scans=bare))
    with pytest.raises(ParameterError, match=r"1 scan\(s\).*hub: Nothing was found.*Blank\."):
        compare_scanners(failed, SMALL)


def test_a_mask_of_another_slide_is_refused(registered):
    masks = {s.scanner: s.mask for s in registered.case.scans}
    swapped = tuple(
        replace(s, mask=masks["turned"]) if s.scanner == "shifted" else s
        for s in registered.case.scans
    )
    wrong = replace(registered, case=replace(registered.case, scans=swapped))
    with pytest.raises(MismatchError, match="made on another slide than shifted"):
        compare_scanners(wrong, SMALL)


def test_a_grid_finer_than_the_hub_is_refused(registered):
    with pytest.raises(ParameterError, match="pixels are never made up"):
        compare_scanners(registered, replace(SMALL, mpp=0.3))


def test_a_slide_smaller_than_its_regions_still_has_its_pixels(registered):
    found = compare_scanners(registered, Measuring(region_um=800.0))
    assert found.regions == ()
    assert "800 µm" in found.regions_note
    assert np.isnan(found.dice("regions")).all()
    assert np.isfinite(found.dice("slide")).all()


def test_white_background_can_be_left_out(registered, found):
    tissue = compare_scanners(registered, replace(SMALL, tissue_only=True))
    assert tissue.slide.pixels <= found.slide.pixels


# -- the ceiling


@pytest.mark.parametrize(
    ("radius", "shift", "dice"),
    [(4, 0.25, 0.960), (4, 1.0, 0.841), (10, 2.0, 0.873), (50, 5.0, 0.936), (200, 5.0, 0.984)],
)
def test_displaced_discs_overlap_as_geometry_says(radius, shift, dice):
    """Facts: two identical discs at a distance; the pixels are those of the smallest disc."""
    mpp = radius / 20
    grid = Grid(Frame(0, 0, 2.0, 2.0), (60, 60), Mpp(mpp, mpp))
    circle = shapely.Point(60, 60).buffer(radius / mpp * 2.0, quad_segs=64)
    everywhere = Rasteriser([shapely.box(0, 0, 120, 120)], grid.frame)
    found = self_overlaps(
        Rasteriser([circle], grid.frame), [everywhere], grid, [Box(0, 0, 60, 60)], shift
    )
    assert found.dice[-1] == pytest.approx(dice, abs=0.01)
    assert found.dice[0] == 1.0
    assert (np.diff(found.dice) <= 0).all()


@given(st.floats(0.01, 5.0), st.floats(1.001, 20.0))
def test_distances_have_the_median_and_the_percentile_that_were_measured(p50, ratio):
    distances = Residual(p50, p50 * ratio).distances()
    assert np.quantile(distances, 0.5) == pytest.approx(p50, rel=0.1 + 0.1 * math.log(ratio))
    # 24 evenly likely ones: the 22nd stands for 89.6 %
    assert distances[21] == pytest.approx(p50 * ratio, rel=0.05 + 0.05 * math.log(ratio))


def test_two_errors_add_as_independent_ones():
    one, two = Residual(0.5, 1.0), Residual(0.8, 1.7)
    both = pair_distances(one, two)
    squares = [np.mean(each.distances() ** 2) for each in (one, two)]
    assert np.mean(both**2) == pytest.approx(sum(squares))
    assert np.mean(pair_distances(one, Residual(0.0, 0.0))) == pytest.approx(
        np.mean(one.distances())
    )


# -- several slides


def named(found, name):
    return replace(found, case=name)


@pytest.fixture(scope="module")
def study(folder, found):
    other = compare_scanners(
        registered_case(folder, {HUB: DISCS, "turned": APART}, references=(HUB,)), SMALL
    )
    return study_of([named(found, "first"), named(other, "second")])


def test_a_pairs_score_is_its_mean_over_the_slides_that_have_both(study):
    values = study.values()
    assert study.dice()[0, 1] == pytest.approx(values[:, 0, 1].mean())
    assert np.isnan(values[1, 0, 2])
    assert study.dice()[0, 2] == values[0, 0, 2]
    rows = study.pair_table().records()
    assert [row["slides"] for row in rows] == [2, 1, 1]


def test_intervals_are_those_of_drawing_slides_by_hand(study):
    rng = np.random.default_rng(0)
    values = study.values()[:, 0, 1]
    means = [values[rng.integers(0, 2, (2000, 2))].mean(axis=1)]
    row = study.pair_table().records()[0]
    assert (row["low"], row["high"]) == tuple(np.quantile(means, [0.025, 0.975]))
    estimate = study.estimates()["mean"]
    assert estimate.low <= estimate.value <= estimate.high
    assert study.estimates() == study.estimates()


def test_one_slide_has_no_interval(found):
    estimate = study_of([found]).estimates()["minimum"]
    assert estimate.value == found.summary().minimum
    assert math.isnan(estimate.low)


def test_differences_in_accuracy_are_the_papers(study):
    first = study.difference_table().records()[0]
    assert (first["first"], first["second"], first["slides"]) == (HUB, "turned", 2)
    expected = [case.accuracy("turned").dsc - case.accuracy(HUB).dsc for case in study.cases]
    assert first["mean_difference"] == pytest.approx(np.mean(expected))
    assert first["worst_case"] == "second"
    json.dumps(study.to_json(), allow_nan=False)


def test_cases_of_one_name_are_no_study(found):
    with pytest.raises(ParameterError, match="two are called"):
        study_of([found, found])
    with pytest.raises(ParameterError, match="100 or more"):
        Bootstrap(draws=5)


def test_nothing_defined_is_no_summary():
    assert summarise_pairs(np.full((2, 2), np.nan), ("a", "b")).worst is None


def test_what_was_found_can_be_annotations(folder, registered):
    from slideconcord import find_regions, write_annotations

    scans = []
    for scan in registered.case.scans:
        path = folder / f"{scan.scanner}.geojson"
        write_annotations(find_regions(open_mask(scan.mask)), path)
        scans.append(CaseScan(scan.path, scan.scanner, mask=path))
    drawn = RegisteredCase(
        Case("drawn", tuple(scans), HUB), registered.registrations, registered.closures
    )
    found = compare_scanners(drawn, replace(SMALL, mpp=2.0))
    masks, _ = pulled(registered, 2.0)
    assert found.dice()[0, 2] == pytest.approx(plain_dice(masks[0], masks[2]), abs=0.01)
