"""Whether a study is as it should be: its slides, and what was drawn on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slideconcord.annotations.exchange import read_annotations
from slideconcord.annotations.studies.progress import ReadingStatus, statuses
from slideconcord.errors import MismatchError, SlideconcordError

if TYPE_CHECKING:
    from slideconcord.annotations.studies.study import Study, StudySlide


@dataclass(frozen=True, slots=True)
class Finding:
    """One slide or reading that was looked at."""

    subject: str
    problem: str = ""
    """What is wrong and what to do; nothing when empty."""
    done: int = 0
    total: int = 0


def check_study(study: Study) -> Iterator[Finding]:
    """Open every slide and read every reading; yield what was found of each."""
    prints: dict[str, str] = {}
    begun = [each for each in statuses(study) if each.state != "not started"]
    total = len(study.slides) + len(begun)
    for done, slide in enumerate(study.slides, 1):
        problem = ""
        try:
            prints[slide.id] = _check_slide(slide, study.agreement.mpp)
        except (SlideconcordError, OSError) as error:
            problem = str(error)
        yield Finding(f"slide {slide.id}", problem, done, total)
    for done, reading in enumerate(begun, len(study.slides) + 1):
        subject = f"{reading.slide} by {reading.observer} in round {reading.round}"
        yield Finding(subject, _reading_problem(study, reading, prints), done, total)


def _check_slide(slide: StudySlide, mpp: float) -> str:
    with slide.open() as opened:
        if max(opened.mpp) > mpp * 1.001:
            raise MismatchError(
                f"Slide {slide.id} has {max(opened.mpp):g} µm per pixel, and agreement is measured "
                f"at {mpp:g}: pixels are never made up. Give agreement a larger mpp."
            )
        fingerprint = opened.fingerprint
    for key, path in (("region", slide.region), ("model", slide.model)):
        if path is not None and not path.exists():
            raise MismatchError(
                f"The {key} of slide {slide.id} is missing: {path} does not exist. Correct the "
                "path, or leave the key out."
            )
    return fingerprint


def _reading_problem(study: Study, reading: ReadingStatus, prints: dict[str, str]) -> str:
    if reading.problem or reading.record is None:
        return reading.problem
    if prints.get(reading.slide, "") not in ("", reading.record.slide_fingerprint):
        return (
            f"{reading.path} was made on another file than slide {reading.slide} is now: put back "
            "the slide that was annotated."
        )
    return _content_problem(study, reading.path)


def _content_problem(study: Study, path: Path) -> str:
    known = {each.name for each in study.classes}
    try:
        drawn = read_annotations(path)
    except SlideconcordError as error:
        return str(error)
    strange = sorted({str(a.class_name) for a in drawn if a.class_name not in known})
    if strange:
        return (
            f"{path} has annotations of classes that the study has not ({', '.join(strange)}): "
            "no comparison of its classes counts them."
        )
    return ""
