"""Tables of variants of a recipe: mean and standard deviation of what was measured of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev

from slideconcord.annotations.exchange import atomic
from slideconcord.comparison.tables import Table, write_json
from slideconcord.training.experiments.runs import Row


def comparable(rows: Sequence[Row], variants: Iterable[str], by: Sequence[str]) -> list[Row]:
    """Return the rows of what all variants have done, so that they are compared on the same.

    ``by`` are the columns that tell one repetition from another, such as the seed. Where no
    repetition is common to all, all rows are returned.
    """

    def repetition(row: Row) -> tuple[object, ...]:
        return tuple(row[column] for column in by)

    done = [{repetition(row) for row in rows if row["variant"] == name} for name in variants]
    common = set.intersection(*done) or set.union(*done)
    return [row for row in rows if repetition(row) in common]


def averaged(rows: Sequence[Row], scores: Iterable[str]) -> Row:
    """Return mean and standard deviation (n - 1) of each score over the rows that define it."""
    made: Row = {}
    for score in scores:
        values = [row[score] for row in rows if row[score] is not None]
        made[score] = fmean(values) if values else None
        made[f"{score}_sd"] = stdev(values) if len(values) > 1 else None
    return made


def write_summary(rows: Sequence[Row], summary: Sequence[Row], out: Path, text: str) -> None:
    """Write runs.csv, table.csv, table.json and, as Markdown, table.md into a folder."""
    Table.of(rows).write_csv(out / "runs.csv")
    Table.of(summary).write_csv(out / "table.csv")
    write_json(list(summary), out / "table.json")
    with atomic(out / "table.md") as partial:
        partial.write_text(text, encoding="utf-8")


def markdown(summary: Sequence[Row], about: Collection[str], scores: Mapping[str, str]) -> str:
    """Return rows as a Markdown table, scores in percent with their standard deviation.

    ``about`` are the columns that say what a row is, ``scores`` the others and their headings.
    """
    lines = [f"| {' | '.join([*about, *scores.values()])} |", "|" + "---|" * len([*about, *scores])]
    for row in summary:
        cells = [str(row[column]) for column in about]
        cells += [_percent(row[score], row[f"{score}_sd"]) for score in scores]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _percent(mean: float | None, sd: float | None) -> str:
    if mean is None:
        return "–"
    return f"{100 * mean:.2f}" + ("" if sd is None else f" ± {100 * sd:.2f}")
