"""Slides that OpenSlide reads: svs, ndpi, mrxs, scn, bif, svslide, vms, vmu, czi, DICOM, TIFF."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np
import openslide

from slideconcord.errors import DamagedSlideError, SlideError, UnsupportedSlideError
from slideconcord.geometry import Box, Mpp
from slideconcord.slides.reader import WHITE, NativeLevel, Rgb, SlideInfo
from slideconcord.slides.tiff_tiles import TiffTiles

_CACHE_BYTES = 256 << 20
_TILE_PX = 256
# Plain tiles of TIFF: decoding them directly is several times as fast as OpenSlide's canvas.
_DIRECT = ("aperio", "generic-tiff")
# Make and model only: serial numbers and names of users stay in the file.
_SCANNER = (
    ("aperio.ScannerType",),
    ("hamamatsu.Product",),
    ("leica.device-model",),
    ("philips.DICOM_MANUFACTURER", "philips.DICOM_MANUFACTURERS_MODEL_NAME"),
    ("ventana.ScannerModel",),
    ("dicom.Manufacturer", "dicom.ManufacturerModelName"),
    ("tiff.Make", "tiff.Model"),
)
_MAKER = {
    "aperio": "Aperio",
    "hamamatsu": "Hamamatsu",
    "leica": "Leica",
    "mirax": "3DHISTECH",
    "philips-tiff": "Philips",
    "sakura": "Sakura",
    "trestle": "Trestle",
    "ventana": "Ventana",
    "zeiss": "Zeiss",
}


@cache
def _cache() -> openslide.OpenSlideCache:
    return openslide.OpenSlideCache(_CACHE_BYTES)


class OpenSlideReader:
    """Read a slide with OpenSlide: one handle, many threads.

    An OpenSlide handle stays broken after its first error, so a failed read is tried once
    more on a fresh handle, which then replaces the broken one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = dicom_file(path) if path.is_dir() else path
        self._handle: openslide.OpenSlide | None = self._open()
        self._repair = Lock()
        try:
            self.info = describe(self._handle)
        except openslide.OpenSlideError as error:
            raise self._spoiled(error) from error
        if _is_described(self.info):
            raise UnsupportedSlideError(
                "a TIFF whose OME-XML or ImageJ text gives the pixel size: OpenSlide ignores that",
                path,
            )
        direct = self.info.vendor in _DIRECT
        self._tiles = TiffTiles.match(self._file, self.info.levels) if direct else None

    def read(self, level: int, box: Box) -> Rgb:
        if self._handle is None:
            raise SlideError(f"{self._path.name} was closed.", self._path)
        if self._tiles is not None:
            return self._tiles.read(level, box)
        try:
            return self._read(self._handle, level, box)
        except openslide.OpenSlideError:
            return self._read_again(level, box)

    def associated_image(self, name: str) -> Rgb:
        if name not in self.info.associated:
            raise SlideError(f"{self._path.name} has no image {name!r}.", self._path)
        if name not in self.info.associated:
            raise SlideError(f"{self._path.name} has no image {name!r}.", self._path)
        try:
            image = self._open().associated_images[name]
        except openslide.OpenSlideError as error:
            raise SlideError(
                f"the {name} image of {self._path.name} cannot be read: {error}", self._path
            ) from error
        return composite(np.asarray(image), self.info.background)

    def close(self) -> None:
        # Reads under way hold the handle; it closes when the last of them lets go.
        self._handle = None
        if self._tiles is not None:
            self._tiles.close()

    def _open(self) -> openslide.OpenSlide:
        try:
            handle = openslide.OpenSlide(self._file)
        except openslide.OpenSlideUnsupportedFormatError as error:
            raise UnsupportedSlideError("not a format that OpenSlide knows", self._path) from error
        except openslide.OpenSlideError as error:
            raise self._spoiled(error) from error
        handle.set_cache(_cache())
        return handle

    def _spoiled(self, error: Exception) -> SlideError:
        return SlideError(f"OpenSlide finds it damaged: {error}", self._path)

    def _read(self, handle: openslide.OpenSlide, level: int, box: Box) -> Rgb:
        factor = handle.level_downsamples[level]
        corner = round(box.x * factor), round(box.y * factor)
        image = handle.read_region(corner, level, (box.width, box.height))
        return composite(np.asarray(image), self.info.background)

    def _read_again(self, level: int, box: Box) -> Rgb:
        # One at a time: another thread's damaged tile must not break the fresh handle.
        with self._repair:
            handle = self._reopened()
            try:
                rgb = self._read(handle, level, box)
            except openslide.OpenSlideError as error:
                handle = self._reopened()
                raise self._damaged(level, box, error) from error
            finally:
                if self._handle is not None:
                    self._handle = handle
            return rgb

    def _reopened(self) -> openslide.OpenSlide:
        try:
            return self._open()
        except SlideError as error:
            raise SlideError(
                f"{self._path.name} can no longer be read: was it moved or changed?", self._path
            ) from error

    def _damaged(self, level: int, box: Box, error: Exception) -> DamagedSlideError:
        height, width = self.info.levels[level].tile_shape
        tile = level, box.y // height, box.x // width
        return DamagedSlideError(
            f"{self._path.name}: tile {tile} cannot be decoded: {error}", self._path, [tile]
        )


