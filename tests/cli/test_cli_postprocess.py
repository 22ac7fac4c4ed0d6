"""postprocess, and white background left out by --slide, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import slideconcord as sc
from slideconcord.cli import main
from slideconcord.samples import shipped_files
from slideconcord.segmentation.mask import Mask
from slideconcord.segmentation.postprocess import PAN_CANCER, postprocess, smoothed_map
from slideconcord.segmentation.reframe import in_frame_of


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
def slide() -> Path:
    return shipped("A.ome.tiff")


@pytest.fixture(scope="module")
def result(slide: Path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("results")
    assert main(["segment", str(slide), "--model", "stain-density", "--out", str(out)]) == 0
    return next(out.iterdir())


def test_the_command_gives_what_python_gives(run, slide, result, tmp_path):
    preset = "pan-cancer-fragmented"
    words = "postprocess", result, "--slide", slide, "--preset", preset, "--out", tmp_path / "p"
    status, shown, err = run(*words, "--json")
    assert (status, err) == (0, [])
    with sc.open_slide(slide) as opened:
        tissue = sc.find_tissue(opened)
    probability = sc.open_probability(result)
    expected = postprocess(probability, tissue, PAN_CANCER[preset].options)
    mask = sc.open_mask(tmp_path / "p" / "mask.zarr")
    np.testing.assert_array_equal(np.asarray(mask.array), expected.array)
    found = json.loads(shown)
    assert (found["method"], found["prune_percentile"]) == ("pan-cancer", None)
    assert found["regions"] == len(sc.read_annotations(tmp_path / "p" / "regions.geojson"))
    assert run(*words)[2][0].endswith("Give another name, or --overwrite.")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "one of the three"),
        (["--no-tissue", "--preset", "x"], "Choose pan-cancer, pan-cancer-fragmented."),
        (["--no-tissue", "--prune-map", "x"], "Choose smoothed or unsmoothed."),
        (["--slide", shipped("B.ome.tiff")], "is not the slide that the result was made of"),
        (["--tissue", shipped("A.truth.geojson")], "is no mask"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(run, result, tmp_path, words, reason):
    status, _, err = run("postprocess", result, "--out", tmp_path / "p", *words)
    assert (status, len(err)) == (2, 1)
    assert reason in err[0]
    assert not (tmp_path / "p").exists()


def test_white_background_of_the_slide_enters_no_count(run, slide, result, tmp_path):
    truth = shipped("A.truth.geojson")
    words = "compare", "masks", result, truth, "--slide", slide, "--out", tmp_path / "c", "--json"
    status, shown, err = run(*words)
    assert (status, err) == (0, [])
    mask = sc.open_mask(result / "mask.zarr")
    with sc.open_slide(slide) as opened:
        tissue = in_frame_of(sc.find_tissue(opened), mask)
    expected = sc.compare_masks(mask, sc.read_annotations(truth), tissue)
    found = json.loads(shown)
    assert found["metrics"]["dsc"] == expected.dsc
    assert found["counts"]["tn"] == expected.counts.tn
    assert expected.counts.n == np.count_nonzero(tissue.array[:, :]) < mask.array.size
    assert found["provenance"]["tissue"]["provenance"]["tissue"]["canny_low"] == 10


def test_a_sweep_leaves_white_background_out_too(run, slide, result, tmp_path):
    truth = shipped("A.truth.geojson")
    words = "sweep", result, "--reference", truth, "--slide", slide, "--out", tmp_path / "s"
    status, shown, err = run(*words)
    assert (status, err) == (0, [])
    assert "best DSC" in shown


def test_a_sweep_can_be_of_the_papers_smoothed_map(run, slide, result, tmp_path):
    truth = shipped("A.truth.geojson")
    words = "sweep", result, "--reference", truth, "--smoothed", "--out", tmp_path / "s"
    status, _, err = run(*words)
    assert (status, err) == (0, [])
    smooth = smoothed_map(sc.open_probability(result))
    expected = sc.sweep_thresholds(smooth, sc.read_annotations(truth))
    found = json.loads((tmp_path / "s" / "sweep.json").read_text())
    assert found["smoothed"] is True
    np.testing.assert_array_equal(
        np.array(found["dsc"], float), expected.values("dsc"), err_msg="null is NaN"
    )
    at = expected.lows.index(0.3), expected.highs.index(0.6)
    mask = sc.hysteresis(smooth.values, 0.3, 0.6)
    place = Mask(mask, smooth.frame, smooth.slide_mpp, smooth.slide_fingerprint)
    by_hand = sc.compare_masks(place, sc.read_annotations(truth))
    assert expected.values("dsc")[at] == by_hand.dsc


def test_tissue_twice_is_refused(run, slide, result, tmp_path):
    words = "compare", "masks", result, result, "--slide", slide, "--tissue", result
    status, _, err = run(*words, "--out", tmp_path / "c")
    assert (status, len(err)) == (2, 1)
    assert "give one of them" in err[0]
