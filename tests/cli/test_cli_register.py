"""register, as a user runs it on the shipped virtual scans."""

from __future__ import annotations

import json

import pytest

import slideconcord as sc
from slideconcord.cli import main
from slideconcord.samples import shipped_files


def shipped(scanner: str) -> str:
    return str(next(f for f in shipped_files("colon-virtual-small")
                    if f.name.endswith(f"{scanner}.ome.tiff")))  # fmt: skip


@pytest.fixture
def run(capsys):
    def call(*words: object) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return call


def test_register_leaves_one_file_and_says_how_good_it_is(run, tmp_path):
    path = tmp_path / "b-on-a.json"
    pair = shipped("B"), shipped("A")
    status, out, err = run("register", *pair, "--out", path, "--json")
    assert (status, err) == (0, [])
    told = json.loads(out)
    assert (told["status"], told["file"]) == ("ok", str(path))
    assert {"scale", "rotation_deg", "residual_p90_um", "accepted"} <= set(told)
    found = sc.read_registration(path)
    with sc.open_slide(pair[0]) as moving, sc.open_slide(pair[1]) as fixed:
        found.require(moving, fixed)
    assert told["rotation_deg"] == pytest.approx(found.pose.rotation_deg)
    status, _, err = run("register", *pair, "--out", path)
    assert status == 2
    assert "already there" in err[0]


def test_a_failed_registration_is_named_and_leaves_nothing(run, tmp_path):
    path = tmp_path / "none.json"
    words = ("register", shipped("B"), shipped("A"), "--out", path, "--moving-mpp", "0.7")
    status, out, err = run(*words, "--json")
    assert status == 1
    assert len(err) == 1
    assert "one of them is wrong" in err[0]
    assert "--moving-mpp" in err[0]
    told = json.loads(out)
    assert (told["status"], told["file"]) == ("failed", None)
    assert "scale" not in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("A", "A"), "same file twice"),
        (("A", "none.tif"), "none.tif does not exist"),
        (("A", "B", "--method", "magic"), "choose one of tiles, orb-affine"),
        (("A", "B", "--mpp", "huge"), "not made of numbers"),
        (("A", "B", "--scale-tolerance", "7"), "scale-tolerance"),
    ],
)
def test_bad_input_is_one_line_and_status_2(run, tmp_path, words, says):
    scans = [shipped(w) if w in ("A", "B") else w for w in words]
    status, out, err = run("register", *scans, "--out", tmp_path / "r.json")
    assert (status, out, len(err)) == (2, "", 1)
    assert says in err[0]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told_before_the_work(run, tmp_path):
    status, _, err = run("register", shipped("A"), "x.tif", "--out", tmp_path / "no" / "r.json")
    assert status == 2
    assert "there is no folder" in err[0]
