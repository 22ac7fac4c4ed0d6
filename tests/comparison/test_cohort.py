"""Checklist (e) 21, 22, 25: cohort means with t intervals, scanner differences, subgroups."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
from scipy import stats

from slideconcord.comparison.cohort import (
    ScoredScan,
    cohort_table,
    has_prediction,
    scan_table,
    subgroup_table,
    summarise,
)
from slideconcord.comparison.compare import Scores
from slideconcord.comparison.counts import ConfusionCounts
from slideconcord.comparison.metrics import METRICS, PAPER
from slideconcord.comparison.scanners import scanner_differences
from slideconcord.comparison.tables import Table, write_json
from slideconcord.errors import OutputError, ParameterError

NAN = math.nan


def scan(slide, dsc, cohort="VCo1", scanner="AT2", **groups) -> ScoredScan:
    """Return a scan of a DSC in whole percent; None for one where it is undefined."""
    tp = round(100 * (dsc or 0))
    counts = ConfusionCounts(tn=9) if dsc is None else ConfusionCounts(tp, 100 - tp, 100 - tp, 50)
    return ScoredScan(slide, Scores(counts), cohort, scanner, groups)


def test_the_interval_is_students():
    values = [0.91, 0.84, 0.95, 0.6, 0.88]
    found = summarise(values)
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (found.n, found.undefined) == (5, 0)
    assert found.mean == pytest.approx(np.mean(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.sd, found.median) == pytest.approx((np.std(values, ddof=1), 0.88))
    low90, _ = stats.t.interval(0.9, 4, np.mean(values), stats.sem(values))
    assert summarise(values, 0.9).low == pytest.approx(low90)


def test_undefined_values_are_left_out_and_counted():
    found = summarise([0.5, NAN, 0.7, NAN])
    assert (found.n, found.undefined) == (2, 2)
    assert found.mean == pytest.approx(0.6)


def test_few_values_have_no_interval():
    one = summarise([0.5, NAN])
    assert (one.n, one.undefined, one.mean, one.median) == (1, 1, 0.5, 0.5)
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    none = summarise([NAN])
    assert (none.n, none.undefined) == (0, 1)
    assert math.isnan(none.mean)
    assert summarise([]).n == 0


@pytest.mark.parametrize("confidence", [0, 1, 95, NAN])
def test_a_confidence_is_a_fraction(confidence):
    with pytest.raises(ParameterError, match=r"between 0 and 1, such as 0\.95"):
        summarise([1, 2], confidence)


def test_a_table_of_cohorts_has_a_row_per_cohort_and_statistic():
    scans = [scan("a", 0.9), scan("b", 0.8), scan("c", None), scan("d", 0.5, "VUr1")]
    table = cohort_table(scans)
    assert table.column("cohort") == ["VCo1"] * 12 + ["VUr1"] * 12
    assert tuple(table.column("metric")[:12]) == PAPER
    first = table.records()[0]
    assert (first["n"], first["undefined"]) == (2, 1)
    assert first["mean"] == pytest.approx(0.85)
    with pytest.raises(ParameterError, match="'dice'"):
        cohort_table(scans, ("dice",))


def test_subgroups_over_all_scans_and_over_those_with_a_prediction():
    empty = ScoredScan("c", Scores(ConfusionCounts(fn=9)), "VUr1", "AT2", {"pT": "pTa"})
    scans = [scan("a", 0.9, "VUr1", pT="pTa"), scan("b", 0.6, "VUr1", pT="pT1"), empty]
    rows = {row["pT"]: row for row in subgroup_table(scans, "pT").records()}
    assert rows["pTa"]["mean"] == pytest.approx(0.45)
    assert rows["pT1"]["n"] == 1
    predicted = [each for each in scans if has_prediction(each)]
    rows = {row["pT"]: row for row in subgroup_table(predicted, "pT").records()}
    assert rows["pTa"]["mean"] == pytest.approx(0.9)
    assert subgroup_table(scans, "scanner").column("scanner") == ["AT2"]
    with pytest.raises(ParameterError, match=r"scan of a has no group 'sex'.*scanner, pT"):
        subgroup_table(scans, "sex")


def test_scanners_are_compared_slide_by_slide():
    scans = [
        scan("a", 0.9), scan("b", 0.8), scan("c", 0.7), scan("only", 0.5),
        scan("c", 0.6, scanner="XR"), scan("a", 0.94, scanner="XR"), scan("b", None, scanner="XR"),
    ]  # fmt: skip
    found = scanner_differences(scans, "AT2", "XR")
    assert found.slides == ("a", "b", "c")
    assert found.unpaired == ("only",)
    assert found.differences == pytest.approx((0.04, NAN, -0.1), nan_ok=True)
    assert (found.summary.n, found.summary.undefined) == (2, 1)
    assert found.summary.mean == pytest.approx(-0.03)
    assert found.mean_absolute == pytest.approx(0.07)
    assert found.worst == ("c", pytest.approx(-0.1))
    assert found.table().columns == ("slide", "AT2", "XR", "difference")
    mirrored = scanner_differences(scans, "XR", "AT2")
    assert sorted(mirrored.differences, key=str) == pytest.approx(
        sorted((-d for d in found.differences), key=str), nan_ok=True
    )


def test_scanner_pairs_that_cannot_be_are_refused():
    scans = [scan("a", 0.9), scan("a", 0.8, scanner="XR")]
    with pytest.raises(ParameterError, match="No scan is from 'P1000': choose from 'AT2', 'XR'"):
        scanner_differences(scans, "AT2", "P1000")
    with pytest.raises(ParameterError, match="name two different ones"):
        scanner_differences(scans, "AT2", "AT2")
    with pytest.raises(ParameterError, match="a was scanned twice by AT2: keep one"):
        scanner_differences([*scans, scan("a", 0.7)], "AT2", "XR")


def test_scanners_without_a_defined_pair_have_no_worst():
    scans = [scan("a", None), scan("a", 0.8, scanner="XR")]
    slide, value = scanner_differences(scans, "AT2", "XR").worst
    assert slide == ""
    assert math.isnan(value)


def test_tables_write_empty_cells_and_nulls_where_nothing_is_defined(tmp_path):
    table = scan_table([scan("a, b", 0.9, pT="pT1"), scan("ä", None, pT="pTa")])
    table.write_csv(tmp_path / "scans.csv")
    table.write_json(tmp_path / "scans.json")
    with (tmp_path / "scans.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["slide"] for row in rows] == ["a, b", "ä"]
    assert (rows[0]["dsc"], rows[1]["dsc"], rows[1]["specificity"]) == ("0.9", "", "1.0")
    assert set(METRICS) < set(rows[0])
    read = json.loads((tmp_path / "scans.json").read_text(encoding="utf-8"))
    assert read[1]["dsc"] is None
    assert read[0]["pT"] == "pT1"
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["scans.csv", "scans.json"]


def test_a_table_of_no_rows_keeps_its_columns(tmp_path):
    Table.of([], ("slide", "dsc")).write_csv(tmp_path / "empty.csv")
    assert (tmp_path / "empty.csv").read_text() == "slide,dsc\n"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"nowhere.* cannot be written"):
        write_json({}, tmp_path / "nowhere" / "a.json")
