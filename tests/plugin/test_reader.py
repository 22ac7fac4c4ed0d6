from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from npe2 import PluginManifest

from slideconcord.errors import MissingMppError, SlideError
from slideconcord.geometry import Mpp
from slideconcord.plugin import mpp_dialog, reader
from slideconcord.plugin.reader import NOTHING, get_reader, may_be_slide, read_slides

MANIFEST = Path(__file__).resolve().parents[2] / "napari.yaml"


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_file(MANIFEST)


@pytest.fixture
def no_mpp_path(tmp_path):
    path = tmp_path / "bare.tif"
    tifffile.imwrite(path, np.full((300, 400, 3), 200, np.uint8), photometric="rgb")
    return path


def test_the_manifest_is_valid_and_every_command_exists(manifest):
    assert manifest.name == "slideconcord"
    for command in manifest.contributions.commands:
        assert command.id.startswith("slideconcord.")
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(__import__(module, fromlist=[name]), name)), command.id


def test_every_ending_has_a_reader(manifest):
    patterns = manifest.contributions.readers[0].filename_patterns
    endings = "svs ndpi mrxs scn bif svslide vms vmu czi dcm tif tiff ome.tif btf zarr png jpg jpeg"
    assert {f"*.{ending}" for ending in endings.split()} <= set(patterns)
    assert manifest.contributions.readers[0].accepts_directories


def test_every_sample_is_offered(manifest):
    from slideconcord.samples import SAMPLES

    assert {sample.key for sample in manifest.contributions.sample_data} == set(SAMPLES)


def test_settings_have_the_defaults_that_scripts_get(manifest):
    from slideconcord.plugin.settings import _DEFAULTS

    declared = {
        f"{section}.{key}": prop.default
        for section, group in manifest.contributions.configurations.items()
        for key, prop in group.properties.items()
    }
    assert declared == _DEFAULTS


def test_a_slide_becomes_a_multiscale_image_in_um(tiny_slide_path):
    (layer,) = get_reader(str(tiny_slide_path))(str(tiny_slide_path))
    data, keywords, kind = layer
    assert kind == "image"
    assert keywords["rgb"] is True
    assert keywords["multiscale"] is True
    assert keywords["scale"] == pytest.approx((0.5, 0.5))
    assert keywords["units"] == ("um", "um")
    assert keywords["name"] == "tiny"
    assert data[0].shape[:2] == (1500, 2000)
    tag = keywords["metadata"]["slideconcord"]
    assert tag["slide"].path == tiny_slide_path
    assert tag["kind"] == "slide"


def test_several_paths_become_several_layers(tiny_slide_path):
    paths = [str(tiny_slide_path)] * 2
    first, second = get_reader(paths)(paths)
    ids = {layer[1]["metadata"]["slideconcord"]["id"] for layer in (first, second)}
    assert len(ids) == 2


def test_what_cannot_be_a_slide_is_left_to_others(tmp_path):
    (tmp_path / "notes.txt").write_text("no slide")
    assert get_reader(str(tmp_path)) is None
    assert get_reader(str(tmp_path / "missing.svs")) is None
    assert not may_be_slide(tmp_path)


@pytest.mark.parametrize("name", ["a.dcm", "DICOMDIR", "zarr.json", ".zattrs", ".zgroup"])
def test_folders_of_slides_are_known_by_what_they_hold(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    assert get_reader(str(tmp_path)) is read_slides


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_tiffs_of_other_kinds_are_left_to_others(tmp_path, dtype):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((5, 32, 32), dtype))
    assert get_reader(str(path)) is None


def test_a_broken_slide_says_why(tmp_path):
    path = tmp_path / "broken.svs"
    path.write_bytes(b"not a slide at all" * 10)
    with pytest.raises(SlideError, match=r"broken\.svs is no slide"):
        read_slides(str(path))


def test_a_script_without_a_window_is_told_that_the_pixel_size_is_missing(no_mpp_path):
    with pytest.raises(MissingMppError, match="has no pixel size"):
        read_slides(str(no_mpp_path))


def test_a_window_asks_for_the_pixel_size(no_mpp_path, monkeypatch):
    asked = []

    def answer(path, reason, shape=None, parent=None):
        asked.append((path, reason, shape))
        return Mpp(0.25, 0.25)

    monkeypatch.setattr(mpp_dialog, "ask_mpp", answer)
    slide = reader.open_or_ask(no_mpp_path)
    assert slide is not None
    assert (slide.mpp, slide.mpp_source) == ((0.25, 0.25), "given")
    assert asked == [(no_mpp_path, "bare.tif has no pixel size.", (300, 400))]


def test_nobody_answering_opens_nothing(no_mpp_path, monkeypatch, viewer_model):
    monkeypatch.setattr(mpp_dialog, "ask_mpp", lambda *_, **__: None)
    monkeypatch.setattr(reader, "current_viewer", lambda: viewer_model)
    assert read_slides(str(no_mpp_path)) == NOTHING
