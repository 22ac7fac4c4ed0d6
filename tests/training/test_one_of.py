"""One of several appearances: the stain mix of 0.25 and 0.25."""

from __future__ import annotations

import pytest
import torch

from slideconcord.errors import MismatchError
from slideconcord.training.augment.chain import make_augment
from training.stained_tiles import batch, draws, stained, tile_set

MIX = {"one_of": {"parts": ["randstainna", {"spcn": {"sd": 0.1}}], "p": 0.5}}


def test_the_stain_mix_gives_each_a_quarter_of_the_tiles():
    images = batch(*[stained(k, 16) for k in range(400)])
    augment = make_augment([MIX]).fitted(tile_set(side=16))
    seen = augment.seen(images, draws(400))
    changed = ~(seen == images).flatten(1).all(1)
    assert 160 < changed.sum() < 240
    random = draws(400)
    tiles = random.chosen(0.5)
    picks = random.at(tiles).integers(0, 1)
    assert changed.nonzero()[:, 0].tolist() == tiles
    assert 70 < (picks == 0).sum() < 130
    for number, part in enumerate(augment.appearances[0].appearances):
        own = [tile for tile, pick in zip(tiles, picks.tolist(), strict=True) if pick == number]
        wanted = part.seen(images[own], random.at(own))
        torch.testing.assert_close(seen[own], wanted)


def test_what_its_parts_measured_is_told():
    augment = make_augment([MIX]).fitted(tile_set())
    assert [fact["name"] for fact in augment.facts()] == ["randstainna"]


@pytest.mark.parametrize(
    "part",
    ["fda", "randstainna", {"spcn": {"colours": "swap"}}, {"style_transfer": {"steps": 1}}],
    ids=str,
)
def test_what_measured_one_split_is_refused_by_another(part):
    augment = make_augment([part]).fitted(tile_set())
    assert augment.fitted(tile_set()).facts() == augment.facts()
    with pytest.raises(MismatchError, match=r"measured on other tiles .* could leak"):
        augment.fitted(tile_set(fingerprint="b" * 64))
