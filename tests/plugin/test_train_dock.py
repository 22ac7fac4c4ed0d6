"""The Train dock: a tiny recipe from Start to the Segment dock, stopped and gone on in between."""

from __future__ import annotations

import copy
import csv
from pathlib import Path

import pytest
from qtpy.QtCore import QTimer

pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")
pytest.importorskip("segmentation_models_pytorch")

from slideconcord.errors import ParameterError
from slideconcord.plugin import actions
from slideconcord.plugin.segment_dock import SegmentDock
from slideconcord.plugin.train_data import PLACE, SLIDES
from slideconcord.plugin.train_dock import TrainDock
from slideconcord.plugin.training import (
    ELSEWHERE,
    AnnotatedSlide,
    TrainRequest,
    flat_settings,
    recipe_files,
    recipe_head,
    train_pieces,
    write_manifest,
)
from slideconcord.training.folder import CHECKPOINT
from slideconcord.training.recipe import list_recipes, read_recipe
from slideconcord.yaml_files import write_yaml
from training.training_data import FOLDER_CLASSES, TINY, write_folder

WAIT_MS = 120_000


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Let torch use one thread: tiny networks spend longer waiting for a second one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    values = copy.deepcopy(TINY)
    values["classes"] = FOLDER_CLASSES
    values["data"]["source"] = {"folder": {"path": str(write_folder(tmp_path / "data"))}}
    path = tmp_path / "tiny.yaml"
    path.write_text("# A tiny recipe.\n#\n# minutes    none\n\n" + write_yaml(values))
    return path


@pytest.fixture
def dock(viewer_model, qtbot, recipe_file):
    dock = TrainDock(viewer_model)
    qtbot.addWidget(dock)
    dock.recipe.addItem("tiny", str(recipe_file))
    dock.recipe.setCurrentIndex(dock.recipe.count() - 1)
    dock.folder.setText(str(recipe_file.parent / "run"))
    dock.device.setCurrentIndex(dock.device.findData("cpu"))
    qtbot.waitUntil(lambda: dock.settings.table.rowCount() > 0, timeout=WAIT_MS)
    yield dock
    dock.close_down()


def wait_for_end(dock, qtbot):
    qtbot.waitUntil(lambda: dock.job is None, timeout=WAIT_MS)


def test_a_recipe_shows_its_head_and_every_setting(dock):
    assert dock.head.text().startswith("A tiny recipe.")
    keys = list(dock.settings._given)
    assert {"seed", "data.mpp", "train.steps", "network.architecture", "augment"} <= set(keys)
    assert dock.settings.changes == ()


def test_changed_settings_are_those_of_set_on_the_command_line(dock, recipe_file):
    dock.settings.set_value("train.steps", "4")
    dock.settings.set_value("augment", "[flip, hsv]")
    assert dock.settings.changes == ("train.steps=4", "augment=[flip, hsv]")
    assert "--set 'train.steps=4' --set 'augment=[flip, hsv]' --device cpu" in dock.command.text()
    changed = read_recipe(recipe_file, dock.settings.changes)
    assert (changed.train.steps, changed.augment) == (4, ("flip", "hsv"))


@pytest.mark.parametrize("name", list(recipe_files()))
def test_settings_as_shown_make_the_same_recipe(name):
    recipe = read_recipe(name)
    changes = [f"{key}={text}" for key, text in flat_settings(recipe.to_json()).items()]
    assert read_recipe(name, changes).fingerprint == recipe.fingerprint


def test_the_bundled_recipes_are_found_without_what_trains():
    assert recipe_files() == list_recipes()
    assert "command" in recipe_head("pan-cancer-small")


def test_a_run_is_watched_and_its_model_chosen_in_the_segment_dock(dock, viewer_model, qtbot):
    segment = SegmentDock(viewer_model)
    qtbot.addWidget(segment)
    beats: list[int] = []
    timer = QTimer()
    timer.timeout.connect(lambda: beats.append(len(dock.curves.losses)))
    timer.start(5)
    dock.start.click()
    assert not dock.start.isEnabled()
    wait_for_end(dock, qtbot)
    timer.stop()
    assert dock.state.text().startswith("Done.")
    assert dock.progress.value() == dock.progress.maximum() == 8
    assert [step for step, _ in dock.curves.losses] == [2, 4, 6, 8]
    assert [step for step, _ in dock.curves.dice] == [4, 8]
    assert len(set(beats)) > 2, "the window went on while curves grew"
    dock.use.click()
    assert segment.model.currentData() == str(dock.out() / "model")
    assert "tiny" in segment.about.text() or "square" in segment.about.text()
    segment.close_down()


