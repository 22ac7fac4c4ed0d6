"""Stains taken apart and put together: against plain numpy and scipy, one tile at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from skimage import color

from slideconcord.comparison.appearance.stains import stain_vectors
from slideconcord.errors import ParameterError
from slideconcord.segmentation.stain_density import STAINS
from slideconcord.training.augment.normalise import fit_normaliser
from slideconcord.training.augment.spcn import Spcn, recoloured
from slideconcord.training.augment.stains import (
    densities,
    macenko,
    masked_quantile,
    optical_density,
    vahadane,
)
from slideconcord.training.data.prepare import prepare
from training.stained_tiles import (
    HE,
    PLAIN,
    batch,
    draws,
    picture,
    slow_restained,
    stained,
    tile_set,
)
from training.stained_tiles import densities as true_densities
from training.training_data import folder_recipe, write_folder

OTHER = np.array([[0.55, 0.75, 0.37], [0.20, 0.90, 0.39]])
OTHER = OTHER / np.linalg.norm(OTHER, axis=1, keepdims=True)


def slow_amounts(od, matrix, sparsity):
    """Solve the sparse non-negative problem of each pixel with scipy's NNLS."""
    lower = np.linalg.cholesky(matrix @ matrix.T)
    wanted = np.linalg.solve(lower, (od @ matrix.T - sparsity).T).T
    return np.array([nnls(lower.T, each)[0] for each in wanted])


def slow_vahadane(rgb, rounds=150):
    """Factorise one tile by plain alternation, without momentum, until it stands still."""
    od = -np.log(np.maximum(rgb.reshape(-1, 3).astype(float), 1) / 255)
    matrix = STAINS.copy()
    for _ in range(rounds):
        amounts = slow_amounts(od, matrix, 0.1)
        both, with_od = amounts.T @ amounts, amounts.T @ od
        for k in (0, 1):
            row = np.maximum(with_od[k] - both[k, 1 - k] * matrix[1 - k], 0)
            matrix[k] = row / np.linalg.norm(row)
    return matrix[np.argsort(-matrix[:, 0])]


def degrees(first, second):
    cosines = (np.asarray(first) * np.asarray(second)).sum(-1)
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.01, 0.1]))
@settings(max_examples=20, deadline=None)
def test_densities_are_the_exact_minimum(seed, sparsity):
    random = np.random.default_rng(seed)
    matrix = random.uniform(0.01, 1, (2, 3))
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    if matrix[0] @ matrix[1] > 0.99:
        return
    od = random.uniform(0, 2, (30, 3))
    found = densities(torch.tensor(od.T)[None], torch.tensor(matrix)[None], sparsity)[0].T
    np.testing.assert_allclose(found, slow_amounts(od, matrix, sparsity), atol=1e-6)


@pytest.mark.parametrize("stains", [HE, OTHER], ids=["textbook", "other"])
def test_the_stains_of_made_tiles_are_found(stains):
    tiles = [stained(k, 48, stains) for k in range(3)]
    for method in (vahadane, macenko):
        found = method(batch(*tiles))
        assert found.found.all()
        for k in range(3):
            assert degrees(found.matrix[k].double(), stains).max() < 1.5


def test_vahadane_is_plain_alternation_carried_on():
    random = np.random.default_rng(0)
    mixed = true_densities(3, 12) @ OTHER + random.normal(0, 0.03, (144, 3))
    rgb = np.clip(255 * np.exp(-mixed), 0, 200).round().astype(np.uint8).reshape(12, 12, 3)
    assert degrees(vahadane(batch(rgb)).matrix[0].double(), slow_vahadane(rgb)).max() < 0.3


@pytest.mark.parametrize("seed", range(3))
def test_macenko_is_that_of_the_scanner_analysis(seed):
    rgb = np.concatenate([stained(seed, 40, OTHER), np.full((8, 40, 3), 250, np.uint8)])
    wanted = stain_vectors(rgb, np.full(3, 255.0))
    found = macenko(batch(rgb)).matrix[0]
    np.testing.assert_allclose(found[0], wanted.haematoxylin, atol=1e-5)
    np.testing.assert_allclose(found[1], wanted.eosin, atol=1e-5)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_quantiles_of_some_pixels_are_numpys(seed, q):
    random = np.random.default_rng(seed)
    values, mask = random.normal(size=(3, 40)), random.random((3, 40)) < 0.5
    mask[:, 0] = True
    found = masked_quantile(torch.tensor(values), torch.tensor(mask), q)
    wanted = [np.quantile(row[some], q) for row, some in zip(values, mask, strict=True)]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_recoloured_tiles_have_the_same_densities():
    images = batch(*[stained(k, 32) for k in range(3)])
    stains = vahadane(images)
    new = torch.tensor(OTHER, dtype=torch.float32).expand(3, -1, -1)
    seen = recoloured(images, stains, new)
    before = densities(optical_density(images), stains.matrix, 0.0)
    after = densities(optical_density(seen), new, 0.0)
    # What is lost is the sparsity with which the colours were multiplied, 0.01.
    torch.testing.assert_close(after, before, atol=0.03, rtol=0)
    wanted = 255 * np.exp(-true_densities(0, 32) @ OTHER).reshape(32, 32, 3)
    np.testing.assert_allclose(picture(seen), wanted, atol=4)


