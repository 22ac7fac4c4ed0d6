"""The command that asks how far observers agree: compare observers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slideconcord.cli import show
from slideconcord.cli.options import Json, Out, Overwrite, with_fields
from slideconcord.cli.results import refuse_existing
from slideconcord.comparison.observers.options import Comparing
from slideconcord.errors import ParameterError

if TYPE_CHECKING:
    from slideconcord.comparison.observers.readings import Reading, ReadSlide
    from slideconcord.comparison.observers.result import ObserverAgreement
    from slideconcord.slides import Slide

Folder = Annotated[
    Path | None, typer.Argument(metavar="[STUDY]", help="The folder of a study, or its study.yaml.")
]
OneSlide = Annotated[
    Path | None, typer.Option("--slide", metavar="FILE", help="Without a study: the slide.")
]
Readings = Annotated[
    list[str] | None,
    typer.Option(
        "--reading",
        metavar="NAME=FILE",
        help="Without a study: what an observer marked, annotations or a mask (repeatable); "
        "NAME@2 is their second round.",
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME=FILE", help="Without a study: what a model marked."),
]
Results = Annotated[
    Path | None,
    typer.Option("--model-masks", metavar="DIR", help="Where `segment --out` left masks."),
]
WholeSlide = Annotated[
    bool, typer.Option("--whole", help="Count white background, too; a study says so itself.")
]
Names = Annotated[
    bool, typer.Option("--names", help="Show names of observers and slides, not numbers.")
]
_PICTURES = 4


@dataclass(slots=True)
class _Given:
    """Slides with their readings, under the names that appear."""

    slides: list[tuple[Slide, ReadSlide]] = field(default_factory=list)
    left_out: tuple[str, ...] = ()


@with_fields(Comparing)
def observers(
    out: Out,
    study: Folder = None,
    slide: OneSlide = None,
    readings: Readings = None,
    models: Models = None,
    model_masks: Results = None,
    whole: WholeSlide = False,
    names: Names = False,
    overwrite: Overwrite = False,
    json: Json = False,
    **values: Any,
) -> None:
    """Measure how far observers agree with one another, themselves, a consensus and a model.

    Give a study, or --slide with two or more --reading. Writes one HTML report with CSV and JSON
    beside it.
    """
    from slideconcord.comparison.observers.pictures import picture_worst
    from slideconcord.comparison.observers.report import REPORT_FILES, Extras, write_report

    options = Comparing(**values)
    for name in REPORT_FILES:
        refuse_existing(out / name, overwrite=overwrite)
    with ExitStack() as opened:
        if study is not None:
            _refuse_both(slide, readings, models)
            given, options = _of_study(study, model_masks, options, opened, names=names)
        else:
            given = _of_files(slide, readings, models, opened, whole=whole, names=names)
        found = _measure(given, options)
        pictures = list(picture_worst(found, given.slides, _PICTURES))
    out.mkdir(parents=True, exist_ok=True)
    files = write_report(found, out, Extras(pictures))
    if json:
        show.as_json({**found.to_json(), "left_out": given.left_out, "files": files})
    else:
        _tell(found, given.left_out, out)


def _refuse_both(*given: object) -> None:
    if any(given):
        raise ParameterError(
            "A study names its slides and readings: give either a study, or --slide and --reading."
        )


def _of_study(
    folder: Path,
    model_masks: Path | None,
    options: Comparing,
    opened: ExitStack,
    *,
    names: bool,
) -> tuple[_Given, Comparing]:
    from slideconcord.annotations.studies import open_study
    from slideconcord.comparison.observers.study import readings_of

    read = readings_of(open_study(folder), model_masks)
    naming, given = read.naming(keep=names), _Given(left_out=read.left_out)
    with show.progress("read") as advance:
        for done, each in enumerate(read.slides, 1):
            slide = opened.enter_context(each.open())
            given.slides.append((slide, naming.slide(read.read(each, slide))))
            advance(done, len(read.slides))
    return given, replace(options, mpp=options.mpp or read.study.agreement.mpp)


def _of_files(
    path: Path | None,
    readings: Sequence[str] | None,
    models: Sequence[str] | None,
    opened: ExitStack,
    *,
    whole: bool,
    names: bool,
) -> _Given:
    from slideconcord.comparison.observers.naming import Naming
    from slideconcord.comparison.observers.readings import ReadSlide
    from slideconcord.slides import open_slide

    if path is None or len(readings or ()) + len(models or ()) < 2:
        raise ParameterError(
            "There is nothing to compare: give the folder of a study, or --slide FILE with two or "
            "more --reading NAME=FILE."
        )
    slide = opened.enter_context(open_slide(path))
    found = [_reading(text, slide, "observer") for text in readings or ()]
    found += [_reading(text, slide, "model") for text in models or ()]
    read = ReadSlide.of(slide, _of_one_class(found), tissue=None if whole else "find")
    return _Given([(slide, Naming(names).slide(read))])


def _reading(text: str, slide: Slide, role: Any) -> Reading:
    from slideconcord.comparison.observers.readings import Reader, Reading
    from slideconcord.comparison.observers.study import read_result

    who, equals, file = text.partition("=")
    name, _, number = who.partition("@")
    option = "--reading" if role == "observer" else "--model"
    if not (equals and name and file) or (number and not number.isdecimal()):
        raise ParameterError(
            f"{option} {text} does not name a reading. Write {option} NAME=FILE, or NAME@2=FILE "
            "for a second round."
        )
    return Reading(Reader(name, int(number or 1), role), read_result(Path(file), slide))


def _of_one_class(readings: Sequence[Reading]) -> list[Reading]:
    """Let masks speak for the class of the annotations, where there is one."""
    from slideconcord.annotations import Annotations
    from slideconcord.comparison.observers.study import of_class

    drawn = [r.found for r in readings if isinstance(r.found, Annotations)]
    classes = list(dict.fromkeys(name for each in drawn for name in each.class_names))
    if len(classes) != 1:
        return list(readings)
    return [replace(each, found=of_class(each.found, classes)) for each in readings]


def _measure(given: _Given, options: Comparing) -> ObserverAgreement:
    from slideconcord.comparison.observers.measure import measure_observers

    steps = measure_observers([read for _, read in given.slides], options, names=True)
    with show.progress("compare") as advance:
        done = 0
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: ObserverAgreement = end.value
                return found
            done += 1
            advance(done, len(given.slides))


def _tell(found: ObserverAgreement, left_out: Iterable[str], out: Path) -> None:
    shown = [
        row
        for row in found.summary_table().records()
        if row["statistic"] in ("dsc", "kappa") and row["first"] == "all"
    ]
    show.table(
        ("class", "pairs of", "statistic", "mean", "interval", "pairs", "one empty", "both empty"),
        [
            (
                row["class"],
                row["kind"],
                row["statistic"],
                _number(row["mean"]),
                "none"
                if row["cases"] < 2
                else f"{_number(row['t_low'])} to {_number(row['t_high'])}",
                str(row["pairs"]),
                str(row["one_empty"]),
                str(row["both_empty"]),
            )
            for row in shown
        ],
    )
    for each in left_out:
        show.text(f"left out: {each}")
    for warning in found.warnings:
        show.text(warning)
    show.text(f"written to {out / 'report.html'}")


def _number(value: float) -> str:
    return "undefined" if value != value else f"{value:.4f}"
