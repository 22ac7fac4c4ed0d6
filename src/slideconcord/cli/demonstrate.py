"""The command demo: the sample case loaded, segmented and thresholded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from slideconcord.cli import screen, show
from slideconcord.cli.options import Json
from slideconcord.errors import SlideconcordError


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.")
    ] = Path("demo-output"),
    keep_open: Annotated[
        bool | None,
        typer.Option("--show/--no-show", help="Leave the window open (default: with a display)."),
    ] = None,
    json: Json = False,
) -> int | None:
    """Open a sample case in napari: loaded, segmented, thresholded, with everything saved.

    Without a display it does the same on a virtual screen and leaves pictures of it.
    """
    if not screen.has_screen():
        return _on_virtual_screen(out, json)
    stays_open = not json if keep_open is None else keep_open
    if stays_open:
        show.text("The window opens and the sample case is segmented. Close it when you are done.")
    with screen.window("demo"):
        from slideconcord.plugin.demo import run_demo

        files = run_demo(out, show=stays_open)
    if json:
        show.as_json({"folder": out, "files": files})
        return None
    show.text(f"The sample case, segmented, is in {out.resolve()}:")
    for file in files:
        show.text(f"  {file}")
    return None


def _on_virtual_screen(out: Path, json: bool) -> int:
    """Run the same command again under a virtual screen."""
    screen.require_napari("demo")
    if not screen.has_virtual_screen():
        raise SlideconcordError(
            "the demo needs a display or a virtual one, and xvfb-run is not installed. "
            "Run: sudo apt-get install xvfb xauth"
        )
    command = [*screen.VIRTUAL, sys.executable, "-m", "slideconcord", "demo", "--no-show"]
    command += ["--out", str(out), *(["--json"] if json else [])]
    return subprocess.call(command)  # noqa: S603 - our own words only
