"""segment, threshold and convert, as a user runs them: files, resuming, several slides, stops."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from conftest import tissue_like, write_pyramid
from slideconcord.cli import main
from slideconcord.cli.segment import segment, threshold
from slideconcord.segmentation.mask import open_mask
from slideconcord.segmentation.probability import open_probability
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tune import tune
from slideconcord.segmentation.tuning import DESCRIBED, Tuning, read_tuning

MODEL = ("--model", "stain-density")
# The made-up tissue is pale: these thresholds find something in it.
CUT = ("--low", "0.1", "--high", "0.2")
NAMES = ("mask.zarr", "probability.zarr", "regions.geojson", "run.json")


@pytest.fixture
def run(capsys):
    def call(*words: object) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return call


@pytest.fixture(scope="module")
def segmented(tiny_slide_path, tmp_path_factory) -> Path:
    """Return the folder of one finished slide; tests only read it."""
    out = tmp_path_factory.mktemp("segmented")
    assert main(["segment", str(tiny_slide_path), *MODEL, *CUT, "--out", str(out)]) == 0
    return out / tiny_slide_path.stem


def test_segment_leaves_exactly_the_named_files(segmented):
    visible = sorted(p.name for p in segmented.iterdir() if not p.name.startswith("."))
    assert visible == sorted(NAMES)


def test_segment_gives_what_the_python_functions_give(segmented, tiny_slide_path, tmp_path):
    import slideconcord as sc

    with sc.open_slide(tiny_slide_path) as slide:
        probability = sc.predict(slide, sc.load_model("stain-density"), tmp_path)
    mask = sc.hysteresis(probability, low=0.1, high=0.2)
    written = sc.open_mask(segmented / "mask.zarr")
    assert (written.array[:, :] == mask.array[:, :]).all()
    regions = sc.read_annotations(segmented / "regions.geojson")
    assert [r.id for r in regions] == [r.id for r in sc.find_regions(mask)]
    assert len(regions) > 0


def test_segment_speaks_json_and_a_second_run_computes_nothing(run, segmented, tiny_slide_path):
    before = (segmented / "run.json").read_bytes()
    words = ["segment", tiny_slide_path, *MODEL, *CUT, "--out", segmented.parent]
    status, out, err = run(*words, "--json")
    assert (status, err) == (0, [])
    (found,) = json.loads(out)["slides"]
    assert found["folder"] == str(segmented)
    assert found["regions"] == len(json.loads(Path(found["geojson"]).read_text())["features"])
    assert found["area_um2"] > 0
    assert (segmented / "run.json").read_bytes() == before


def test_min_area_leaves_out_small_regions(run, segmented, tmp_path):
    words = ["threshold", segmented, *CUT, "--min-area-um2", 1e9, "--out", tmp_path / "t"]
    status, out, _ = run(*words, "--json")
    assert status == 0
    assert json.loads(out)["regions"] == 0


def test_every_step_of_a_tuning_reaches_the_mask(run, segmented, tmp_path):
    tuning = Tuning(Thresholds(0.1, 0.2), 50.0, 60.0, 400.0, 1.5)
    words = ["--min-area-um2", 50, "--prune-percentile", 60, "--hole-area-um2", 400]
    words = ["threshold", segmented, *CUT, *words, "--smoothing-um", 1.5, "--out", tmp_path / "t"]
    status, out, _ = run(*words, "--json")
    assert status == 0
    mask = open_mask(tmp_path / "t" / "mask.zarr")
    assert read_tuning(mask.provenance) == read_tuning(json.loads(out)) == tuning
    expected = tune(open_probability(segmented), tuning)
    assert np.array_equal(mask.array[:, :], expected.array)
    assert json.loads(out)["area_um2"] == pytest.approx(expected.area_um2)


@pytest.mark.parametrize("command", [threshold, segment])
def test_options_have_their_text_and_range_from_the_fields(command):
    options = inspect.signature(command).parameters
    for name, about in DESCRIBED.items():
        option = options[name].annotation.__metadata__[0]
        assert (option.help, option.min, option.max) == (about["help"], about["min"], about["max"])


def test_threshold_needs_no_model_and_refuses_to_replace(run, segmented, tmp_path):
    words = ["threshold", segmented / "probability.zarr", *CUT, "--out", tmp_path]
    assert run(*words)[0] == 0
    assert {p.name for p in tmp_path.iterdir()} == {"mask.zarr", "regions.geojson"}
    status, _, err = run(*words)
    assert status == 2
    place = tmp_path / "mask.zarr"
    assert err == [f"slideconcord: {place} is already there. Give another name, or --overwrite."]
    assert run(*words, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--low", 0.9, "--high", 0.5], "low (0.9) is above high (0.5): lower low to 0.5"),
        (["--low", 0.95], "low (0.95) is above high (0.9)"),
        (["--low", 1.5], "low=1.5 is no threshold"),
        (["--high", "nan"], "high=nan is no threshold"),
        (["--min-area-um2", -1], "Invalid value for '--min-area-um2'"),
        (["--tile-px", 3], "Invalid value for '--tile-px'"),
        (["--precision", "fp8"], "precision='fp8' is not known. Choose auto, fp32, bf16, fp16."),
        (["--colour", "blue"], "Invalid value for '--colour'"),
        (["--box", "0,0,10"], "--box 0,0,10 is not y,x,height,width in whole pixels."),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_written(
    run, tiny_slide_path, tmp_path, words, message
):
    out = tmp_path / "out"
    status, shown, err = run("segment", tiny_slide_path, *MODEL, "--out", out, *words)
    assert (status, shown, len(err)) == (2, "", 1)
    assert message in err[0]
    assert not out.exists() or not list(out.rglob("*.zarr"))


def test_an_unknown_model_is_refused_with_the_known_ones(run, tiny_slide_path, tmp_path):
    status, _, err = run("segment", tiny_slide_path, "--model", "none", "--out", tmp_path / "o")
    assert status == 2
    assert len(err) == 1
    assert "stain-density" in err[0]


def test_a_bad_slide_among_good_ones_is_named_and_the_others_are_done(
    run, tiny_slide_path, tmp_path
):
    bad = tmp_path / "bad.svs"
    bad.write_text("nothing")
    out = tmp_path / "out"
    status, shown, err = run("segment", bad, tiny_slide_path, *MODEL, "--out", out, "--json")
    assert status == 1
    assert len(err) == 1
    assert "bad.svs" in err[0]
    result = json.loads(shown)
    assert [item["input"] for item in result["failed"]] == [str(bad)]
    assert [item["slide"] for item in result["slides"]] == [str(tiny_slide_path)]
    assert (out / tiny_slide_path.stem / "regions.geojson").is_file()


@pytest.fixture
def twins(tmp_path) -> list[Path]:
    """Return two different slides of one name in two folders, and a third that equals the first."""
    paths = []
    for folder, seed in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "case 7 ä.tif"
        paths.append(write_pyramid(path, tissue_like(400, 500, seed), levels=2))
    (tmp_path / "c").mkdir()
    return [*paths, Path(shutil.copy(paths[0], tmp_path / "c" / "case 7 ä.tif"))]


def test_two_slides_of_one_name_never_collide(run, twins, tmp_path):
    out = tmp_path / "out"
    status, shown, _ = run("segment", *twins, *MODEL, "--out", out, "--json")
    assert status == 0
    folders = [Path(item["folder"]) for item in json.loads(shown)["slides"]]
    assert folders[0] == folders[2] == out / "case 7 ä"
    assert folders[1].name.startswith("case 7 ä-")
    assert len(folders[1].name) == len("case 7 ä-") + 8

    # The other way round every slide finds its own folder again.
    status, shown, _ = run("segment", twins[1], twins[0], *MODEL, "--out", out)
    assert status == 0
    assert f"another slide is called case 7 ä too: this one is {folders[1].name}" in shown
    assert sorted(p for p in out.iterdir()) == sorted(set(folders))


def test_a_box_is_all_that_is_predicted(run, tiny_slide_path, tmp_path):
    from slideconcord import open_probability

    words = ["--box", "200,400,600,800", "--out", tmp_path]
    assert run("segment", tiny_slide_path, *MODEL, *words)[0] == 0
    probability = open_probability(tmp_path / "tiny")
    assert probability.shape == (300, 400)
    assert (probability.frame.origin_y, probability.frame.origin_x) == (200, 400)


def test_what_the_model_notes_is_passed_on(run, tiny_slide_path, tmp_path, monkeypatch):
    import warnings

    from slideconcord.segmentation import predict

    original = predict.predict_tiles

    def noting(*values, **options):
        warnings.warn("results can differ.", stacklevel=1)
        return original(*values, **options)

    monkeypatch.setattr(predict, "predict_tiles", noting)
    status, out, err = run("segment", tiny_slide_path, *MODEL, "--out", tmp_path, "--json")
    assert (status, err) == (0, [])
    assert json.loads(out)["slides"][0]["notes"] == ["results can differ."]
    status, out, _ = run("segment", tiny_slide_path, *MODEL, "--out", tmp_path)
    assert "\n  results can differ.\n" in out


def test_a_damaged_tile_is_named_and_the_rest_is_done(run, tiny_slide_path, tmp_path):
    slide = tmp_path / "hurt.tif"
    data = bytearray(tiny_slide_path.read_bytes())
    with tifffile.TiffFile(tiny_slide_path) as tiff:
        # The model works at 1 µm, which is the second level.
        start, count = tiff.pages[1].dataoffsets[5], tiff.pages[1].databytecounts[5]
    data[start : start + count] = bytes(count)
    slide.write_bytes(data)
    out = tmp_path / "out"
    status, shown, err = run("segment", slide, *MODEL, "--out", out, "--json")
    assert (status, err) == (0, [])
    assert len(json.loads(shown)["slides"][0]["damaged_tiles"]) == 1
    assert len(json.loads((out / "hurt" / "run.json").read_text())["damaged_tiles"]) == 1
    _, shown, _ = run("segment", slide, *MODEL, "--out", out)
    assert "1 damaged tile was left out: see" in shown


def test_other_options_in_the_same_folder_are_refused(run, segmented, tiny_slide_path):
    words = ["segment", tiny_slide_path, *MODEL, "--out", segmented.parent]
    status, _, err = run(*words, "--box", "0,0,500,500")
    assert status == 2
    assert len(err) == 1
    assert "holds another run" in err[0]
    assert "--overwrite" in err[0]


def test_an_output_that_is_a_file_is_named(run, tiny_slide_path, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, err = run("segment", tiny_slide_path, *MODEL, "--out", tmp_path / "file")
    assert status == 2
    assert len(err) == 1
    assert str(tmp_path / "file") in err[0]


def test_a_map_that_is_none_is_named(run, tmp_path):
    status, _, err = run("threshold", tmp_path, "--out", tmp_path / "o")
    assert status == 2
    assert len(err) == 1
    assert "holds no probability map" in err[0]


def test_convert_makes_regions_of_a_mask(run, segmented, tmp_path):
    target = tmp_path / "régions.geojson"
    status, out, _ = run("convert", segmented / "mask.zarr", target, "--json")
    assert status == 0
    features = json.loads(target.read_text())["features"]
    assert json.loads(out)["annotations"] == len(features) > 0
    same = json.loads((segmented / "regions.geojson").read_text())["features"]
    assert [f["geometry"] for f in features] == [f["geometry"] for f in same]


def test_convert_refuses_to_replace_and_names_unknown_formats(run, segmented, tmp_path):
    source, target = segmented / "regions.geojson", tmp_path / "b.geojson"
    assert run("convert", source, target)[0] == 0
    status, _, err = run("convert", source, target)
    assert (status, len(err)) == (2, 1)
    assert "b.geojson is already there" in err[0]
    assert run("convert", source, target, "--overwrite")[0] == 0
    for words in (["x.unknown"], ["x.geojson", "--to", "unknown"], ["x.geojson", "--from", "no"]):
        status, _, err = run("convert", source, tmp_path / words[0], *words[1:])
        assert (status, len(err)) == (2, 1)
        assert "geojson" in err[0]
    assert not list(tmp_path.glob("x.*"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_keeps_finished_tiles_and_says_how_to_go_on(tmp_path):
    slide = write_pyramid(tmp_path / "big.tif", tissue_like(3000, 4000), levels=3)
    out = tmp_path / "out"
    words = ["segment", str(slide), *MODEL, "--tile-px", "128", "--overlap-px", "16"]
    command = [sys.executable, "-m", "slideconcord", *words, "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    journal = out / "big" / "run.partial" / "journal.jsonl"
    while process.poll() is None and not (
        journal.is_file() and journal.read_text().count("\n") > 3
    ):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("this machine finished before it could be stopped")
    assert process.returncode == 130
    assert len(err.splitlines()) == 1, err
    assert f"finished tiles are kept in {out / 'big'}. Run the same command again" in err
    assert not (out / "big" / "probability.zarr").exists()

    assert main(["threshold", str(out / "big"), "--out", str(tmp_path / "t")]) == 2
    assert main([*words, "--out", str(out)]) == 0
    assert (out / "big" / "regions.geojson").is_file()


@pytest.mark.real
def test_the_same_slide_in_two_containers_gives_the_same_regions(run, real_data, tmp_path):
    slides = real_data / "slides"
    found = []
    for name in ("CMU-1-Small-Region.svs", "CMU-1-Small-Region-dicom"):
        words = ["segment", slides / name, *MODEL, "--min-area-um2", 2000, "--out", tmp_path / name]
        status, out, err = run(*words, "--json")
        assert (status, err) == (0, [])
        found.append(json.loads(out)["slides"][0])
    assert found[0]["regions"] == found[1]["regions"] > 0
    assert found[0]["area_um2"] == pytest.approx(found[1]["area_um2"], rel=0.05)
