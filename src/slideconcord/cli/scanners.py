"""The command that asks whether a model says the same on every scanner: compare scanners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slideconcord.cli import show
from slideconcord.cli.options import Json, Out, Overwrite, with_fields
from slideconcord.cli.outcome import BAD_INPUT, Inputs
from slideconcord.cli.results import refuse_existing
from slideconcord.comparison.concordance.options import Measuring

if TYPE_CHECKING:
    from slideconcord.comparison.appearance.analysis import ScannerAnalysis
    from slideconcord.comparison.appearance.features import Encoder
    from slideconcord.comparison.appearance.measure import ScanFacts
    from slideconcord.comparison.case import Case
    from slideconcord.comparison.concordance.pictures import RegionPicture
    from slideconcord.comparison.concordance.result import Concordance
    from slideconcord.comparison.concordance.study import ScannerStudy

Cases = Annotated[
    list[Path],
    typer.Argument(
        metavar="CASE...",
        help="A case.yaml or the folder of one, each a glass slide; or the scans of one slide.",
    ),
]
Results = Annotated[
    Path | None,
    typer.Option("--results", metavar="DIR", help="Where `segment --out` left the masks."),
]
Classes = Annotated[
    list[str] | None,
    typer.Option("--class", metavar="NAME", help="Of references, only this class (repeatable)."),
]
Trips = Annotated[
    bool, typer.Option("--closures/--no-closures", help="Check registrations by round trips.")
]
Looks = Annotated[
    bool, typer.Option("--appearance/--no-appearance", help="Analyse colour and sharpness, too.")
]
Names = Annotated[
    bool, typer.Option("--names", help="Show file names, which may hold a patient's.")
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--resnet50",
        metavar="FILE",
        help="Weights of ResNet-50, whose features to map (default: statistics of the picture).",
    ),
]
_PICTURES = 4


@dataclass(slots=True)
class _Gathered:
    """What the cases gave so far."""

    found: list[Concordance] = field(default_factory=list)
    pictures: list[RegionPicture] = field(default_factory=list)
    facts: list[ScanFacts] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    note: str = "Not asked for."
    encoder: Encoder | None = None
    """Makes the features of a region; statistics of the picture when None."""


@with_fields(Measuring)
def scanners(
    cases: Cases,
    out: Out,
    results: Results = None,
    class_names: Classes = None,
    closures: Trips = True,
    appearance: Looks = True,
    resnet50: Weights = None,
    names: Names = False,
    overwrite: Overwrite = False,
    json: Json = False,
    **values: Any,
) -> int:
    """Measure whether what was found agrees between the scanners of a glass slide.

    Registers the scans, compares every pair, and writes one HTML report with CSV and JSON beside
    it.
    """
    from slideconcord.comparison.concordance.report import REPORT_FILES, Extras, write_report
    from slideconcord.comparison.concordance.study import study_of

    options = Measuring(**values)
    for name in REPORT_FILES:
        refuse_existing(out / name, overwrite=overwrite)
    given = _arranged(cases)
    inputs, gathered = Inputs(len(given)), _Gathered(encoder=_encoder(resnet50))
    for paths in given:
        with inputs.guard(paths[0]):
            case = _changed(_read(paths), results, class_names or ())
            if case.registrations is None:
                case = replace(case, registrations=out / "registrations" / case.name)
            _measure(case, options, gathered, closures=closures, appearance=appearance)
    if not gathered.found:
        return BAD_INPUT
    study = study_of(gathered.found)
    extras = Extras(
        gathered.pictures,
        _analysis(gathered),
        gathered.note,
        gathered.names if names else None,
    )
    out.mkdir(parents=True, exist_ok=True)
    files = write_report(study, out, extras)
    facts = {**study.to_json(), "failed": inputs.failed, "files": files}
    show.as_json(facts) if json else _tell(study, out)
    return inputs.status


def _encoder(weights: Path | None) -> Encoder | None:
    if weights is None:
        return None
    from slideconcord.segmentation.encoder import resnet50

    return resnet50(weights)


def _arranged(paths: Sequence[Path]) -> list[list[Path]]:
    """Return the paths of each case: one each, or all of them when they are slides."""
    from slideconcord.comparison.case_files import is_case

    if any(is_case(path) or path.is_dir() or not path.exists() for path in paths):
        return [[path] for path in paths]
    return [list(paths)]


def _read(paths: Sequence[Path]) -> Case:
    from slideconcord.comparison.case import case_of
    from slideconcord.comparison.case_files import is_case, read_case

    if len(paths) == 1 and (is_case(paths[0]) or paths[0].is_dir() or not paths[0].exists()):
        return read_case(paths[0])
    return case_of(paths)


def _changed(case: Case, results: Path | None, class_names: Sequence[str]) -> Case:
    """Return the case with masks from a folder of results, and classes, where they are given."""
    if class_names:
        case = replace(case, reference_classes=tuple(class_names))
    if results is None:
        return case
    from slideconcord.comparison.concordance.placing import find_on_disk

    scans = []
    with case.open() as slides:
        for scan in case.scans:
            mask = find_on_disk(results, slides[scan.scanner])
            found = scan if mask is None else replace(scan, mask=mask, probability=None)
            scans.append(found)
    return replace(case, scans=tuple(scans))


def _measure(
    case: Case, options: Measuring, into: _Gathered, *, closures: bool, appearance: bool
) -> None:
    from slideconcord.comparison.concordance.looks import patch_facts
    from slideconcord.comparison.concordance.pictures import picture_worst

    found = _compare(case, options, closures)
    pictures = picture_worst(case, found, _PICTURES)
    facts = []
    if appearance and found.regions:
        facts = patch_facts(case, found, into.encoder)
    elif appearance:
        into.note = f"Not analysed, for there are no regions: {found.regions_note}"
    into.found.append(found)
    into.pictures.extend(pictures)
    into.facts.extend(facts)
    prints = {each["scanner"]: each["fingerprint"] for each in found.provenance["scans"]}
    into.names.update({prints[scan.scanner]: scan.path.name for scan in case.scans})


def _compare(case: Case, options: Measuring, closures: bool) -> Concordance:
    from slideconcord.comparison.case_registration import CaseStep, register_case
    from slideconcord.comparison.concordance.measure import measure_case

    with show.progress(f"register {case.name}") as advance:
        steps = register_case(case, closures=closures)
        while True:
            try:
                step: CaseStep = next(steps)
            except StopIteration as end:
                registered = end.value
                break
            advance(step.index, step.total)
    measuring = measure_case(registered, options)
    while True:
        try:
            next(measuring)
        except StopIteration as end:
            return end.value


def _analysis(gathered: _Gathered) -> ScannerAnalysis | None:
    if not gathered.facts:
        return None
    from slideconcord.comparison.appearance.analysis import analysis_of

    return analysis_of(gathered.facts, gathered.found[0].hub, encoder=gathered.encoder)


def _tell(study: ScannerStudy, out: Path) -> None:
    show.table(
        ("first", "second", "Dice", "ceiling", "slides"),
        [
            (
                str(row["first"]),
                str(row["second"]),
                _number(row["value"]),
                _number(row["ceiling"]),
                str(row["slides"]),
            )
            for row in study.pair_table().records()
        ],
    )
    for name, estimate in study.estimates().items():
        spread = f" ({_number(estimate.low)} to {_number(estimate.high)})"
        several = len(study.cases) > 1
        show.text(f"{name} {_number(estimate.value)}{spread if several else ''}")
    for row in study.accuracy_table().records() if study.has_reference else ():
        show.text(f"accuracy of {row['scanner']}: DSC {_number(row['value'])}")
    for case in study.cases:
        for each in case.excluded:
            show.text(f"left out: {each.scanner} of {case.case}. {each.reason}")
    for warning in study.warnings:
        show.text(warning)
    show.text(f"written to {out / 'report.html'}")


def _number(value: float) -> str:
    return "undefined" if value != value else f"{value:.4f}"
