"""How the scanners of a measured case render its sampled regions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from slideconcord.comparison.appearance.measure import ScanFacts, measure_patches
from slideconcord.comparison.appearance.sampler import Sampling, ScannerCase
from slideconcord.comparison.case import Case
from slideconcord.comparison.concordance.placing import placed_scans
from slideconcord.comparison.concordance.result import Concordance

if TYPE_CHECKING:
    from slideconcord.comparison.appearance.features import Encoder
    from slideconcord.slides import Slide


def patch_facts(case: Case, found: Concordance, encoder: Encoder | None = None) -> list[ScanFacts]:
    """Measure colour, sharpness, stains and features of the regions that were compared.

    Raises
    ------
    ParameterError
        When no region fits.
    DamagedSlideError
        When a tile cannot be decoded.
    """
    from slideconcord.segmentation.tissue import find_tissue

    with case.open() as slides:
        hub = slides[found.hub]
        scans = placed_scans(found.hub, found.scanners, found.registrations, slides)
        placed = ScannerCase(found.case, tuple(scans.values()), find_tissue(hub, box=hub.bounds))
        return list(measure_patches(placed, sampling_of(found, slides), encoder))


def sampling_of(found: Concordance, slides: Mapping[str, Slide]) -> Sampling:
    """Return the sampling of a case; no scan's pixels are made up."""
    options, whole = found.options, Sampling()
    coarsest = max(max(slides[name].mpp) for name in found.scanners)
    return Sampling(
        max(options.regions, 1),
        options.region_um,
        min(whole.side_px, int(options.region_um / coarsest)),
        seed=options.seed,
    )
