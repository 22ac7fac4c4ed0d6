"""What README and docs tell people to type exists and works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer

import slideconcord as sc
from slideconcord.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
CONSOLE = re.compile(r"^\$ (slideconcord .+)$", re.MULTILINE)
LINES = [(name, line) for name, text in TEXTS.items() for line in CONSOLE.findall(text)]


def python_blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", TEXTS[page], re.DOTALL)


@pytest.mark.parametrize(("page", "line"), LINES)
def test_every_command_line_shown_is_one(page, line):
    words = shlex.split(line.split("#")[0])[1:]
    command = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, page
        command = command.commands[words.pop(0)]
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
    assert {word for word in words if word.startswith("-")} <= known, page


def test_command_lines_were_found():
    assert len(LINES) > 10


@pytest.mark.parametrize("name", [name for name in TEXTS if not name.startswith("docs/")])
def test_links_of_the_front_pages_lead_somewhere(name):
    links = re.findall(r"\]\(([^)#:]+)\)", TEXTS[name])
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_checklists_are_whole_and_name_tests_that_exist():
    page = TEXTS["docs/methods/checklists.md"]
    parts = page.split("\n## ")[1:]
    numbers = [
        [int(n) for n in re.findall(r"^\| (\d+)†? \|", part, re.MULTILINE)] for part in parts
    ]
    assert numbers == [list(range(1, last + 1)) for last in (21, 20, 22, 16)]
    rows = re.findall(r"^\| \d+†? \|.*$", page, re.MULTILINE)
    named = [re.findall(r"`([\w/]+\.py)::(test_\w+)`", row) for row in rows]
    assert all(named), "an item without a test"
    texts = {file: (ROOT / "tests" / file).read_text() for each in named for file, _ in each}
    missing = [
        f"{file}::{test}"
        for each in named
        for file, test in each
        if not re.search(rf"^def {test}\(", texts[file], re.MULTILINE)
    ]
    assert missing == []
    assert "compare with the last" in TEXTS["docs/methods/stain-separation.md"], "of three Dice"
    assert "The paper is about radiology" in TEXTS["docs/methods/scanner-shift.md"]


def test_the_python_example_of_the_readme_works(tiny_slide_path, tmp_path, monkeypatch):
    (example,) = python_blocks("README.md")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(example.replace("slide.svs", tiny_slide_path.as_posix()), names)
    assert (tmp_path / "regions.geojson").is_file()
    assert (tmp_path / "results" / "slide" / "probability.zarr").is_dir()


def test_the_python_examples_of_the_tutorial_work(tiny_slide_path, tmp_path, monkeypatch, capsys):
    path, index, tiles = python_blocks("docs/tutorial.md")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(path.replace("slide.svs", tiny_slide_path.as_posix()), names)
    exec(index, names)
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown] == ["0.5", "0.7", "0.9"]
    exec(tiles.replace("results/slide", "other"), names)
    assert " of " in capsys.readouterr().out


def test_the_reader_of_the_how_to_reads(tmp_path, monkeypatch):
    (example,) = python_blocks("docs/howto/add-a-reader.md")
    names: dict[str, object] = {"__name__": "raw_example"}
    exec(example, names)
    pixels = np.random.default_rng(1).integers(0, 255, (700, 900, 3), dtype=np.uint8)
    np.save(tmp_path / "slide.npy", pixels)

    module = type("Module", (), {"RawReader": names["RawReader"]})
    monkeypatch.setitem(__import__("sys").modules, "raw_example", module)
    monkeypatch.setitem(sc.open_slide.__globals__["READERS"], "raw", "raw_example:RawReader")
    with sc.open_slide(tmp_path / "slide.npy") as slide:
        assert slide.mpp == (0.5, 0.5)
        read = slide.read_region(0, sc.Box(10, 20, 300, 400))
    assert (read == pixels[10:310, 20:420]).all()
