"""Measure one case: bring every scan's mask onto the hub, count, and say what limits the counts."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord.comparison.appearance.sampler import (
    Region,
    Sampling,
    ScannerCase,
    choose_regions,
)
from slideconcord.comparison.case import Case
from slideconcord.comparison.case_registration import CaseStep, RegisteredCase, register_case
from slideconcord.comparison.concordance.ceiling import (
    NOTHING,
    Residual,
    SelfOverlap,
    pair_distances,
    self_overlaps,
)
from slideconcord.comparison.concordance.options import Measuring
from slideconcord.comparison.concordance.overlap import Overlaps, count_boxes
from slideconcord.comparison.concordance.placing import (
    Found,
    Grid,
    common_area,
    onto_hub,
    placed_scans,
    read_found,
    read_reference,
    scanned_area,
)
from slideconcord.comparison.concordance.result import (
    Concordance,
    Excluded,
    Level,
    MeasuredRegion,
    Reals,
)
from slideconcord.comparison.registration.options import Registering
from slideconcord.errors import ParameterError
from slideconcord.geometry import Box
from slideconcord.provenance import record
from slideconcord.segmentation.mask import block_boxes
from slideconcord.segmentation.regions import find_regions

if TYPE_CHECKING:
    from slideconcord.annotations import Annotations
    from slideconcord.annotations.raster import Rasteriser
    from slideconcord.comparison.registration.value import Registration
    from slideconcord.segmentation.mask import Mask
    from slideconcord.slides import Slide

_BLOCK_PX = 1024
# Outlines that were drawn have no pixel size of their own.
_DRAWN_MPP = 1.0


@dataclass(frozen=True, slots=True)
class MeasureStep:
    """A piece of the measurement is about to be done."""

    name: str
    scanner: str = ""


Steps = Generator[CaseStep | MeasureStep, None, Concordance]


def compare_scanners(
    case: Case | RegisteredCase,
    options: Measuring | None = None,
    *,
    registering: Registering | None = None,
) -> Concordance:
    """Measure how far what was found on the scans of one glass slide agrees.

    Pairwise Dice of all pairs of scanners (SCORPION, section 2.3) on all that every scan shows and
    in sampled regions; beside each the ceiling that registration error alone allows; accuracy
    wherever a scan has a reference.

    Parameters
    ----------
    case
        Its scans name what was found on them: a mask, a probability map, or annotations. Scans are
        registered first, unless they are already.
    options
        How to measure.
    registering
        How to register; defaults as of `register_case`.

    Returns
    -------
    Concordance. Scans that were left out are in ``excluded``, with the reason.

    Raises
    ------
    ParameterError
        When fewer than two scans are left, or no part of the glass is on all of them.
    SlideError, AnnotationError, OutputError, MismatchError, RegistrationError
        When something that the case names cannot be read, or belongs elsewhere.
    """
    steps = measure_case(case, options, registering=registering)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Concordance = end.value
            return found


def measure_case(
    case: Case | RegisteredCase,
    options: Measuring | None = None,
    *,
    registering: Registering | None = None,
) -> Steps:
    """Do as `compare_scanners`; yield every step, and return the concordance at the end."""
    options = options or Measuring()
    if isinstance(case, Case):
        case = yield from register_case(case, options=registering)
    with case.case.open() as slides:
        return (yield from _measure(case, slides, options))


def _measure(registered: RegisteredCase, slides: Mapping[str, Slide], options: Measuring) -> Steps:
    case, hub = registered.case, slides[registered.case.hub]
    found: dict[str, Found] = {}
    excluded = []
    for scan in case.scans:
        reason = _why_not(registered.registrations.get(scan.scanner), options)
        if not reason:
            yield MeasureStep("mask", scan.scanner)
            given = read_found(scan, slides[scan.scanner], case)
            if given is not None:
                found[scan.scanner] = given
                continue
            reason = "Nothing was found on it yet: the case names neither mask nor probability."
        excluded.append(Excluded(scan.scanner, reason))
    _require_two(case, found, excluded)
    placed = _Placed.of(registered, slides, found, options)
    yield MeasureStep("tissue", case.hub)
    tissue = _tissue(hub)
    yield MeasureStep("count")
    counted = placed.counted(tissue if options.tissue_only else None)
    boxes = block_boxes(placed.grid.shape, _BLOCK_PX)
    slide = sum(count_boxes(placed.rasterisers, counted, boxes), placed.nothing)
    regions, note = _regions(registered, slides, tuple(found), tissue, options)
    in_regions = [placed.grid.box_um(r.y_um, r.x_um, r.side_um) for r in regions]
    overlaps = list(count_boxes(placed.rasterisers, counted, in_regions))
    yield MeasureStep("ceilings")
    ceilings = _ceilings(placed, counted, boxes, in_regions, registered)
    return Concordance(
        case=case.name,
        hub=case.hub,
        scanners=tuple(found),
        excluded=tuple(excluded),
        mpp=placed.grid.mpp.y,
        options=options,
        slide=slide,
        regions=tuple(map(MeasuredRegion, regions, overlaps)),
        ceilings=ceilings,
        references=placed.references,
        reference_from=placed.reference_from,
        shown_um2={n: a.area * hub.mpp.y * hub.mpp.x for n, a in placed.areas.items()},
        common_um2=placed.common.area * hub.mpp.y * hub.mpp.x,
        regions_note=note,
        registrations=registered.registrations,
        closures=registered.closures,
        outlines=placed.outlines,
        virtual=case.virtual,
        provenance=_provenance(registered, slides, found, options),
    )


def _why_not(registration: Registration | None, options: Measuring) -> str:
    """Return why a scan is not measured; "" when it is. The hub has no registration."""
    if registration is None or registration.status == "ok":
        return ""
    if registration.status == "coarse" and options.accept_coarse:
        return ""
    what = "is only coarse" if registration.status == "coarse" else "failed"
    return f"Its registration {what}: {_nameless(registration)}"


def _nameless(registration: Registration) -> str:
    """Return the reason without file names, which may hold a patient's."""
    reason = registration.reason
    for scan, called in ((registration.moving, "this scan"), (registration.fixed, "the hub")):
        reason = re.sub(rf"(?<!\w){re.escape(scan.name)}(?!\w)", called, reason)
    return reason


