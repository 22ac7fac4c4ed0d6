"""What was measured on slides that several observers read, as values with tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.observers import tables
from slideconcord.comparison.observers.consensus import Consensus
from slideconcord.comparison.observers.options import Comparing
from slideconcord.comparison.observers.pairs import (
    EMPTY_RULES,
    KINDS,
    PairAgreement,
    find_pair,
)
from slideconcord.comparison.observers.placed import Grid
from slideconcord.comparison.observers.ratings import RatingAgreement, agreement_of_tally
from slideconcord.comparison.observers.readings import Reader
from slideconcord.comparison.observers.tally import Tally
from slideconcord.comparison.tables import Table, without_nan

Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ClassAgreement:
    """One class of one slide."""

    class_name: str
    """ "" is what has none."""
    readers: tuple[Reader, ...]
    """In the order of the tally's columns: observers by round, models, then the consensus."""
    tally: Tally = field(repr=False)
    """How the pixels that count were marked."""
    pairs: tuple[PairAgreement, ...] = field(repr=False)
    consensus: Consensus | None = None
    """None with fewer than two observers."""

    @property
    def observers(self) -> tuple[Reader, ...]:
        return tuple(each for each in self.readers if each.role == "observer")

    def pair(self, first: Reader, second: Reader) -> PairAgreement:
        """Return the pair of two readers, in either order."""
        return find_pair(self.pairs, first, second)

    def matrix(self, statistic: str = "dsc") -> Reals:
        """Return (reader, reader); the diagonal is 1 for ratios of agreement, else undefined.

        A statistic that depends on the order is that of the pair as it is listed, on both sides.
        """
        place = {reader: number for number, reader in enumerate(self.readers)}
        found = np.full((len(place), len(place)), np.nan)
        for pair in self.pairs:
            i, j = place[pair.first], place[pair.second]
            found[i, j] = found[j, i] = pair.values[statistic]
        for number in range(len(place)) if statistic in ("dsc", "iou", "kappa") else ():
            found[number, number] = 1.0 if self.tally.marked(number) else np.nan
        return found

    def ratings(self, reading_round: int = 1) -> RatingAgreement | None:
        """Return kappas of all observers of a round; None with fewer than two."""
        chosen = self._in_round(reading_round)
        if len(chosen) < 2:
            return None
        names = [self.readers[number].name for number in chosen]
        return agreement_of_tally(self.tally.pick(chosen), names)

    def votes(self, reading_round: int = 1) -> NDArray[np.int64]:
        """Return (vote,) the pixels that no, one, ... and all observers of a round mark."""
        return self.tally.pick(self._in_round(reading_round)).votes()

    def _in_round(self, number: int) -> list[int]:
        return [
            place
            for place, each in enumerate(self.readers)
            if each.role == "observer" and each.round == number
        ]

    @property
    def rounds(self) -> tuple[int, ...]:
        return tuple(sorted({each.round for each in self.observers}))


@dataclass(frozen=True, slots=True, eq=False)
class SlideAgreement:
    """One slide."""

    slide: str
    case: str
    grid: Grid
    """The pixels of the comparison."""
    counted_px: int
    """Pixels that count: tissue."""
    classes: Mapping[str, ClassAgreement]
    labels: Mapping[int, RatingAgreement] = field(default_factory=dict)
    """By round, the agreement on which class a pixel is, none included; with two classes or more.
    Where one reader marks two classes, the later class in `classes` counts."""
    fingerprint: str = ""
    virtual: str = ""
    """What must be said wherever results appear, when nobody scanned the slide."""

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one row per class and pair."""
        for found in self.classes.values():
            for pair in found.pairs:
                yield {
                    "case": self.case,
                    "slide": self.slide,
                    "class": found.class_name,
                    **pair.row(),
                }


@dataclass(frozen=True, slots=True, eq=False)
class ObserverAgreement:
    """How far the readings of several slides agree."""

    slides: tuple[SlideAgreement, ...]
    options: Comparing = field(default_factory=Comparing)
    names: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What each anonymous name of an observer, slide or case stands for. In no table, no JSON."""
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for slide in self.slides for name in slide.classes))

    @property
    def readers(self) -> tuple[Reader, ...]:
        """Everyone, in the order of the first slide that each read."""
        return tuple(
            dict.fromkeys(
                reader
                for slide in self.slides
                for found in slide.classes.values()
                for reader in found.readers
            )
        )

    @property
    def virtual(self) -> tuple[str, ...]:
        """What must be said of slides that nobody scanned."""
        return tuple(dict.fromkeys(slide.virtual for slide in self.slides if slide.virtual))

    def pair_table(self) -> Table:
        """Return one row per slide, class and pair, with every number."""
        return Table.of(row for slide in self.slides for row in slide.rows())

    def slide_table(self) -> Table:
        """Return one row per slide, class and round: kappas of all observers, votes, worst pair."""
        return Table.of(tables.slide_rows(self.slides))

    def reader_table(self) -> Table:
        """Return one row per slide, class and reader: area, DSC with consensus and with others."""
        return Table.of(tables.reader_rows(self.slides))

    def label_table(self) -> Table:
        """Return one row per slide, round and pair: agreement on the class of every pixel."""
        return Table.of(tables.label_rows(self.slides))

    def summary_table(self) -> Table:
        """Return one row per class, kind, pair and statistic: mean over cases, and intervals.

        ``first`` and ``second`` are "all" in the rows over all pairs of a kind.
        """
        return Table.of(tables.summaries(self))

    def area_table(self) -> Table:
        """Return one row per class and pair: bias of areas and limits of agreement, in µm²."""
        return Table.of(tables.limit_rows(self))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must be said beside every number."""
        return tuple(tables.warnings_of(self))

    @property
    def tables(self) -> dict[str, Table]:
        """All tables, by the name of their file."""
        return {
            "pairs": self.pair_table(),
            "slides": self.slide_table(),
            "readers": self.reader_table(),
            "labels": self.label_table(),
            "summary": self.summary_table(),
            "areas": self.area_table(),
        }

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; what is undefined is null. No path, no name that was replaced."""
        return dict(
            without_nan(
                {
                    "virtual": list(self.virtual),
                    "warnings": list(self.warnings),
                    "kinds": KINDS,
                    "empty_rules": EMPTY_RULES,
                    "options": asdict(self.options),
                    "all_readers": [asdict(each) for each in self.readers],
                    **{name: table.records() for name, table in self.tables.items()},
                    "provenance": dict(self.provenance),
                }
            )
        )
