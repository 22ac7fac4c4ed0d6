"""Menus, keys, samples and the demo."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QFileDialog

from slideconcord.errors import ParameterError
from slideconcord.plugin import actions, commands, keys, sample_data
from slideconcord.plugin import reader as reader_module
from slideconcord.plugin.demo import run_demo
from slideconcord.plugin.tags import tag_of
from slideconcord.segmentation.thresholds import Thresholds


@pytest.fixture
def in_use(viewer_model, monkeypatch):
    """Make the viewer the one in use."""
    for module in (commands, reader_module, sample_data):
        monkeypatch.setattr(module, "current_viewer", lambda: viewer_model)
    return viewer_model


def test_commands_without_a_window_say_so(monkeypatch):
    monkeypatch.setattr(commands, "current_viewer", lambda: None)
    with pytest.raises(ParameterError, match="no napari window"):
        commands.draw_area()


def test_drawing_an_area_from_the_menu(in_use, tiny_slide_path):
    actions.open_slides(in_use, tiny_slide_path)
    commands.draw_area()
    assert in_use.layers.selection.active.mode == "add_rectangle"


def test_exporting_from_the_menu(in_use, model, tiny_slide_path, tmp_path, monkeypatch):
    actions.open_slides(in_use, tiny_slide_path)
    list(actions.run_segmentation(in_use, folder=tmp_path / "runs"))
    out = tmp_path / "out"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(out))
    commands.export_results()
    assert len(list(out.iterdir())) == 3


def test_keys_move_the_thresholds(in_use, model, tiny_slide_path, tmp_path):
    actions.open_slides(in_use, tiny_slide_path)
    list(actions.run_segmentation(in_use, folder=tmp_path))
    entry = actions.slide_entry(in_use)
    keys.raise_low()
    keys.lower_high()
    assert entry.tuning.thresholds == Thresholds(0.31, 0.49)
    keys.lower_low()
    keys.raise_high()
    assert entry.tuning.thresholds == Thresholds(0.3, 0.5)
    assert entry.history.can_undo


def test_keys_are_bound_and_take_none_of_napari_s(in_use, tiny_slide_path):
    from napari.utils.key_bindings import coerce_keybinding
    from napari.utils.shortcuts import default_shortcuts

    actions.open_slides(in_use, tiny_slide_path)
    bound = {coerce_keybinding(key) for key in keys.KEYS}
    assert bound <= set(in_use.keymap)
    taken = {coerce_keybinding(key) for many in default_shortcuts.values() for key in many}
    assert not bound & taken


def test_the_sample_shows_one_slide_and_holds_the_other(in_use):
    first, second = sample_data.colon_small()
    assert first[1].get("visible", True)
    assert second[1]["visible"] is False
    assert "virtual-A" in first[1]["name"]
    assert "virtual-B" in second[1]["name"]
    layer = in_use.add_image(first[0], **first[1])
    assert tag_of(layer)["slide"].mpp.y < 1


def test_a_sample_is_made_once(tmp_path, monkeypatch):
    made = sample_data.sample_slides("colon-virtual-small", tmp_path)
    monkeypatch.setattr(sample_data, "make_sample", lambda *_: pytest.fail("made again"))
    assert sample_data.sample_slides("colon-virtual-small", tmp_path) == made
    assert len(made) == 2


@pytest.mark.viewer
def test_the_demo_leaves_everything_in_its_folder(tmp_path, make_napari_viewer, monkeypatch):
    monkeypatch.setattr("napari.Viewer", make_napari_viewer)
    files = run_demo(tmp_path / "demo", show=False)
    assert all(file.exists() for file in files)
    endings = {"".join(file.suffixes[-2:]) for file in files}
    assert {".ome.tiff", ".regions.geojson", ".mask.zarr", ".overview.png"} <= endings
    assert any(file.name == "window.png" and file.stat().st_size > 50_000 for file in files)
    assert any(file.name.endswith(".probability.zarr") for file in files)
