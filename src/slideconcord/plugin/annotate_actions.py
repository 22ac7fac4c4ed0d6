"""What the buttons of the Annotate dock do to what is chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from slideconcord.annotations.editing import operations as op

if TYPE_CHECKING:
    from slideconcord.plugin.annotate_tools import Tools
    from slideconcord.plugin.annotating import Editor


def act(action: str, editor: Editor, tools: Tools, smoothing_um: float) -> None:
    """Do what a button stands for: a key of ``ACTIONS``, "undo" or "redo"."""
    ids, mpp = editor.selection, editor.entry.slide.mpp
    doings: dict[str, Callable[[], Any]] = {
        "undo": editor.undo,
        "redo": editor.redo,
        "delete": editor.delete_chosen,
        "lock": editor.toggle_lock,
        "set_class": editor.set_class,
        "vertices": tools.pull_vertices,
        "merge": lambda: editor.do(lambda sheet: op.merge(sheet, ids)),
        "subtract": lambda: editor.do(lambda sheet: op.subtract(sheet, ids)),
        "fill_holes": lambda: editor.do(lambda sheet: op.fill_holes(sheet, ids, mpp)),
        "smooth": lambda: editor.do(lambda sheet: op.smooth(sheet, ids, smoothing_um, mpp)),
    }
    doings[action]()