def _require_two(case: Case, found: Mapping[str, Found], excluded: Sequence[Excluded]) -> None:
    if len(found) >= 2:
        return
    why = " ".join(f"{each.scanner}: {each.reason}" for each in excluded)
    raise ParameterError(
        f"Case {case.name} has {len(found)} scan(s) that can be compared, and two are needed. {why}"
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """Masks and references of a case in the pixels of the comparison."""

    grid: Grid
    outlines: Mapping[str, Annotations]
    rasterisers: tuple[Rasteriser, ...]
    """The masks, then the references."""
    areas: Mapping[str, Any]
    common: Any
    references: Mapping[str, int]
    reference_from: Mapping[str, str]

    @classmethod
    def of(
        cls,
        registered: RegisteredCase,
        slides: Mapping[str, Slide],
        found: Mapping[str, Found],
        options: Measuring,
    ) -> _Placed:
        case, on_hub = registered.case, registered.registrations
        hub = slides[case.hub]
        grid = Grid.on(hub, options.mpp or _coarsest(found, hub))
        outlines = {name: onto_hub(f.outlines, on_hub.get(name)) for name, f in found.items()}
        areas = {
            name: scanned_area(slides[name], f.looked_at, on_hub.get(name))
            for name, f in found.items()
        }
        drawn = _drawn(registered, slides, options)
        own = {name: name if name in drawn else next(iter(drawn), "") for name in found}
        rows = {name: len(found) + i for i, name in enumerate(drawn)}
        return cls(
            grid=grid,
            outlines=outlines,
            rasterisers=tuple(map(grid.rasteriser, (*outlines.values(), *drawn.values()))),
            areas=areas,
            common=common_area(areas.values(), case.name),
            references={name: rows[by] for name, by in own.items() if by},
            reference_from={name: by for name, by in own.items() if by},
        )

    @property
    def nothing(self) -> Overlaps:
        return Overlaps.none(len(self.rasterisers))

    def counted(self, tissue: Mask | None) -> tuple[Rasteriser, ...]:
        """Return what says which pixels count."""
        common = (self.grid.rasteriser([self.common]),)
        return common if tissue is None else (*common, self.grid.rasteriser(find_regions(tissue)))


def _coarsest(found: Mapping[str, Found], hub: Slide) -> float:
    """Return the pixel size of the coarsest mask, and never one finer than the hub's."""
    given = [max(each.mpp) for each in found.values() if each.mpp is not None]
    return max(*(given or [_DRAWN_MPP]), *hub.mpp)


def _drawn(
    registered: RegisteredCase, slides: Mapping[str, Slide], options: Measuring
) -> dict[str, Annotations]:
    """Return the references on the hub, by the scan that they were drawn on; the hub's first."""
    case, drawn = registered.case, {}
    for scan in (case.scan(case.hub), *case.moving):
        registration = registered.registrations.get(scan.scanner)
        if _why_not(registration, options):
            continue
        reference = read_reference(scan, slides[scan.scanner], case)
        if reference is not None:
            drawn[scan.scanner] = onto_hub(reference, registration)
    return drawn


def _tissue(hub: Slide) -> Mask:
    from slideconcord.segmentation.tissue import find_tissue

    return find_tissue(hub, box=hub.bounds)


def _regions(
    registered: RegisteredCase,
    slides: Mapping[str, Slide],
    scanners: tuple[str, ...],
    tissue: Mask,
    options: Measuring,
) -> tuple[tuple[Region, ...], str]:
    """Return the sampled regions, and why there are fewer than were asked for."""
    if options.regions == 0:
        return (), "None were asked for."
    case = registered.case
    names = dict.fromkeys([case.hub, *scanners])
    scans = placed_scans(case.hub, names, registered.registrations, slides)
    sampling = Sampling(options.regions, options.region_um, seed=options.seed)
    try:
        chosen = choose_regions(ScannerCase(case.name, tuple(scans.values()), tissue), sampling)
    except ParameterError as error:
        # a slide smaller than a region still has its pixels
        return (), str(error)
    short = options.regions - len(chosen)
    return chosen, f"{short} of {options.regions} did not fit on the tissue." if short else ""


def _ceilings(
    placed: _Placed,
    counted: Sequence[Rasteriser],
    boxes: Sequence[Box],
    in_regions: Sequence[Box],
    registered: RegisteredCase,
) -> dict[Level, Reals]:
    """Return, for every level, what two identical masks would score after this registration."""
    names = list(placed.outlines)
    residuals = [_residual(registered.registrations.get(name)) for name in names]
    pairs = {
        (i, j): pair_distances(residuals[i], residuals[j])
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if residuals[i].is_known and residuals[j].is_known
    }
    farthest = max((float(d.max()) for d in pairs.values()), default=0.0)
    found: dict[Level, Reals] = {}
    places: dict[Level, Sequence[Box]] = {"slide": boxes, "pooled": in_regions}
    for level, where in places.items():
        alone = [
            self_overlaps(mask, counted, placed.grid, where, farthest)
            for mask in placed.rasterisers[: len(names)]
        ]
        found[level] = _ceiling_matrix(alone, pairs)
    # The mean over regions is limited as their pixels are together, but for their weights.
    found["regions"] = found["pooled"]
    return found


def _ceiling_matrix(alone: Sequence[SelfOverlap], pairs: Mapping[tuple[int, int], Reals]) -> Reals:
    matrix = np.full((len(alone), len(alone)), np.nan)
    for (i, j), distances in pairs.items():
        both = [alone[k].expected(distances) for k in (i, j)]
        matrix[i, j] = matrix[j, i] = np.mean(both)
    return matrix


def _residual(registration: Registration | None) -> Residual:
    if registration is None:
        return NOTHING
    quality = registration.quality
    return Residual(quality.residual_p50_um, quality.residual_p90_um)


def _provenance(
    registered: RegisteredCase,
    slides: Mapping[str, Slide],
    found: Mapping[str, Found],
    options: Measuring,
) -> dict[str, Any]:
    case = registered.case
    return record(
        method="pairwise Dice of scanners (SCORPION, section 2.3)",
        options=asdict(options),
        hub=case.hub,
        tuning=case.tuning.facts(),
        reference_classes=list(case.reference_classes),
        scans=[
            {
                "scanner": scan.scanner,
                "fingerprint": slides[scan.scanner].fingerprint,
                "mpp": list(slides[scan.scanner].mpp),
                "mpp_source": slides[scan.scanner].mpp_source,
                "found": found[scan.scanner].kind if scan.scanner in found else None,
                "made_by": _maker(found.get(scan.scanner)),
            }
            for scan in case.scans
        ],
        registrations={
            name: {
                "method": each.method,
                "status": each.status,
                "reason": _nameless(each),
                "quality": each.quality.to_json(),
            }
            for name, each in registered.registrations.items()
        },
    )


def _maker(found: Found | None) -> Any:
    """Return what the outlines say of their origin: the model and thresholds behind them."""
    return None if found is None else found.outlines.metadata.get("provenance")
