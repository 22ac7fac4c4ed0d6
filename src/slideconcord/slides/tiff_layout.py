"""Which pages of a TIFF file are the slide and its levels, and what the file says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import tifffile

from slideconcord.errors import UnsupportedSlideError
from slideconcord.geometry import Mpp
from slideconcord.slides.ome import OmeImage, read_ome
from slideconcord.slides.units import micrometres

_MOST_PAGES = 1000
_REDUCED = 1
_RESOLUTION_UM = {2: 25400.0, 3: 10000.0}
_ASSOCIATED = ("label", "macro", "thumbnail", "overview")
_KEPT_TEXT = 1 << 16


@dataclass(frozen=True, slots=True)
class TiffLayout:
    """The pages of a slide; valid while the file is open."""

    format: str
    levels: tuple[tifffile.TiffPage, ...]
    """Finest first."""
    mpp: Mpp | None
    scanner: str | None = None
    objective_power: float | None = None
    associated: dict[str, tifffile.TiffPage] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)


def find_layout(tiff: tifffile.TiffFile, path: Path) -> TiffLayout:
    """Sort the pages of a file.

    Raises
    ------
    UnsupportedSlideError
        When it holds a stack or several channels instead of one colour picture, or was cut
        short.
    """
    pages = list(islice(tiff.pages, _MOST_PAGES))
    if len(pages) < _MOST_PAGES and _names_a_lost_page(tiff):
        raise UnsupportedSlideError(
            "cut short: it names a page beyond its end; copy the file again", path
        )
    if len({page.offset for page in pages}) < len(pages):
        raise UnsupportedSlideError("a damaged TIFF file: its pages form a ring", path)
    description = str(pages[0].description or "")
    if tiff.is_ome:
        return _ome_layout(pages, read_ome(description, path), path)
    imagej = _imagej(description) if description.startswith("ImageJ=") else None
    if imagej is not None and int(imagej.get("images", "1")) > 1:
        raise _stack(path, int(imagej["images"]))
    main = max(pages, key=_area)
    same = [page for page in pages if _size(page) == _size(main) and not _is_reduced(page)]
    if len(same) > 1:
        raise _stack(path, len(same))
    return TiffLayout(
        format="tiff" if imagej is None else "imagej-tiff",
        levels=(main, *_coarser(main, pages)),
        mpp=_mpp_from_tags(main) if imagej is None else _mpp_from_imagej(main, imagej),
        scanner=_make_and_model(main),
        properties=_properties(main),
    )


def _names_a_lost_page(tiff: tifffile.TiffFile) -> bool:
    """Whether the last page that can be read points to another one."""
    at = tiff.pages.next_page_offset
    if not at:
        return False
    tiff.filehandle.seek(at)
    return any(tiff.filehandle.read(tiff.tiff.offsetsize))


def _ome_layout(pages: list[tifffile.TiffPage], images: list[OmeImage], path: Path) -> TiffLayout:
    present = [image for image in images if 0 <= image.first_page < len(pages)]
    if not present:
        raise UnsupportedSlideError("its OME-XML names pages that the file does not hold", path)
    slide = max(present, key=lambda image: _area(pages[image.first_page]))
    if slide.planes > 1:
        raise _stack(path, slide.planes)
    main = pages[slide.first_page]
    names = {image.name.lower().strip(): pages[image.first_page] for image in present}
    associated = {
        known: page
        for known in _ASSOCIATED
        for name, page in names.items()
        if known in name.split() and page is not main
    }
    return TiffLayout(
        format="ome-tiff",
        levels=(main, *_coarser(main, [])),
        mpp=slide.mpp,
        scanner=slide.scanner or _make_and_model(main),
        objective_power=slide.objective_power,
        associated=associated,
        properties=_properties(main) | {"ome.Image.Name": slide.name},
    )


def _stack(path: Path, count: int) -> UnsupportedSlideError:
    return UnsupportedSlideError(
        f"a stack of {count} planes (channels, focus positions or times), not one colour picture; "
        "save one RGB plane as its own file",
        path,
    )


def _coarser(main: tifffile.TiffPage, pages: list[tifffile.TiffPage]) -> list[tifffile.TiffPage]:
    """Return the coarser levels of a page: its SubIFDs, or pages that are it made smaller."""
    subs = list(main.pages or ()) or [p for p in pages if _is_reduced(p) or _same_tiles(p, main)]
    levels = [main]
    for page in sorted(subs, key=_area, reverse=True):
        if _is_smaller(page, levels[-1]) and _same_picture(page, main):
            levels.append(page)
    return levels[1:]


def _same_picture(page: tifffile.TiffPage, main: tifffile.TiffPage) -> bool:
    kinds = [(p.samplesperpixel, p.bitspersample, p.sampleformat) for p in (page, main)]
    (height, width), (full_height, full_width) = _size(page), _size(main)
    wanted = full_height * width / full_width
    # Repeated halving may drop or add a row each time.
    return kinds[0] == kinds[1] and abs(height - wanted) <= max(2, 0.01 * height)


def _same_tiles(page: tifffile.TiffPage, main: tifffile.TiffPage) -> bool:
    tiles = [(p.is_tiled, p.tilelength, p.tilewidth) for p in (page, main)]
    return bool(page.is_tiled) and tiles[0] == tiles[1]


def _is_smaller(page: tifffile.TiffPage, than: tifffile.TiffPage) -> bool:
    return all(0 < a < b for a, b in zip(_size(page), _size(than), strict=True))


def _is_reduced(page: tifffile.TiffPage) -> bool:
    return bool(int(page.subfiletype) & _REDUCED)


def _size(page: tifffile.TiffPage) -> tuple[int, int]:
    return int(page.imagelength), int(page.imagewidth)


def _area(page: tifffile.TiffPage) -> int:
    return int(page.imagelength) * int(page.imagewidth)


def _imagej(description: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in description.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _mpp_from_imagej(page: tifffile.TiffPage, imagej: dict[str, str]) -> Mpp | None:
    unit = micrometres(imagej.get("unit", "").replace("\\u00B5", "µ"))
    return _mpp(page, unit)


def _mpp_from_tags(page: tifffile.TiffPage) -> Mpp | None:
    return _mpp(page, _RESOLUTION_UM.get(int(page.tags.valueof(296, 2))))


def _mpp(page: tifffile.TiffPage, unit_um: float | None) -> Mpp | None:
    per_unit = [_ratio(page.tags.valueof(tag)) for tag in (283, 282)]
    if unit_um is None or not all(per_unit):
        return None
    return Mpp(unit_um / per_unit[0], unit_um / per_unit[1])


def _ratio(value: object) -> float:
    """Return a rational tag's value; 0 for one that is missing or has no meaning."""
    if isinstance(value, tuple) and len(value) == 2 and value[1]:
        return float(value[0]) / float(value[1])
    return 0.0


def _make_and_model(page: tifffile.TiffPage) -> str | None:
    words = [str(page.tags.valueof(tag, default="")).strip() for tag in (271, 272)]
    return " ".join(word for word in words if word) or None


def _properties(page: tifffile.TiffPage) -> dict[str, str]:
    texts = {
        "tiff.ImageDescription": page.description,
        "tiff.Software": page.software,
        "tiff.Make": page.tags.valueof(271),
        "tiff.Model": page.tags.valueof(272),
    }
    return {name: str(text)[:_KEPT_TEXT] for name, text in texts.items() if text}
