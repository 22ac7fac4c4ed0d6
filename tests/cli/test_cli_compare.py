"""compare masks and sweep, as a user runs them on the virtual samples whose truth is known."""

from __future__ import annotations

import csv
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import slideconcord as sc
from slideconcord.cli import main
from slideconcord.comparison.cohort import ScoredScan, cohort_table
from slideconcord.comparison.scanners import scanner_differences
from slideconcord.samples import shipped_files

SCANNERS = ("A", "B")


def shipped(ending: str) -> Path:
    return next(f for f in shipped_files("colon-virtual-small") if f.name.endswith(ending))


@pytest.fixture
def run(capsys):
    def call(*words: object) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return call


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, Path]:
    """Return the folder of each virtual scanner's scan, segmented; tests only read them."""
    out = tmp_path_factory.mktemp("results")
    slides = [str(shipped(f"{name}.ome.tiff")) for name in SCANNERS]
    assert main(["segment", *slides, "--model", "stain-density", "--out", str(out)]) == 0
    return {name: next(out.glob(f"*-{name}")) for name in SCANNERS}


@pytest.fixture
def truth() -> Path:
    return shipped("A.truth.geojson")


def test_masks_leaves_scores_regions_and_an_overlay(run, results, truth, tmp_path):
    status, shown, err = run("compare", "masks", results["A"], truth, "--out", tmp_path / "c")
    assert (status, err) == (0, [])
    names = ["overlay.png", "regions.csv", "scores.csv", "scores.json"]
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == names
    mask = sc.open_mask(results["A"] / "mask.zarr")
    expected = sc.compare_masks(mask, sc.read_annotations(truth))
    found = json.loads((tmp_path / "c" / "scores.json").read_text())
    assert found["metrics"] == dict(expected.values)
    assert found["counts"]["tp"] == expected.counts.tp > 0
    # colour alone finds most of the virtual epithelium
    assert 0.6 < found["metrics"]["dsc"] < 0.9
    matches = sc.match_regions(mask, sc.read_annotations(truth))
    assert found["regions"]["true_positive"] == len(matches.pairs) > 0
    assert f"DSC        {expected.dsc:.4f}" in shown
    with (tmp_path / "c" / "scores.csv").open(newline="") as file:
        rows = {row["metric"]: float(row["value"]) for row in csv.DictReader(file)}
    assert rows == dict(expected.values)
    overlay = np.asarray(Image.open(tmp_path / "c" / "overlay.png"))
    assert np.array_equal(overlay, sc.confusion_overlay(mask, sc.read_annotations(truth)))


def test_masks_speaks_json_and_counts_one_class(run, results, truth, tmp_path):
    words = ["compare", "masks", results["A"] / "mask.zarr", truth, "--json"]
    _, every, _ = run(*words, "--out", tmp_path / "a")
    status, tumour, err = run(*words, "--class", "Tumor", "--out", tmp_path / "b")
    assert (status, err) == (0, [])
    every, tumour = json.loads(every), json.loads(tumour)
    assert tumour["classes"] == ["Tumor"]
    assert 0 < tumour["metrics"]["reference_positives"] < every["metrics"]["reference_positives"]
    assert sum(tumour["counts"].values()) == sum(every["counts"].values())
    assert [Path(name).parent for name in tumour["files"]] == [tmp_path / "b"] * 4


def test_tissue_leaves_the_background_out_of_the_counts(run, results, truth, tmp_path):
    # the truth as tissue: nothing outside of it counts
    words = ["compare", "masks", results["A"], truth, "--tissue", truth, "--json"]
    _, shown, _ = run(*words, "--out", tmp_path)
    found = json.loads(shown)
    assert (found["counts"]["fp"], found["counts"]["tn"]) == (0, 0)
    assert found["metrics"]["precision"] == 1
    assert found["metrics"]["specificity"] is None
    assert found["undefined"]["specificity"] == "the reference fills all that counts"


def test_a_reference_elsewhere_is_noted(run, results, tmp_path):
    empty = tmp_path / "empty.geojson"
    sc.write_annotations(sc.Annotations(), empty)
    status, shown, _ = run("compare", "masks", results["A"], empty, "--out", tmp_path / "c")
    assert status == 0
    assert "the reference is empty where pixels count" in shown
    assert "undefined" in shown


