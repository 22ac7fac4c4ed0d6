"""Who is learnt from and who is tested on: never the same patient or glass slide in both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from slideconcord.errors import MismatchError, TrainingError
from slideconcord.training.data.folds import FoldBy, fold_numbers
from slideconcord.training.data.tile import TileRecord

TRAIN, VAL, TEST = "train", "val", "test"
_MOST_NAMED = 3


def split_tiles(
    records: Sequence[TileRecord],
    val_share: float,
    seed: int,
    test_share: float = 0.0,
    folds: int | None = None,
    fold: int = 0,
    fold_by: FoldBy = "patient",
) -> tuple[list[int], list[int], list[int]]:
    """Return the indices of the tiles to learn from, to check on, and to test on.

    Where the records name their split they are followed; else patients are drawn at random, all
    their slides and scans with them, until about ``val_share`` of the tiles is for checking. Where
    ``test_share`` is above 0 the patients of each scanner (or set of scanners) are drawn apart.

    With ``folds`` the names train and val do not count: what is not named otherwise is dealt by
    `fold_numbers`, which ``fold_by`` is for. ``fold`` is to test on; of the rest about
    ``val_share`` is to check on, patients again with their share of every scanner.

    Raises
    ------
    MismatchError
        When a patient or slide is in two splits, a slide belongs to two patients, or only some
        tiles name their split.
    TrainingError
        When one of the first two would be empty, or there are too few patients for so many folds.
    """
    _refuse_two(records, "slide", "patient", "belongs to the patients")
    named = [bool(record.split) for record in records]
    if any(named) and not all(named):
        missing = records[named.index(False)].name
        raise MismatchError(
            f"Some tiles name their split, but {missing} does not: name it for all or for none."
        )
    if folds is not None:
        splits = _in_folds(records, val_share, seed, folds, fold, fold_by)
    elif any(named):
        splits = [record.split for record in records]
    elif test_share:
        splits = _drawn_by_scanner(records, val_share, test_share, seed)
    else:
        splits = _drawn([record.patient for record in records], val_share, seed)
    check_split(records, splits)
    train, val, test = (
        [i for i, split in enumerate(splits) if split == which] for which in (TRAIN, VAL, TEST)
    )
    if not train or not val:
        raise TrainingError(
            f"There is nothing to {'check on' if train else 'learn from'}: the tiles come from "
            f"{len({record.patient for record in records})} patient(s). "
            "Give more patients, or mark train and val in the column split."
        )
    return train, val, test


def _in_folds(
    records: Sequence[TileRecord],
    val_share: float,
    seed: int,
    folds: int,
    fold: int,
    fold_by: FoldBy,
) -> list[str]:
    splits = [TRAIN if record.split == VAL else record.split or TRAIN for record in records]
    deals: list[tuple[int, str, int, FoldBy]] = [
        (fold, TEST, folds, fold_by),
        (0, VAL, max(round(1 / val_share), 2), "patient"),
    ]
    for number, split, among, by in deals:
        left = [i for i, name in enumerate(splits) if name == TRAIN]
        if split == VAL:  # of few patients one must do
            among = max(min(among, len({records[i].patient for i in left})), 1)
        dealt = fold_numbers([records[i] for i in left], among, seed, by)
        for index, given in zip(left, dealt, strict=True):
            splits[index] = split if given == number else TRAIN
    return splits


def check_split(records: Sequence[TileRecord], splits: Sequence[str]) -> None:
    """Refuse a patient or a glass slide in two splits, whichever scanners it went through.

    Raises
    ------
    MismatchError
        Naming them.
    """
    for what in ("patient", "slide"):
        found = _places((getattr(r, what), s) for r, s in zip(records, splits, strict=True))
        if bad := {name: places for name, places in found.items() if len(places) > 1}:
            shown = "; ".join(
                f"{name} in {' and '.join(sorted(bad[name]))}" for name in sorted(bad)[:_MOST_NAMED]
            )
            more = f" and {len(bad) - _MOST_NAMED} more" if len(bad) > _MOST_NAMED else ""
            raise MismatchError(
                f"{len(bad)} {what}(s) would be learnt from and tested on: {shown}{more}. "
                f"Put all scans of a {what} into one split."
            )


def _refuse_two(records: Sequence[TileRecord], what: str, other: str, says: str) -> None:
    for name, owners in _places((getattr(r, what), getattr(r, other)) for r in records).items():
        if len(owners) > 1:
            raise MismatchError(
                f"The {what} {name} {says} {' and '.join(sorted(owners))}: "
                f"give every {what} one name of its own."
            )


def _places(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name, place in pairs:
        found[name].add(place)
    return found


def _drawn(patients: Sequence[str], val_share: float, seed: int) -> list[str]:
    """Return a split for each tile: patients in random order, taken while it comes nearer."""
    names, counts = np.unique(np.asarray(patients), return_counts=True)
    chosen: set[str] = set()
    wanted, taken = val_share * len(patients), 0
    for k in np.random.default_rng(seed).permutation(len(names)):
        nearer = abs(taken + counts[k] - wanted) < abs(taken - wanted)
        # Somebody must be checked on and somebody learnt from, however few patients there are.
        if (nearer or not chosen) and len(chosen) + 1 < len(names):
            taken += int(counts[k])
            chosen.add(str(names[k]))
    return [VAL if patient in chosen else TRAIN for patient in patients]


def _drawn_by_scanner(
    records: Sequence[TileRecord], val_share: float, test_share: float, seed: int
) -> list[str]:
    """Return a split for each tile: for the patients of each set of scanners, test, then val."""
    scanners: dict[str, set[str]] = defaultdict(set)
    for record in records:
        scanners[record.patient].add(record.scanner)
    splits = [TRAIN] * len(records)
    for stratum in sorted({tuple(sorted(names)) for names in scanners.values()}):
        left = [i for i, r in enumerate(records) if tuple(sorted(scanners[r.patient])) == stratum]
        whole = len(left)
        for which, share, purpose in ((TEST, test_share, 1), (VAL, val_share, 0)):
            if len({records[i].patient for i in left}) < 2:
                break
            drawn = _drawn([records[i].patient for i in left], share * whole / len(left),
                           seed + purpose)  # fmt: skip
            for i, split in zip(left, drawn, strict=True):
                if split == VAL:
                    splits[i] = which
            left = [i for i in left if splits[i] == TRAIN]
    return splits
