"""From the scans of a window to their agreement: masks as they are tuned, scans as they lie."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slideconcord.comparison.case import Case as CaseFile
from slideconcord.comparison.case import CaseScan
from slideconcord.comparison.case_registration import RegisteredCase
from slideconcord.errors import ParameterError

if TYPE_CHECKING:
    from slideconcord.comparison.concordance.options import Measuring
    from slideconcord.comparison.concordance.result import Concordance
    from slideconcord.plugin.scans import Case, Scan
    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.segmentation.tuning import Tuning


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A scan to measure: taken from the window's thread, so that nothing moves meanwhile."""

    scan: CaseScan
    probability: ProbabilityMap | None
    tuning: Tuning
    class_name: str | None


def measure(case: Case, options: Measuring) -> Generator[Any, None, Concordance]:
    """Measure how far the masks of the scans agree, in steps.

    A scan's mask is what its thresholds make of its map now; without a map it is what the case
    file names.

    Raises
    ------
    ParameterError
        When there is no case.
    SlideconcordError
        What `measure_case` raises.
    """
    if case.hub is None:
        raise ParameterError("There is no case yet: make one of the open slides first.")
    wanted = [_wanted(scan) for scan in case.scans]
    placed = {s.name: s.registration for s in case.scans if s.registration is not None}
    return _steps(wanted, placed, case.hub.name, case.virtual, options)


def _steps(
    wanted: list[_Wanted], placed: dict[str, Any], hub: str, virtual: str, options: Measuring
) -> Generator[Any, None, Concordance]:
    from slideconcord.comparison.concordance.measure import measure_case
    from slideconcord.segmentation.exact import exact_mask

    with tempfile.TemporaryDirectory(prefix="slideconcord-") as folder:
        scans = []
        for number, each in enumerate(wanted):
            scan = each.scan
            if each.probability is not None:
                mask = Path(folder) / f"{number}.zarr"
                yield from exact_mask(
                    each.probability, each.tuning, mask, class_name=each.class_name
                )
                scan = replace(scan, mask=mask, probability=None)
            scans.append(scan)
        case = CaseFile("case", tuple(scans), hub, virtual=virtual)
        return (yield from measure_case(RegisteredCase(case, placed, {}), options))


def _wanted(scan: Scan) -> _Wanted:
    entry, slide = scan.entry, scan.entry.slide
    mpp = slide.mpp if slide.mpp_source == "given" else None
    known = scan.source or CaseScan(slide.path, scan.name)
    known = replace(known, path=slide.path, scanner=scan.name, mpp=mpp)
    return _Wanted(known, entry.probability, entry.tuning, entry.class_name)


def matrix_html(found: Concordance) -> str:
    """Return the Dice of all pairs as a table: under each number what registration allows."""
    from html import escape

    dice, ceilings = found.dice(), found.ceilings.get("slide")
    head = "".join(f"<th>{escape(name)}</th>" for name in found.scanners)
    rows = []
    for i, name in enumerate(found.scanners):
        cells = "".join(
            f"<td align='center'>{_cell(dice, ceilings, i, j)}</td>"
            for j in range(len(found.scanners))
        )
        rows.append(f"<tr><th align='left'>{escape(name)}</th>{cells}</tr>")
    return f"<table cellpadding='3'><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def _cell(dice: Any, ceilings: Any, i: int, j: int) -> str:
    if i == j:
        return "·"
    text = _number(dice[i, j])
    return text if ceilings is None else f"{text}<br><small>≤ {_number(ceilings[i, j])}</small>"


def _number(value: float) -> str:
    return f"{value:.3f}" if value == value else "–"


def told(found: Concordance) -> str:
    """Say mean, minimum, worst pair, accuracy, and all that must be said beside them."""
    summary = found.summary()
    lines = [f"DSC of {summary.pairs} pair(s): mean {_number(summary.mean)}"]
    if summary.worst is not None:
        lines[0] += f", least {_number(summary.minimum)} ({' and '.join(summary.worst)})"
    lines += [
        f"{name} against its reference: DSC {_number(scores.dsc)}"
        for name in found.scanners
        if (scores := found.accuracy(name)) is not None
    ]
    lines += [f"Left out: {each.scanner}. {each.reason}" for each in found.excluded]
    return "\n".join([*lines, *found.warnings])
