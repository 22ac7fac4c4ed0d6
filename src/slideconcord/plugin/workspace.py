"""What the plugin knows: slides, runs, thresholds. Evented, and free of napari and Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, Protocol, TypeVar

from psygnal import SignalGroupDescriptor
from psygnal.containers import EventedList

from slideconcord.segmentation.model_files import default_model
from slideconcord.segmentation.tuning import Tuning

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from slideconcord.annotations.editing import Document
    from slideconcord.segmentation.landscape import Landscape
    from slideconcord.segmentation.mask import Mask
    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.segmentation.reference_counts import ReferenceCounts
    from slideconcord.segmentation.scores import PixelScores
    from slideconcord.segmentation.threshold_index import ThresholdIndex
    from slideconcord.slides import Slide

Status = Literal["idle", "running", "cancelling", "done", "cancelled", "failed"]
Area = Literal["slide", "view", "rectangle"]
Style = Literal["outline", "filled", "none"]
State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class RunState:
    """How the segmentation of one slide stands."""

    status: Status = "idle"
    done: int = 0
    total: int = 0
    message: str = ""
    """One line for the user: what went wrong, or where the result lies."""
    seconds_left: float | None = None
    offers_cpu: bool = False
    """Whether it failed for want of a GPU's memory, so that the CPU may do."""

    @property
    def is_busy(self) -> bool:
        return self.status in ("running", "cancelling")


@dataclass(frozen=True, slots=True)
class MaskFacts:
    """The numbers beside the sliders, for the whole map."""

    area_mm2: float
    region_count: int
    share: float
    """Mask pixels / all pixels of the map."""
    tissue_share: float | None = None
    """Mask pixels on tissue / tissue pixels of the map; None until the tissue is known."""
    scores: PixelScores | None = None
    """Agreement with the reference, where one is chosen."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What a slide's mask is compared with, on the pixels of its map."""

    name: str
    pixels: NDArray[np.bool_]
    counts: ReferenceCounts | None = None
    """How the map's index sees it; None until that is counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Tissue:
    """Where a slide holds tissue, as the index of its map sees it."""

    index: ThresholdIndex
    """The one that ``counts`` are of."""
    mask: Mask | None = None
    """The whole slide, at the paper's 5 µm per pixel."""
    counts: ReferenceCounts | None = None
    problem: str = ""
    """Why there is nothing to count."""


class History(Generic[State]):
    """States one can return to: a new one after an undo forgets what was undone."""

    def __init__(self, first: State) -> None:
        self._states, self._at = [first], 0

    @property
    def can_undo(self) -> bool:
        return self._at > 0

    @property
    def can_redo(self) -> bool:
        return self._at + 1 < len(self._states)

    def push(self, state: State) -> None:
        if state != self._states[self._at]:
            self._states[self._at + 1 :] = [state]
            self._at += 1

    def undo(self) -> State:
        self._at = max(self._at - 1, 0)
        return self._states[self._at]

    def redo(self) -> State:
        self._at = min(self._at + 1, len(self._states) - 1)
        return self._states[self._at]


@dataclass(frozen=True, slots=True, eq=False)
class Exact:
    """The exact mask of a tuning whose view alone would be a preview."""

    tuning: Tuning
    index: ThresholdIndex
    pixels: NDArray[np.bool_]


