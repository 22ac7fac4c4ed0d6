"""Colours taken from tiles of other scanners, or of named ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from slideconcord.errors import ParameterError, TrainingError
from slideconcord.training.augment.chain import make_augment
from slideconcord.training.augment.fda import FourierDomainAdaptation
from slideconcord.training.augment.givers import Givers
from slideconcord.training.augment.random import Draws
from slideconcord.training.augment.spcn import Spcn
from slideconcord.training.options import TrainOptions
from slideconcord.training.run import train
from training.stained_tiles import PLAIN, batch, draws, stained, tile_set
from training.training_data import tiny

SCANNERS = ("A", "B", "C", "A")


def three_scanners():
    """Return twelve training tiles, half of them A's and a quarter each of B and C."""
    return replace(tile_set(12), scanners=SCANNERS * 3)


def picked(givers: Givers, scanners: tuple[str, ...]) -> list[int]:
    return givers.picked(Draws(0, range(len(scanners)), scanners=scanners)).tolist()


def test_a_tile_takes_from_any_tile_of_the_other_scanners_and_none_of_its_own():
    givers = Givers.of_tiles("other_scanners", three_scanners(), range(12))
    scanners = tuple("ABC"[k % 3] for k in range(600))
    picks = picked(givers, scanners)
    for own in "ABC":
        taken = [pick for pick, name in zip(picks, scanners, strict=True) if name == own]
        wanted = {k for k, name in enumerate(SCANNERS * 3) if name != own}
        assert set(taken) == wanted
        assert np.bincount(taken, minlength=12)[sorted(wanted)].min() > 200 / len(wanted) / 3
    assert set(picked(Givers("any", SCANNERS * 3), scanners)) == set(range(12))


def test_what_is_picked_depends_on_the_tile_alone():
    givers = Givers.of_tiles("other_scanners", three_scanners(), range(12))
    scanners = ("A", "B", "C", "B")
    together = Draws(5, range(4), scanners=scanners)
    apart = [Draws(5, [k], scanners=scanners[k : k + 1]) for k in range(4)]
    some = Draws(5, range(4), scanners=scanners).at([1, 3])
    assert some.scanners == ("B", "B")
    picks = givers.picked(together).tolist()
    assert picks == [int(givers.picked(each)) for each in apart]
    assert givers.picked(some).tolist() == [picks[1], picks[3]]


def test_fda_takes_styles_of_other_scanners():
    part = FourierDomainAdaptation(beta=0, of="other_scanners").fitted(tile_set(6))
    images = batch(*[stained(9)] * 40)
    scanners = ("A", "B") * 20
    seen = part.seen(images, Draws(0, range(40), scanners=scanners))
    # With beta 0 it is the mean colour that is taken.
    means = torch.stack([batch(stained(k)).mean((0, 2, 3)) for k in range(6)])
    nearest = torch.cdist(seen.mean((2, 3)), means).argmin(1) % 2
    assert nearest.tolist() == [1, 0] * 20
    assert part.facts()[0]["of"] == "other_scanners"


def test_fda_and_spcn_take_from_named_scanners_alone():
    fda = FourierDomainAdaptation(scanners=("C", "B"), most_tiles=4).fitted(three_scanners())
    assert fda.givers.scanners == ("B", "B", "C", "C")
    spcn = Spcn("swap", scanners=("C",)).fitted(three_scanners())
    assert spcn.givers.scanners == ("C",) * 3
    assert len(spcn.matrices) == 3
    assert spcn.facts()[0]["scanners"] == ["C"]


def test_only_tiles_with_two_stains_give_colours():
    def read(k: int) -> np.ndarray:
        return PLAIN["white"] if k < 2 else stained(k, 16)

    part = Spcn("swap", of="other_scanners").fitted(replace(tile_set(6, 16), read=read))
    assert part.givers.scanners == ("A", "B", "A", "B")
    seen = part.seen(batch(stained(1)), Draws(0, [0], scanners=["B"]))
    assert seen.isfinite().all()


@pytest.mark.parametrize("name", ["fda", "spcn"])
def test_wrong_scanners_are_named(name):
    swap = {"colours": "swap"} if name == "spcn" else {}
    part = {name: {**swap, "scanners": ["BB"]}}
    with pytest.raises(ParameterError, match=rf"{name}\.scanners: 'BB' is not known\. .* 'B'\?"):
        make_augment([part]).fitted(tile_set())
    alone = replace(tile_set(), scanners=("A",) * 6)
    other = {name: {**swap, "of": "other_scanners"}}
    with pytest.raises(TrainingError, match=f"{name} with of: other_scanners .* two .* not of A:"):
        make_augment([other]).fitted(alone)
    own = {name: {**swap, "of": "other_scanners", "scanners": ["B"]}}
    with pytest.raises(ParameterError, match="no training tile of another scanner than 'B'"):
        make_augment([own]).fitted(tile_set())


def test_a_tile_of_no_known_scanner_is_refused():
    part = FourierDomainAdaptation(of="other_scanners").fitted(tile_set())
    with pytest.raises(ParameterError, match="must know each tile's scanner"):
        part.seen(batch(stained(0)), draws(1))


def test_a_run_says_of_which_scanner_each_tile_is(tmp_path, monkeypatch):
    told: list[str] = []
    kept = Givers.picked

    def noting(self, draws):
        told.extend(draws.scanners)
        return kept(self, draws)

    monkeypatch.setattr(Givers, "picked", noting)
    recipe = tiny(augment=[{"fda": {"beta": 0.1, "of": "other_scanners"}}], train__steps=4)
    train(recipe, tmp_path / "run", TrainOptions(device="cpu", readers=1))
    assert len(told) == 16
    assert len(set(told)) > 1
