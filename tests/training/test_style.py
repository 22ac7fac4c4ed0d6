"""Style transfer between scanners, and the similarity that holds it to the structure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from slideconcord.errors import ParameterError, TrainingError
from slideconcord.training.augment import style_generator
from slideconcord.training.augment.colour_map import ColourMap
from slideconcord.training.augment.fitting import TrainingTiles
from slideconcord.training.augment.random import Draws
from slideconcord.training.augment.ssim import ssim
from slideconcord.training.augment.style import FittedStyle, StyleTransfer
from slideconcord.training.augment.style_generator import as_images, luma
from slideconcord.training.data.tile import Grid


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_that_of_scikit_image(channels: int):
    metrics = pytest.importorskip("skimage.metrics")
    random = np.random.default_rng(0)
    first = random.random((2, channels, 40, 33))
    for second in (first, np.clip(first + random.normal(0, 0.1, first.shape), 0, 1), 1 - first):
        found = ssim(torch.from_numpy(first), torch.from_numpy(second)).numpy()
        for n in range(2):
            _, full = metrics.structural_similarity(
                first[n], second[n], data_range=1, channel_axis=0, gaussian_weights=True,
                sigma=1.5, use_sample_covariance=False, full=True,
            )  # fmt: skip
            # Where the window reaches over the edge everybody goes on as they like.
            assert found[n] == pytest.approx(full[:, 5:-5, 5:-5].mean(), abs=1e-6)


def striped(k: int, look: str = "") -> np.ndarray:
    """A tile of stripes, as one of two scanners shows it: pale and bluish, or dark and reddish."""
    random = np.random.default_rng(k)
    stripes = np.sin(np.arange(64) * random.uniform(0.15, 0.3) + random.uniform(0, 6)) > 0
    grey = np.where(stripes, 0.45, 0.8)[:, None].repeat(64, 1)
    look = np.array([[0.9, 0.95, 1.0], [0.95, 0.7, 0.75]])["AB".index(look) if look else k % 2]
    return np.round(255 * np.clip(grey[..., None] * look, 0, 1)).astype(np.uint8)


def tiles(count: int = 12, scanners: str = "AB") -> TrainingTiles:
    names = tuple(scanners[k % len(scanners)] for k in range(count))
    return TrainingTiles(striped, count, "f" * 64, 64, Grid(1.0, 64), names)


@pytest.fixture(scope="module")
def fitted() -> FittedStyle:
    return StyleTransfer(steps=20).fitted(tiles())


def batch(numbers: list[int], look: str = "") -> torch.Tensor:
    stacked = np.stack([striped(k, look) for k in numbers]).astype(np.float32)
    return torch.from_numpy(stacked).permute(0, 3, 1, 2)


def off(shown: torch.Tensor, wanted: torch.Tensor) -> float:
    """How far mean colours are apart, grey levels."""
    return float((shown.mean((0, 2, 3)) - wanted.mean((0, 2, 3))).norm())


def both_ways(fitted: FittedStyle) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Tiles not learnt from, the same as the other scanner shows them, and as they are shown."""
    for (source, target), first in (("AB", 20), ("BA", 21)):
        ours = batch([first, first + 2, first + 4])
        theirs = batch([first, first + 2, first + 4], look=target)
        yield ours, theirs, fitted.shown((source, target), ours)


def test_a_tile_comes_to_look_as_the_other_scanner_shows_it(fitted: FittedStyle):
    for ours, theirs, shown in both_ways(fitted):
        assert off(shown, theirs) < 0.4 * off(ours, theirs)
        assert 0 <= shown.min() <= shown.max() <= 255


