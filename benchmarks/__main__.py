"""Measure every promise of speed and memory: ``python -m benchmarks [NAME...] [--write]``.

Each ``bench_NAME.py`` runs in a process of its own, one after another, so that none warms another's
caches. ``--write`` puts what they print, and the machine, into docs/benchmarks.md, unless one of
them breaks off: a goal that is missed is printed, and no failure.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
_RATIO = re.compile(r"\d\s?x\b(?!\s*\d)")  # 2.0x, and no 20 x 30 px
_VERSIONS = ("slideconcord", "numpy", "torch", "napari", "zarr", "openslide-bin", "imagecodecs")


def machine() -> list[str]:
    """Return lines that say what the figures were measured on."""
    found = {}
    for name in _VERSIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return [
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.platform(terse=True)}, "
        f"Python {platform.python_version()}",
        f"CPU: {_cpu()}, {os.cpu_count()} cores; GPU: {_gpu()}",
        ", ".join(f"{name} {version}" for name, version in found.items()),
    ]


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _gpu() -> str:
    ask = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, check=False)
    except OSError:
        return "none"
    return ", ".join(done.stdout.split("\n")).strip(", ") or "none"


def run(script: Path) -> tuple[int, list[str]]:
    """Run one benchmark; show its lines as they come and return them."""
    process = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=HERE.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    for line in process.stdout or ():
        print(line, end="", flush=True)
        lines.append(line.rstrip())
    return process.wait(), lines


def write_page(blocks: dict[str, list[str]]) -> None:
    """Put the output between the markers of docs/benchmarks.md."""
    parts = ["```text", *machine(), "```"]
    for name, lines in blocks.items():
        parts += ["", f"### {name}", "", "```text", *lines, "```"]
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    filled = "\n".join([before + BEGIN, "", *parts, "", END + after])
    PAGE.write_text(filled, encoding="utf-8")


def main(arguments: list[str]) -> int:
    names = [a for a in arguments if not a.startswith("-")]
    scripts = {p.stem.removeprefix("bench_"): p for p in sorted(HERE.glob("bench_*.py"))}
    if unknown := set(names) - set(scripts):
        print(f"no benchmark {', '.join(unknown)}: there are {', '.join(scripts)}.")
        return 2
    print("\n".join(machine()), flush=True)
    blocks, failed = {}, []
    for name in names or scripts:
        print(f"\n== {name} ==", flush=True)
        status, blocks[name] = run(scripts[name])
        if status:
            failed.append(name)
    print("\n== ratios ==")
    for name, lines in blocks.items():
        for line in filter(_RATIO.search, lines):
            print(f"{name:12s} {line}")
    if failed:
        print(f"failed: {', '.join(failed)}")
    elif "--write" in arguments:
        write_page(blocks)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
