"""Another scan of the same glass as a reference: its mask as it is tuned, through the hub."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slideconcord.comparison.placed_map import PlacedMap, bring_mask
from slideconcord.errors import MismatchError, RegistrationError
from slideconcord.plugin.masks import fits
from slideconcord.plugin.references import Choice, not_empty

if TYPE_CHECKING:
    from slideconcord.plugin.scans import Case, Scan
    from slideconcord.segmentation.probability import ProbabilityMap


@dataclass(frozen=True, slots=True, eq=False)
class OtherScan:
    """A scan of the case whose mask another one's can be compared with."""

    own: Scan
    other: Scan

    @property
    def name(self) -> str:
        return f"mask of {self.other.name}"


def scan_choices(case: Case, entry_id: str) -> list[OtherScan]:
    """Return the other scans of the case that a slide belongs to."""
    own = case.find(entry_id)
    return [] if own is None else [OtherScan(own, scan) for scan in case.scans if scan is not own]


def from_scan(chosen: OtherScan) -> Choice:
    """Return the mask of another scan, as it is tuned now, as a reference.

    Its name says at which thresholds that was, and whether a registration is only coarse.

    Raises
    ------
    RegistrationError
        When one of the two is not registered.
    MismatchError
        When the other has no probability map.
    """
    own, other = chosen.own.placed, chosen.other.placed
    for scan in (chosen.own, chosen.other):
        require_aligned(scan)
    entry = chosen.other.entry
    probability, tuning, class_name = entry.probability, entry.tuning, entry.class_name
    if probability is None:
        raise MismatchError(f"{chosen.other.name} has no mask yet: segment it first.")
    index = entry.index if fits(entry.index, tuning) else None

    def read(onto: ProbabilityMap) -> Generator[Any, None, Any]:
        from slideconcord.segmentation.exact import exact_mask

        mask = yield from exact_mask(probability, tuning, class_name=class_name, index=index)
        pixels = yield from bring_mask(mask, other, PlacedMap(own, onto.frame), onto.shape)
        return not_empty(pixels)

    return Choice(f"{chosen.name} at {tuning.low:.2f} / {tuning.high:.2f}{_doubt(chosen)}", read)


def require_aligned(scan: Scan) -> None:
    """Refuse a scan that does not lie on the hub.

    Raises
    ------
    RegistrationError
        With the reason, and what to do.
    """
    placed = scan.placed
    if placed.transform is not None and not placed.is_aligned:
        raise RegistrationError(
            f"{scan.name} does not lie on the hub: {placed.transform.reason} Register it in the "
            "Scanners dock, or align it there by three pairs of points.",
            placed.transform.reason,
        )


def _doubt(chosen: OtherScan) -> str:
    both = (chosen.own.registration, chosen.other.registration)
    is_coarse = any(each is not None and each.status == "coarse" for each in both)
    return ", coarsely registered" if is_coarse else ""
