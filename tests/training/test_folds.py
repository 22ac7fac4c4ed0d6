"""Checklist (b) 16: four folds stratified by scanner, and nobody in two of them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slideconcord.errors import MismatchError, ParameterError, TrainingError
from slideconcord.training.data.folds import fold_numbers
from slideconcord.training.data.split import split_tiles
from training.training_data import record, tiny

PAPER = [record(f"{s}-{k}", f"{s}-{k}", scanner=s) for s in ("KF", "SQS", "3DH") for k in range(60)]
"""180 images from three scanners, each taken for a patient of its own."""
SPLITS = ("train", "val", "test")


def splits_of(records, val_share: float, seed: int, folds: int, fold: int) -> list[str]:
    """Return the name of the split that each tile is in."""
    parts = split_tiles(records, val_share, seed, folds=folds, fold=fold)
    names = {i: name for name, part in zip(SPLITS, parts, strict=True) for i in part}
    return [names[i] for i in range(len(records))]


def test_the_papers_180_images_make_four_folds_of_15_from_each_scanner():
    dealt = fold_numbers(PAPER, 4, 42)
    counts = Counter((fold, r.scanner) for fold, r in zip(dealt, PAPER, strict=True))
    assert set(counts.values()) == {15}
    assert len(counts) == 12
    assert dealt == fold_numbers(PAPER, 4, 42) != fold_numbers(PAPER, 4, 43)


@given(
    scanners=st.lists(st.sampled_from("ABC"), min_size=4, max_size=40),
    count=st.integers(2, 4),
    seed=st.integers(0, 99),
)
def test_single_tiles_of_a_scanner_differ_by_one_at_most_between_folds(scanners, count, seed):
    records = [record(str(k), str(k), scanner=s) for k, s in enumerate(scanners)]
    counts = Counter(zip(fold_numbers(records, count, seed), scanners, strict=True))
    for scanner in set(scanners):
        each = [counts[fold, scanner] for fold in range(count)]
        assert max(each) - min(each) <= 1


@given(
    sizes=st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["A", "B", "AB"])), min_size=4),
    seed=st.integers(0, 99),
    fold=st.integers(0, 3),
)
def test_no_patient_is_in_two_of_train_val_and_held_out(sizes, seed, fold):
    records = [
        record(f"{p}-{scanner}-{k}", f"patient-{p}", f"slide-{p}", scanner)
        for p, (tiles, scanners) in enumerate(sizes)
        for scanner in scanners
        for k in range(tiles)
    ]
    splits = splits_of(records, 0.34, seed, 4, fold)
    where = {r.patient: split for r, split in zip(records, splits, strict=True)}
    assert [where[r.patient] for r in records] == splits
    assert set(splits) == set(SPLITS)


def test_the_folds_hold_out_everybody_once():
    held = [
        {i for i, split in enumerate(splits_of(PAPER, 0.2, 1, 4, fold)) if split == "test"}
        for fold in range(4)
    ]
    assert sum(map(len, held)) == len(set().union(*held)) == 180


def test_of_the_rest_a_fifth_is_checked_on_with_its_share_of_each_scanner():
    train, val, test = split_tiles(PAPER, 0.2, 1, folds=4, fold=2)
    assert (len(train), len(val), len(test)) == (108, 27, 45)
    assert Counter(PAPER[i].scanner for i in val) == {"KF": 9, "SQS": 9, "3DH": 9}


def test_what_the_data_hold_back_stays_back_and_train_and_val_are_dealt_anew():
    named = [
        record(str(k), str(k), split=s) for k, s in enumerate(["train", "val"] * 10 + ["test"])
    ]
    seen = np.array([splits_of(named, 0.2, 1, 4, fold) for fold in range(4)])
    assert set(seen[:, -1]) == {"test"}
    assert ((seen[:, :-1] == "test").sum(0) == 1).all()


def test_too_few_patients_for_the_folds_are_told():
    with pytest.raises(TrainingError, match=r"3 patient\(s\) cannot make 4 folds: give more"):
        fold_numbers([record(str(k), str(k)) for k in range(3)], 4, 0)


def test_a_recipe_names_its_fold():
    assert tiny(data__folds=4, data__fold=3).data.fold == 3
    with pytest.raises(ParameterError, match=r"data\.fold 4 .* 0 to 3: there are 4 folds, counted"):
        tiny(data__folds=4, data__fold=4)


def test_item_17_scanners_are_dealt_as_wholes_and_left_out_one_after_another():
    held = []
    for fold in range(3):
        train, val, test = split_tiles(PAPER, 0.2, 1, folds=3, fold=fold, fold_by="scanner")
        names = [{PAPER[i].scanner for i in tiles} for tiles in (train, val, test)]
        assert names[0] == names[1] == {"KF", "SQS", "3DH"} - names[2]
        assert len(test) == 60
        held += names[2]
    assert sorted(held) == ["3DH", "KF", "SQS"]


def test_scanners_are_not_dealt_where_one_patient_was_seen_by_two():
    records = [record(f"{p}{s}", f"patient-{p}", scanner=s) for p in range(4) for s in "AB"]
    message = r"but patient-0 was seen by A and B\. Take fold_by: patient, and leave a scanner"
    with pytest.raises(MismatchError, match=message):
        fold_numbers(records, 2, 0, "scanner")
    with pytest.raises(TrainingError, match=r"2 scanner\(s\) cannot make 3 folds: give more scan"):
        fold_numbers(records, 3, 0, "scanner")
