"""Whether a napari window can open here, and a virtual screen where none is."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from slideconcord.errors import SlideconcordError

VIRTUAL = ("xvfb-run", "-a", "-s", "-screen 0 1600x1000x24")


def has_screen() -> bool:
    """Whether the system can show a window: always, but on a Linux without a display."""
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in names)


def has_virtual_screen() -> bool:
    """Whether Debian's xvfb-run is there, with what it needs."""
    return bool(shutil.which("xvfb-run") and shutil.which("xauth"))


def require_napari(command: str) -> None:
    """Refuse where napari or Qt is not installed.

    Raises
    ------
    SlideconcordError
        With the line that installs them.
    """
    if find_spec("napari") is None or not any(map(find_spec, ("PyQt6", "PySide6"))):
        raise SlideconcordError(
            f"slideconcord {command} needs napari and Qt, which are not installed. "
            "Run: pip install 'slideconcord[all]'"
        )


@contextmanager
def window(command: str) -> Iterator[None]:
    """Refuse where no window can open; inside, libraries may speak: a person reads the window.

    Raises
    ------
    SlideconcordError
        When napari or a display is missing, with what to do.
    """
    require_napari(command)
    if not has_screen():
        raise SlideconcordError(
            f"slideconcord {command} opens a window and there is no display. Run it on a desktop, "
            f"or through a virtual screen: xvfb-run -a slideconcord {command} ..."
        )
    disabled = logging.root.manager.disable
    logging.disable(logging.NOTSET)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            # These speak to programmers.
            for kind in (DeprecationWarning, PendingDeprecationWarning, ResourceWarning):
                warnings.simplefilter("ignore", kind)
            yield
    finally:
        logging.disable(disabled)
