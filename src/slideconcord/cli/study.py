"""The commands for many observers: study new, status, check, import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from slideconcord.cli import show
from slideconcord.cli.options import Json, MppText, read_mpp
from slideconcord.cli.outcome import DONE, SOME_FAILED, complain
from slideconcord.errors import MissingMppError, ParameterError

if TYPE_CHECKING:
    from slideconcord.annotations.classes import AnnotationClass
    from slideconcord.annotations.studies import ReadingStatus, Round, Study, StudySlide
    from slideconcord.geometry import Mpp

app = typer.Typer(
    name="study", help="Let many observers annotate the same slides.", no_args_is_help=True
)
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a study.")]
RoundName = Annotated[
    str | None, typer.Option("--round", metavar="NAME", help="Only this round; import: the first.")
]


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to make.")],
    slides: Annotated[
        list[Path], typer.Option("--slide", metavar="FILE", help="A slide (repeatable).")
    ],
    observers: Annotated[
        list[str],
        typer.Option("--observer", metavar="ID", help="Rather a code than a name (repeatable)."),
    ],
    classes: Annotated[
        list[str],
        typer.Option(
            "--class", metavar="NAME[=#RRGGBB[,KEY]]", help="What is outlined (repeatable)."
        ),
    ],
    rounds: Annotated[
        list[str] | None,
        typer.Option(
            "--round", metavar="NAME[=DAYS]", help="A reading, after days of wash-out (repeatable)."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Of the study; the folder's if not given.")] = "",
    instructions: Annotated[str, typer.Option(help="What observers read before they draw.")] = "",
    seed: Annotated[
        int | None, typer.Option(min=0, help="Shuffle the slides for every observer and round.")
    ] = None,
    model_output: Annotated[
        Literal["hidden", "shown"], typer.Option(help="Whether observers see a model's.")
    ] = "hidden",
    mpp: MppText = None,
    json: Json = False,
) -> None:
    """Make the study.yaml of a study; slides get ids, since a file's name may hold a patient's."""
    from slideconcord.annotations.studies import Observer, Study, write_study
    from slideconcord.annotations.studies.order import Order

    study = Study(
        folder,
        name=name or folder.resolve().name,
        slides=_slides(slides, read_mpp(mpp)),
        observers=tuple(Observer(each) for each in observers),
        classes=_classes(classes),
        rounds=tuple(_round(each) for each in rounds or ["first"]),
        instructions=instructions,
        model_output=model_output,
        order=Order() if seed is None else Order("random", seed),
    )
    file = write_study(study)
    if json:
        show.as_json({"file": file, "slides": {s.id: s.path for s in study.slides}})
        return
    show.table(("slide", "file"), [(each.id, str(each.path)) for each in study.slides])
    show.text(f"written to {file}: more can be said there, such as cases and display names")


@app.command()
def status(folder: Folder, round_name: RoundName = None, json: Json = False) -> int:
    """Show how far every observer is in every round."""
    from slideconcord.annotations.studies import open_study, statuses

    study = open_study(folder)
    chosen = study.rounds if round_name is None else (study.round(round_name),)
    names = {each.name for each in chosen}
    readings = [each for each in statuses(study) if each.round in names]
    problems = [each.problem for each in readings if each.problem]
    problems += [
        f"slide {each.id} is missing: {each.path} does not exist" for each in study.missing()
    ]
    if json:
        show.as_json(_facts(study, readings, problems))
    else:
        _tell(study, readings)
        for problem in problems:
            complain(ParameterError(problem))
    return SOME_FAILED if problems else DONE


@app.command()
def check(folder: Folder, json: Json = False) -> int:
    """Open every slide and read every reading of a study, and say what is wrong."""
    from slideconcord.annotations.studies import open_study
    from slideconcord.annotations.studies.check import check_study

    findings = []
    with show.progress("check") as advance:
        for finding in check_study(open_study(folder)):
            findings.append(finding)
            advance(finding.done, finding.total)
    wrong = [each for each in findings if each.problem]
    if json:
        problems = [{"subject": each.subject, "problem": each.problem} for each in wrong]
        show.as_json({"checked": len(findings), "problems": problems})
    else:
        for each in wrong:
            complain(ParameterError(each.problem))
        show.text(f"{len(findings) - len(wrong)} of {len(findings)} slides and readings are good")
    return SOME_FAILED if wrong else DONE


@app.command("import")
def take_in(
    folder: Folder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Annotations in any known format.")],
    observer: Annotated[str, typer.Option(metavar="ID", help="Who drew them.")],
    slide: Annotated[str, typer.Option(metavar="ID", help="The slide they were drawn on.")],
    round_name: RoundName = None,
    finish: Annotated[bool, typer.Option("--finish", help="The reading is finished.")] = False,
    json: Json = False,
) -> None:
    """Take annotations from another program in as an observer's reading."""
    from slideconcord.annotations.studies import open_study
    from slideconcord.annotations.studies.progress import status_of

    study = open_study(folder)
    notes = study.desk(observer).take_in(slide, file, round_name, finish=finish)
    done = status_of(study, observer, study.round(round_name).name, slide)
    if json:
        show.as_json({**_reading(done), "notes": notes})
        return
    show.text(f"{done.annotations} annotations in {done.path}, {done.state}")
    for note in notes:
        show.text(f"  {note}")


