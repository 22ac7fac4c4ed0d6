"""Wrong input: one line on stderr that says what, where and what to do, and the exit status."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from slideconcord.cli import main


@pytest.fixture
def run(capsys):
    """Run a command in this process; return status, stdout and the lines of stderr."""

    def call(*words: object) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return call


def refused(run, *words: object) -> str:
    """Check the form of a refusal and return its line."""
    status, out, err = run(*words)
    assert status == 2
    assert out == ""
    assert len(err) == 1, err
    assert err[0].startswith("slideconcord: ")
    return err[0].removeprefix("slideconcord: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["infos"], "No such command 'infos'. Did you mean 'info'? See: slideconcord --help"),
        (["info"], "Missing argument 'SLIDE'. See: slideconcord info --help"),
        (["info", "a", "b"], "Got unexpected extra argument(s) (b). See: slideconcord info --help"),
        (["info", "a", "--jsn"], "No such option: --jsn (Possible options: --json). See: "),
        (["--nothing"], "No such option: --nothing. See: slideconcord --help"),
        (["models", "lst"], "No such command 'lst'. Did you mean 'list'? See: slideconcord models"),
        (["convert", "a"], "Missing argument 'OUT'. See: slideconcord convert --help"),
        (["info", "a.svs", "--mpp"], "Option '--mpp' requires an argument. See: "),
    ],
)
def test_usage_error_names_the_word_and_the_help(run, words, message):
    assert refused(run, *words).startswith(message)


@pytest.mark.parametrize(
    ("mpp", "message"),
    [
        ("x", "--mpp x is not made of numbers. Write --mpp 0.25."),
        ("0.25;0.25", "--mpp 0.25;0.25 is not made of numbers."),
        ("1000", "mpp=1000.0 is not a pixel size: give one or two (y, x) values from 0.02 to 50"),
        ("0", "mpp=0.0 is not a pixel size"),
        ("nan", "mpp=nan is not a pixel size"),
        ("1,2,3", "mpp=[1.0, 2.0, 3.0] is not a pixel size"),
    ],
)
def test_a_pixel_size_that_is_none_is_explained(run, tiny_slide_path, mpp, message):
    assert refused(run, "info", tiny_slide_path, "--mpp", mpp).startswith(message)


def test_a_negative_pixel_size_is_no_option(run, tiny_slide_path):
    assert "is not a pixel size" in refused(run, "info", tiny_slide_path, "--mpp=-0.25")


@pytest.fixture
def bad_files(tmp_path, tiny_slide_path):
    """Return what a user might give by mistake, by kind."""
    made = {
        "empty": tmp_path / "empty.svs",
        "text": tmp_path / "notes.tif",
        "truncated": tmp_path / "cut.tif",
        "long name": tmp_path / ("x" * 200 + ".svs"),
        "folder": tmp_path / "folder",
        "non-ascii": tmp_path / "Schnitt-ä-切片.ndpi",
    }
    made["folder"].mkdir()
    made["text"].write_text("no slide\n" * 100)
    made["truncated"].write_bytes(tiny_slide_path.read_bytes()[:100])
    for kind in ("empty", "long name", "non-ascii"):
        made[kind].write_bytes(b"" if kind == "empty" else b"nothing " * 64)
    made["missing"] = tmp_path / "nowhere.svs"
    return made


@pytest.mark.parametrize(
    "kind", ["empty", "text", "truncated", "long name", "folder", "non-ascii", "missing"]
)
@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_no_slide_is_named_in_one_line(run, bad_files, kind, as_json):
    line = refused(run, "info", bad_files[kind], *(["--json"] if as_json else []))
    assert bad_files[kind].name in line


def test_a_slide_without_pixel_size_asks_for_it(run, tmp_path):
    from conftest import tissue_like, write_pyramid

    path = write_pyramid(tmp_path / "no size.tif", tissue_like(300, 300), mpp=None, levels=1)
    assert "--mpp 0.25" in refused(run, "info", path)
    status, out, _ = run("info", path, "--mpp", "0.5,0.4", "--json")
    assert status == 0
    assert json.loads(out)["mpp"] == [0.5, 0.4]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sample"], "no sample was named: the samples are colon-virtual"),
        (["sample", "heart"], "there is no sample heart: the samples are colon-virtual"),
        (["models", "info", "nobody"], "No model 'nobody'"),
        (["convert", "a.json", "a.json"], "IN and OUT are both a.json. Give OUT another name."),
    ],
)
def test_an_unknown_name_lists_the_known(run, words, message):
    assert refused(run, *words).startswith(message)


def test_a_folder_that_cannot_be_made_is_named(run, tmp_path):
    (tmp_path / "file").write_text("")
    line = refused(run, "sample", "colon-virtual-small", "--out", tmp_path / "file" / "below")
    assert "cannot be made" in line
    assert "below" in line


def test_debug_shows_the_traceback_wherever_it_stands(run):
    for words in (["--debug", "info", "nowhere"], ["info", "nowhere", "--debug"]):
        status, _, err = run(*words)
        assert status == 2
        assert err[0].startswith("Traceback")
        assert err[-1].startswith("slideconcord: nowhere")


def test_a_name_after_the_double_dash_is_no_option(run):
    assert "--debug does not exist" in refused(run, "info", "--", "--debug")


def test_view_says_what_it_needs(run, monkeypatch, tiny_slide_path):
    monkeypatch.setattr("slideconcord.cli.screen.find_spec", lambda name: None)
    assert "pip install 'slideconcord[all]'" in refused(run, "view", tiny_slide_path)


def test_view_without_a_display_says_how_to_get_one(run, monkeypatch, tiny_slide_path):
    monkeypatch.setattr("slideconcord.cli.screen.has_screen", lambda: False)
    assert "xvfb-run -a slideconcord view" in refused(run, "view", tiny_slide_path)


def test_demo_without_any_display_says_what_to_install(run, monkeypatch):
    monkeypatch.setattr("slideconcord.cli.screen.has_screen", lambda: False)
    monkeypatch.setattr("slideconcord.cli.screen.has_virtual_screen", lambda: False)
    assert "sudo apt-get install xvfb xauth" in refused(run, "demo")


def process(*words: object, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "slideconcord", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_a_real_process_gives_one_line_and_status_2(bad_files):
    for kind in ("truncated", "text"):
        done = process("info", bad_files[kind])
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1


def test_a_non_ascii_name_survives_any_locale(bad_files):
    done = process("info", bad_files["non-ascii"], env={"LC_ALL": "C", "PATH": ""})
    assert done.returncode == 2
    assert "Schnitt-" in done.stderr


def test_a_bug_is_one_line_too(capsys):
    from slideconcord.cli.app import _tell_bug

    _tell_bug(ZeroDivisionError, ZeroDivisionError("division\nby zero"), None)
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "unexpected ZeroDivisionError: division by zero" in line
    assert "--debug" in line


def test_a_reader_that_leaves_early_is_no_error(tiny_slide_path):
    pipe = f"{sys.executable} -m slideconcord info {tiny_slide_path} --json | head -c 1"
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, check=False)
    assert done.stdout == "{"
    assert done.stderr == ""
