"""Commands that show: info, sample, models, doctor, and the options they share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
import typer

from slideconcord import __version__
from slideconcord.cli import main
from slideconcord.cli.options import read_box, with_fields
from slideconcord.cli.outcome import Inputs
from slideconcord.errors import ParameterError, SlideError
from slideconcord.geometry import Box


def json_of(capsys, *words: object) -> object:
    """Return what a command prints with --json; stdout must hold that and nothing else."""
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def text_of(capsys, *words: object) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


@pytest.fixture
def needs_napari() -> None:
    pytest.importorskip("napari")


def test_version(capsys):
    assert text_of(capsys, "--version").strip() == __version__


def test_no_word_at_all_shows_the_help(capsys):
    assert "Usage: slideconcord" in text_of(capsys)


@pytest.mark.parametrize(
    "command",
    ["info", "view", "segment", "threshold", "convert", "sample", "doctor", "demo", "models list"],
)
def test_every_command_takes_json_and_explains_itself(capsys, command):
    out = text_of(capsys, *command.split(), "--help")
    assert "--json" in out


def test_info_tells_the_facts(capsys, tiny_slide_path):
    facts = json_of(capsys, "info", tiny_slide_path)
    assert facts["shape"] == [1500, 2000]
    assert facts["mpp"] == pytest.approx([0.5, 0.5])
    assert facts["mpp_source"] == "file"
    text = text_of(capsys, "info", tiny_slide_path)
    assert "1500, 2000" in text


def test_info_opens_names_that_are_not_ascii(capsys, tmp_path, tiny_slide_path):
    path = tmp_path / "Schnitt ä [1] 切片.tif"
    path.write_bytes(tiny_slide_path.read_bytes())
    assert json_of(capsys, "info", path)["name"] == "Schnitt ä [1] 切片"
    assert "Schnitt ä [1] 切片" in text_of(capsys, "info", path)


def test_info_names_no_label_and_no_free_property(capsys, real_data):
    slide = real_data / "slides" / "CMU-1-Small-Region.svs"
    text = json.dumps(json_of(capsys, "info", slide)).lower()
    assert "label" not in text
    # Aperio's description field, where sites write what they like.
    assert "filename" not in text
    assert "imageid" not in text


@pytest.fixture
def viewed(monkeypatch, needs_napari) -> list[tuple[list[str], object]]:
    """Return what would have been opened in a window."""
    seen = []
    monkeypatch.setattr("slideconcord.cli.screen.has_screen", lambda: True)
    monkeypatch.setattr(
        "slideconcord.plugin.actions.view_slides",
        lambda paths, mpp=None: seen.append(([p.name for p in paths], mpp)),
    )
    return seen


def test_view_opens_the_good_slides_and_names_the_bad(capsys, viewed, tiny_slide_path, tmp_path):
    (tmp_path / "bad.svs").write_text("nothing")
    words = ["view", str(tmp_path / "bad.svs"), str(tiny_slide_path), "--mpp", "0.25"]
    assert main(words) == 1
    assert viewed == [(["tiny.tif"], (0.25, 0.25))]
    assert "bad.svs" in capsys.readouterr().err


def test_samples_are_listed(capsys):
    listed = json_of(capsys, "sample", "--list")
    assert "colon-virtual" in listed
    assert "colon-virtual" in text_of(capsys, "sample", "--list")


def test_models_are_listed_and_described(capsys):
    listed = json_of(capsys, "models", "list")
    assert "stain-density" in {model["name"] for model in listed}
    described = json_of(capsys, "models", "info", "stain-density")
    assert described["licence"] == "BSD-3-Clause"
    assert len(described["hash"]) == 64
    assert "haematoxylin" in text_of(capsys, "models", "info", "stain-density")


def test_doctor_names_every_check(capsys):
    main(["doctor", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert {row["state"] for row in rows} <= {"ok", "warn", "fail"}
    assert {"Python", "OpenSlide", "models", "display", "memory"} <= {row["name"] for row in rows}
    assert all(row["remedy"] for row in rows if row["state"] != "ok")


def test_doctor_fails_where_a_check_fails(capsys, monkeypatch):
    from slideconcord.cli import checks

    monkeypatch.setattr(checks, "_version", lambda name: None)
    broken = checks.Check("OpenSlide", "fail", "no library", "pip install openslide-bin")
    monkeypatch.setattr(checks, "CHECKS", (lambda: broken, checks.check_napari))
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "pip install openslide-bin" in out
    assert "pip install 'slideconcord[all]'" in out


def test_a_box_is_four_whole_numbers():
    assert read_box("10,20,30,40") == Box(10, 20, 30, 40)
    assert read_box(None) is None
    for text in ("1,2,3", "1,2,0,4", "1,2,3.5,4", "a,b,c,d", ""):
        with pytest.raises(ParameterError, match=r"--box .* Write --box 0,0,2048,2048\."):
            read_box(text)


@dataclass(frozen=True)
class Settings:
    tile_px: int | None = field(default=None, metadata={"help": "Side of a tile.", "min": 16})
    device: str = field(default="auto", metadata={"help": "Where to compute."})
    hidden: int = 3


def test_options_come_from_the_fields_of_the_settings(capsys):
    app = typer.Typer()
    seen = {}

    @app.command()
    @with_fields(Settings, "hidden")
    def run(name: str, **values: object) -> None:
        seen.update(values, name=name)

    command = typer.main.get_command(app)
    command(["a", "--tile-px", "64"], standalone_mode=False)
    assert seen == {"name": "a", "tile_px": 64, "device": "auto"}
    with pytest.raises(typer.TyperException, match="greater than or equal to 16"):
        command(["a", "--tile-px", "15"], standalone_mode=False)
    command(["--help"], standalone_mode=False)
    out = capsys.readouterr().out
    assert "Side of a tile." in out
    assert "--hidden" not in out


def test_one_bad_input_of_several_is_status_1_and_the_others_go_on(capsys, tmp_path):
    inputs, reached = Inputs(3), []
    for name in ("a", "b", "c"):
        with inputs.guard(tmp_path / name):
            if name == "b":
                raise SlideError("it is no slide: give another.", tmp_path / name)
            reached.append(name)
    assert reached == ["a", "c"]
    assert inputs.status == 1
    line = f"{tmp_path / 'b'}: it is no slide: give another."
    assert capsys.readouterr().err == f"slideconcord: {line}\n"
    assert inputs.failed == [{"input": str(tmp_path / "b"), "error": line}]


def test_when_every_input_is_bad_the_status_is_2(tmp_path):
    inputs = Inputs(1)
    with inputs.guard(tmp_path):
        raise PermissionError(13, "Permission denied", "/data/x")
    assert inputs.status == 2
    assert "/data/x: Permission denied. Check the path" in inputs.failed[0]["error"]
