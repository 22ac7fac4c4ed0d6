"""TensorBoard's own reader finds what the CSV files hold, however often a run stopped."""

from __future__ import annotations

import socket
import sys
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from slideconcord.errors import OutputError, ParameterError
from slideconcord.training.folder import CHECKPOINT
from slideconcord.training.log import read_log
from slideconcord.training.options import TrainOptions
from slideconcord.training.run import train, train_steps
from slideconcord.training.tensorboard import TensorBoardLog
from training.training_data import folder_recipe, write_folder

CSV = TrainOptions(device="cpu", readers=2)
BOTH = replace(CSV, tensorboard=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("logged") / "data")


@pytest.fixture(scope="module")
def recipe(data):
    return folder_recipe(data)


def seen_by_tensorboard(folder) -> dict[str, list[tuple[int, float]]]:
    pytest.importorskip("tensorboardX")
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(folder), {reader.SCALARS: 0, reader.TENSORS: 0})
    events.Reload()
    tags = events.Tags()
    assert not any(found for kind, found in tags.items() if kind != "scalars")
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags["scalars"]
    }


def in_csv(path) -> dict[str, list[tuple[int, float]]]:
    rows = read_log(path)
    columns = {name: [(row["step"], row[name]) for row in rows] for name in rows[0]}
    del columns["step"]
    # an event holds 32 bits of a number; what is undefined makes no point
    points = {
        name: [(step, float(np.float32(value))) for step, value in column if value is not None]
        for name, column in columns.items()
    }
    return {name: column for name, column in points.items() if column}


def assert_both_logs_agree(out, steps=(2, 4, 6, 8)):
    for name in ("train", "checks"):
        assert seen_by_tensorboard(out / "tensorboard" / name) == in_csv(out / f"{name}.csv")
    assert [step for step, _ in in_csv(out / "train.csv")["loss"]] == list(steps)


def run_until(stop, recipe, out, options, **more):
    with closing(train_steps(recipe, out, options, **more)) as steps:
        for step in steps:
            if step.step == stop:
                return


def test_it_holds_what_the_csv_files_hold_and_names_nobody_and_no_place(recipe, data, tmp_path):
    pytest.importorskip("tensorboardX")
    out = tmp_path / "run"
    model = train(recipe, out, BOTH)
    assert_both_logs_agree(out)
    assert not [path for path in model.rglob("*") if "tfevents" in path.name]
    for path in (out / "tensorboard").rglob("*"):
        content = b"" if path.is_dir() else path.read_bytes()
        assert socket.gethostname() not in path.name
        for secret in ("patient-1", "tile-", str(data), str(out), socket.gethostname()):
            assert secret.encode() not in content


@pytest.mark.parametrize(
    "options",
    [(BOTH, BOTH), (CSV, BOTH), (BOTH, CSV)],
    ids=["always", "only later", "only at first"],
)
def test_a_run_that_stopped_and_was_killed_has_no_step_twice_and_no_gap(recipe, tmp_path, options):
    pytest.importorskip("tensorboardX")
    out, (at_first, later) = tmp_path / "run", options
    run_until(4, recipe, out, at_first)
    kept = (out / CHECKPOINT).read_bytes()
    run_until(6, recipe, out, at_first)
    (out / CHECKPOINT).write_bytes(kept)  # as if killed before step 5 and 6 were saved
    for path in (out / "tensorboard").rglob("*tfevents*"):
        path.write_bytes(path.read_bytes() + b"half a record")
    run_until(5, recipe, out, later)
    train(recipe, out, later)
    assert_both_logs_agree(out)


def test_another_run_in_the_folder_begins_with_an_empty_log(recipe, data, tmp_path):
    pytest.importorskip("tensorboardX")
    out = tmp_path / "run"
    run_until(6, recipe, out, BOTH)
    other = folder_recipe(data, seed=9, train__steps=4)
    train(other, out, BOTH, overwrite=True)
    assert_both_logs_agree(out, (2, 4))
    train(other, out, CSV, overwrite=True)
    assert not (out / "tensorboard").exists()


def test_without_the_library_it_says_what_to_install_before_any_work(recipe, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ParameterError, match=r"Run: pip install 'slideconcord\[tensorboard\]'"):
        train(recipe, tmp_path / "run", BOTH)
    assert not (tmp_path / "run").exists()


def test_a_row_is_on_disk_once_written_and_what_is_undefined_makes_no_point(tmp_path):
    pytest.importorskip("tensorboardX")
    log = TensorBoardLog(tmp_path / "train", [], 0)
    log.write(3, {"loss": 0.1, "dice a b": None})
    assert seen_by_tensorboard(tmp_path / "train") == {"loss": [(3, float(np.float32(0.1)))]}
    log.write(4, {"loss": 7, "dice a b": 1.0})
    assert seen_by_tensorboard(tmp_path / "train")["dice a b"] == [(4, 1.0)]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    pytest.importorskip("tensorboardX")
    log = TensorBoardLog(tmp_path / "train", [], 0)
    [file] = (tmp_path / "train").iterdir()
    file.unlink()
    file.mkdir()
    with pytest.raises(OutputError, match=r"cannot be written: .* run the same again to go on"):
        log.write(1, {"loss": 1.0})
