"""What scanners do to the same tissue, measured on paired regions (SCORPION section 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from slideconcord.comparison.appearance.features import (
    Encoder,
    How,
    PictureStatistics,
    Projection,
    project,
)
from slideconcord.comparison.appearance.measure import PatchFacts, ScanFacts, measure_patches
from slideconcord.comparison.appearance.sampler import Sampling, ScannerCase
from slideconcord.comparison.appearance.stains import StainVectors
from slideconcord.comparison.cohort import summarise
from slideconcord.comparison.tables import Table
from slideconcord.errors import ParameterError
from slideconcord.provenance import record

Reals = npt.NDArray[np.float64]
CHANNELS = ("red", "green", "blue")


@dataclass(frozen=True, slots=True, eq=False)
class ScannerAnalysis:
    """The measurements of all scans, and their differences to a reference scanner."""

    scans: tuple[ScanFacts, ...]
    reference: str
    feature_label: str
    """What the features are."""
    projection: Projection
    """Of all patches, in the order of `patches`."""
    sampling: Sampling

    @property
    def missing(self) -> dict[str, int]:
        """Return how many regions that were asked for did not fit, by case."""
        short = {scan.case: self.sampling.count - len(scan.patches) for scan in self.scans}
        return {case: count for case, count in short.items() if count > 0}

    def provenance(self) -> dict[str, Any]:
        """Return what the analysis was made from, and how."""
        return record(
            method="appearance of paired regions (SCORPION, section 2.2)",
            reference=self.reference,
            sampling=asdict(self.sampling),
            features=self.feature_label,
            projection=self.projection.label,
            regions_that_did_not_fit=self.missing,
            scans=[
                {"case": scan.case, "scanner": scan.scanner, "fingerprint": scan.fingerprint}
                for scan in self.scans
            ],
        )

    @property
    def scanners(self) -> tuple[str, ...]:
        """Names, the reference first."""
        names = dict.fromkeys([self.reference, *(scan.scanner for scan in self.scans)])
        return tuple(names)

    @property
    def patches(self) -> list[PatchFacts]:
        return [patch for scan in self.scans for patch in scan.patches]

    def unpaired(self, scanner: str, values: Reals) -> Reals:
        """Return the rows of ``values``, one per patch, that belong to a scanner."""
        return values[[patch.scanner == scanner for patch in self.patches]]

    def paired(self, values: Reals) -> Reals:
        """Return each patch's values less those of the reference scanner's patch of its region.

        The reference's are exactly 0; NaN where the reference did not scan the slide.
        """
        places = {
            (patch.case, patch.region.index): index
            for index, patch in enumerate(self.patches)
            if patch.scanner == self.reference
        }
        found = np.full(values.shape, np.nan)
        for index, patch in enumerate(self.patches):
            of_reference = places.get((patch.case, patch.region.index))
            if of_reference is not None:
                found[index] = values[index] - values[of_reference]
        return found

    def channel_values(self) -> Reals:
        """Return (n, 3, 2): mean and deviation of red, green, blue of every patch."""
        return np.array([np.stack([p.mean, p.deviation], axis=1) for p in self.patches])

    def patch_table(self) -> Table:
        """Return one row per patch with its place, colours, sharpness and differences."""
        values, sharp = self.channel_values(), self._sharpness()
        apart, softer = self.paired(values), self.paired(sharp)
        rows = []
        for i, patch in enumerate(self.patches):
            row = {
                "case": patch.case,
                "scanner": patch.scanner,
                "region": patch.region.index,
                "y_um": patch.region.y_um,
                "x_um": patch.region.x_um,
                "tissue": patch.region.tissue,
            }
            for c, channel in enumerate(CHANNELS):
                row |= {f"{channel}_mean": values[i, c, 0], f"{channel}_sd": values[i, c, 1]}
            row["sharpness_db"] = sharp[i]
            for c, channel in enumerate(CHANNELS):
                row[f"{channel}_mean_difference"] = apart[i, c, 0]
                row[f"{channel}_sd_difference"] = apart[i, c, 1]
            row["sharpness_db_difference"] = softer[i]
            rows.append({key: _plain(value) for key, value in row.items()})
        return Table.of(rows)

    def scan_table(self) -> Table:
        """Return one row per scan: white point, stain vectors, their angles to the reference's."""
        stains = {scan.case: scan.stains for scan in self.scans if scan.scanner == self.reference}
        return Table.of(_scan_row(scan, stains.get(scan.case)) for scan in self.scans)

    def difference_table(self) -> Table:
        """Return, per scanner and value, the mean paired difference over slides, and its interval.

        A slide counts once, whatever the number of its regions; with one slide there is no
        interval.
        """
        values, sharp = self.channel_values(), self._sharpness()
        named = {
            f"{channel}_{what}": values[:, c, k]
            for c, channel in enumerate(CHANNELS)
            for k, what in enumerate(("mean", "sd"))
        }
        rows = [
            row
            for name, column in {**named, "sharpness_db": sharp}.items()
            for row in self._differences(name, self.paired(column))
        ]
        return Table.of(rows)

    def _differences(self, name: str, differences: Reals) -> Iterator[dict[str, object]]:
        for scanner in self.scanners:
            by_slide: dict[str, list[float]] = {}
            for patch, value in zip(self.patches, differences, strict=True):
                if patch.scanner == scanner:
                    by_slide.setdefault(patch.case, []).append(float(value))
            found = summarise(float(np.mean(each)) for each in by_slide.values())
            yield {
                "scanner": scanner,
                "reference": self.reference,
                "value": name,
                "slides": found.n,
                "patches": sum(map(len, by_slide.values())),
                "mean_difference": found.mean,
                "low": found.low,
                "high": found.high,
            }

    def _sharpness(self) -> Reals:
        return np.array([patch.sharpness_db for patch in self.patches])