def test_a_stopped_run_keeps_its_checkpoint_and_goes_on(dock, qtbot):
    dock.settings.set_value("train.steps", "1000")
    dock.start.click()
    qtbot.waitUntil(lambda: dock._at[0] >= 1, timeout=WAIT_MS)
    dock.stop.click()
    wait_for_end(dock, qtbot)
    step = dock._at[0]
    assert dock.state.text() == f"Stopped at step {step} of 1000. Start goes on from there."
    assert (dock.out() / CHECKPOINT).is_file()
    assert not dock.use.isEnabled()
    dock.start.click()
    qtbot.waitUntil(lambda: dock._at[0] > 0, timeout=WAIT_MS)
    assert dock._at[0] > step
    dock.stop.click()
    wait_for_end(dock, qtbot)


def test_what_is_wrong_is_told(dock, qtbot):
    dock.settings.set_value("train.steps", "none")
    dock.start.click()
    wait_for_end(dock, qtbot)
    assert "train.steps: 'none'" in dock.state.text()
    assert dock.curves.missing.startswith("The curves appear here"), "nothing is said to begin"
    assert dock.start.isEnabled()


def test_a_folder_of_another_training_is_refused_with_what_the_dock_can_do(dock, qtbot):
    (dock.out() / "model").mkdir(parents=True)
    dock.start.click()
    wait_for_end(dock, qtbot)
    said = dock.state.text()
    assert said.startswith(f"{dock.out()} holds another training: other settings or other data. ")
    assert said.endswith(f" {ELSEWHERE}")
    assert "Save to" in ELSEWHERE
    assert "overwrite" not in said


def test_open_slides_are_listed_with_the_annotations_beside_them(
    dock, viewer_model, tiny_slide_path
):
    beside = tiny_slide_path.with_suffix(".geojson")
    beside.write_text('{"type": "FeatureCollection", "features": []}')
    actions.open_slides(viewer_model, tiny_slide_path)
    dock.data.kind.setCurrentIndex(dock.data.kind.findData(SLIDES))
    assert dock.data.listed() == [AnnotatedSlide(tiny_slide_path, beside, "tiny")]
    assert dock.request().data == dock.out().with_name("run-slides.csv")
    beside.unlink()
    dock.start.click()
    assert dock.state.text() == "tiny.tif has no annotations: choose their file."


def test_a_table_of_slides_names_file_annotations_and_patient(tmp_path):
    drawn = tmp_path / "a.geojson"
    drawn.write_text("{}")
    rows = [AnnotatedSlide(tmp_path / "a, b.svs", drawn, " 7 ")]
    path = write_manifest(rows, tmp_path / "new" / "slides.csv")
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    assert found == [
        {"file": str(tmp_path / "a, b.svs"), "annotations": str(drawn), "patient": "7"}
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "No slide is listed: add slides"),
        ([AnnotatedSlide(Path("a.svs"), Path("none"), "7")], r"a\.svs has no annotations: choose"),
        ([AnnotatedSlide(Path("a.svs"), Path(__file__), " ")], r"a\.svs has no patient: slides"),
    ],
)
def test_what_a_table_lacks_is_told(rows, message, tmp_path):
    with pytest.raises(ParameterError, match=message):
        write_manifest(rows, tmp_path / "slides.csv")


def test_a_folder_takes_the_place_of_virtual_data(dock, recipe_file, qtbot):
    dock.data.kind.setCurrentIndex(dock.data.kind.findData(PLACE))
    dock.data.place.setText(str(recipe_file.parent / "data"))
    request = dock.request()
    assert request.data == recipe_file.parent / "data"
    classes = "classes={background: ['0'], square: ['255']}"
    virtual = TrainRequest(
        "pan-cancer-small", request.out, request.data, (classes, "data.tile_px=64", "augment=[]")
    )
    pieces = train_pieces(virtual)
    assert [next(pieces), next(pieces)] == ["Loading what trains…", "Reading the data…"]
    assert next(pieces).step == 1
    pieces.close()