def _slides(paths: Sequence[Path], mpp: Mpp | None) -> tuple[StudySlide, ...]:
    from slideconcord.annotations.studies import StudySlide
    from slideconcord.slides import open_slide

    found = []
    digits = len(str(len(paths)))
    for number, path in enumerate(paths, 1):
        try:
            slide, given = open_slide(path), None
        except MissingMppError:
            if mpp is None:
                raise
            slide, given = open_slide(path, mpp=mpp), mpp
        with slide:
            found.append(
                StudySlide(
                    f"s{number:0{digits}}",
                    path,
                    given,
                    scanner=slide.scanner or "",
                    fingerprint=slide.fingerprint,
                )
            )
    return tuple(found)


def _classes(texts: Sequence[str]) -> tuple[AnnotationClass, ...]:
    from slideconcord.annotations.classes import AnnotationClass, next_colour, read_colour

    found: list[AnnotationClass] = []
    for text in texts:
        name, _, rest = text.partition("=")
        colour, _, key = rest.partition(",")
        try:
            shown = read_colour(colour) if colour else next_colour(found)
            found.append(AnnotationClass(name, shown, key))
        except ParameterError as error:
            raise ParameterError(f"--class {text}: {error}") from error
    return tuple(found)


def _round(text: str) -> Round:
    from slideconcord.annotations.studies import Round

    name, _, days = text.partition("=")
    try:
        return Round(name, float(days or 0))
    except ParameterError as error:
        raise ParameterError(f"--round {text}: {error}") from error
    except ValueError as error:
        raise ParameterError(
            f"--round {text}: {days!r} is no number of days. Write --round second=14."
        ) from error


def _facts(
    study: Study, readings: Sequence[ReadingStatus], problems: Sequence[str]
) -> dict[str, Any]:
    from slideconcord.annotations.studies import progress_of

    return {
        "name": study.name,
        "finished": progress_of(readings).finished,
        "total": len(readings),
        "readings": [_reading(each) for each in readings],
        "problems": problems,
    }


def _reading(each: ReadingStatus) -> dict[str, Any]:
    return {
        "observer": each.observer,
        "round": each.round,
        "slide": each.slide,
        "state": each.state,
        "annotations": each.annotations,
        "finished_at": each.finished_at and each.finished_at.isoformat(),
        "open_by": each.holder and str(each.holder),
        "file": each.path if each.record else None,
    }


def _tell(study: Study, readings: Sequence[ReadingStatus]) -> None:
    from slideconcord.annotations.studies import progress_of

    rows = []
    for observer, name in dict.fromkeys((each.observer, each.round) for each in readings):
        own = [each for each in readings if (each.observer, each.round) == (observer, name)]
        done = progress_of(own)
        at = ", ".join(f"{each.slide} by {each.holder}" for each in own if each.holder)
        rows.append((observer, name, f"{done.finished}/{done.total}", str(done.in_progress), at))
    show.table(("observer", "round", "finished", "in progress", "open"), rows)
    every = progress_of(readings)
    show.text(f"{study.name}: {every.finished} of {every.total} readings finished")
