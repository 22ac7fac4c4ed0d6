"""Masks of the scans of a case, as they are tuned now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slideconcord.comparison.views.agreement import PlacedMask
from slideconcord.errors import MismatchError
from slideconcord.plugin.live import MaskSource
from slideconcord.plugin.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from slideconcord.plugin.scans import Scan
    from slideconcord.plugin.workspace import SlideEntry, Style
    from slideconcord.segmentation.probability import ProbabilityMap


class LiveMask:
    """The mask of a slide, in step with its thresholds; ``changed`` is called after each step."""

    def __init__(self, entry: SlideEntry, style: Style, changed: Callable[[], None]) -> None:
        probability = require_map(entry)
        self._entry = entry
        self._changed = changed
        self.source = MaskSource(probability, entry.tuning, style, entry.class_name)
        self._bring_up_to_date()
        self._watching = Watching()
        names = ("tuning", "index", "exact")
        self._watching.follow(entry, dict.fromkeys(names, self._follow))

    def placed(self, scan: Scan) -> PlacedMask:
        """Return the mask where its scan lies."""
        # the last, tiny level is no half of the one before
        return PlacedMask(scan.placed, self.source.levels[:-1], self.source.frame)

    def close(self) -> None:
        """Follow no more."""
        self._watching.follow(None, {})

    def _follow(self, _value: Any = None) -> None:
        self._bring_up_to_date()
        self._changed()

    def _bring_up_to_date(self) -> None:
        source, entry = self.source, self._entry
        source.tuning, source.index, source.exact = entry.tuning, entry.index, entry.exact


def require_map(entry: SlideEntry) -> ProbabilityMap:
    """Return the map of a slide.

    Raises
    ------
    MismatchError
        When it has none yet.
    """
    if entry.probability is None:
        raise MismatchError(f"{entry.name} has no mask yet: segment it in the Segment dock first.")
    return entry.probability
