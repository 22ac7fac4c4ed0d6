"""The command experiment: end to end on virtual tissue, and what it refuses."""

from __future__ import annotations

import json

import pytest

from slideconcord.cli import main

torch = pytest.importorskip("torch")
pytest.importorskip("segmentation_models_pytorch")
pytest.importorskip("lightning_fabric")

SMALLER = (
    "--set", "scanner-shift.seeds=1", "--set", "scanner-shift.mixing=[]",
    "--set", "scanner-shift.noise=[]",
    "--set", "scanner-shift.changes={train: {steps: 2, batch: 2, check_every: 2}}",
    "--set", "scanner-shift.recipe.data.source={virtual: {tissues: 6, side_um: 384}}",
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(capsys, *words):
    status = main(["experiment", *(str(word) for word in words)])
    out, err = capsys.readouterr()
    return status, out, err


def test_a_small_study_end_to_end_as_json_and_once_more(capsys, tmp_path):
    words = ("scanner-shift-small", "--out", tmp_path / "out", "--device", "cpu", *SMALLER)
    status, out, _ = run(capsys, *words, "--json")
    assert status == 0
    told = json.loads(out)
    assert {(row["train"], row["test"]) for row in told["runs"]} == {
        (j, k) for j in ("virtual-A", "virtual-B") for k in ("virtual-A", "virtual-B")
    }
    assert (tmp_path / "out" / "matrix.csv").is_file()
    status, out, _ = run(capsys, *words)
    assert status == 0
    assert out.splitlines()[-1] == f"the tables are in {tmp_path / 'out'}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("scanner-shft",), "Did you mean 'scanner-shift'"),
        (("scanner-shift",), "--data"),
        (("scanner-shift-small", "--data", "x"), "this recipe's data are virtual and lie nowhere"),
        (("scanner-shift-small", "--set", "scanner-shift.seeds=0"), "greater than or equal to 1"),
        (("scanner-shift-small", "--set", "shift.seeds=1"), "one name with its parameters"),
    ],
)
def test_wrong_input_is_one_line_that_helps(capsys, tmp_path, words, message):
    status, _, err = run(capsys, *words, "--out", tmp_path / "out")
    assert (status, err.count("\n")) == (2, 1)
    assert message in err
