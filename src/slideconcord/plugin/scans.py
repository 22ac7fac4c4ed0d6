"""The scans of one glass slide as the docks know them. Evented, and free of napari and Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from psygnal import SignalGroupDescriptor

from slideconcord.comparison.registration.options import Registering
from slideconcord.comparison.registration.outcome import Attempt
from slideconcord.comparison.views.placed import PlacedScan
from slideconcord.errors import MismatchError, ParameterError
from slideconcord.plugin.workspace import History

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slideconcord.comparison.case import CaseScan
    from slideconcord.comparison.registration.value import Registration
    from slideconcord.plugin.workspace import SlideEntry

UNREGISTERED = "It is not registered yet."


@dataclass(eq=False)
class Scan:
    """One scan: an open slide, and where it lies on the hub."""

    entry: SlideEntry
    name: str
    """What it is called on the screen: its scanner, where that tells it from the others."""
    registration: Registration | None = None
    """None: it is the hub."""
    source: CaseScan | None = None
    """What a case file says of it."""
    can_go: tuple[bool, bool] = (False, False)
    """Whether there is a placement to go back to, and one to go forward to."""
    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    def __post_init__(self) -> None:
        self._history: History[Registration | None] = History(self.registration)

    @property
    def id(self) -> str:
        return self.entry.id

    @property
    def placed(self) -> PlacedScan:
        """The scan as views take it."""
        return PlacedScan(self.entry.slide, self.name, self.registration)

    def settle(self, registration: Registration | None) -> None:
        """Take a placement that one can come back to with undo."""
        self._history.push(registration)
        self._go_to(registration)

    def undo(self) -> None:
        """Go back to the placement before."""
        self._go_to(self._history.undo())

    def redo(self) -> None:
        """Go forward again."""
        self._go_to(self._history.redo())

    def begin(self, registration: Registration | None) -> None:
        """Take a placement with nothing to go back to."""
        self._history = History(registration)
        self._go_to(registration)

    def _go_to(self, registration: Registration | None) -> None:
        self.can_go = self._history.can_undo, self._history.can_redo
        self.registration = registration


@dataclass(eq=False)
class Case:
    """The scans that are compared, which of them is the hub, and which two are looked at."""

    scans: tuple[Scan, ...] = ()
    hub: Scan | None = None
    a: Scan | None = None
    b: Scan | None = None
    virtual: str = ""
    """What to say wherever results appear, when the scans are virtual."""
    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    def take(self, entries: Sequence[SlideEntry], names: Mapping[str, str] | None = None) -> None:
        """Make a case of open slides; the first one is its hub.

        Parameters
        ----------
        entries
            The slides.
        names
            What to call them, by the id of the entry; scanners or slide names where none is given.

        Raises
        ------
        ParameterError
            When there are fewer than two.
        MismatchError
            When one file is open twice.
        """
        if len(entries) < 2:
            raise ParameterError(
                f"A comparison needs two scans or more; {len(entries)} slide(s) are open: "
                "open the other scans of this glass slide."
            )
        require_different(entries)
        called = {**default_names(entries), **(names or {})}
        scans = tuple(Scan(entry, called[entry.id]) for entry in entries)
        self.clear()
        self.scans = scans
        self.virtual = ""
        self.choose_hub(scans[0])

    def choose_hub(self, hub: Scan) -> None:
        """Let another scan carry the common frame; registrations to the old hub are dropped."""
        for scan in self.scans:
            scan.begin(None if scan is hub else unregistered(scan, hub))
        self.hub = hub
        others = [scan for scan in self.scans if scan is not hub]
        self.a, self.b = hub, others[0]

    def forget(self, entry: SlideEntry) -> None:
        """Leave out a slide that was closed; a case without its hub, or of one scan, is over."""
        left = tuple(scan for scan in self.scans if scan.entry is not entry)
        if len(left) == len(self.scans):
            return
        if len(left) < 2 or self.hub not in left:
            self.clear()
            return
        self.scans = left
        if self.a not in left or self.b not in left:
            self.a, self.b = left[0], left[1]

    def clear(self) -> None:
        """Be no case any more."""
        self.hub = self.a = self.b = None
        self.scans = ()

    def find(self, scan_id: str) -> Scan | None:
        """Return the scan of an entry."""
        return next((scan for scan in self.scans if scan.id == scan_id), None)


def unregistered(moving: Scan, hub: Scan) -> Registration:
    """Return the failed registration of a scan that nobody has registered."""
    attempt = Attempt(moving.entry.slide, hub.entry.slide, "none", Registering())
    return attempt.fail(UNREGISTERED)


def default_names(entries: Sequence[SlideEntry]) -> dict[str, str]:
    """Return scanners as names where every slide has one of its own, else the slides' names."""
    scanners = [str(entry.slide.scanner or "") for entry in entries]
    if all(scanners) and len(set(scanners)) == len(scanners):
        return dict(zip([entry.id for entry in entries], own_words(scanners), strict=True))
    names = [entry.name for entry in entries]
    return {
        entry.id: name if names.count(name) == 1 else f"{name} ({number})"
        for number, (entry, name) in enumerate(zip(entries, names, strict=True), 1)
    }


def own_words(names: Sequence[str]) -> list[str]:
    """Return names without the words that they all begin with."""
    words = [name.split() for name in names]
    common = 0
    while all(len(w) > common + 1 for w in words) and len({w[common] for w in words}) == 1:
        common += 1
    return [" ".join(w[common:]) for w in words]


def require_different(entries: Sequence[SlideEntry]) -> None:
    """Refuse one file as two scans.

    Raises
    ------
    MismatchError
        Naming both.
    """
    seen: dict[str, SlideEntry] = {}
    for entry in entries:
        first = seen.setdefault(entry.slide.fingerprint, entry)
        if first is not entry:
            raise MismatchError(
                f"{entry.name} and {first.name} are the same file: close one of the two."
            )
