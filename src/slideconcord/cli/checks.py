"""What ``slideconcord doctor`` looks at. One function, one row; CHECKS lists them all."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import platformdirs

from slideconcord.cli import screen

GIB = 1 << 30
ENOUGH_DISK, ENOUGH_MEMORY = 10 * GIB, 4 * GIB
_INSTALL = "pip install 'slideconcord[all]'"


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table."""

    name: str
    state: Literal["ok", "warn", "fail"]
    found: str
    remedy: str = ""


def _ok_if(good: bool, name: str, found: str, remedy: str, otherwise: str = "warn") -> Check:
    if good:
        return Check(name, "ok", found)
    return Check(name, "fail" if otherwise == "fail" else "warn", found, remedy)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def check_python() -> Check:
    """Too old a Python fails later and less clearly."""
    return _ok_if(
        sys.version_info >= (3, 11),
        "Python",
        f"{platform.python_version()}, {platform.platform(terse=True)}, {os.cpu_count()} cores",
        "install Python 3.11 or newer",
        "fail",
    )


def check_openslide() -> Check:
    """OpenSlide 4 reads DICOM and Philips; it comes inside openslide-bin."""
    try:
        found = str(importlib.import_module("openslide").__library_version__)
    except (ImportError, OSError) as error:
        return Check("OpenSlide", "fail", str(error), "pip install openslide-bin")
    good = int(found.split(".")[0]) >= 4
    return _ok_if(good, "OpenSlide", found, "pip install --upgrade openslide-bin", "fail")


def check_torch() -> Check:
    """Importing torchvision shows whether it fits torch: a wrong pair fails there."""
    try:
        torch = importlib.import_module("torch")
        importlib.import_module("torchvision")
    except ImportError as error:
        return Check("PyTorch", "warn", f"{error}", f"for neural networks: {_INSTALL}")
    except (OSError, RuntimeError) as error:
        found = " ".join(str(error).split())[:80]
        return Check("PyTorch", "fail", found, "pip install --force-reinstall torch torchvision")
    return Check("PyTorch", "ok", str(torch.__version__))


def check_device() -> Check:
    """A GPU is welcome, never needed."""
    if _version("torch") is None:
        return Check("device", "warn", "PyTorch is not installed", f"for a GPU: {_INSTALL}")
    from slideconcord.segmentation.device import choose_device, choose_precision

    try:
        device = choose_device()
    except (ImportError, OSError) as error:
        return Check("device", "warn", str(error), "see PyTorch above")
    found = f"{device}, {choose_precision(device)}"
    slow = "nothing: it works, but a GPU is many times faster for neural networks"
    return _ok_if(device.type != "cpu", "device", found, slow)


def check_models() -> Check:
    """The bundled models show that the package is whole."""
    from slideconcord.segmentation.model_files import list_models

    found = ", ".join(spec.name for spec in list_models())
    return _ok_if(bool(found), "models", found or "none", "reinstall slideconcord", "fail")


def check_napari() -> Check:
    """Only windows need napari; the other commands work without."""
    found = _version("napari")
    return _ok_if(found is not None, "napari", found or "not installed", f"for windows: {_INSTALL}")


def check_qt() -> Check:
    """Napari draws with PyQt6 or PySide6."""
    found = [f"{name} {v}" for name in ("PyQt6", "PySide6") if (v := _version(name))]
    return _ok_if(
        bool(found), "Qt", ", ".join(found) or "not installed", f"for windows: {_INSTALL}"
    )


def check_display() -> Check:
    """A server has none; a virtual screen will do."""
    if screen.has_screen():
        return Check("display", "ok", os.environ.get("DISPLAY") or "the desktop's own")
    if screen.has_virtual_screen():
        return Check("display", "ok", "none, but xvfb-run makes a virtual one")
    return Check("display", "warn", "none", "for windows: sudo apt-get install xvfb xauth")


def check_fonts() -> Check:
    """Without a font Qt draws every letter as an empty square."""
    if not sys.platform.startswith("linux"):
        return Check("fonts", "ok", "the system's own")
    homes = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")
    found = any(any(Path(home).expanduser().rglob("*.[to]tf")) for home in homes)
    return _ok_if(
        found, "fonts", "found" if found else "none", "sudo apt-get install fonts-dejavu-core"
    )


def check_disk() -> Check:
    """Results are written under the current folder unless --out says otherwise."""
    here = Path.cwd()
    free = shutil.disk_usage(here).free
    found = f"{free / GIB:.1f} GiB free in {here}"
    return _ok_if(free >= ENOUGH_DISK, "disk", found, "give --out on a larger disk")


def check_cache() -> Check:
    """The compiled parts of other libraries and our own caches go there."""
    folder = platformdirs.user_cache_path("slideconcord")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return Check("cache", "ok", str(folder))
    except OSError as error:
        return Check("cache", "warn", f"{folder}: {error.strerror}", "make this folder writable")


def check_memory() -> Check:
    """A slide of any size needs about 2 GB besides the model."""
    free = _free_memory()
    if free is None:
        return Check("memory", "ok", "not known on this system")
    found = f"{free / GIB:.1f} GiB free"
    return _ok_if(free >= ENOUGH_MEMORY, "memory", found, "close other programs")


def _free_memory() -> int | None:
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = (line.split() for line in meminfo.read_text().splitlines())
        found = {words[0]: int(words[1]) * 1024 for words in lines}
        return found.get("MemAvailable:")
    try:
        return int(importlib.import_module("psutil").virtual_memory().available)
    except ImportError:
        return None


CHECKS = (
    check_python,
    check_openslide,
    check_torch,
    check_device,
    check_models,
    check_napari,
    check_qt,
    check_display,
    check_fonts,
    check_disk,
    check_cache,
    check_memory,
)
