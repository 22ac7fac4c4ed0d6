"""Cross-validation: patients as wholes, dealt so that every fold has its share of each scanner.

The stain-separation paper cuts its images into four folds stratified by scanner (section 2.3).
Its images are taken for independent; here a patient, with all slides and scans, is in one fold.
Or scanners are dealt as wholes, so that nobody has learnt from the scanner that is tested on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from slideconcord.errors import MismatchError, TrainingError
from slideconcord.training.data.tile import TileRecord

FoldBy = Literal["patient", "scanner"]


def fold_numbers(
    records: Sequence[TileRecord], count: int, seed: int, by: FoldBy = "patient"
) -> list[int]:
    """Return the number of the fold, from 0, that each tile is in.

    Patients with most tiles are dealt first, each to the fold that lacks most of the scanners it
    brings; patients with as many tiles in random order. Where every patient has one tile, a
    scanner's tiles in two folds differ by one at most. ``by`` scanner deals scanners instead; as
    many folds as scanners leave out one after another.

    Raises
    ------
    TrainingError
        When there are fewer patients, or scanners, than folds.
    MismatchError
        When scanners are dealt, and a patient was seen by two of different folds.
    """
    brings: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        brings[getattr(record, by)][record.scanner] += 1
    if len(brings) < count:
        raise TrainingError(
            f"{len(brings)} {by}(s) cannot make {count} folds: give more {by}s, "
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
    if by == "scanner":
        _refuse_shared_patients(records, fold_of)
    return [fold_of[getattr(record, by)] for record in records]


def _refuse_shared_patients(records: Sequence[TileRecord], fold_of: Mapping[str, int]) -> None:
    """Refuse a patient in two folds, one scan of whom would be learnt from."""
    seen_by: dict[str, set[str]] = defaultdict(set)
    for record in records:
        seen_by[record.patient].add(record.scanner)
    for patient, scanners in seen_by.items():
        if len({fold_of[name] for name in scanners}) > 1:
            raise MismatchError(
                f"data.fold_by: scanner wants patients seen by one scanner each, but {patient} was "
                f"seen by {' and '.join(sorted(scanners))}. Take fold_by: patient, and leave a "
                "scanner out by data.scanners."
            )
