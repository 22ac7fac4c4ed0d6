"""The runner of the benchmarks: what it prints and what it keeps."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def runner(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("bench", ROOT / "benchmarks" / "__main__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "HERE", tmp_path / "benchmarks")
    monkeypatch.setattr(module, "PAGE", tmp_path / "page.md")
    module.HERE.mkdir()
    module.PAGE.write_text(f"before\n{module.BEGIN}\nold\n{module.END}\nafter\n")
    lines = ("read  80 ms  40 ms  2.0x", "note of 20 x 30 px")
    script = "\n".join(f"print({line!r})" for line in lines)
    (module.HERE / "bench_good.py").write_text(script)
    return module


def test_output_and_machine_are_kept_between_the_markers(runner, capsys):
    assert runner.main(["--write"]) == 0
    shown = capsys.readouterr().out
    assert shown.rstrip().endswith("good         read  80 ms  40 ms  2.0x")
    text = runner.PAGE.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "CPU:" in text
    assert "### good\n\n```text\nread  80 ms  40 ms  2.0x\nnote of 20 x 30 px\n```" in text
    runner.main(["--write"])
    assert runner.PAGE.read_text().count("### good") == 1


def test_a_benchmark_that_fails_changes_no_page(runner, capsys):
    (runner.HERE / "bench_bad.py").write_text("raise SystemExit('no')")
    before = runner.PAGE.read_text()
    assert runner.main(["--write"]) == 1
    assert "failed: bad" in capsys.readouterr().out
    assert runner.PAGE.read_text() == before


def test_an_unknown_name_lists_the_known(runner, capsys):
    assert runner.main(["bad"]) == 2
    assert capsys.readouterr().out == "no benchmark bad: there are good.\n"


def test_the_page_of_the_site_has_the_markers():
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    assert text.count("<!-- bench:begin -->") == text.count("<!-- bench:end -->") == 1
