"""Checklist (e) 11: Dice and top-90 cross entropy, against slow twins and the paper's library."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from slideconcord.training.data.tile import IGNORE
from slideconcord.training.losses import (
    LOSSES,
    CrossEntropy,
    Dice,
    Mcc,
    SoftIou,
    TopCrossEntropy,
    weighted_sum,
)


def example(seed: int, classes: int = 3, absent: bool = False):
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn((2, classes, 5, 7), generator=random)
    masks = torch.randint(0, classes - absent, (2, 5, 7), generator=random)
    return logits, masks


def probabilities(logits) -> np.ndarray:
    values = np.exp(logits.double().numpy())
    return values / values.sum(1, keepdims=True)


def slow_dice(logits, masks) -> float:
    given, truth = probabilities(logits), masks.numpy()
    terms = []
    for number in range(logits.shape[1]):
        shared = both = present = 0.0
        for where in np.ndindex(truth.shape):
            tile, y, x = where
            if truth[where] == IGNORE:
                continue
            hit = truth[where] == number
            shared += given[tile, number, y, x] * hit
            both += given[tile, number, y, x] + hit
            present += hit
        terms.append(1 - 2 * shared / max(both, 1e-7) if present else 0.0)
    return float(np.mean(terms))


def slow_top(logits, masks, share) -> float:
    given, truth = probabilities(logits), masks.numpy()
    each = sorted(
        -np.log(given[tile, truth[tile, y, x], y, x])
        for tile, y, x in np.ndindex(truth.shape)
        if truth[tile, y, x] != IGNORE
    )
    kept = each[-int(share * len(each)) :]
    return float(np.mean(kept))


@given(st.integers(0, 10_000), st.booleans())
def test_dice_is_the_sum_over_batch_and_pixels_without_smoothing(seed, absent):
    logits, masks = example(seed, absent=absent)
    assert float(Dice()(logits, masks)) == pytest.approx(slow_dice(logits, masks), abs=1e-5)


@given(st.integers(0, 10_000), st.booleans())
def test_dice_per_tile_is_the_mean_of_the_tiles_own(seed, absent):
    logits, masks = example(seed, absent=absent)
    each = [slow_dice(logits[k : k + 1], masks[k : k + 1]) for k in range(len(masks))]
    assert float(Dice(per_tile=True)(logits, masks)) == pytest.approx(np.mean(each), abs=1e-5)


@given(st.integers(0, 10_000), st.booleans())
def test_dice_equals_the_library_that_the_paper_names(seed, absent):
    import segmentation_models_pytorch as smp

    logits, masks = example(seed, absent=absent)
    theirs = smp.losses.DiceLoss("multiclass")(logits, masks)
    assert float(Dice()(logits, masks)) == pytest.approx(float(theirs), abs=1e-6)


def test_a_class_that_is_absent_contributes_nothing_but_stays_in_the_mean():
    logits, masks = example(1, absent=True)
    assert not (masks == 2).any()
    per_class = 3 * float(Dice()(logits, masks))
    assert per_class < 2
    assert per_class == pytest.approx(3 * slow_dice(logits, masks), abs=1e-5)


@given(st.integers(0, 10_000), st.sampled_from([0.9, 0.5, 1.0]))
def test_top_cross_entropy_ranks_all_pixels_of_the_batch_together(seed, share):
    logits, masks = example(seed)
    found = float(TopCrossEntropy(share)(logits, masks))
    assert found == pytest.approx(slow_top(logits, masks, share), rel=1e-4)


def test_top_90_of_seventy_pixels_is_the_mean_of_the_worst_63():
    logits, masks = example(4)
    each = torch.nn.functional.cross_entropy(logits, masks, reduction="none").flatten()
    assert each.numel() == 70
    wanted = each.sort(descending=True).values[:63].mean()
    assert float(TopCrossEntropy()(logits, masks)) == pytest.approx(float(wanted), rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_pixels_to_ignore_change_nothing(name):
    logits, masks = example(2)
    masks[:, :2] = IGNORE
    loss = LOSSES[name]()
    changed = logits.clone()
    changed[:, :, :2] += 5
    assert float(loss(logits, masks)) == float(loss(changed, masks))
    assert float(loss(logits, masks)) == pytest.approx(float(loss(logits[:, :, 2:], masks[:, 2:])))


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_without_a_pixel_that_counts_has_no_loss_and_no_gradient(name):
    logits, masks = example(2)
    logits.requires_grad_()
    loss = LOSSES[name]()(logits, torch.full_like(masks, IGNORE))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_falls_when_the_truth_is_told_more_clearly(name):
    _, masks = example(3)
    truth = torch.nn.functional.one_hot(masks, 3).movedim(-1, 1).float()
    loss = LOSSES[name]()
    assert float(loss(truth * 8, masks)) < float(loss(truth * 2, masks))


def test_terms_are_summed_with_their_weights():
    logits, masks = example(5)
    terms = weighted_sum({"a": Dice(weight=2.0), "b": CrossEntropy()}, logits, masks)
    assert float(terms["loss"]) == pytest.approx(2 * float(terms["a"]) + float(terms["b"]))


def slow_counts(logits, masks) -> tuple[float, float, float, float]:
    """Return hit, false, missed and rest of the last class, each pixel split by its probability."""
    given, truth = probabilities(logits), masks.numpy()
    last = logits.shape[1] - 1
    hit = false = missed = rest = 0.0
    for tile, y, x in np.ndindex(truth.shape):
        if truth[tile, y, x] == IGNORE:
            continue
        p = given[tile, last, y, x]
        if truth[tile, y, x] == last:
            hit, missed = hit + p, missed + 1 - p
        else:
            false, rest = false + p, rest + 1 - p
    return hit, false, missed, rest


@given(seed=st.integers(0, 999), classes=st.integers(2, 4), ignores=st.booleans())
def test_soft_iou_and_mcc_are_those_of_the_counts(seed: int, classes: int, ignores: bool):
    logits, masks = example(seed, classes)
    if ignores:
        masks[:, 2:4] = IGNORE
    hit, false, missed, rest = slow_counts(logits, masks)
    iou = (hit + 1e-4) / (hit + false + missed + 1e-4)
    below = np.sqrt((hit + false) * (hit + missed) * (rest + false) * (rest + missed))
    mcc = (hit * rest - false * missed) / (below + 1)
    assert float(SoftIou()(logits, masks)) == pytest.approx(1 - iou, abs=1e-5)
    assert float(Mcc()(logits, masks)) == pytest.approx(1 - mcc, abs=1e-5)


@pytest.mark.parametrize("loss", [SoftIou(), Mcc()])
def test_a_batch_without_the_class_gives_a_slope_that_is_a_number(loss):
    logits, masks = example(1, 2)
    logits.requires_grad_()
    loss(logits, torch.zeros_like(masks)).backward()
    assert logits.grad.isfinite().all()


def test_a_perfect_answer_has_no_soft_iou_loss_and_next_to_no_mcc_loss():
    masks = example(1, 2)[1]
    logits = 100 * torch.stack([1.0 - masks, masks.float()], 1)
    assert float(SoftIou()(logits, masks)) == pytest.approx(0, abs=1e-6)
    count = int((masks == 1).sum()) * int((masks == 0).sum())
    assert float(Mcc()(logits, masks)) == pytest.approx(1 - count / (count + 1), abs=1e-6)
