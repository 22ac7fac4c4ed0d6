"""What is inside the wheel, and what the clone's own tools do."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = f"from hatchling.build import build_wheel; print(build_wheel({str(folder)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return zipfile.ZipFile(folder / done.stdout.split()[-1])


def test_wheel_holds_every_tracked_file_of_the_package(wheel):
    tracked = subprocess.run(
        ["git", "ls-files", "src/slideconcord"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout.splitlines()  # fmt: skip
    if not tracked:
        pytest.skip("not a git clone: the list of files cannot be asked for")
    missing = {path.removeprefix("src/") for path in tracked} - set(wheel.namelist())
    assert not missing


@pytest.mark.parametrize(
    "path",
    [
        "slideconcord/napari.yaml",
        "slideconcord/py.typed",
        "slideconcord/segmentation/models/stain-density/model.json",
        "slideconcord/segmentation/models/colon-epithelium/weights.safetensors",
        "slideconcord/segmentation/models/colon-epithelium/MODEL_CARD.md",
        "slideconcord/samples/data/colon-virtual-small_virtual-A.ome.tiff",
        "slideconcord/samples/data/colon-virtual-small_virtual-B.truth.geojson",
    ],
)
def test_wheel_holds_what_the_plugin_needs_at_run_time(wheel, path):
    assert wheel.getinfo(path).file_size > 0 or path.endswith("py.typed")


def test_wheel_holds_nothing_but_the_package(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top.split("-")[0] for top in tops} == {"slideconcord"}
    assert not [name for name in wheel.namelist() if "__pycache__" in name]


def test_wheel_is_small_enough_to_hand_around(wheel):
    assert sum(item.compress_size for item in wheel.infolist()) < 60 * 2**20


def test_the_wheel_declares_command_and_manifest(wheel):
    name = next(n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    text = wheel.read(name).decode()
    assert "slideconcord = slideconcord.cli:main" in text
    assert "slideconcord = slideconcord:napari.yaml" in text


def name_of(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def test_qt_comes_only_with_all():
    extras = PROJECT["optional-dependencies"]
    with_qt = {extra for extra, needs in extras.items() if "qt6" in " ".join(needs).lower()}
    assert with_qt == {"all"}


def test_no_base_dependency_is_heavy_or_graphical():
    base = set(map(name_of, PROJECT["dependencies"]))
    assert not base & {"torch", "torchvision", "napari", "qtpy", "pyqt6", "pyside6"}


def test_constraints_pin_every_direct_dependency_but_torch():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {name_of(line) for line in lines if "==" in line}
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    wanted = {name_of(requirement) for group in groups for requirement in group}
    assert wanted - pinned == {"slideconcord", "torch", "torchvision"}


def run_dev(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "dev.py", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("words", [["nonsense"], ["check", "extra"], []])
def test_dev_explains_itself_when_asked_for_what_it_does_not_know(words):
    done = run_dev(*words)
    assert done.returncode == 2
    assert "dev.py demo" in done.stdout


@pytest.fixture
def dev():
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_dev_names_the_python_it_needs(dev, monkeypatch):
    monkeypatch.setattr(dev.sys, "version_info", (3, 9, 1))
    monkeypatch.setattr(dev, "is_suitable", lambda command: False)
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer .* install one"):
        dev.find_python()
    monkeypatch.setattr(dev, "is_suitable", lambda command: command == ["python3.12"])
    assert dev.find_python() == ["python3.12"]


def test_dev_prints_the_exact_line_where_it_may_not_install(dev, monkeypatch, capsys):
    monkeypatch.setattr(dev, "root_command", lambda: None)
    monkeypatch.setattr(dev.shutil, "which", lambda name: "/usr/bin/apt-get")
    assert dev.install_packages(["xvfb", "libegl1"]) is False
    line = "sudo apt-get install -y --no-install-recommends xvfb libegl1"
    assert line in capsys.readouterr().out


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="system packages are Debian's")
def test_dev_finds_what_a_window_lacks(dev, monkeypatch):
    monkeypatch.setattr(dev, "loads", lambda library: library != "libxcb-cursor.so.0")
    monkeypatch.setattr(dev.shutil, "which", lambda name: None)
    assert {"libxcb-cursor0", "xvfb", "xauth"} <= set(dev.missing_packages())
    assert "libegl1" not in dev.missing_packages()


def test_dev_goes_on_without_a_screen_as_far_as_it_can(dev, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(dev, "setup", lambda: 0)
    monkeypatch.setattr(dev, "screen", lambda: None)
    monkeypatch.setattr(dev, "call", lambda *words, **more: calls.append((words, more)) or 0)
    assert dev.test("-q") == 0
    assert dev.demo() == 2
    ((words, more),) = calls
    assert words[-3:] == ("-m", "not viewer", "-q")
    assert more == {"QT_QPA_PLATFORM": "offscreen"}
    assert "no screen and no xvfb-run" in capsys.readouterr().out


def test_dev_knows_when_an_environment_is_up_to_date(dev, monkeypatch, tmp_path):
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "CONSTRAINTS", tmp_path / "constraints.txt")
    (tmp_path / "constraints.txt").write_text("numpy==2")
    (tmp_path / "pyproject.toml").write_text("one")
    before = dev.stamp_of("all")
    assert dev.stamp_of("all") == before != dev.stamp_of("docs")
    (tmp_path / "pyproject.toml").write_text("other")
    assert dev.stamp_of("all") != before


def test_make_only_calls_dev():
    recipes = [
        line.strip() for line in (ROOT / "Makefile").read_text().splitlines() if line[:1] == "\t"
    ]
    assert recipes
    assert all("dev.py" in line for line in recipes)