def test_spcn_puts_a_tile_together_as_plain_numpy_does():
    part, rgb = Spcn(sd=0.1), stained(5, 16)
    seen = picture(part.seen(batch(rgb), draws(1)))
    random = draws(1)
    random.chosen(1)
    matrix = vahadane(batch(rgb)).matrix[0].double().numpy()
    new = np.maximum(matrix + 0.1 * random.normal(2, 3)[0].numpy(), 0)
    new /= np.linalg.norm(new, axis=1, keepdims=True)
    od = -np.log(rgb.reshape(-1, 3) / 255)
    amounts = slow_amounts(od, matrix, 0.01)
    wanted = 255 * np.exp(-(od + amounts @ (new - matrix)))
    np.testing.assert_allclose(seen, np.clip(wanted, 0, 255).reshape(rgb.shape), atol=0.05)


def test_no_strength_changes_nothing():
    images = batch(*[stained(k) for k in range(3)])
    torch.testing.assert_close(Spcn(sd=0).seen(images, draws(3)), images, atol=1e-2, rtol=0)
    assert torch.equal(Spcn(p=0).seen(images, draws(3)), images)


def test_swapped_colours_are_those_of_training_tiles(tmp_path):
    part = Spcn("swap").fitted(tile_set(5))
    assert len(part.matrices) == 5
    images = batch(*[stained(9, 32, OTHER)] * 3)
    seen = part.seen(images, draws(3))
    for k in range(3):
        assert degrees(vahadane(seen).matrix[k].double(), HE).max() < 3
    recipe = folder_recipe(write_folder(tmp_path / "data"), augment=[{"spcn": {"colours": "swap"}}])
    (facts,) = prepare(recipe).facts()["measured"]
    assert facts["name"] == "spcn"
    assert facts["tiles"] <= len(prepare(recipe).train)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("method", [vahadane, macenko])
def test_plain_tiles_have_no_stains_but_the_textbooks(name, method):
    found = method(batch(PLAIN[name]))
    assert found.matrix.isfinite().all()
    if name != "tiny":
        assert not found.found.any()
        np.testing.assert_allclose(found.matrix[0], STAINS, atol=1e-6)
        image = batch(PLAIN[name])
        assert torch.equal(Spcn(sd=0.3).seen(image, draws(1)), image)


@pytest.mark.parametrize("method", ["macenko", "vahadane", "reinhard"])
def test_a_normalised_reference_is_itself_and_others_come_near_it(method):
    reference = stained(1, 48)
    normalise = fit_normaliser(reference, method)
    np.testing.assert_allclose(picture(normalise(batch(reference))), reference, atol=4)
    other = stained(1, 48, OTHER)
    before = np.abs(other.astype(float) - reference).mean()
    after = np.abs(picture(normalise(batch(other))) - reference).mean()
    assert after < before / 3


def test_macenkos_normalisation_is_plain_numpys():
    reference, rgb = stained(1, 40), stained(2, 40, OTHER)
    seen = picture(fit_normaliser(reference, "macenko")(batch(rgb)))
    parts = []
    for picture_ in (reference, rgb):
        vectors = stain_vectors(picture_, np.full(3, 255.0))
        matrix = np.stack([vectors.haematoxylin, vectors.eosin])
        od = -np.log(np.maximum(picture_.reshape(-1, 3), 1) / 255)
        amounts = np.linalg.lstsq(matrix.T, od.T, rcond=None)[0].T
        tissue = color.rgb2lab(picture_)[..., 0].ravel() < 80
        parts.append((matrix, amounts, np.percentile(amounts[tissue], 99, axis=0)))
    (matrix, _, dense), (_, amounts, own) = parts
    wanted = 255 * np.exp(-(amounts * dense / own) @ matrix)
    np.testing.assert_allclose(seen, np.clip(wanted, 0, 255).reshape(rgb.shape), atol=0.3)


def test_reinhards_normalisation_is_that_of_the_slow_twin():
    reference, rgb = stained(1), stained(2, stains=OTHER)
    lab = color.rgb2lab(reference) * (2.55, 1, 1) + (0, 128, 128)
    wanted = slow_restained(rgb, lab.mean((0, 1)), lab.std((0, 1)))
    seen = picture(fit_normaliser(reference, "reinhard")(batch(rgb)))
    np.testing.assert_allclose(seen, wanted, atol=0.2)


def test_what_cannot_be_normalised_is_told():
    with pytest.raises(ParameterError, match="Two stains cannot be told apart in the reference"):
        fit_normaliser(PLAIN["white"], "vahadane")
    with pytest.raises(ParameterError, match=r"float64 \(4, 4\): give RGB \(y, x, 3\) uint8"):
        fit_normaliser(np.zeros((4, 4)), "macenko")
    with pytest.raises(ParameterError, match="'spcn' is none of reinhard, macenko, vahadane"):
        fit_normaliser(stained(0), "spcn")
    images = batch(stained(0))
    images[0, 0, 0, 0] = torch.nan
    for method in ("reinhard", "macenko", "vahadane"):
        with pytest.raises(ParameterError, match="pixels that are not numbers"):
            fit_normaliser(stained(0), method)(images)
    blank = batch(PLAIN["white"])
    assert torch.equal(fit_normaliser(stained(0), "macenko")(blank), blank)


def test_swapping_needs_colours_to_swap():
    with pytest.raises(ParameterError, match="spcn knows no stains yet"):
        Spcn("swap").seen(batch(stained(0)), draws(1))
    white = replace(tile_set(2), read=lambda k: PLAIN["white"])
    with pytest.raises(ParameterError, match="no training tile has two stains"):
        Spcn("swap").fitted(white)
