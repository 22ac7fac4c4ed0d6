"""The command train: the small recipe end to end, Ctrl-C and going on, and what it refuses."""

from __future__ import annotations

import json
import signal
import sys

import pytest

from slideconcord.cli import main

torch = pytest.importorskip("torch")

HANDLER = signal.getsignal(signal.SIGINT)  # none where the tests run in the background
SMALLER = (
    "--set", "train.steps=24", "--set", "train.check_every=12", "--set", "train.batch=4",
    "--set", "data.source={virtual: {tissues: 4, side_um: 512}}", "--device", "cpu",
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(capsys, *words):
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the folder of a small run that Ctrl-C stopped once, with both exit statuses."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("runs") / "small"
    words = ["train", "pan-cancer-small", "--out", str(out), *SMALLER]
    from slideconcord.training.learning import Learning

    sound = Learning.step

    def interrupting(self, batch):
        terms = sound(self, batch)
        if self.step_number == 7:
            signal.raise_signal(signal.SIGINT)
        return terms

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learning, "step", interrupting)
        stopped = main(words)
    checkpoint = (out / "checkpoint.safetensors").is_file()
    finished = main(words)
    torch.set_num_threads(before)
    return out, (stopped, checkpoint, finished)


def test_ctrl_c_keeps_what_was_done_and_the_same_command_goes_on(trained):
    out, (stopped, kept, finished) = trained
    assert (stopped, kept, finished) == (130, True, 0)
    steps = [line.split(",")[0] for line in (out / "train.csv").read_text().splitlines()[1:]]
    assert steps == ["5", "10", "15", "20", "24"]


def test_the_model_segments_a_slide(trained, capsys, tmp_path):
    from slideconcord.samples.cases import shipped_files

    slide = shipped_files("colon-virtual-small")[0]
    words = ["segment", slide, "--model", trained[0] / "model", "--out", tmp_path, "--json"]
    status, out, _ = run(capsys, *words, "--device", "cpu")
    assert status == 0
    [result] = json.loads(out)["slides"]
    assert result["regions"] >= 0
    assert (tmp_path / result["folder"].split("/")[-1] / "probability.zarr").is_dir()


def test_a_finished_run_answers_at_once_as_json(trained, capsys):
    out = trained[0]
    status, text, err = run(capsys, "train", "pan-cancer-small", "--out", out, *SMALLER, "--json")
    assert (status, err) == (0, "")
    answer = json.loads(text)
    assert answer["model"] == str(out / "model")
    assert set(answer["scores"]["dice"]) == {"background", "other tissue", "tumour"}


def test_the_interrupt_handler_is_put_back(trained):
    assert signal.getsignal(signal.SIGINT) is HANDLER


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pan-cancr"], "The recipe 'pan-cancr' is not known. Did you mean 'pan-cancer'?"),
        (["pan-cancer"], "data.source: give the manifest of the slides (--data FILE.csv)."),
        (["pan-cancer", "--data", "no.csv"], "no.csv cannot be read as a CSV (No such file"),
        (["pan-cancer-small", "--set", "train.stps=5"], "Did you mean 'steps'?"),
        (["pan-cancer-small", "--device", "gpu"], "Device 'gpu' is not known. Choose auto,"),
        (["pan-cancer-small", "--parts", "0"], "Invalid value for '--parts'"),
    ],
)
def test_wrong_input_is_one_line(capsys, tmp_path, words, message):
    status, out, err = run(capsys, "train", *words, "--out", tmp_path / "run")
    assert status == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err


def test_what_is_not_installed_is_named(capsys, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("slideconcord.training.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    status, _, err = run(capsys, "train", "pan-cancer-small", "--out", tmp_path / "run")
    assert status == 2
    advice = "Run: pip install 'slideconcord[train]'"
    assert err == f"slideconcord: Training needs lightning_fabric. {advice}\n"
