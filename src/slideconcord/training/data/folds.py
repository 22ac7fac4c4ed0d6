"""Cross-validation: patients as wholes, dealt so that every fold has its share of each scanner.

The stain-separation paper cuts its images into four folds stratified by scanner (section 2.3).
Its images are taken for independent; here a patient, with all slides and scans, is in one fold.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from slideconcord.errors import TrainingError
from slideconcord.training.data.tile import TileRecord


def fold_numbers(records: Sequence[TileRecord], count: int, seed: int) -> list[int]:
    """Return the number of the fold, from 0, that each tile is in.

    Patients with most tiles are dealt first, each to the fold that lacks most of the scanners it
    brings; patients with as many tiles in random order. Where every patient has one tile, a
    scanner's tiles in two folds differ by one at most.

    Raises
    ------
    TrainingError
        When there are fewer patients than folds.
    """
    brings: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        brings[record.patient][record.scanner] += 1
    if len(brings) < count:
        raise TrainingError(
            f"{len(brings)} patient(s) cannot make {count} folds: give more patients, "
            "or a smaller data.folds."
        )
    total = Counter(record.scanner for record in records)
    held = [Counter[str]() for _ in range(count)]
    fold_of: dict[str, int] = {}
    names = np.random.default_rng(seed).permutation(sorted(brings)).tolist()
    for name in sorted(names, key=lambda name: -brings[name].total()):
        brought = brings[name]

        def fullness(fold: int, brought: Counter[str] = brought) -> tuple[float, int]:
            has = held[fold]
            shares = (has[scanner] * tiles / total[scanner] for scanner, tiles in brought.items())
            return sum(shares), has.total()

        fold_of[name] = min(range(count), key=fullness)
        held[fold_of[name]] += brought
    return [fold_of[record.patient] for record in records]
