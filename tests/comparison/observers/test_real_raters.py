"""Five pathologists who looked at 155 cells on four scanners and a microscope (Tabata 2019)."""

from __future__ import annotations

import csv
from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from slideconcord.comparison.observers.ratings import agreement_of_ratings

RATERS = [f"observer.{number}" for number in range(1, 6)]


@pytest.fixture(scope="module")
def cells(real_data):
    path = real_data / "observers" / "dfClassify20180627.csv"
    if not path.exists():
        pytest.skip("the crossed reader data is not here")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def ratings_of(cells, modality):
    return {
        rater: [int(row[rater]) for row in cells if row["modalityID"] == modality]
        for rater in RATERS
    }


def plain_fleiss(columns):
    """Return Fleiss' kappa as a loop over items, in exact counts of pairs that agree."""
    items = list(zip(*columns, strict=True))
    n = len(columns)
    agree = sum(sum(a == b for a, b in combinations(item, 2)) for item in items)
    observed = agree / (len(items) * n * (n - 1) / 2)
    share = sum(map(sum, items)) / (n * len(items))
    chance = share**2 + (1 - share) ** 2
    return (observed - chance) / (1 - chance)


@pytest.mark.real
def test_kappas_of_every_modality_are_scikit_learns_and_a_loops(cells):
    modalities = sorted({row["modalityID"] for row in cells})
    assert len(modalities) == 5
    for modality in modalities:
        ratings = ratings_of(cells, modality)
        found = agreement_of_ratings(ratings)
        assert (found.items, found.complete) == (155, 155)
        for first, second in combinations(RATERS, 2):
            theirs = cohen_kappa_score(ratings[first], ratings[second])
            assert found.kappa(first, second) == pytest.approx(theirs, abs=1e-12)
        assert found.fleiss == pytest.approx(plain_fleiss(list(ratings.values())), abs=1e-12)
        # two raters' mean kappa and that of all five tell of one agreement
        mean = np.mean([row["kappa"] for row in found.table().records()])
        assert found.fleiss == pytest.approx(mean, abs=0.03)


@pytest.mark.real
def test_one_pathologist_on_two_scanners_agrees_more_than_two_on_one(cells):
    a, b = (ratings_of(cells, f"scanner.{name}") for name in "AB")
    inter = agreement_of_ratings(a)
    intra = [
        agreement_of_ratings({"A": a[rater], "B": b[rater]}).kappa("A", "B") for rater in RATERS
    ]
    assert np.mean(intra) > np.mean([row["kappa"] for row in inter.table().records()])
