"""compare scans: many scans from one table, as a user runs it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from slideconcord.cli import main
from slideconcord.comparison.correlation import spearman
from slideconcord.geometry import Frame, Mpp
from slideconcord.segmentation.mask import Mask


def disc(radius: float, x: float = 32) -> np.ndarray:
    rows, columns = np.ogrid[:64, :64]
    return (rows - 32) ** 2 + (columns - x) ** 2 < radius**2


def save(path: Path, pixels: np.ndarray, slide: str) -> None:
    Mask(pixels, Frame(0.0, 0.0, 4.0, 4.0), Mpp(0.25, 0.25), slide).save(path)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three slides on two scanners, one of them without a prediction, and a column of its own."""
    lines = ["prediction,reference,slide,cohort,scanner,pT"]
    for number, size in enumerate((8, 14, 20)):
        for scanner, shift in (("AT2", 2), ("XR", 5)):
            slide = f"s{number}{scanner}"
            found = disc(0 if slide == "s0XR" else size, 32 + shift)
            save(tmp_path / f"{slide}-p.zarr", found, slide)
            save(tmp_path / f"{slide}-r.zarr", disc(size), slide)
            cohort = "VCo1" if number < 2 else "VEn1"
            lines.append(f"{slide}-p.zarr,{slide}-r.zarr,s{number},{cohort},{scanner},{number}")
    path = tmp_path / "scans.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def run(capsys):
    def call(*words: object) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return call


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def dice(size: float, shift: float) -> float:
    a, b = disc(size), disc(size, 32 + shift)
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_tables_and_plots_are_those_of_the_paper(run, table, tmp_path):
    status, shown, err = run("compare", "scans", table, "--out", tmp_path / "o")
    assert (status, err) == (0, [])
    assert "VCo1" in shown
    scans = rows_of(tmp_path / "o" / "scans.csv")
    assert len(scans) == 6
    expected = [dice(8, 2), 0.0, dice(14, 2), dice(14, 5), dice(20, 2), dice(20, 5)]
    assert [float(scan["dsc"]) for scan in scans] == pytest.approx(expected)
    cohorts = {(r["cohort"], r["metric"]): r for r in rows_of(tmp_path / "o" / "cohorts.csv")}
    assert float(cohorts["VCo1", "dsc"]["mean"]) == pytest.approx(np.mean(expected[:4]))
    assert cohorts["VCo1", "precision"]["undefined"] == "1"
    subgroups = rows_of(tmp_path / "o" / "subgroups.csv")
    of_xr = {r["scans"]: r["n"] for r in subgroups if (r["cohort"], r["value"]) == ("VCo1", "XR")}
    assert of_xr == {"all": "2", "with a prediction": "1"}
    differences = [float(r["difference"]) for r in rows_of(tmp_path / "o" / "scanners.csv")]
    assert differences == pytest.approx(np.subtract(expected[1::2], expected[::2]).tolist())
    found = {(r["cohort"], r["with"]): r for r in rows_of(tmp_path / "o" / "correlations.csv")}
    rho = spearman(expected[:4], [disc(s).sum() for s in (8, 8, 14, 14)]).rho
    assert float(found["VCo1", "reference_px"]["rho"]) == pytest.approx(rho)
    assert found["VCo1", "pT"]["n"] == "4"
    pictures = {path.name for path in (tmp_path / "o").glob("*.png")}
    assert pictures == {"cohorts.png", "scanners-AT2-XR.png"}


def test_a_row_that_fails_is_named_and_the_others_go_on(run, table, tmp_path):
    table.write_text(table.read_text() + "gone.zarr,gone.zarr,s9,VCo1,AT2,1\n")
    status, shown, err = run("compare", "scans", table, "--out", tmp_path / "o", "--json")
    assert (status, len(err)) == (1, 1)
    assert "gone.zarr does not exist" in err[0]
    assert json.loads(shown)["failed"][0]["input"] == "gone.zarr"
    assert len(rows_of(tmp_path / "o" / "scans.csv")) == 6


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("prediction,slide\na,b\n", "has no column reference"),
        ("", "or no row"),
        ("prediction,reference\na\n", "line 2: give as many cells"),
        ("prediction,reference\na,b,c\n", "line 2: give as many cells"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(run, table, tmp_path, text, reason):
    table.write_text(text)
    status, _, err = run("compare", "scans", table, "--out", tmp_path / "o")
    assert (status, len(err)) == (2, 1)
    assert reason in err[0]
    assert not (tmp_path / "o").exists()


def test_a_slide_scanned_twice_by_one_scanner_is_refused(run, table, tmp_path):
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1]]) + "\n")
    status, _, err = run("compare", "scans", table, "--out", tmp_path / "o")
    assert (status, len(err)) == (2, 1)
    assert "scanned twice" in err[0]
