"""The files of a scanner analysis."""

from __future__ import annotations

import os
from pathlib import Path

from slideconcord.comparison.appearance.analysis import ScannerAnalysis
from slideconcord.comparison.tables import write_json


def write_analysis(
    analysis: ScannerAnalysis, folder: str | os.PathLike[str], *, plots: bool = True
) -> list[Path]:
    """Write the tables as CSV and JSON, and the plots as PNG; return the files.

    Parameters
    ----------
    folder
        One that exists.
    plots
        Whether to draw; needs matplotlib.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    SlideconcordError
        When plots are asked for and matplotlib is not installed.
    """
    files, place = [], Path(folder)
    tables = {
        "scanner_differences": analysis.difference_table(),
        "scans": analysis.scan_table(),
        "patches": analysis.patch_table(),
    }
    for name, table in tables.items():
        for ending, write in ((".csv", table.write_csv), (".json", table.write_json)):
            write(place / f"{name}{ending}")
            files.append(place / f"{name}{ending}")
    write_json(analysis.provenance(), place / "analysis.json")
    files.append(place / "analysis.json")
    return files + (_write_plots(analysis, place) if plots else [])


def _write_plots(analysis: ScannerAnalysis, folder: Path) -> list[Path]:
    from slideconcord.annotations.exchange import atomic
    from slideconcord.comparison.appearance.plots import appearance_plot, sharpness_plot

    files = []
    for name, draw in (("appearance", appearance_plot), ("sharpness", sharpness_plot)):
        file = folder / f"{name}.png"
        with atomic(file) as partial:
            draw(analysis).savefig(partial, format="png")
        files.append(file)
    return files
