"""The command doctor: what works on this machine, and what to do about the rest."""

from __future__ import annotations

from dataclasses import asdict

from slideconcord.cli import show
from slideconcord.cli.options import Json
from slideconcord.cli.outcome import DONE, SOME_FAILED


def doctor(json: Json = False) -> int:
    """Check Python, the GPU, the display, disk and memory; say how to mend what is amiss."""
    from slideconcord.cli.checks import CHECKS

    results = [check() for check in CHECKS]
    if json:
        show.as_json([asdict(result) for result in results])
    else:
        rows = [(r.state, r.name, r.found, r.remedy) for r in results]
        show.table(("", "what", "found", "what to do"), rows)
    return SOME_FAILED if any(result.state == "fail" for result in results) else DONE