def test_sweep_leaves_all_pairs_the_best_and_a_picture(run, results, truth, tmp_path):
    pytest.importorskip("matplotlib")
    words = ["sweep", results["A"], "--reference", truth, "--out", tmp_path / "s"]
    status, shown, err = run(*words)
    assert (status, err) == (0, [])
    names = ["sweep.csv", "sweep.json", "sweep.png"]
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == names
    with (tmp_path / "s" / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 171
    best = json.loads((tmp_path / "s" / "sweep.json").read_text())["best"]
    assert best["dsc"] == max(float(row["dsc"]) for row in rows)
    assert f"best DSC {best['dsc']:.4f} at low {best['low']:g}" in shown
    probability = sc.open_probability(results["A"])
    mask = sc.hysteresis(probability, best["low"], best["high"])
    assert sc.compare_masks(mask, sc.read_annotations(truth)).dsc == best["dsc"]


def test_sweep_without_matplotlib_leaves_the_numbers(run, results, truth, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    status, shown, _ = run("sweep", results["A"], "--reference", truth, "--out", tmp_path, "--json")
    found = json.loads(shown)
    assert status == 0
    assert [Path(name).name for name in found["files"]] == ["sweep.json", "sweep.csv"]
    assert "pip install 'slideconcord[plots]'" in found["notes"][0]


def test_a_mask_can_be_the_reference_of_a_sweep(run, results, tmp_path):
    words = ["sweep", results["A"], "--reference", results["A"] / "mask.zarr", "--json"]
    _, shown, _ = run(*words, "--out", tmp_path)
    # the mask was made at 1/3 and 0.9: the nearest pair is almost it
    assert json.loads(shown)["best"]["dsc"] > 0.98


@pytest.mark.parametrize("command", ["masks", "sweep"])
def test_nothing_is_replaced_unasked(run, results, truth, tmp_path, command):
    words = {
        "masks": ["compare", "masks", results["A"], truth, "--out", tmp_path],
        "sweep": ["sweep", results["A"], "--reference", truth, "--out", tmp_path],
    }[command]
    assert run(*words)[0] == 0
    status, _, err = run(*words)
    assert status == 2
    assert err[0].endswith("is already there. Give another name, or --overwrite.")
    assert run(*words, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        ("nowhere", "nowhere does not exist. Give a mask.zarr or annotations."),
        ("{results}/probability.zarr", "holds a probability map and no mask. Make one first: "),
        ("{truth}", "None of these is a mask, and annotations have no pixels to count"),
    ],
)
def test_what_cannot_be_compared_is_refused(run, results, truth, tmp_path, prediction, message):
    given = prediction.format(results=results["A"], truth=truth)
    status, shown, err = run("compare", "masks", given, truth, "--out", tmp_path / "c")
    assert (status, shown, len(err)) == (2, "", 1)
    assert message in err[0]
    assert not (tmp_path / "c").exists()


def test_masks_of_two_slides_and_unknown_classes_are_refused(run, results, truth, tmp_path):
    words = ["compare", "masks", results["A"]]
    _, _, err = run(*words, results["B"], "--out", tmp_path / "c")
    assert "The masks belong to different slides: register the slides first" in err[0]
    _, _, err = run(*words, truth, "--class", "tumour", "--out", tmp_path / "c")
    assert "'tumour': choose from Normal epithelium, Tumor." in err[0]
    _, _, err = run(*words, results["A"], "--class", "Tumor", "--out", tmp_path / "c")
    assert "A mask has one class, so 'Tumor' cannot be chosen from it" in err[0]


def test_one_tissue_from_two_scanners_end_to_end(results):
    scans = []
    for name in SCANNERS:
        mask = sc.open_mask(results[name] / "mask.zarr")
        annotations = sc.read_annotations(shipped(f"{name}.truth.geojson"))
        scores = sc.compare_masks(mask, annotations)
        scans.append(ScoredScan("colon-virtual-small", scores, "virtual", name))
    found = scanner_differences(scans, "A", "B")
    assert found.summary.n == 1
    assert found.mean_absolute == pytest.approx(abs(scans[1].scores.dsc - scans[0].scores.dsc))
    (row,) = cohort_table(scans, ("dsc",)).records()
    assert row["mean"] == pytest.approx((scans[0].scores.dsc + scans[1].scores.dsc) / 2)
    assert not math.isnan(row["low"])
