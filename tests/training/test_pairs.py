"""Real pairs: tiles of two scanners show the same tissue at the same pixel, to a tenth of one."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from skimage.registration import phase_cross_correlation

from slideconcord.comparison.appearance.sampler import Sampling
from slideconcord.comparison.case import Case, CaseScan
from slideconcord.comparison.case_files import write_case
from slideconcord.comparison.case_registration import RegisteredCase
from slideconcord.comparison.registration import Registration, Scan
from slideconcord.comparison.registration.planes import affine_of, matrix_of, scaling, shifting
from slideconcord.errors import MismatchError, ParameterError, RegistrationError
from slideconcord.geometry import Mpp
from slideconcord.samples import FIVE_SCANNERS, VirtualTissue, scan
from slideconcord.slides import open_slide
from slideconcord.training.augment.random import Draws
from slideconcord.training.data import pairs as pairs_module
from slideconcord.training.data.pairs import CasePairs, read_pairs, registered
from slideconcord.training.data.prepare import prepare, tiles_of
from slideconcord.training.data.tile import Grid
from slideconcord.training.simcons import SimCons
from training.stained_tiles import tile_set
from training.test_simcons import NOTHING, Looks, batch, learner
from training.training_data import tiny

TISSUE = VirtualTissue(5, 700.0, 800.0)
# On a perfect stage a scan is one affine, which a registration can say exactly.
SCANNERS = [replace(s, stitching=None).fitting(TISSUE) for s in FIVE_SCANNERS.values()]
HUB = SCANNERS[0]
SAMPLING = Sampling(count=3, side_um=96.0, side_px=96)


def exact(scanner, side, hub_side) -> Registration:
    """Return where a virtual scan lies on the hub, from the poses of both."""
    centres = shifting(0.5, 0.5)
    tissue = np.linalg.inv(matrix_of(scanner.affine(TISSUE))) @ centres
    on_hub = np.linalg.inv(centres) @ matrix_of(HUB.affine(TISSUE)) @ tissue
    return Registration(side, hub_side, affine_of(scaling(Mpp.of(HUB.mpp)) @ on_hub), "ok")


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> RegisteredCase:
    folder, sides = tmp_path_factory.mktemp("scans"), {}
    for scanner in SCANNERS:
        list(scan(TISSUE, scanner, folder / f"{scanner.name}.ome.tiff"))
        with open_slide(folder / f"{scanner.name}.ome.tiff") as slide:
            sides[scanner.name] = Scan.of(slide)
    scans = tuple(CaseScan(folder / f"{name}.ome.tiff", name) for name in sides)
    found = {s.name: exact(s, sides[s.name], sides[HUB.name]) for s in SCANNERS[1:]}
    return RegisteredCase(Case("five", scans, HUB.name), found, {})


@pytest.fixture(scope="module")
def pairs(case):
    return read_pairs(case, SAMPLING)


def test_all_scanners_show_the_same_tissue_at_the_same_pixel(pairs):
    assert pairs.tiles.shape == (3, 5, 96, 96, 3)
    assert pairs.scanners == tuple(FIVE_SCANNERS)
    for tiles in pairs.tiles[..., 1].astype(float):
        for a, b in combinations(range(5), 2):
            shift, _, _ = phase_cross_correlation(tiles[a], tiles[b], upsample_factor=20)
            assert np.abs(shift).max() <= 0.15, (pairs.scanners[a], pairs.scanners[b])
            assert np.corrcoef(tiles[a].ravel(), tiles[b].ravel())[0, 1] > 0.9


def test_a_registration_that_is_a_micrometre_off_would_be_seen(case):
    wrong = dict(case.registrations)
    name = SCANNERS[2].name
    matrix = shifting(1.0, 0.0) @ matrix_of(wrong[name].affine)
    wrong[name] = replace(wrong[name], affine=affine_of(matrix))
    tiles = read_pairs(replace(case, registrations=wrong), SAMPLING).tiles[0, :, ..., 1]
    shift, _, _ = phase_cross_correlation(
        tiles[0].astype(float), tiles[2].astype(float), upsample_factor=20
    )
    assert abs(shift[0]) == pytest.approx(1.0, abs=0.2)


def test_squares_and_slides_name_the_pairs(case, pairs):
    assert read_pairs(case, SAMPLING).fingerprint == pairs.fingerprint
    assert read_pairs(case, replace(SAMPLING, seed=1)).fingerprint != pairs.fingerprint


def test_drawn_pairs_are_two_scanners_of_one_region_and_depend_on_seed_and_place_alone(pairs):
    first, second = pairs.drawn(Draws(3, range(40)))
    tiles = torch.from_numpy(pairs.tiles).permute(0, 1, 4, 2, 3).float()
    seen = set()
    for one, two in zip(first, second, strict=True):
        [[region, a]] = (tiles == one).flatten(2).all(2).nonzero().tolist()
        [[same, b]] = (tiles == two).flatten(2).all(2).nonzero().tolist()
        assert (region, a) != (same, b)
        assert region == same
        seen.add((region, a, b))
    assert {a for _, a, _ in seen} == {b for _, _, b in seen} == set(range(5))
    again, _ = pairs.drawn(Draws(3, [17]))
    assert torch.equal(again[0], first[17])


def ready(pairs, **settings) -> SimCons:
    made = SimCons(pairs={"path": "case.yaml"}, **settings)
    made._keep(made._chain.fitted(tile_set(side=24)), pairs)
    return made


def test_pairs_need_no_mask_and_share_what_moves_pixels(pairs):
    network = Looks()
    moved = learner(network, "flip", {"crop": {"size_px": 48, "area": [0.3, 0.6]}})
    tiles = batch(4, 96)
    terms = ready(pairs, pair_weight=0.3, form="squared").terms(moved, tiles)
    _, first, second = network.seen[0].chunk(3)
    assert first.shape == (4, 3, 48, 48)
    for one, two in zip(first[:, 1], second[:, 1], strict=True):
        shift, _, _ = phase_cross_correlation(one.numpy(), two.numpy(), upsample_factor=20)
        assert np.abs(shift).max() <= 0.5
    assert set(terms) == {"loss", "dice", "pair_consistency"}
    expected = terms["dice"] + 0.3 * terms["pair_consistency"]
    assert float(terms["loss"].detach()) == pytest.approx(float(expected.detach()))


def test_style_twins_and_real_pairs_go_together(pairs):
    both = ready(pairs, style=(NOTHING,), form="squared")
    assert both.added_terms == ("consistency", "pair_consistency")
    terms = both.terms(learner(Looks()), batch(2, 96))
    assert float(terms["consistency"].detach()) == pytest.approx(0, abs=1e-6)
    assert float(terms["pair_consistency"].detach()) > 1e-3
    assert both.data_fingerprint == pairs.fingerprint


def test_the_recipe_names_the_case_whose_place_is_told_to_nobody(case, tmp_path, monkeypatch):
    monkeypatch.setattr(pairs_module, "registered", lambda _: case)
    write_case(case.case, tmp_path / "case.yaml")
    where = {"path": str(tmp_path / "case.yaml"), "regions": 2}
    recipe = tiny(objective={"simcons": {"pairs": where}})
    assert str(tmp_path) not in str(recipe.to_json())
    assert recipe.objective["simcons"]["pairs"]["path"] == where["path"], "the recipe keeps it"
    made = recipe.objective_settings.fitted(replace(tile_set(side=24), grid=Grid(2.0, 64)))
    assert made._pairs.tiles.shape == (2, 5, 64, 64, 3)


class Cut:
    """Tiles, those of one patient cut from a scan."""

    def __init__(self, source, patient, scan):
        self._source = source
        self.classes, self.fingerprint, self.read = source.classes, source.fingerprint, source.read
        self.records = tuple(
            replace(r, scan=scan) if r.patient == patient else r for r in source.records
        )


@pytest.mark.parametrize(
    "split", [{}, {"data__test": 0.34}, {"data__folds": 3}, {"data__scanners": ["virtual-A"]}]
)
def test_a_scan_that_is_checked_or_tested_on_makes_no_pairs(case, tmp_path, monkeypatch, split):
    monkeypatch.setattr(pairs_module, "registered", lambda _: case)
    write_case(case.case, tmp_path / "case.yaml")
    where = {"path": str(tmp_path / "case.yaml"), "regions": 2}
    recipe = tiny(objective={"simcons": {"pairs": where}}, data__mpp=2.0, **split)
    source = recipe.open()
    with case.case.scans[3].open() as slide:
        scan = slide.fingerprint
    learnt = {source.records[i].patient for i in tiles_of(recipe, source, "train")}
    for patient in {record.patient for record in source.records} - learnt:
        with pytest.raises(MismatchError, match=f"the scan of {SCANNERS[3].name} in case five is"):
            prepare(recipe, source=Cut(source, patient, scan))
    prepared = prepare(recipe, source=Cut(source, min(learnt), scan))
    assert prepared.objective.data_fingerprint


def test_a_scan_that_lies_nowhere_is_named(case, monkeypatch):
    name = SCANNERS[3].name
    found = {**case.registrations}
    found[name] = replace(found[name], status="failed", reason="nothing in common")

    def failing(_, *, closures):
        yield
        return replace(case, registrations=found)

    monkeypatch.setattr(pairs_module, "register_case", failing)
    with pytest.raises(RegistrationError, match=f"The scan of {name} in case five could not be"):
        registered(case.case)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pairs": {"path": "x", "regoins": 3}}, "Did you mean 'regions'"),
        ({"pairs": {"regions": 0}}, "greater than or equal to 1"),
        ({"pairs": {"path": "x"}, "pair_weight": 2}, "less than or equal to 1"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ParameterError, match=message):
        tiny(objective={"simcons": settings})


def test_no_case_is_no_pairs():
    with pytest.raises(ParameterError, match="give the case whose scans are paired"):
        CasePairs().open(Grid(1.0, 64))
