"""The files a command leaves: where they go, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from slideconcord.cli import show
from slideconcord.errors import OutputError, SlideError

if TYPE_CHECKING:
    from slideconcord.segmentation.mask import Mask
    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.segmentation.tuning import Tuning
    from slideconcord.slides import Slide

MASK_NAME, REGIONS_NAME = "mask.zarr", "regions.geojson"


def folder_for(slide: Slide, out: Path) -> Path:
    """Return the slide's own folder: by its name, or by name and content where that is taken."""
    folder = out / slide.name
    if _owner(folder) in (None, slide.fingerprint):
        return folder
    return out / f"{slide.name}-{slide.fingerprint[:8]}"


def _owner(folder: Path) -> str | None:
    """Return the fingerprint of the slide whose results a folder holds, if it holds any."""
    from slideconcord.segmentation.probability import open_probability

    try:
        return open_probability(folder).slide_fingerprint
    except (OutputError, SlideError):
        return None


def write_regions(
    probability: ProbabilityMap,
    tuning: Tuning,
    folder: Path,
    *,
    overwrite: bool,
) -> dict[str, Any]:
    """Write mask and regions of a map; return what there is to say of them."""
    make_place(folder, overwrite=overwrite)
    mask = _mask(probability, tuning, folder / MASK_NAME)
    return {**tuning.facts(), **outline(mask, folder)}


def make_place(folder: Path, *, overwrite: bool) -> None:
    """Make the folder for mask and regions, and refuse to replace what is there.

    Raises
    ------
    OutputError
        When one of them is there and ``overwrite`` is false.
    """
    for name in (MASK_NAME, REGIONS_NAME):
        refuse_existing(folder / name, overwrite=overwrite)
    folder.mkdir(parents=True, exist_ok=True)


def outline(mask: Mask, folder: Path) -> dict[str, Any]:
    """Write the regions of a mask beside it; return what there is to say of them."""
    from slideconcord.annotations import write_annotations
    from slideconcord.segmentation.regions import find_regions

    regions = find_regions(mask)
    write_annotations(regions, folder / REGIONS_NAME, bounds=mask.slide_bounds)
    return {
        "regions": len(regions),
        "area_um2": sum(region.measurements["Area um^2"] for region in regions),
        "mask": folder / MASK_NAME,
        "geojson": folder / REGIONS_NAME,
    }


def _mask(probability: ProbabilityMap, tuning: Tuning, path: Path) -> Mask:
    from slideconcord.segmentation.exact import exact_mask

    return show.finish("thresholds", exact_mask(probability, tuning, path, overwrite=True))


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Refuse to replace what is there.

    Raises
    ------
    OutputError
        When the path exists and ``overwrite`` is false.
    """
    if path.exists() and not overwrite:
        raise OutputError(f"{path} is already there. Give another name, or --overwrite.", path)


def tell(result: dict[str, Any]) -> None:
    """Print for a person what `write_regions` returned."""
    count, area = result["regions"], result["area_um2"] / 1e6
    word = "region" if count == 1 else "regions"
    show.text(f"{count} {word}, {area:.3f} mm², in {result['geojson']}")
