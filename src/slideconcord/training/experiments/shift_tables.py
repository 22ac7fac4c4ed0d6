"""The tables of a scanner-shift study.

R(i, j, k) is a score of the model of seed i trained on scanner j and tested on scanner k. The
matrix holds its mean and standard deviation over the seeds; Δ(j, k) is R(j, k) - R(j, j) on the
same seeds, different less same: below 0 where the change of scanner does harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.tables import Table, write_json
from slideconcord.training.experiments.runs import Row

METRICS = {"dice": "Dice", "iou": "IoU", "auc": "AUC"}


@dataclass(frozen=True)
class ShiftTables:
    """All that was measured, and what follows from it."""

    rows: tuple[Row, ...]

    @property
    def scanners(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row["train"] for row in self._of("matrix")))

    def scores(self, metric: str, train: str, test: str) -> dict[int, float]:
        """Return R by seed; undefined ones are left out."""
        return {
            row["seed"]: row[metric]
            for row in self._of("matrix")
            if (row["train"], row["test"]) == (train, test) and row[metric] is not None
        }

    def shifts(self, metric: str, train: str, test: str) -> NDArray[np.float64]:
        """Return Δ of each seed (seed,)."""
        same, other = self.scores(metric, train, train), self.scores(metric, train, test)
        return np.array([other[seed] - same[seed] for seed in same if seed in other])

    def matrix(self) -> Table:
        """Return a row for each metric, training and test scanner: mean, sd, n, and Δ."""
        return Table.of(
            {
                "metric": metric,
                "train": j,
                "test": k,
                **_spread("", self.scores(metric, j, k).values()),
                **_spread("delta_", self.shifts(metric, j, k)),
            }
            for metric in METRICS
            for j in self.scanners
            for k in self.scanners
        )

    def deltas(self) -> Table:
        """Return a row for each metric and training scanner: same, different, and Δ.

        Over all other scanners and seeds; as Table 2 of the paper, where there is one other.
        """
        return Table.of(
            {
                "metric": metric,
                "train": j,
                **_spread("same_", self.scores(metric, j, j).values()),
                **_spread("different_", self.different(metric, j)),
                **_spread("delta_", self.delta(metric, j)),
            }
            for metric in METRICS
            for j in self.scanners
        )

    def different(self, metric: str, train: str) -> NDArray[np.float64]:
        """Return R of all seeds on all other scanners."""
        others = [k for k in self.scanners if k != train]
        return np.array([v for k in others for v in self.scores(metric, train, k).values()])

    def delta(self, metric: str, train: str) -> NDArray[np.float64]:
        """Return Δ of all seeds on all other scanners."""
        others = [k for k in self.scanners if k != train]
        return np.concatenate([self.shifts(metric, train, k) for k in others] or [np.empty(0)])

    def curve(self, kind: str) -> Table:
        """Return a row for each metric, training and test scanner, and level of a kind.

        Kinds are "mixing" and "noise"; level 0 is the matrix.
        """
        rows = self._of(kind)
        places = dict.fromkeys((row["train"], row["test"]) for row in rows)
        seeds = {row["seed"] for row in rows}
        plain = [row for row in self._of("matrix") if row["seed"] in seeds]
        return Table.of(
            {
                "metric": metric,
                "train": j,
                "test": k,
                "level": level,
                **_spread("", (row[metric] for row in (*plain, *rows)
                               if (row["train"], row["test"], row["level"]) == (j, k, level)
                               and row[metric] is not None)),
            }
            for metric in METRICS
            for j, k in places
            for level in sorted({0.0, *(row["level"] for row in rows)})
        )  # fmt: skip

    def summary(self) -> Row:
        """Return for each metric the mean Δ, and in how many of the settings Δ was not below 0."""
        found = {}
        for metric in METRICS:
            means = {
                f"{j} > {k}": float(shifts.mean())
                for j in self.scanners
                for k in self.scanners
                if j != k and len(shifts := self.shifts(metric, j, k))
            }
            worst = min(means, key=lambda name: means[name], default=None)
            found[metric] = {
                "settings": len(means),
                "mean_delta": float(np.mean(list(means.values()))) if means else None,
                "not_below_0": sum(mean >= 0 for mean in means.values()),
                "worst": worst,
                "worst_delta": means[worst] if worst else None,
            }
        return found

    def _of(self, kind: str) -> list[Row]:
        return [row for row in self.rows if row["kind"] == kind]


def write_tables(rows: Sequence[Row], out: Path) -> ShiftTables:
    """Write runs, matrix, deltas and curves as CSV and JSON into a folder."""
    tables = ShiftTables(tuple(rows))
    named = {"runs": Table.of(rows), "matrix": tables.matrix(), "deltas": tables.deltas(),
             "mixing": tables.curve("mixing"), "noise": tables.curve("noise")}  # fmt: skip
    for name, table in named.items():
        if table.rows:
            table.write_csv(out / f"{name}.csv")
    told = {name: table.records() for name, table in named.items() if name != "runs"}
    write_json({"summary": tables.summary(), **told}, out / "study.json")
    return tables


def _spread(prefix: str, values: Iterable[float]) -> Row:
    """Return mean, standard deviation over what there is (n - 1), and n."""
    given = np.array(list(values), np.float64)
    return {
        f"{prefix}mean": float(given.mean()) if len(given) else None,
        f"{prefix}sd": float(given.std(ddof=1)) if len(given) > 1 else None,
        f"{prefix}n": len(given),
    }
