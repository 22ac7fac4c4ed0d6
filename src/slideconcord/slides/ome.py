"""OME-XML: which images a file holds, how large their pixels are, what took them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, ElementTree

from slideconcord.errors import UnsupportedSlideError
from slideconcord.geometry import Mpp
from slideconcord.slides.units import micrometres


@dataclass(frozen=True, slots=True)
class OmeImage:
    """One image of an OME-TIFF."""

    name: str
    first_page: int
    planes: int
    """Stored planes: focus positions x times x channels that are not one colour picture."""
    mpp: Mpp | None
    scanner: str | None
    objective_power: float | None


def read_ome(xml: str, path: Path) -> list[OmeImage]:
    """Return the images that an OME-XML text describes.

    Raises
    ------
    UnsupportedSlideError
        When the text is no such XML, tries to define entities, or points to other files.
    """
    try:
        root = ElementTree.fromstring(xml, forbid_dtd=True)
    except DefusedXmlException as error:
        raise UnsupportedSlideError(
            "its OME-XML defines entities or a document type, which no scanner writes: "
            "the file is not trusted",
            path,
        ) from error
    except (ParseError, ValueError) as error:
        raise UnsupportedSlideError(f"its OME-XML is damaged ({error})", path) from error
    if _others(root, path):
        raise UnsupportedSlideError(
            "an OME-TIFF spread over several files; join them into one", path
        )
    images, page = [], 0
    for image in _all(root, "Image"):
        pixels = _first(image, "Pixels")
        if pixels is None:
            continue
        planes = _planes(pixels)
        starts = [
            int(data.get("IFD", "0")) for data in _all(pixels, "TiffData") if "IFD" in data.attrib
        ]
        first = min(starts, default=page)
        images.append(_image(root, image, pixels, first, planes))
        page = max(page, first) + planes
    if not images:
        raise UnsupportedSlideError("its OME-XML describes no image", path)
    return images


def _image(root: Element, image: Element, pixels: Element, first: int, planes: int) -> OmeImage:
    instrument = _referred(root, image, "Instrument") or _first(root, "Instrument")
    objective = None
    scanner = None
    if instrument is not None:
        scanner = _make_and_model(_first(instrument, "Microscope"))
        settings = _first(image, "ObjectiveSettings")
        wanted = settings.get("ID") if settings is not None else None
        objectives = list(_all(instrument, "Objective"))
        objective = next((o for o in objectives if o.get("ID") == wanted), None)
    return OmeImage(
        name=image.get("Name", ""),
        first_page=first,
        planes=planes,
        mpp=_mpp(pixels),
        scanner=scanner,
        objective_power=None if objective is None else _number(objective, "NominalMagnification"),
    )


def _planes(pixels: Element) -> int:
    sizes = [int(pixels.get(f"Size{axis}", "1")) for axis in "ZTC"]
    # A channel of several samples is one colour picture, stored as one plane.
    samples = [int(c.get("SamplesPerPixel", "1")) for c in _all(pixels, "Channel")]
    channels = len(samples) if samples and sum(samples) == sizes[2] else sizes[2]
    return max(sizes[0] * sizes[1] * channels, 1)


def _mpp(pixels: Element) -> Mpp | None:
    sizes = []
    for axis in "YX":
        size = _number(pixels, f"PhysicalSize{axis}")
        unit = micrometres(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        if size is None or unit is None:
            return None
        sizes.append(size * unit)
    return Mpp(sizes[0], sizes[1])


def _make_and_model(microscope: Element | None) -> str | None:
    if microscope is None:
        return None
    words = [microscope.get(name, "").strip() for name in ("Manufacturer", "Model")]
    return " ".join(word for word in words if word) or None


def _others(root: Element, path: Path) -> bool:
    """Whether planes lie in another file than this one."""
    own = root.get("UUID", "").strip()
    for uuid in _all(root, "UUID"):
        name = uuid.get("FileName")
        # A renamed file still carries its own UUID.
        if name is not None and name != path.name and (uuid.text or "").strip() != own:
            return True
    return False


def _referred(root: Element, image: Element, tag: str) -> Element | None:
    reference = _first(image, f"{tag}Ref")
    if reference is None:
        return None
    return next((e for e in _all(root, tag) if e.get("ID") == reference.get("ID")), None)


def _number(element: Element, name: str) -> float | None:
    try:
        value = float(element.get(name, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _all(element: Element, tag: str) -> Iterator[Element]:
    """Yield descendants by name, whatever year's namespace they are in."""
    return (e for e in element.iter() if isinstance(e.tag, str) and e.tag.rpartition("}")[2] == tag)


def _first(element: Element, tag: str) -> Element | None:
    return next(_all(element, tag), None)
