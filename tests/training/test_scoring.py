"""Scores on tiles: checklist (b) 18, against plain counting, and what is empty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slideconcord.errors import MismatchError
from slideconcord.segmentation.model import Model
from slideconcord.segmentation.spec import make_spec
from slideconcord.training.data.tile import IGNORE
from slideconcord.training.scoring import Scoring, score
from training.training_data import record

CLASSES = ("background", "tumour")


class Source:
    """Tiles given as arrays: what a model is to answer stands in their red."""

    def __init__(self, found, masks, records=None):
        self.classes = CLASSES
        self.fingerprint = "none"
        self._tiles = list(zip(found, masks, strict=True))
        self.records = records or [record(str(k), str(k)) for k in range(len(masks))]

    def read(self, index):
        found, mask = self._tiles[index]
        return np.repeat(found[..., None], 3, -1).astype(np.uint8), mask.astype(np.uint8)


def reader(classes=CLASSES) -> Model:
    """Return a model that reads its answer off the red of the picture."""
    spec = make_spec(
        {"name": "reader", "version": "1", "architecture": "stain-density", "parameters": {},
         "mpp": 1.0, "tile_px": 64, "overlap_px": 0, "classes": classes, "licence": "CC0-1.0",
         "training_data": "none", "activation": "none"},
        "reader",
    )  # fmt: skip
    return Model.from_function(
        spec, lambda rgb: np.stack([rgb[..., 0] == k for k in range(2)]).astype(np.float32)
    )


def plain(found, masks) -> dict[str, float]:
    """Return the scores by the definitions, tile by tile."""
    dice, iou, both = [], [], []
    for given_, mask in zip(found, masks, strict=True):
        a, b = (given_ == 1) & (mask != IGNORE), mask == 1
        empty = not a.any() and not b.any()
        one = np.nan if empty else 2 * (a & b).sum() / (a.sum() + b.sum())
        two = np.nan if empty else (a & b).sum() / (a | b).sum()
        dice.append(one)
        iou.append(two)
        both.append(1.0 if empty else (one + two) / 2)
    nothing = np.isnan(dice).all()
    return {
        "dice": np.nan if nothing else np.nanmean(dice),
        "iou": np.nan if nothing else np.nanmean(iou),
        "score": np.mean(both),
    }


@given(seed=st.integers(0, 999), tiles=st.integers(1, 20), dense=st.floats(0, 1))
def test_dice_iou_and_the_challenges_score_are_those_of_plain_counting(seed, tiles, dense):
    random = np.random.default_rng(seed)
    # Two sizes: tiles of one size are answered together.
    sides = random.choice([3, 4], tiles)
    found = [(random.random((s, s)) < dense * random.random()).astype(int) for s in sides]
    masks = [random.choice([0, 1, IGNORE], (s, s), p=[0.6, 0.3, 0.1]) for s in sides]
    scores = score(reader(), Source(found, masks), range(tiles)).scores()
    expected = plain(found, masks)
    assert {name: scores[name] for name in expected} == pytest.approx(expected, nan_ok=True)
    assert scores["tiles"] + scores["empty_tiles"] == tiles


def test_a_tile_in_which_both_are_empty_counts_1_in_the_score_and_nowhere_else():
    none, some = np.zeros((4, 4), int), np.eye(4, dtype=int)
    half = np.where(np.arange(4) < 2, some, 0)
    scoring = score(reader(), Source([none, half], [none, some]), [0, 1])
    dice, iou = 2 / 3, 1 / 2
    assert scoring.scores() == pytest.approx(
        {"dice": dice, "iou": iou, "score": (1 + (dice + iou) / 2) / 2, "pooled_dice": dice,
         "pooled_iou": iou, "tiles": 1, "empty_tiles": 1}
    )  # fmt: skip
    alone = score(reader(), Source([none], [none]), [0]).scores()
    assert alone["score"] == 1
    assert np.isnan([alone["dice"], alone["iou"], alone["pooled_dice"]]).all()


def test_pooled_scores_count_all_pixels_together_and_the_table_goes_by_group_and_scanner():
    full, none = np.ones((4, 4), int), np.zeros((4, 4), int)
    records = [
        record("0", scanner="A", group="polyp"), record("1", scanner="B", group="polyp"),
        record("2", scanner="B", group="cancer"),
    ]  # fmt: skip
    source = Source([full, none, full], [full, full, full], records)
    scoring = score(reader(), source, [0, 1, 2])
    assert scoring.scores()["pooled_dice"] == pytest.approx(2 * 32 / (32 + 48))
    assert scoring.scores()["pooled_iou"] == pytest.approx(32 / 48)
    dice = {(r["group"], r["scanner"]): r["dice"] for r in scoring.table().records()
            if r["class"] == "tumour"}  # fmt: skip
    assert dice == pytest.approx(
        {("all", "all"): 2 / 3, ("polyp", "all"): 0.5, ("cancer", "all"): 1, ("all", "A"): 1,
         ("all", "B"): 0.5}
    )  # fmt: skip


def test_item_15_rotations_are_the_mean_of_four_turns():
    """A model that finds the upper half finds, in the mean of four turns, a half of everywhere."""
    upper = np.zeros((4, 4), np.float32)
    upper[:2] = 1
    model = Model.from_function(reader().spec, lambda rgb: np.stack([0.9 - upper, 0.1 + upper]))
    mask = np.ones((4, 4), int)
    source = Source([mask], [mask])
    assert score(model, source, [0]).scores()["dice"] == pytest.approx(2 * 8 / (8 + 16))
    assert score(model, source, [0], "rotations").scores()["dice"] == 1


def test_other_classes_are_refused():
    with pytest.raises(MismatchError, match="tells apart a, b, the data background, tumour"):
        score(reader(("a", "b")), Source([np.zeros((2, 2))], [np.zeros((2, 2))]), [0])


def test_what_is_written_says_what_it_was_made_from(tmp_path):
    import json

    scoring = score(reader(), Source([np.eye(4)], [np.eye(4)]), [0], "rotations")
    assert isinstance(scoring, Scoring)
    scoring.write(tmp_path / "new" / "folder")
    told = json.loads((tmp_path / "new" / "folder" / "scores.json").read_text())
    assert told["tta"] == "rotations"
    assert told["model"]["name"] == "reader"
    assert told["summary"]["class"] == "tumour"
    assert (
        (tmp_path / "new" / "folder" / "scores.csv").read_text().startswith("class,group,scanner")
    )


def levels_model() -> Model:
    """Return a model that says of each pixel the probability that stands in its red, in percent."""

    def scores(rgb):
        tumour = rgb[..., 0].astype(np.float32) / np.float32(100)
        return np.stack([1 - tumour, tumour])

    return Model.from_function(reader().spec, scores)


@given(seed=st.integers(0, 99))
def test_item_c19_what_each_threshold_from_0_to_1_finds_is_counted_plainly(seed):
    random = np.random.default_rng(seed)
    shown = [random.integers(0, 101, (s, s)) for s in (5, 6, 6)]
    masks = [random.choice([0, 1, IGNORE], found.shape, p=[0.5, 0.4, 0.1]) for found in shown]
    scoring = score(levels_model(), Source(shown, masks), range(3))
    percent = np.concatenate([found.ravel() for found in shown])
    truth = np.concatenate([mask.ravel() for mask in masks])
    percent, truth = percent[truth != IGNORE], truth[truth != IGNORE]
    rows = scoring.thresholds().records()
    assert [row["threshold"] for row in rows] == pytest.approx(np.linspace(0, 1, 101))
    for k, row in enumerate(rows):
        found = percent >= k
        tp, fp = (found & (truth == 1)).sum(), (found & (truth == 0)).sum()
        assert (row["tp"], row["fp"]) == (tp, fp)
        assert row["precision"] == pytest.approx(tp / (tp + fp) if tp + fp else np.nan, nan_ok=True)
        assert row["sensitivity"] == pytest.approx(tp / (truth == 1).sum())
        assert row["specificity"] == pytest.approx(1 - fp / (truth == 0).sum())
    above, below = percent[truth == 1][:, None], percent[truth == 0]
    wins = (above > below).mean() + (above == below).mean() / 2
    assert scoring.summary()["pixel_auc"] == pytest.approx(wins)


def test_the_sweep_is_written_and_one_class_alone_has_no_auc(tmp_path):
    none = np.zeros((4, 4), int)
    scoring = score(reader(), Source([none], [none]), [0])
    assert np.isnan(scoring.summary()["pixel_auc"])
    scoring.write(tmp_path)
    lines = (tmp_path / "thresholds.csv").read_text().splitlines()
    assert len(lines) == 1 + 101
    assert lines[0].startswith("threshold,tp,fp,fn,tn,dsc,")
