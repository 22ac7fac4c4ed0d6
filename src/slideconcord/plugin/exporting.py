"""What leaves the plugin: regions, mask and a picture, all from one tuning of one map."""

from __future__ import annotations

from collections.abc import Collection, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import cv2
import numpy as np

from slideconcord.annotations.exchange import make_folder
from slideconcord.errors import OutputError
from slideconcord.plugin.masks import fits

if TYPE_CHECKING:
    from slideconcord.annotations import Annotations
    from slideconcord.segmentation.probability import ProbabilityMap
    from slideconcord.segmentation.threshold_index import ThresholdIndex
    from slideconcord.segmentation.tuning import Tuning
    from slideconcord.slides import Slide
    from slideconcord.slides.reader import Rgb

Kind = Literal["geojson", "mask", "png"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ENDINGS: dict[Kind, str] = {
    "geojson": ".regions.geojson",
    "mask": ".mask.zarr",
    "png": ".overview.png",
}
OVERVIEW_PX = 2048
OUTLINE = (0, 140, 160)


def export_files(slide: Slide, folder: Path, kinds: Collection[Kind] = KINDS) -> dict[Kind, Path]:
    """Return where an export would put its files."""
    return {kind: folder / f"{slide.name}{ENDINGS[kind]}" for kind in KINDS if kind in kinds}


def export(
    slide: Slide,
    probability: ProbabilityMap,
    tuning: Tuning,
    folder: Path,
    kinds: Collection[Kind] = KINDS,
    index: ThresholdIndex | None = None,
    class_name: str | None = None,
) -> Generator[Any, None, list[Path]]:
    """Write what a tuning makes of a map, at full resolution; yield as often as one may stop.

    Files of an earlier export of the same slide are replaced.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    """
    from slideconcord.segmentation.exact import exact_mask  # loads numba: only now

    files = export_files(slide, folder, kinds)
    make_folder(folder)
    made = exact_mask(
        probability, tuning, files.get("mask"), class_name=class_name, overwrite=True,
        index=index if fits(index, tuning) else None,
    )  # fmt: skip
    mask = yield from made
    if "mask" in files:
        yield files["mask"]
    if "geojson" in files or "png" in files:
        from slideconcord.segmentation.regions import find_regions

        regions = find_regions(mask)
        if "geojson" in files:
            write_geojson(regions, slide, files["geojson"])
            yield files["geojson"]
        if "png" in files:
            write_png(overview_with_outlines(slide, regions), files["png"])
            yield files["png"]
    return list(files.values())


def write_geojson(regions: Annotations, slide: Slide, path: Path) -> None:
    """Write regions as QuPath reads them for this slide."""
    from slideconcord.annotations import write_annotations

    write_annotations(regions, path, mpp=slide.mpp, shape=slide.shape, bounds=slide.bounds)


def overview_with_outlines(slide: Slide, regions: Annotations, max_px: int = OVERVIEW_PX) -> Rgb:
    """Return a picture (y, x, 3) of the whole slide with the regions' outlines on it."""
    picture = slide.overview(max_px).copy()
    # What the picture's pixels are in level-0 pixels, (x, y) as in polygons.
    step = np.array([slide.shape[1] / picture.shape[1], slide.shape[0] / picture.shape[0]])
    rings = [np.asarray(ring.coords) / step for region in regions for ring in rings_of(region)]
    width = max(round(max(picture.shape[:2]) / 700), 1)
    fixed = [np.round(ring * 8 - 4).astype(np.int32) for ring in rings]  # 3 bits of fraction
    cv2.polylines(picture, fixed, True, OUTLINE, width, cv2.LINE_AA, shift=3)
    return picture


def rings_of(region: Any) -> list[Any]:
    """Return the rings of an annotation's polygons, holes included."""
    polygons = getattr(region.geometry, "geoms", [region.geometry])
    return [ring for polygon in polygons for ring in (polygon.exterior, *polygon.interiors)]


def write_png(picture: Rgb, path: Path) -> None:
    """Write a picture; it appears whole or not at all."""
    partial = path.with_suffix(".partial.png")
    try:
        _, encoded = cv2.imencode(".png", picture[..., ::-1])
        partial.write_bytes(encoded.tobytes())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.", path) from error