@dataclass(eq=False)
class SlideEntry:
    """One open slide and everything that was computed from it; results never change slides."""

    id: str
    """Names this opening of the slide; its layers carry it."""
    slide: Slide
    run: RunState = field(default_factory=RunState)
    probability: ProbabilityMap | None = None
    index: ThresholdIndex | None = None
    """Answers every threshold at once; None while it is being built."""
    class_name: str | None = None
    """The class that is tuned and shown; None for the map's target class."""
    tuning: Tuning = field(default_factory=Tuning)
    style: Style = "outline"
    """How the mask is drawn."""
    heat: bool = True
    """Whether the probabilities are drawn under it."""
    highlight: bool = True
    """Whether what a change adds or takes away is lit up for a moment."""
    can_go: tuple[bool, bool] = (False, False)
    """Whether there is a tuning to go back to, and one to go forward to."""
    facts: MaskFacts | None = None
    exact: Exact | None = None
    """The whole mask, where holes are filled and the hand rests."""
    reference: Reference | None = None
    tissue: Tissue | None = None
    """What shares are of; None until it is found."""
    landscape: Landscape | None = None
    """Agreement with the reference for all pairs of thresholds."""
    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    def __post_init__(self) -> None:
        self.history = History(self.tuning)

    @property
    def name(self) -> str:
        return self.slide.name

    def settle(self, tuning: Tuning) -> None:
        """Take a tuning that one can come back to with undo."""
        self.remember(tuning)
        self.tuning = tuning

    def undo(self) -> None:
        """Go back to the tuning before."""
        self.tuning = self.back()

    def redo(self) -> None:
        """Go forward again."""
        self.tuning = self.forward()

    def begin(self, tuning: Tuning) -> None:
        """Take a tuning with nothing to go back to."""
        self.history = History(tuning)
        self.tuning = tuning
        self._say_where()

    def remember(self, tuning: Tuning) -> None:
        """Let undo come back to a tuning that is about to be taken."""
        self.history.push(tuning)
        self._say_where()

    def back(self) -> Tuning:
        """Return the tuning that undo is about to take."""
        tuning = self.history.undo()
        self._say_where()
        return tuning

    def forward(self) -> Tuning:
        """Return the tuning that redo is about to take."""
        tuning = self.history.redo()
        self._say_where()
        return tuning

    def _say_where(self) -> None:
        self.can_go = self.history.can_undo, self.history.can_redo


@dataclass(frozen=True, slots=True)
class GivenDocument:
    """Annotations of a slide that another part of the program keeps."""

    open: Callable[[], Document]
    """Opens them to be edited."""
    observer: str
    """Who draws."""
    is_blinded: bool = False
    """Whether nothing may be drawn from a model, or taken from another file."""


class Applies(Protocol):
    """What gives an entry its tunings without holding up the window."""

    entry: SlideEntry | None

    @property
    def wanted(self) -> Tuning | None:
        """The tuning that is on its way, else the entry's."""

    def settle(self, tuning: Tuning | None = None) -> None:
        """Have a tuning applied as soon as can be, and remembered for undo."""


@dataclass(eq=False)
class Workspace:
    """The slides of one viewer and what the docks are set to."""

    active: SlideEntry | None = None
    """The slide that the docks speak about."""
    model: str = field(default_factory=default_model)
    """A bundled model's name or a model folder."""
    device: str = "auto"
    area: Area = "slide"
    results_folder: Path | None = None
    """Where results go; None means the user's cache folder."""
    mover: Applies | None = None
    """What applies tunings beside the GUI, while the Threshold dock is open."""
    documents: dict[Slide, GivenDocument] = field(default_factory=dict)
    """Of slides whose annotations are kept in a place of their own, as a study's are."""
    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    def __post_init__(self) -> None:
        self.entries: EventedList[SlideEntry] = EventedList()

    def find(self, slide_id: str) -> SlideEntry | None:
        """Return the entry of a slide opened as ``slide_id``."""
        return next((entry for entry in self.entries if entry.id == slide_id), None)

    def take_in(self, slide_id: str, slide: Slide) -> SlideEntry:
        """Return the entry of an open slide, made when there is none yet."""
        entry = self.find(slide_id)
        if entry is None:
            entry = SlideEntry(slide_id, slide)
            self.entries.append(entry)
        if self.active is None:
            self.active = entry
        return entry

    def forget(self, slide_id: str) -> None:
        """Drop a slide that is no longer shown, with all that belongs to it."""
        entry = self.find(slide_id)
        if entry is None:
            return
        self.entries.remove(entry)
        if self.active is entry:
            self.active = self.entries[-1] if self.entries else None
