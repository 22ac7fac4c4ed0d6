"""Fourier domain adaptation against numpy's full transform, one tile at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slideconcord.errors import ParameterError
from slideconcord.training.augment.fda import (
    FourierDomainAdaptation,
    low_frequencies,
    reach_of,
    styled,
)
from slideconcord.training.data.prepare import prepare
from training.stained_tiles import PLAIN, batch, draws, picture, stained, tile_set
from training.training_data import folder_recipe, write_folder


def slow_fda(content: np.ndarray, style: np.ndarray, beta: float) -> np.ndarray:
    """Swap the amplitudes of a centred square of 2 b + 1 frequencies, channel by channel."""
    height, width = content.shape[:2]
    b = int(np.floor(min(height, width) * beta))
    seen = np.empty(content.shape)
    for channel in range(3):
        spectrum, other = (np.fft.fft2(image[..., channel].astype(float)) for image in
                           (content, style))  # fmt: skip
        amplitude, phase = np.abs(spectrum), np.angle(spectrum)
        amplitude, theirs = np.fft.fftshift(amplitude), np.fft.fftshift(np.abs(other))
        y, x = height // 2, width // 2
        square = np.s_[y - b : y + b + 1, x - b : x + b + 1]
        amplitude[square] = theirs[square]
        mixed = np.fft.ifftshift(amplitude) * np.exp(1j * phase)
        seen[..., channel] = np.fft.ifft2(mixed).real
    return np.clip(seen, 0, 255)


@given(
    st.integers(4, 40),
    st.integers(4, 40),
    st.floats(0, 0.49),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_tiles_come_out_as_from_numpys_transform(height, width, beta, seed):
    random = np.random.default_rng(seed)
    content, style = random.integers(0, 256, (2, height, width, 3), np.uint8)
    amplitudes = low_frequencies(batch(style), reach_of((height, width), beta)).abs()
    seen = picture(styled(batch(content), amplitudes))
    np.testing.assert_allclose(seen, slow_fda(content, style, beta), atol=0.02)


@pytest.mark.parametrize("beta", [0.0, 0.1, 0.3])
def test_a_tile_styled_as_itself_is_itself(beta):
    image = batch(stained(3))
    amplitudes = low_frequencies(image, reach_of((32, 32), beta)).abs()
    torch.testing.assert_close(styled(image, amplitudes), image, atol=2e-3, rtol=0)


def test_beta_0_swaps_nothing_but_the_mean_colour():
    content, style = stained(1), stained(2) // 2 + 60
    seen = picture(styled(batch(content), low_frequencies(batch(style), 0).abs()))
    wanted = content + style.mean((0, 1)) - content.mean((0, 1))
    np.testing.assert_allclose(seen, np.clip(wanted, 0, 255), atol=1e-2)


def test_each_tile_takes_a_training_tile_and_all_are_taken():
    part = FourierDomainAdaptation(beta=0.1).fitted(tile_set(4))
    seen = part.seen(batch(*[stained(9)] * 60), draws(60))
    possible = [slow_fda(stained(9), stained(k), 0.1) for k in range(4)]
    found = [
        int(np.argmin([np.abs(picture(seen, tile) - want).max() for want in possible]))
        for tile in range(60)
    ]
    assert set(found) == {0, 1, 2, 3}
    for tile, which in enumerate(found):
        np.testing.assert_allclose(picture(seen, tile), possible[which], atol=0.02)


def test_styles_serve_tiles_of_other_sizes_as_far_as_they_reach():
    part = FourierDomainAdaptation(beta=0.1).fitted(tile_set(1, side=40))
    style = batch(stained(0, 40))
    small = batch(stained(5, 24))
    wanted = styled(small, low_frequencies(style, 2).abs())
    torch.testing.assert_close(part.seen(small, draws(1)), wanted)
    with pytest.raises(
        ParameterError, match="hold frequencies up to 4, tiles of 64 x 64 px need 6"
    ):
        part.seen(batch(stained(0, 64)), draws(1))


@pytest.mark.parametrize("name", PLAIN)
def test_plain_tiles_stay_plain_and_within_the_scale(name):
    image = batch(PLAIN[name])
    seen = FourierDomainAdaptation(beta=0.2).fitted(tile_set()).seen(image, draws(1))
    assert seen.isfinite().all()
    assert seen.min() >= 0
    assert seen.max() <= 255
    if name in ("white", "one colour"):
        assert seen.std((2, 3)).max() < 1e-2
    if name == "black":
        assert torch.equal(seen, image)


def test_about_p_of_the_tiles_change_and_the_others_not_at_all():
    images = batch(*[stained(1)] * 200)
    part = FourierDomainAdaptation(p=0.25).fitted(tile_set())
    same = (part.seen(images, draws(200)) == images).flatten(1).all(1)
    assert 120 < same.sum() < 180


def test_a_run_takes_its_styles_from_the_training_split(tmp_path):
    crop = {"crop": {"size_px": 32, "area": [0.5, 0.8]}}
    recipe = folder_recipe(write_folder(tmp_path / "data"), augment=[crop, {"fda": {"beta": 0.1}}])
    prepared = prepare(recipe)
    part = prepared.augment.appearances[0]
    wanted = [low_frequencies(batch(prepared.source.read(k)[0]), 3).abs() for k in prepared.train]
    torch.testing.assert_close(part.styles, torch.cat(wanted))
    (facts,) = prepared.facts()["measured"]
    assert facts["name"] == "fda"
    assert facts["tiles"] == len(prepared.train) < len(prepared.source.records)


def test_it_cannot_be_used_before_it_has_styles():
    with pytest.raises(ParameterError, match="fda knows no stains yet: call fitted"):
        FourierDomainAdaptation().seen(batch(stained(0)), draws(1))
