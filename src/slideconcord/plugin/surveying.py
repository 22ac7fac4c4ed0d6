"""How well the scans of a case agree at all pairs of thresholds, found out beside the GUI."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal, Slot

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.jobs import Job
from slideconcord.plugin.masks import fits, index_map
from slideconcord.plugin.watching import Watching

if TYPE_CHECKING:
    from slideconcord.comparison.registration.value import Registration
    from slideconcord.comparison.scan_landscape import ScanLandscape
    from slideconcord.plugin.scans import Case, Scan
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.segmentation.threshold_index import ThresholdIndex

STEPS = tuple(step / 50 for step in range(1, 50))


@dataclass(frozen=True, slots=True)
class Wanted:
    """A scan to survey: taken in the window's thread, so that nothing moves meanwhile."""

    name: str
    entry: SlideEntry
    probability: ProbabilityMap
    class_name: str | None
    smoothing_um: float
    registration: Registration | None
    complete: bool


Built = list[tuple[Wanted, "ThresholdIndex"]]


class Surveyor(QObject):
    """Surveys the scans of a case that are segmented and registered; one survey at a time."""

    changed = Signal()
    """Another state, or another case."""
    tuned = Signal()
    """A scan is cut elsewhere; what was surveyed stays."""

    def __init__(self, case: Case, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.case = case
        self.found: ScanLandscape | None = None
        self.message, self.share = "", 0.0
        self.surveyed: list[Wanted] = []
        """The scans that were last asked about."""
        self._job: Job | None = None
        self._ending: list[Job] = []
        self._watched: list[Watching] = []
        case.events.scans.connect(self._on_case)
        self._on_case()

    @property
    def is_running(self) -> bool:
        return self._job is not None

    @property
    def is_current(self) -> bool:
        """Whether what was last asked about is what there is now."""
        return self.surveyed == usable(self.case)

    def start(self) -> None:
        """Survey what there is now."""
        self.stop()
        self.surveyed, self.found, self.message, self.share = usable(self.case), None, "", 0.0
        if len(self.surveyed) >= 2:
            wanted = [(each, each.entry.index) for each in self.surveyed]
            self._job = Job(lambda: survey(wanted))
            self._job.advanced.connect(self._advance)
            self._job.ended.connect(self._take)
            self._job.start()
        self.changed.emit()

    def cancel(self) -> None:
        """Stop, at the user's wish."""
        if self._job is not None:
            self.stop()
            self.message = "Stopped."
            self.changed.emit()

    def stop(self) -> None:
        """Stop, without waiting: the thread ends after the piece in hand."""
        if self._job is not None:
            self._job.cancel()
            self._ending.append(self._job)
        self._job = None

    def close(self) -> None:
        """Let go of the case, and wait for the threads."""
        self.stop()
        for job in self._ending:
            job.close()
        self._ending.clear()
        self.case.events.scans.disconnect(self._on_case)
        for watching in self._watched:
            watching.follow(None, {})

    def _on_case(self, _scans: Any = None) -> None:
        for watching in self._watched:
            watching.follow(None, {})
        self._watched = []
        for scan in self.case.scans:
            self._watch(scan, {"registration": self._on_change})
            of_entry = dict.fromkeys(("probability", "class_name", "run"), self._on_change)
            self._watch(scan.entry, {**of_entry, "tuning": self._on_tuning})
        self._on_change()

    def _watch(self, source: Any, slots: dict[str, Any]) -> None:
        self._watched.append(Watching())
        self._watched[-1].follow(source, slots)

    def _on_tuning(self, _tuning: Any = None) -> None:
        """Follow a hand on the sliders: only another smoothing makes another map."""
        if self.surveyed and not self.is_current:
            self._on_change()
        else:
            self.tuned.emit()

    def _on_change(self, _new: Any = None) -> None:
        if not self.is_current:
            self.stop()
            self.surveyed, self.found, self.message = [], None, ""
        self.changed.emit()

    @Slot(object)
    def _advance(self, piece: Any) -> None:
        if isinstance(piece, float):
            self.share = piece
            self.changed.emit()

    @Slot(object)
    def _take(self, job: Job) -> None:
        if job is not self._job:
            self._ending = [each for each in self._ending if each is not job]
            return
        self._job, error = None, job.error
        if error is not None:
            self.message = str(error)
        elif job.result is not None:
            self.found, built = job.result
            keep(built)
        self.changed.emit()
        if error is not None and not isinstance(error, SlideconcordError):
            raise error  # a fault of ours: napari shows where it happened


def usable(case: Case) -> list[Wanted]:
    """Return the scans of a case that are segmented and registered."""
    return [_wanted(scan) for scan in case.scans if not why_not(scan)]


def why_not(scan: Scan) -> str:
    """Return why a scan cannot be surveyed; nothing when it can."""
    if scan.entry.probability is None:
        return f"{scan.name} is not segmented."
    if not scan.placed.is_aligned:
        return f"{scan.name} is not registered."
    return ""


def survey(
    wanted: list[tuple[Wanted, ThresholdIndex | None]],
) -> Generator[Any, None, tuple[ScanLandscape, Built]]:
    """Index what is not indexed yet, and survey; shares done are floats."""
    from slideconcord.comparison.scan_grid import IndexedScan
    from slideconcord.comparison.scan_landscape import survey_scans

    scans, built = [], []
    for each, index in wanted:
        if index is None or not _is_of(index, each):
            index = yield from index_map(each.probability, each.class_name, each.smoothing_um)
            built.append((each, index))
        scans.append(IndexedScan.of(each.name, index, each.entry.slide, each.registration))
    return (yield from survey_scans(scans, lows=STEPS, highs=STEPS)), built


def keep(built: Built) -> None:
    """Give entries without an index the one that was built for them, where it is still theirs."""
    for wanted, index in built:
        entry = wanted.entry
        now = entry.probability, entry.class_name
        if entry.index is None and now == (wanted.probability, wanted.class_name):
            entry.index = index if fits(index, entry.tuning) else None


def _wanted(scan: Scan) -> Wanted:
    entry = scan.entry
    probability = entry.probability
    assert probability is not None
    return Wanted(
        scan.name, entry, probability, entry.class_name, entry.tuning.smoothing_um,
        scan.registration, probability.complete,
    )  # fmt: skip


def _is_of(index: ThresholdIndex, wanted: Wanted) -> bool:
    place = index.place
    return place.smoothing_um == wanted.smoothing_um and place.complete == wanted.complete
