#!/usr/bin/env python3
"""Set up, show, test and check slideconcord from a clone, each with one command.

    python dev.py setup          make .venv with all that is needed (every command does this first)
    python dev.py demo           open the sample case in napari (without a screen: save pictures)
    python dev.py test [ARGS]    run the tests (ARGS go to pytest)
    python dev.py check          lint, format, types, layers
    python dev.py bench [ARGS]   measure the promises of speed and memory
    python dev.py docs           build the site into site/
    python dev.py pin            write constraints.txt from what .venv holds
    python dev.py clean          remove all that these commands made

Needs Python 3.11 or newer and nothing else; the Makefile only calls this file.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
CONSTRAINTS = ROOT / "constraints.txt"
SCREEN = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"]

# What a Qt window, OpenGL in software and a virtual screen load, and Debian's package for each.
LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
PROGRAMS = {"xvfb-run": "xvfb", "xauth": "xauth"}
# torch and torchvision must come as a pair that fits the machine: pip chooses them together.
UNPINNED = ("torch", "triton", "nvidia-", "cuda-", "sympy", "mpmath", "slideconcord")


def say(text: str) -> None:
    print(f"dev.py: {text}", flush=True)


def call(*command: object, **environment: str) -> int:
    """Run a command in the clone and return its exit status."""
    words = [str(word) for word in command]
    return subprocess.call(words, cwd=ROOT, env={**os.environ, **environment})


def must(*command: object) -> None:
    if status := call(*command):
        raise SystemExit(f"dev.py: failed ({status}): {shlex.join(map(str, command))}")


def is_suitable(command: list[str]) -> bool:
    """Whether a Python starts and is new enough."""
    probe = f"import sys; sys.exit(sys.version_info < {OLDEST!r})"
    try:
        done = subprocess.run([*command, "-c", probe], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def find_python() -> list[str]:
    """Return a command for a Python that is new enough: this one, or one on the PATH."""
    if sys.version_info >= OLDEST:
        return [sys.executable]
    minors = ("3.13", "3.12", "3.11", "3.14")
    candidates = [[f"python{minor}"] for minor in minors]
    candidates += [["py", f"-{minor}"] for minor in minors] if os.name == "nt" else []
    candidates += [["python3"], ["/usr/bin/python3"]]
    for command in candidates:
        if is_suitable(command):
            return command
    raise SystemExit(
        f"dev.py: slideconcord needs Python {OLDEST[0]}.{OLDEST[1]} or newer and this is "
        f"{platform.python_version()}: install one (python.org, or 'sudo apt-get install "
        "python3-venv' on Debian 12 and Ubuntu 24.04), then run the same command with it."
    )


def make_venv() -> None:
    python = find_python()
    lacks = subprocess.call([*python, "-c", "import ensurepip, venv"], stderr=subprocess.DEVNULL)
    if lacks and not install_packages(["python3-venv"]):
        raise SystemExit(
            f"dev.py: {shlex.join(python)} cannot make a virtual environment: "
            "run 'sudo apt-get install python3-venv' (or use a Python from python.org), then again."
        )
    say(f"making {VENV} with {shlex.join(python)}; this takes some minutes and several GB")
    must(*python, "-m", "venv", "--clear", VENV)


def stamp_of(extras: str) -> str:
    """Return what an up-to-date environment is known by."""
    parts = [(ROOT / "pyproject.toml").read_bytes(), CONSTRAINTS.read_bytes(), str(ROOT).encode()]
    return hashlib.sha256(b"\0".join([extras.encode(), *parts])).hexdigest()


def install(extras: str) -> None:
    """Bring .venv up to date with the extras; do nothing when it is."""
    stamp = VENV / f"slideconcord-{extras.replace(',', '-')}.stamp"
    if not is_suitable([str(PYTHON)]):
        make_venv()
    elif stamp.is_file() and stamp.read_text() == stamp_of(extras):
        return
    say(f"installing slideconcord[{extras}]")
    must(
        *(PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"),
        *("-c", CONSTRAINTS, "-e", f".[{extras}]"),
    )
    stamp.write_text(stamp_of(extras))


def pin() -> int:
    """Write every version that .venv holds, less those that pip must choose by machine."""
    setup()
    for extras in ("docs", "bench", "openvino", "umap"):
        install(extras)
    frozen = subprocess.run(
        [str(PYTHON), "-m", "pip", "freeze", "--exclude-editable", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    pinned = [line for line in frozen if "==" in line and not line.lower().startswith(UNPINNED)]
    head = [
        "# The versions slideconcord was tested with: `python dev.py pin` wrote them.",
        "# torch and torchvision are absent: pip must choose the pair that fits the machine.",
    ]
    CONSTRAINTS.write_text("\n".join([*head, *sorted(pinned, key=str.lower)]) + "\n")
    return 0


def loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_packages() -> list[str]:
    """Return the Debian packages that a window or a virtual screen still needs."""
    if not sys.platform.startswith("linux"):
        return []
    found = [package for name, package in LIBRARIES.items() if not loads(name)]
    found += [package for name, package in PROGRAMS.items() if not shutil.which(name)]
    if not any(Path("/usr/share/fonts").rglob("*.[to]tf")):
        found.append("fonts-dejavu-core")
    return found


def root_command() -> list[str] | None:
    """Return what to put before a command that needs root; None where we may not."""
    if os.geteuid() == 0:
        return []
    asks_nothing = shutil.which("sudo") and not subprocess.call(
        ["sudo", "-n", "true"], stderr=subprocess.DEVNULL
    )
    return ["sudo", "-n"] if asks_nothing else None


def install_packages(packages: list[str]) -> bool:
    """Install Debian packages when that needs no password; say what to run when it does."""
    line = shlex.join(["apt-get", "install", "-y", "--no-install-recommends", *packages])
    if not shutil.which("apt-get"):
        say(f"this system lacks what Debian calls {' '.join(packages)}. Install it, then go on.")
        return False
    before = root_command()
    if before is None:
        say(f"system packages are missing. Run:\n    sudo {line}")
        return False
    say(f"installing system packages: {' '.join(packages)}")
    quiet = [*before, "env", "DEBIAN_FRONTEND=noninteractive"]
    call(*quiet, "apt-get", "-q", "update")
    if call(*quiet, *shlex.split(line)):
        say(f"could not install them. Run:\n    sudo {line}")
        return False
    return True


def has_screen() -> bool:
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in names)


def screen() -> list[str] | None:
    """Return what to put before a command that opens windows; None where no screen can be had."""
    if has_screen():
        return []
    return SCREEN if shutil.which("xvfb-run") and shutil.which("xauth") else None


def setup() -> int:
    if packages := missing_packages():
        install_packages(packages)
    install("all,test")
    return 0


def demo(*arguments: str) -> int:
    setup()
    before = screen()
    if before is None:
        say("no screen and no xvfb-run: install the packages named above, then run this again.")
        return 2
    saved = ["--no-show"] if before else []
    return call(*before, PYTHON, "-m", "slideconcord", "demo", *saved, *arguments)


def test(*arguments: str) -> int:
    setup()
    before = screen()
    if before is None:
        say("no screen and no xvfb-run: leaving out the tests that need a real viewer.")
        tests = ["-m", "not viewer", *arguments]
        return call(PYTHON, "-m", "pytest", *tests, QT_QPA_PLATFORM="offscreen")
    return call(*before, PYTHON, "-m", "pytest", *arguments)


def check() -> int:
    setup()
    lint_imports = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    steps = {
        "ruff check": ["-m", "ruff", "check", "."],
        "ruff format": ["-m", "ruff", "format", "--check", "."],
        "mypy": ["-m", "mypy"],
        "lint-imports": ["-c", lint_imports],
    }
    failed = []
    for name, step in steps.items():
        say(name)
        if call(PYTHON, *step):
            failed.append(name)
    if failed:
        say(f"failed: {', '.join(failed)}")
    return bool(failed)


def bench(*arguments: str) -> int:
    setup()
    install("bench")
    return call(*(screen() or []), PYTHON, "-m", "benchmarks", *arguments)


def docs(*arguments: str) -> int:
    setup()
    install("docs")
    build = ["mkdocs", "build", "--strict", *arguments]
    return call(PYTHON, "-m", *build, NO_MKDOCS_2_WARNING="1")


def clean() -> int:
    names = (".venv", "build", "dist", "site", "demo-output", ".pytest_cache", ".mypy_cache")
    for name in (*names, ".ruff_cache", ".hypothesis", ".import_linter_cache"):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for folder in ("src", "tests", "benchmarks", "docs"):
        for cache in sorted((ROOT / folder).rglob("__pycache__")):
            shutil.rmtree(cache, ignore_errors=True)
    return 0


COMMANDS = {f.__name__: f for f in (setup, demo, test, check, bench, docs, pin, clean)}
PASS_ARGUMENTS = ("demo", "test", "bench", "docs")


def main(arguments: list[str]) -> int:
    name, rest = (arguments or [""])[0], arguments[1:]
    if name not in COMMANDS or (rest and name not in PASS_ARGUMENTS):
        print(__doc__)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    try:
        return COMMANDS[name](*rest)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
