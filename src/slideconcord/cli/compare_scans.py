"""The command compare scans: many scans against their references, by cohort and scanner."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slideconcord.cli import show
from slideconcord.cli.operands import ClassNames, read_operands
from slideconcord.cli.options import Json, Out, Overwrite
from slideconcord.cli.outcome import Inputs
from slideconcord.cli.results import refuse_existing
from slideconcord.errors import ParameterError, SlideconcordError

if TYPE_CHECKING:
    from slideconcord.comparison.cohort import ScoredScan

NEEDED, PATHS = ("prediction", "reference"), ("tissue", "image")
OWN = (*NEEDED, *PATHS, "slide", "cohort", "scanner")
TABLES = ("scans", "cohorts", "subgroups", "scanners", "correlations")


def scans(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE.csv",
            help="One row a scan: prediction, reference; where known image (the slide) or tissue, "
            "slide (its name, shared by its scans), cohort, scanner; other columns are subgroups.",
        ),
    ],
    out: Out,
    class_names: ClassNames = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Compare many scans with their references: tables and plots of the pan-cancer paper.

    Means with their intervals by cohort and subgroup, scanner against scanner on the same slides,
    and rank correlations. Where image is given, white background is found and left out.
    """
    from slideconcord.comparison.scans_report import scan_tables

    rows = _read(table)
    for name in TABLES:
        refuse_existing(out / f"{name}.csv", overwrite=overwrite)
    inputs, scored = Inputs(len(rows)), []
    for row in rows:
        with inputs.guard(Path(row["prediction"])):
            scored.append(_score(row, table.parent, class_names or []))
    if not scored:
        return inputs.status
    tables = scan_tables(scored)
    out.mkdir(parents=True, exist_ok=True)
    for name, found in tables.items():
        found.write_csv(out / f"{name}.csv")
    notes = _plot(scored, out)
    if json:
        of_cohort = tables["cohorts"].records()
        show.as_json({"cohorts": _plain(of_cohort), "failed": inputs.failed, "notes": notes})
        return inputs.status
    _tell(tables["cohorts"].records(), notes, out)
    return inputs.status


def _read(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ParameterError(f"{path} is no CSV in UTF-8 ({error}): save it as one.") from error
    columns = rows[0].keys() if rows else ()
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise ParameterError(
            f"{path} has no column {' and no '.join(missing)}, or no row: give one row a scan, "
            "under the names prediction,reference,image,slide,cohort,scanner."
        )
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise ParameterError(f"{path}, line {number}: give as many cells as there are columns.")
    return rows


def _score(row: dict[str, str], folder: Path, class_names: list[str]) -> ScoredScan:
    from slideconcord.comparison.cohort import ScoredScan
    from slideconcord.comparison.compare import compare_operands

    places = {name: folder / row[name] if row.get(name) else None for name in PATHS}
    operands = read_operands(
        folder / row["prediction"],
        folder / row["reference"],
        places["tissue"],
        class_names,
        places["image"],
    )
    return ScoredScan(
        row.get("slide") or row["prediction"],
        compare_operands(operands),
        row.get("cohort", ""),
        row.get("scanner", ""),
        {name: value for name, value in row.items() if name not in OWN},
    )


def _plot(scored: list[ScoredScan], out: Path) -> list[str]:
    """Draw what there is to draw where matplotlib is there; return what there is to note."""
    from slideconcord.annotations.exchange import atomic
    from slideconcord.comparison.plots import require_matplotlib
    from slideconcord.comparison.scans_report import scan_figures

    try:
        require_matplotlib()
    except SlideconcordError as error:
        return [str(error)]
    for name, figure in scan_figures(scored):
        safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
        with atomic(out / f"{safe}.png") as partial:
            figure.savefig(partial, format="png", bbox_inches="tight")
    return []


def _plain(records: list[dict[str, Any]]) -> Any:
    from slideconcord.comparison.tables import without_nan

    return without_nan(records)


def _tell(records: list[dict[str, Any]], notes: list[str], out: Path) -> None:
    rows = [
        (r["cohort"] or "all", str(r["n"]), *_shown(r)) for r in records if r["metric"] == "dsc"
    ]
    show.table(("cohort", "scans", "mean DSC", "95 % interval"), rows)
    for note in notes:
        show.text(f"  {note}")
    show.text(f"written to {out}")


def _shown(record: dict[str, Any]) -> tuple[str, str]:
    mean = "undefined" if not record["n"] else f"{record['mean']:.4f}"
    return mean, f"{record['low']:.4f} to {record['high']:.4f}" if record["n"] > 1 else "none"