def _plain(value: object) -> object:
    return float(value) if isinstance(value, np.floating) else value


def _scan_row(scan: ScanFacts, reference: StainVectors | None) -> dict[str, object]:
    stains = scan.stains
    row: dict[str, object] = {"case": scan.case, "scanner": scan.scanner}
    row |= {f"white_{c}": float(v) for c, v in zip(CHANNELS, scan.white, strict=True)}
    nothing = [float("nan")] * 3
    for name in ("haematoxylin", "eosin"):
        vector = getattr(stains, name) if stains else nothing
        row |= {f"{name}_{c}": float(v) for c, v in zip(CHANNELS, vector, strict=True)}
        row[f"{name}_p99"] = getattr(stains, f"{name}_p99") if stains else float("nan")
    angles = stains.angles_to(reference) if stains and reference else nothing[:2]
    row["haematoxylin_angle_deg"], row["eosin_angle_deg"] = angles
    return row


def analyse_scanners(
    cases: Iterable[ScannerCase],
    reference: str = "",
    *,
    sampling: Sampling | None = None,
    encoder: Encoder | None = None,
    how: How = "auto",
) -> ScannerAnalysis:
    """Measure paired regions of slides on all their scanners.

    Parameters
    ----------
    cases
        Slides, each with its scans.
    reference
        Scanner to which differences are taken; by default the first scan's.
    encoder
        What makes features of a patch, such as `segmentation.encoder.resnet50`;
        `PictureStatistics` by default.
    how
        See `project`.

    Raises
    ------
    ParameterError
        When there is no case, the reference is no scanner of any, or no region fits.
    """
    sampling, all_cases = sampling or Sampling(), list(cases)
    scans = [scan for case in all_cases for scan in measure_patches(case, sampling, encoder)]
    return analysis_of(scans, reference, sampling, encoder, how)


def analysis_of(
    scans: Sequence[ScanFacts],
    reference: str = "",
    sampling: Sampling | None = None,
    encoder: Encoder | None = None,
    how: How = "auto",
) -> ScannerAnalysis:
    """Return the analysis of what `measure_patches` yielded; parameters as of `analyse_scanners`.

    Raises
    ------
    ParameterError
        When there is no scan, one is there twice, or the reference is none of the scanners.
    """
    _check_unique(scans)
    sampling, names = sampling or Sampling(), list(dict.fromkeys(scan.scanner for scan in scans))
    if not names or (reference and reference not in names):
        raise ParameterError(
            f"{reference or 'No scanner'!r} is no scanner of these cases: "
            f"choose from {', '.join(map(repr, names)) or 'none, for there is no case'}."
        )
    label = (encoder or PictureStatistics(sampling.mpp)).label
    features = np.array([patch.features for scan in scans for patch in scan.patches])
    projection = project(features, how, sampling.seed)
    return ScannerAnalysis(tuple(scans), reference or names[0], label, projection, sampling)


def _check_unique(scans: Sequence[ScanFacts]) -> None:
    seen = set()
    for scan in scans:
        if (key := (scan.case, scan.scanner)) in seen:
            raise ParameterError(
                f"{scan.case} is there twice from {scan.scanner}: give every slide its own name."
            )
        seen.add(key)
