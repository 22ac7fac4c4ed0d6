"""Importing slideconcord is quick: what is heavy loads at its first use."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "cv2", "dask", "imagecodecs", "magicgui", "napari", "numba", "openslide", "PyQt6", "PySide6",
    "qtpy", "scipy", "shapely", "skimage", "superqt", "tifffile", "timm", "torch", "vispy", "zarr",
)  # fmt: skip
GUI_AND_NETWORKS = {"magicgui", "napari", "PyQt6", "PySide6", "qtpy", "superqt", "timm", "torch"}


def loaded_after(statement: str) -> set[str]:
    """Return which of the heavy packages a fresh interpreter has loaded after a statement."""
    ask = f"import json, sys; print(json.dumps([n for n in {HEAVY!r} if n in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{ask}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_after("import slideconcord") == set()


def test_a_public_name_loads_its_part_at_its_first_use():
    ask = (
        "import sys, slideconcord as sc\n"
        "part = 'slideconcord.segmentation.hysteresis'\n"
        "assert part not in sys.modules\n"
        "sc.hysteresis\n"
        "assert part in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", ask], check=True)


@pytest.mark.parametrize("words", [["--help"], ["segment", "--help"], ["models", "list"]])
def test_a_command_without_pixels_loads_neither_networks_nor_windows(words):
    loaded = loaded_after(f"from slideconcord.cli import main; main({words!r})")
    assert not loaded & GUI_AND_NETWORKS


def test_info_loads_neither_networks_nor_windows(tiny_slide_path):
    command = ["info", str(tiny_slide_path)]
    loaded = loaded_after(f"from slideconcord.cli import main; assert main({command!r}) == 0")
    assert not loaded & GUI_AND_NETWORKS


def test_the_whole_path_works_where_networks_and_windows_are_not_installed(
    tiny_slide_path, tmp_path
):
    path = (
        f"import sys; sys.modules.update(dict.fromkeys({sorted(GUI_AND_NETWORKS)!r}))\n"
        "from slideconcord.cli import main\n"
        f"words = ['segment', {str(tiny_slide_path)!r}, '--model', 'stain-density']\n"
        f"sys.exit(main([*words, '--out', {str(tmp_path)!r}]))\n"
    )
    subprocess.run([sys.executable, "-c", path], check=True, capture_output=True)
    assert (tmp_path / "tiny" / "regions.geojson").is_file()