def composite(rgba: Rgb, background: tuple[int, int, int]) -> Rgb:
    """Lay an image (y, x, 4) with alpha on a colour; return it as (y, x, 3)."""
    alpha = rgba[..., 3:]
    if alpha.min(initial=255) == 255:
        return np.ascontiguousarray(rgba[..., :3])
    share = alpha.astype(np.float32) / 255
    mixed = rgba[..., :3] * share + np.array(background, np.float32) * (1 - share)
    return (mixed + 0.5).astype(np.uint8)


def dicom_file(folder: Path) -> Path:
    """Return a file of the one DICOM slide that a folder holds."""
    series: dict[str, Path] = {}
    for file in filter(_is_dicom, sorted(folder.iterdir())):
        try:
            with openslide.OpenSlide(file) as handle:
                series.setdefault(handle.properties.get("dicom.SeriesInstanceUID", ""), file)
        except openslide.OpenSlideError:
            continue
    if len(series) == 1:
        return next(iter(series.values()))
    found = f"{len(series)} DICOM slides: open one of its files" if series else "no DICOM slide"
    raise UnsupportedSlideError(f"a folder with {found}", folder)


def _is_dicom(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def describe(handle: openslide.OpenSlide) -> SlideInfo:
    """Return what OpenSlide says of a slide, mpp as claimed."""
    properties = _properties(handle)
    vendor = properties.get(openslide.PROPERTY_NAME_VENDOR)
    return SlideInfo(
        format=vendor or "openslide",
        levels=tuple(_levels(handle)),
        mpp=_mpp(properties),
        vendor=vendor,
        scanner=scanner_name(properties),
        objective_power=_number(properties, openslide.PROPERTY_NAME_OBJECTIVE_POWER),
        background=_background(properties),
        bounds=_bounds(properties),
        icc_profile=_icc_profile(handle),
        associated=tuple(handle.associated_images),
        properties=properties,
    )


def _properties(handle: openslide.OpenSlide) -> dict[str, str]:
    found = {}
    for name in handle.properties:
        # A name that is not UTF-8 is listed, but cannot be asked for.
        with suppress(KeyError):
            found[name] = handle.properties[name]
    return found


def _levels(handle: openslide.OpenSlide) -> list[NativeLevel]:
    levels = []
    for i, (width, height) in enumerate(handle.level_dimensions):
        factor = handle.level_downsamples[i]
        tile = tuple(
            int(handle.properties.get(f"openslide.level[{i}].tile-{side}", _TILE_PX))
            for side in ("height", "width")
        )
        levels.append(NativeLevel((height, width), (factor, factor), (tile[0], tile[1])))
    return levels


def _number(properties: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(properties[name])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _mpp(properties: Mapping[str, str]) -> Mpp | None:
    y = _number(properties, openslide.PROPERTY_NAME_MPP_Y)
    x = _number(properties, openslide.PROPERTY_NAME_MPP_X)
    return None if y is None or x is None else Mpp(y, x)


def _background(properties: Mapping[str, str]) -> tuple[int, int, int]:
    text = properties.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR, "")
    try:
        red, green, blue = bytes.fromhex(text)
    except ValueError:
        return WHITE
    return red, green, blue


def _bounds(properties: Mapping[str, str]) -> Box | None:
    names = (f"openslide.bounds-{part}" for part in ("y", "x", "height", "width"))
    values = [_number(properties, name) for name in names]
    if None in values:
        return None
    y, x, height, width = (int(value) for value in values if value is not None)
    return Box(y, x, height, width)


def _icc_profile(handle: openslide.OpenSlide) -> bytes | None:
    profile = handle.color_profile
    return profile.tobytes() if profile is not None else None


def _is_described(info: SlideInfo) -> bool:
    """Whether the file says more than OpenSlide's generic TIFF understands."""
    text = info.properties.get("tiff.ImageDescription", "").strip()
    is_generic = info.vendor == "generic-tiff"
    return is_generic and (text.endswith("OME>") or text.startswith("ImageJ="))


def scanner_name(properties: Mapping[str, str]) -> str | None:
    """Return make and model of the scanner, as far as the properties tell."""
    maker = _MAKER.get(properties.get(openslide.PROPERTY_NAME_VENDOR, ""))
    for names in _SCANNER:
        words = [properties.get(name, "").strip() for name in names]
        model = " ".join(word for word in words if word and word != "Unknown")
        if model:
            known = maker is None or model.lower().startswith(maker.lower())
            return model if known else f"{maker} {model}"
    return maker
