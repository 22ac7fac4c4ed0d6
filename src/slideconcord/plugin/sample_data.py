"""What File > Open Sample offers: virtual slides, made on this machine when first asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import platformdirs

from slideconcord.plugin.reader import current_viewer
from slideconcord.slides import open_slide

ENDING = ".ome.tiff"


def colon() -> list[tuple[Any, ...]]:
    """Open the virtual colon with a tumour, as two virtual scanners see it."""
    return sample_layers("colon-virtual")


def colon_small() -> list[tuple[Any, ...]]:
    """Open the small virtual colon, as two virtual scanners see it."""
    return sample_layers("colon-virtual-small")


def colon_five() -> list[tuple[Any, ...]]:
    """Open the virtual colon as five virtual scanners see it."""
    return sample_layers("colon-virtual-five")


def sample_layers(name: str) -> list[tuple[Any, ...]]:
    """Return the layer data of a sample's slides; the first one shows, the others are hidden."""
    from slideconcord.plugin.layers import slide_layer
    from slideconcord.plugin.session import session_of

    if (viewer := current_viewer()) is not None:
        session_of(viewer)
    layers = [slide_layer(open_slide(path)) for path in sample_slides(name)]
    for _, keywords, _ in layers[1:]:
        keywords["visible"] = False
    return list(layers)


def sample_slides(name: str, folder: Path | None = None) -> list[Path]:
    """Return the slides of a sample, made in ``folder`` (the user's cache) when not there yet."""
    folder = folder or samples_folder() / name
    # the README is written last: with it the sample is whole
    if not (folder / f"{name}.README.txt").is_file():
        make_sample(name, folder)
    return sorted(folder.glob(f"{name}_*{ENDING}"))


def make_sample(name: str, folder: Path) -> None:
    """Make a sample, with napari's progress bar."""
    from napari.utils import progress

    from slideconcord.samples import sample_steps

    with progress(total=0, desc=f"Making {name}") as bar:
        for step in sample_steps(name, folder):
            bar.total = step.total
            bar.update(step.index - bar.n)


def samples_folder() -> Path:
    """Return where samples are kept once made."""
    return Path(platformdirs.user_cache_dir("slideconcord", appauthor=False)) / "samples"
