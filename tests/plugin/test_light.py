"""The plugin's own house rules."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import slideconcord.plugin

FOLDER = Path(slideconcord.plugin.__file__).parent
FILES = sorted(FOLDER.glob("*.py"))


def test_workspace_and_reader_load_neither_qt_nor_torch():
    code = (
        "import sys, slideconcord.plugin.workspace, slideconcord.plugin.reader\n"
        "heavy = {'napari', 'qtpy', 'superqt', 'torch', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nobody_else_s_private_parts_are_touched(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    touched = [
        f"line {node.lineno}: .{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    ]
    assert not touched


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_qt_comes_through_qtpy(file):
    text = file.read_text(encoding="utf-8")
    assert "PyQt6" not in text
    assert "PySide6" not in text
