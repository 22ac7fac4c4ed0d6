"""A case: the scans of one glass slide, their scanners, and the hub in whose frame all is told."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from slideconcord.errors import MismatchError, MissingMppError, ParameterError
from slideconcord.geometry import Mpp
from slideconcord.samples.origin import virtual_note
from slideconcord.segmentation.tuning import Tuning

if TYPE_CHECKING:
    from slideconcord.slides import Slide


@dataclass(frozen=True, slots=True)
class CaseScan:
    """One scan of the glass slide, and what was found and drawn on it."""

    path: Path
    """The slide."""
    scanner: str
    """What the scan is called in tables and reports; each scan of a case has another one."""
    mpp: Mpp | None = None
    """Pixel size of level 0 in µm, where the file does not say it or says it wrong."""
    mask: Path | None = None
    """What was found: mask.zarr, the folder of a result, or annotations."""
    probability: Path | None = None
    """A probability map, from which the case's tuning makes the mask."""
    reference: Path | None = None
    """What is true: annotations or a mask, in this scan's own level-0 pixels."""

    def __post_init__(self) -> None:
        if not self.scanner.strip():
            raise ParameterError(f"{self.path.name} has no scanner: give each scan a name.")
        if self.mask is not None and self.probability is not None:
            raise ParameterError(
                f"The scan of {self.scanner} has a mask and a probability map: give the one that "
                "is to be measured."
            )

    def open(self) -> Slide:
        """Open the slide.

        Raises
        ------
        SlideError
            When it cannot be opened.
        MissingMppError
            When the file has no believable pixel size and the case names none.
        """
        from slideconcord.slides import open_slide

        try:
            return open_slide(self.path, mpp=self.mpp)
        except MissingMppError as error:
            remedy = f"Write its pixel size into the case: scanner: {self.scanner}, mpp: 0.25."
            raise _asking(error, remedy) from error


@dataclass(frozen=True, slots=True)
class Case:
    """The scans of one glass slide; plain values, nothing is opened.

    Raises
    ------
    ParameterError
        When there are fewer than two scans, two have one scanner or one file, or the hub is none.
    """

    name: str
    scans: tuple[CaseScan, ...]
    hub: str
    """Scanner whose scan gives the common frame."""
    registrations: Path | None = None
    """Folder of saved registrations; they are kept in memory only when None."""
    tuning: Tuning = field(default_factory=Tuning)
    """What makes masks of probability maps."""
    reference_classes: tuple[str, ...] = ()
    """Classes of the reference annotations that count; all when empty."""
    virtual: str = ""
    """What to say wherever results appear, when the scans are virtual."""

    def __post_init__(self) -> None:
        if len(self.scans) < 2:
            raise ParameterError(
                f"Case {self.name} has {len(self.scans)} scan(s): a comparison needs two or more "
                "of the same glass slide."
            )
        _require_once((scan.scanner for scan in self.scans), self.name, "scanner")
        _require_once((_real(scan.path) for scan in self.scans), self.name, "file")
        if self.hub not in self.scanners:
            raise ParameterError(
                f"The hub {self.hub!r} of case {self.name} is none of its scanners: choose from "
                f"{', '.join(map(repr, self.scanners))}."
            )

    @property
    def scanners(self) -> tuple[str, ...]:
        return tuple(scan.scanner for scan in self.scans)

    @property
    def moving(self) -> tuple[CaseScan, ...]:
        """All scans but the hub."""
        return tuple(scan for scan in self.scans if scan.scanner != self.hub)

    def scan(self, scanner: str) -> CaseScan:
        """Return the scan of a scanner.

        Raises
        ------
        ParameterError
            When there is none.
        """
        for scan in self.scans:
            if scan.scanner == scanner:
                return scan
        raise ParameterError(
            f"Case {self.name} has no scan from {scanner!r}: choose from "
            f"{', '.join(map(repr, self.scanners))}."
        )

    @contextmanager
    def open(self) -> Iterator[dict[str, Slide]]:
        """Give all slides by scanner, and close them at the end.

        Raises
        ------
        SlideError
            When one cannot be opened, or has no pixel size.
        MismatchError
            When two files are copies of one scan.
        """
        with ExitStack() as stack:
            slides = {scan.scanner: stack.enter_context(scan.open()) for scan in self.scans}
            _require_different(slides, self.name)
            yield slides


def case_of(
    slides: Sequence[Slide | str | os.PathLike[str]],
    *,
    name: str = "case",
    registrations: Path | None = None,
) -> Case:
    """Return a case of slides of one glass; the first one is the hub.

    Scanners are called as their files call them. Where these say nothing, or two say the same,
    all are called "scan 1", "scan 2" and so on: file names may hold a patient's. Virtual scans
    make the case a virtual one.

    Raises
    ------
    SlideError
        When a slide cannot be opened.
    ParameterError
        When there are fewer than two, or one is given twice.
    """
    found = [_described(slide) for slide in slides]
    names = [scanner for _, scanner, _ in found]
    if not all(names) or len(set(names)) < len(names):
        names = [f"scan {i}" for i in range(1, len(found) + 1)]
    scans = tuple(
        CaseScan(path, scanner, mpp) for (path, _, mpp), scanner in zip(found, names, strict=True)
    )
    virtual = next((said for _, scanner, _ in found if (said := virtual_note(scanner))), "")
    return Case(name, scans, names[0] if names else "", registrations, virtual=virtual)


def _described(slide: Slide | str | os.PathLike[str]) -> tuple[Path, str, Mpp | None]:
    from slideconcord.slides import Slide, open_slide

    if isinstance(slide, Slide):
        given = slide.mpp if slide.mpp_source == "given" else None
        return slide.path, slide.scanner or "", given
    try:
        with open_slide(slide) as opened:
            return opened.path, opened.scanner or "", None
    except MissingMppError as error:
        remedy = "Name the scans in a case.yaml, where each can have its pixel size, mpp: 0.25."
        raise _asking(error, remedy) from error


def _asking(error: MissingMppError, remedy: str) -> MissingMppError:
    """Return the error with what to do about it in a case."""
    claim = str(error).split(". Pass")[0].split(", which")[0]
    return MissingMppError(f"{claim.rstrip('.')}. {remedy}", error.path)


def _require_once(values: Iterator[str], case: str, what: str) -> None:
    value, count = Counter(values).most_common(1)[0]
    if count > 1:
        remedy = {
            "scanner": "give each scan another name, such as 'GT450 day 2'",
            "file": "give each scan its own file",
        }[what]
        shown = value if what == "scanner" else Path(value).name
        raise ParameterError(f"Case {case} has the {what} {shown!r} {count} times: {remedy}.")


def _require_different(slides: dict[str, Slide], case: str) -> None:
    seen: dict[str, str] = {}
    for scanner, slide in slides.items():
        if (other := seen.setdefault(slide.fingerprint, scanner)) != scanner:
            raise MismatchError(
                f"The scans of {other} and {scanner} in case {case} are copies of one file: they "
                "would agree perfectly. Leave one of them out."
            )


def _real(path: Path) -> str:
    return os.path.realpath(path)
