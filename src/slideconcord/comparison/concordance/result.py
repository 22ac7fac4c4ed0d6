"""What was measured on one case, as a value with tables; NaN is undefined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.cohort import ScoredScan
from slideconcord.comparison.compare import Scores
from slideconcord.comparison.concordance.options import Measuring
from slideconcord.comparison.concordance.overlap import Overlaps
from slideconcord.comparison.tables import Table, without_nan

if TYPE_CHECKING:
    from slideconcord.annotations import Annotations
    from slideconcord.comparison.appearance.sampler import Region
    from slideconcord.comparison.registration.round_trip import Closure
    from slideconcord.comparison.registration.value import Registration

Reals = NDArray[np.float64]
Level = Literal["slide", "regions", "pooled"]
LEVELS: dict[Level, str] = {
    "slide": "all pixels that every scan shows",
    "regions": "mean over sampled regions, each counting once",
    "pooled": "all pixels of the sampled regions together",
}
ALONE = (
    "Consistency alone: there is no reference, and an answer that is always the same, right or "
    "wrong, is perfectly consistent. Add a reference to a scan before calling a model good."
)


@dataclass(frozen=True, slots=True)
class Excluded:
    """A scan that was not measured, and why."""

    scanner: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredRegion:
    """A sampled region and what the masks share in it."""

    region: Region
    overlaps: Overlaps


@dataclass(frozen=True, slots=True)
class Summary:
    """The pairs of a matrix in three numbers."""

    mean: float
    minimum: float
    worst: tuple[str, str] | None
    """The pair with the minimum; None when no pair is defined."""
    pairs: int
    """Pairs whose value is defined."""


@dataclass(frozen=True, slots=True, eq=False)
class Concordance:
    """How far the masks of one glass slide from several scanners agree.

    Matrices are (scanner, scanner) in the order of `scanners`.
    """

    case: str
    hub: str
    scanners: tuple[str, ...]
    """Those that were measured."""
    excluded: tuple[Excluded, ...]
    mpp: float
    """Pixel size of the comparison in µm, on the hub's grid."""
    options: Measuring
    slide: Overlaps
    """All that every scan shows: the masks, then the references."""
    regions: tuple[MeasuredRegion, ...]
    ceilings: Mapping[Level, Reals]
    """What registration error alone allows; NaN where it was not measured."""
    references: Mapping[str, int]
    """By scanner, which row of the overlaps is its reference; empty without any."""
    reference_from: Mapping[str, str]
    """By scanner, on which scan its reference was drawn."""
    shown_um2: Mapping[str, float]
    """By scanner, the area that was scanned and looked at."""
    common_um2: float
    """The area that all scans show."""
    regions_note: str = ""
    """Why there are fewer regions than were asked for."""
    registrations: Mapping[str, Registration] = field(default_factory=dict, repr=False)
    closures: Mapping[str, Closure] = field(default_factory=dict, repr=False)
    outlines: Mapping[str, Annotations] = field(default_factory=dict, repr=False)
    """By scanner, what was compared, in the hub's level-0 pixels."""
    virtual: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All N (N - 1) / 2 pairs of scanners."""
        return tuple(combinations(self.scanners, 2))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must be said beside every number."""
        found = [] if self.references else [ALONE]
        found.extend(
            f"The mask of {name} {what}: a constant answer agrees with itself whatever the tissue."
            for name, size in zip(self.scanners, self.slide.sizes, strict=False)
            if (what := _constant(int(size), self.slide.pixels))
        )
        found.extend(
            f"The registration of {name} is only coarse: its disagreement may be displacement."
            for name in self.scanners
            if name in self.registrations and self.registrations[name].status == "coarse"
        )
        return tuple(found)

    def dice(self, level: Level = "slide") -> Reals:
        """Return the matrix of Dice; the diagonal is 1 where a mask is not empty."""
        if level == "slide":
            return self._masks(self.slide)
        if level == "pooled":
            return self._masks(sum((r.overlaps for r in self.regions), self._nothing))
        return nan_mean(self.region_dice())

    def region_dice(self) -> Reals:
        """Return (region, scanner, scanner)."""
        found = [self._masks(region.overlaps) for region in self.regions]
        n = len(self.scanners)
        return np.array(found, np.float64).reshape(-1, n, n)

    def summary(self, level: Level = "slide") -> Summary:
        """Return mean and minimum over the pairs, and the worst pair."""
        return summarise_pairs(self.dice(level), self.scanners)

    def accuracy(self, scanner: str) -> Scores | None:
        """Return how far a scan's mask agrees with its reference; None without one."""
        if scanner not in self.references:
            return None
        at = self.scanners.index(scanner), self.references[scanner]
        return Scores(self.slide.counts(*at), self.provenance)

    def scored_scans(self) -> list[ScoredScan]:
        """Return the accuracies as `cohort` and `scanner_differences` take them."""
        found = ((name, self.accuracy(name)) for name in self.scanners)
        return [ScoredScan(self.case, scores, scanner=name) for name, scores in found if scores]

    def pair_table(self) -> Table:
        """Return one row per pair: Dice and its ceiling on every level, and what was empty."""
        matrices = {level: (self.dice(level), self.ceilings[level]) for level in LEVELS}
        by_region = self._region_sizes()
        rows = []
        for first, second in self.pairs:
            i, j = self.scanners.index(first), self.scanners.index(second)
            empty = (by_region[:, [i, j]] == 0).sum(axis=1)
            row: dict[str, Any] = {"case": self.case, "first": first, "second": second}
            for level, (dice, ceiling) in matrices.items():
                row |= {f"{level}_dice": float(dice[i, j])}
                row |= {f"{level}_ceiling": float(ceiling[i, j])}
            row |= {
                "regions": len(self.regions),
                "regions_both_empty": int((empty == 2).sum()),
                "regions_one_empty": int((empty == 1).sum()),
            }
            rows.append(row)
        return Table.of(rows)

    def region_table(self) -> Table:
        """Return one row per region and pair, with the place of the region in the hub's µm."""
        rows = []
        for index, (found, dice) in enumerate(zip(self.regions, self.region_dice(), strict=True)):
            sizes = found.overlaps.sizes
            for first, second in self.pairs:
                i, j = self.scanners.index(first), self.scanners.index(second)
                rows.append(
                    {
                        "case": self.case,
                        "region": index,
                        "y_um": found.region.y_um,
                        "x_um": found.region.x_um,
                        "side_um": found.region.side_um,
                        "tissue": found.region.tissue,
                        "pixels": found.overlaps.pixels,
                        "first": first,
                        "second": second,
                        "first_pixels": int(sizes[i]),
                        "second_pixels": int(sizes[j]),
                        "dice": float(dice[i, j]),
                    }
                )
        return Table.of(rows)

    def scanner_table(self) -> Table:
        """Return one row per scan: its registration, its area, its accuracy where there is one."""
        return Table.of(self._scanner_row(name, i) for i, name in enumerate(self.scanners))

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; what is undefined is null. No path, no name of a file."""
        levels = {
            level: {
                "means": text,
                "dice": self.dice(level).tolist(),
                "ceiling": self.ceilings[level].tolist(),
                **asdict(self.summary(level)),
            }
            for level, text in LEVELS.items()
        }
        return dict(
            without_nan(
                {
                    "case": self.case,
                    "virtual": self.virtual,
                    "warnings": list(self.warnings),
                    "hub": self.hub,
                    "scanners": list(self.scanners),
                    "excluded": [asdict(each) for each in self.excluded],
                    "mpp": self.mpp,
                    "options": asdict(self.options),
                    "common_um2": self.common_um2,
                    "levels": levels,
                    "pairs": self.pair_table().records(),
                    "scans": self.scanner_table().records(),
                    "regions_note": self.regions_note,
                    "closures": self.closure_table().records(),
                    "provenance": dict(self.provenance),
                }
            )
        )

    def closure_table(self) -> Table:
        """Return one row per round trip over three scans."""
        rows = ((self.case, name, c.p50_um, c.p90_um) for name, c in self.closures.items())
        return Table(("case", "trip", "p50_um", "p90_um"), tuple(rows))

    @property
    def _nothing(self) -> Overlaps:
        return Overlaps.none(len(self.slide.shared))

    def _masks(self, overlaps: Overlaps) -> Reals:
        return overlaps.first(len(self.scanners)).dice(self.options.empty)

    def _region_sizes(self) -> NDArray[np.int64]:
        n = len(self.slide.shared)
        return np.array([r.overlaps.sizes for r in self.regions], np.int64).reshape(-1, n)

    def _scanner_row(self, name: str, index: int) -> dict[str, Any]:
        registration, scores = self.registrations.get(name), self.accuracy(name)
        quality = registration.quality if registration else None
        return {
            "case": self.case,
            "scanner": name,
            "registration": registration.status if registration else "hub",
            "residual_p50_um": quality.residual_p50_um if quality else 0.0,
            "residual_p90_um": quality.residual_p90_um if quality else 0.0,
            "shown_mm2": self.shown_um2[name] / 1e6,
            "compared": self.common_um2 / self.shown_um2[name],
            "foreground": _ratio(int(self.slide.sizes[index]), self.slide.pixels),
            "dsc": scores.dsc if scores else float("nan"),
            "precision": scores["precision"] if scores else float("nan"),
            "sensitivity": scores["sensitivity"] if scores else float("nan"),
            "reference_from": self.reference_from.get(name, ""),
        }


def summarise_pairs(matrix: Reals, scanners: tuple[str, ...]) -> Summary:
    """Return mean and minimum over the pairs of a symmetric matrix; NaN is left out."""
    rows, columns = np.triu_indices(len(scanners), 1)
    values = matrix[rows, columns]
    defined = np.flatnonzero(np.isfinite(values))
    if not defined.size:
        return Summary(float("nan"), float("nan"), None, 0)
    place = defined[values[defined].argmin()]
    worst = scanners[rows[place]], scanners[columns[place]]
    return Summary(float(values[defined].mean()), float(values[place]), worst, int(defined.size))


def nan_mean(values: Reals) -> Reals:
    """Return the mean over the first axis of what is defined; NaN where nothing is."""
    defined = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        found: Reals = np.where(defined, values, 0.0).sum(axis=0) / defined.sum(axis=0)
    return found


def _constant(size: int, pixels: int) -> str:
    if size == 0:
        return "is empty where it counts"
    return "covers all that counts" if size == pixels else ""


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