class LikesGreen(torch.nn.Module):
    """Takes what is green for the other scanner."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, 1] - images[:, 0] + 0 * self.unused


def test_colours_stay_the_scanners_whatever_the_adversary_would_have(monkeypatch):
    monkeypatch.setattr(style_generator, "discriminator", LikesGreen)
    for ours, theirs, shown in both_ways(StyleTransfer(steps=20).fitted(tiles())):
        assert off(shown, theirs) < 0.1 * off(ours, theirs)


def test_what_leaves_colours_further_off_than_before_is_refused(monkeypatch):
    monkeypatch.setattr(style_generator, "discriminator", LikesGreen)
    message = (
        r"tiles of A, shown as B would, further .*: 29\.3 grey levels off before, \d+\.\d after, "
        r"on training tiles not learnt from \(1\)\. Give it .* greater weight of colour"
    )
    with pytest.raises(TrainingError, match=message):
        StyleTransfer(steps=20, colour=0.0).fitted(tiles())


def test_the_map_gives_mean_and_covariance_and_moves_least():
    random = np.random.default_rng(0)
    ours, theirs = (
        (random.normal(100, 20, (4, 64, 64, 3)) @ mix + 20).clip(0, 255).round().astype(np.uint8)
        for mix in (np.diag([0.9, 0.5, 0.3]), random.uniform(0.1, 0.4, (3, 3)))
    )
    colours = ColourMap.between(ours, theirs)
    pixels, wanted = (
        images.transpose(0, 1).flatten(1) * 255
        for images in (colours(as_images(ours)), as_images(theirs))
    )
    # A sixteenth of the pixels is measured.
    torch.testing.assert_close(pixels.mean(1), wanted.mean(1), atol=1.0, rtol=0)
    torch.testing.assert_close(pixels.cov(), wanted.cov(), atol=3.0, rtol=0.1)
    # Of all maps that do, the symmetric positive one moves colours least.
    torch.testing.assert_close(colours.matrix, colours.matrix.mT)
    assert torch.linalg.eigvalsh(colours.matrix).min() > 0


def test_colours_of_one_tone_alone_have_a_map():
    ours, theirs = (
        np.full((2, 16, 16, 3), tone, np.uint8) for tone in ((90, 80, 70), (60, 80, 99))
    )
    mapped = ColourMap.between(ours, theirs)(as_images(ours))
    torch.testing.assert_close(mapped, as_images(theirs))


def test_its_structure_stays(fitted: FittedStyle):
    for ours, _, shown in both_ways(fitted):
        kept = ssim(ours.mean(1, keepdim=True) / 255, shown.mean(1, keepdim=True) / 255)
        assert kept.min() > 0.8


def test_a_run_says_what_became_of_structure_and_colour(fitted: FittedStyle):
    (facts,) = fitted.facts()
    assert (facts["name"], facts["tiles"], facts["fitted_on"]) == ("style_transfer", 12, "f" * 64)
    assert [(of["scanner"], of["shown_as"]) for of in facts["shown"]] == [("A", "B"), ("B", "A")]
    for measured in facts["shown"]:
        assert measured["ssim"] > 0.8
        assert measured["colour_after"] < 0.5 * measured["colour_before"]


def test_what_it_is_checked_on_is_not_learnt_from():
    def read(k: int) -> np.ndarray:
        return striped(k) if k > 1 else np.full((64, 64, 3), 255, np.uint8)

    plain, odd = (
        StyleTransfer(steps=2).fitted(replace(tiles(), read=reads)) for reads in (striped, read)
    )
    assert plain.measured != odd.measured
    assert weights(plain) == weights(odd)


def weights(fitted: FittedStyle) -> list[float]:
    learnt = [of for generator in fitted.generators.values() for of in generator.parameters()]
    mapped = [of for colours in fitted.maps.values() for of in (colours.matrix, colours.shift)]
    return torch.cat([of.flatten() for of in learnt + mapped]).tolist()


def test_the_more_structure_weighs_the_more_of_it_stays():
    little, much = (
        StyleTransfer(steps=20, structure=weight, colour=0.0).fitted(tiles())
        for weight in (4.0, 1000.0)
    )
    for pair, first in ((("A", "B"), 20), (("B", "A"), 21)):
        mapped = little.maps[pair](batch([first, first + 2]) / 255)
        lost, kept = (
            ssim(luma(mapped), luma(style.generators[pair[1]](mapped))).mean()
            for style in (little, much)
        )
        assert lost < 0.997 < kept


def test_it_is_drawn_for_each_tile_and_the_same_again(fitted: FittedStyle):
    images, scanners = batch(list(range(20, 60))), "AB" * 20
    seen = fitted.seen(images, Draws(0, range(40), scanners=scanners))
    changed = (seen != images).flatten(1).any(1)
    assert 4 <= int(changed.sum()) <= 20  # 0.3 of 40
    assert torch.equal(seen, fitted.seen(images, Draws(0, range(40), scanners=scanners)))
    first = fitted.seen(images[:7], Draws(0, range(7), scanners=scanners[:7]))
    assert torch.equal(seen[:7], first)


def test_a_tile_is_shown_as_another_scanner_than_its_own(fitted: FittedStyle):
    images = batch(list(range(20, 32)))
    seen = replace(fitted, p=1.0).seen(images, Draws(0, range(12), scanners="AB" * 6))
    for k in range(12):
        pair = ("A", "B") if k % 2 == 0 else ("B", "A")
        torch.testing.assert_close(seen[k : k + 1], fitted.shown(pair, images[k : k + 1]))


def test_each_scanner_is_mapped_by_colours_of_its_own():
    dim = replace(tiles(18, "ABC"), read=lambda k: striped(k, "AAB"[k % 3]) // (1 + (k % 3 == 1)))
    fitted = StyleTransfer(steps=1).fitted(dim)
    assert set(fitted.measured) == set(permutations("ABC", 2))
    assert all(of.colour_after < 0.5 * of.colour_before for of in fitted.measured.values())


def test_a_tile_of_nobody_knows_which_scanner_is_refused(fitted: FittedStyle):
    with pytest.raises(ParameterError, match="must know each tile's scanner"):
        fitted.seen(batch([20]), Draws(0, [0]))


def test_it_learns_the_same_again():
    one, other = (StyleTransfer(steps=3).fitted(tiles()) for _ in range(2))
    assert weights(one) == weights(other)


def test_one_scanner_has_no_other():
    with pytest.raises(TrainingError, match="needs training tiles of two scanners, not of A"):
        StyleTransfer().fitted(tiles(scanners="A"))


def test_one_tile_of_a_scanner_leaves_none_to_check_on():
    with pytest.raises(TrainingError, match="needs two training tiles of B or more"):
        StyleTransfer().fitted(replace(tiles(), scanners=("A",) * 11 + ("B",)))


def test_before_it_has_learnt_it_is_refused():
    with pytest.raises(ParameterError, match="style_transfer knows no stains yet"):
        StyleTransfer().seen(torch.zeros(1, 3, 64, 64), Draws(0, [0]))
