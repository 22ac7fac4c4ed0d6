"""Tables that say which files belong together: CSV with a header, every fault named by its row."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from slideconcord.errors import TrainingError
from slideconcord.training.settings import unknown

SPLITS = ("train", "val", "test")


def read_index(
    path: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> list[dict[str, str]]:
    """Return the rows of a CSV as column -> text; absent optional columns are empty.

    Raises
    ------
    TrainingError
        When the file is missing or empty, or a cell of a required column is.
    ParameterError
        When a column is missing or unknown.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, restkey="", restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise TrainingError(
            f"{path} cannot be read as a CSV ({reason}): its columns are "
            f"{', '.join(required)} and, as wanted, {', '.join(optional)}."
        ) from error
    if not rows:
        raise TrainingError(f"{path} lists nothing: below the header goes one line for each.")
    known = (*required, *optional)
    for column in rows[0]:
        if column not in known:
            raise unknown(f"{path.name}: the column", column, known)
    for number, row in enumerate(rows, 2):
        if empty := [name for name in required if not (row.get(name) or "").strip()]:
            raise TrainingError(f"{path.name}, line {number}: {empty[0]!r} is missing.")
        if (split := row.get("split", "")) not in ("", *SPLITS):
            raise TrainingError(
                f"{path.name}, line {number}: split {split!r} is none of {', '.join(SPLITS)}."
            )
    return [{name: (row.get(name) or "").strip() for name in known} for row in rows]
