"""The keys of a drawing layer: they work while it is the active one."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slideconcord.plugin.annotating import Editor


class Keys:
    """Binds keys of one editor's drawing layer.

    Parameters
    ----------
    editor
        Whose layer it is.
    escape
        Gives up what is being done.
    rest
        Lets a drag do again what it did before the space bar was held.
    """

    def __init__(
        self, editor: Editor, escape: Callable[[], None], rest: Callable[[], None]
    ) -> None:
        self._editor, self._layer, self._rest = editor, editor.sketch.layer, rest
        self._class_keys: dict[str, str] = {}
        self._layer.bind_key("Space", self._pan(), overwrite=True)
        for key, action in {
            "Control-Z": editor.undo,
            "Control-Shift-Z": editor.redo,
            "Control-Y": editor.redo,
            "Delete": editor.delete_chosen,
            "Backspace": editor.delete_chosen,
            "Escape": escape,
        }.items():
            self._layer.bind_key(key, _calling(action), overwrite=True)
        self.bind_classes()

    def bind_classes(self) -> None:
        """Let each class be chosen by its key, and no other key choose one."""
        for key in self._class_keys:
            self._layer.bind_key(key, None)
        self._class_keys = {c.key.upper(): c.name for c in self._editor.sheet.classes if c.key}
        for key, name in self._class_keys.items():
            take = partial(self._editor.take_class, name)
            self._layer.bind_key(key, _calling(take), overwrite=True)

    def _pan(self) -> Callable[[Any], Generator[None, None, None]]:
        def pan(layer: Any) -> Generator[None, None, None]:
            layer.mouse_pan = True
            yield
            self._rest()

        return pan


def _calling(action: Callable[[], Any]) -> Callable[[Any], None]:
    """Return what a key does; a function, since napari asks for its name."""

    def act(_layer: Any) -> None:
        action()

    return act
