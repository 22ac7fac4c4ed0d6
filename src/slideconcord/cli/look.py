"""Commands that show slides: info, view, sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slideconcord.cli import screen, show
from slideconcord.cli.options import Json, MppText, read_mpp
from slideconcord.cli.outcome import Inputs
from slideconcord.errors import ParameterError


def info(
    slide: Annotated[
        Path,
        typer.Argument(metavar="SLIDE", help="A file, or a folder of DICOM files or OME-Zarr."),
    ],
    mpp: MppText = None,
    json: Json = False,
) -> None:
    """Print the facts about a slide; never its label or anything that names a patient."""
    from slideconcord.slides import open_slide

    with open_slide(slide, mpp=read_mpp(mpp)) as opened:
        description = opened.description()
    if json:
        show.as_json(description)
    else:
        show.facts(description)


def view(
    slides: Annotated[list[Path], typer.Argument(metavar="SLIDE", help="Slides to open.")],
    mpp: MppText = None,
    json: Json = False,
) -> int:
    """Open slides in napari."""
    from slideconcord.slides import open_slide

    inputs = Inputs(len(slides))
    good = []
    for path in slides:
        with inputs.guard(path), open_slide(path, mpp=read_mpp(mpp)):
            good.append(path)
    if good:
        _show_window(good, mpp)
    if json:
        show.as_json({"opened": good, "failed": inputs.failed})
    return inputs.status


def _show_window(paths: list[Path], mpp: str | None) -> None:
    with screen.window("view"):
        from slideconcord.plugin.actions import view_slides

        view_slides(paths, mpp=read_mpp(mpp))


def sample(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Which sample; see --list.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder (default: named by the sample)."),
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="Name the samples.")] = False,
    json: Json = False,
) -> None:
    """Write a virtual slide whose truth is known exactly."""
    from slideconcord.samples import SAMPLES, sample_steps

    if list_all:
        listed = {key: str(what) for key, what in SAMPLES.items()}
        show.as_json(listed) if json else show.table(("sample", "what it is"), listed.items())
        return
    if name is None or name not in SAMPLES:
        asked = "no sample was named" if name is None else f"there is no sample {name}"
        raise ParameterError(f"{asked}: the samples are {', '.join(SAMPLES)}.")
    files = []
    with show.progress(name) as advance:
        for step in sample_steps(name, out or Path(name)):
            advance(step.index, step.total)
            files += [step.finished] if step.finished else []
    if json:
        show.as_json({"sample": name, "files": files})
    else:
        for file in files:
            show.text(str(file))
