"""What every way to look at a case is: it adds layers to a stage, and may have one dial."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from slideconcord.comparison.views.warped import require_aligned
from slideconcord.errors import ParameterError

if TYPE_CHECKING:
    from slideconcord.plugin.scans import Case, Scan
    from slideconcord.plugin.views.stage import Stage


@dataclass(frozen=True, slots=True)
class Dial:
    """The one number of a view that a hand can turn."""

    name: str
    low: float
    high: float
    value: float
    unit: str = ""
    decimals: int = 0

    def text(self, value: float) -> str:
        return f"{self.name}: {value:,.{self.decimals}f} {self.unit}".strip()


class ComparisonView(ABC):
    """One way to look at a case.

    The stage is empty and open when a view enters, and takes its layers away when it leaves.

    Parameters
    ----------
    stage
        Where layers go.
    case
        What is looked at.
    """

    key: ClassVar[str]
    """The one key that shows it, as napari writes keys."""
    title: ClassVar[str]
    tip: ClassVar[str]

    def __init__(self, stage: Stage, case: Case) -> None:
        self.stage = stage
        self.case = case

    @property
    def dial(self) -> Dial | None:
        """What can be turned; None when nothing can."""
        return None

    @property
    def note(self) -> str:
        """One line under the choice of views: what is seen."""
        return self.tip

    @abstractmethod
    def enter(self) -> None:
        """Add the layers.

        Raises
        ------
        SlideconcordError
            When this cannot be shown; the message says why and what to do.
        """

    def leave(self) -> None:  # noqa: B027  most have nothing to do here
        """Let go of all but the layers."""

    def turn(self, value: float) -> None:  # noqa: B027  most have nothing to do here
        """Take another value of the dial."""

    def follow_placement(self) -> bool:
        """Take new placements of the scans; False: it must be entered anew."""
        return False

    def press_again(self) -> None:  # noqa: B027  most have nothing to do here
        """Do what a second press of the view's key means."""

    @property
    def hub(self) -> Scan:
        if self.case.hub is None:
            raise ParameterError("There is no case yet: make one of the open slides first.")
        return self.case.hub

    def pair(self) -> tuple[Scan, Scan]:
        """Return A and B, two scans that may be laid over one another.

        Raises
        ------
        ParameterError
            When they are not two.
        RegistrationError
            When one of them is not aligned.
        """
        a, b = self.case.a, self.case.b
        if a is None or b is None or a is b:
            raise ParameterError("Choose two different scans as A and B.")
        for scan in (a, b):
            require_aligned(scan.placed)
        return a, b

    def pair_caption(self) -> str:
        """Return both names and how far they may be trusted."""
        return f"A {caption(self.pair()[0])}    B {caption(self.pair()[1])}"


def caption(scan: Scan) -> str:
    """Return a scan's name with how it lies; what is not aligned says so."""
    registration = scan.registration
    if registration is None:
        return f"{scan.name} (hub)"
    if registration.status == "failed":
        return f"{scan.name}: NOT ALIGNED"
    p90 = registration.quality.residual_p90_um
    how = f"p90 {p90:.2f} µm" if p90 == p90 else "not measured"
    word = "" if registration.status == "ok" else f"{registration.status.upper()}, "
    return f"{scan.name} ({word}{how})"
