"""Slides that are wrong in one small way each, made by code, and what opening them must say."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from conftest import tissue_like, write_pyramid
from slideconcord.errors import (
    DamagedSlideError,
    MissingMppError,
    SlideError,
    UnsupportedSlideError,
)
from slideconcord.slides.ngff import create_pyramid
from tiff_files import overwrite, set_tag, set_tile, tile_bytes, write_aperio, write_ome, write_tiff

IMAGE = tissue_like(150, 201)


@dataclass(frozen=True)
class Case:
    """One file and its fate: an error of exactly this class with this text, or success."""

    name: str
    make: Callable[[Path], Path]
    error: type[SlideError] | None = None
    message: str = ""
    mpp: float | None = None
    needs_permissions: bool = False


def jpeg(folder: Path, name: str = "a.tif", **options: Any) -> Path:
    """Write a pyramid that OpenSlide opens."""
    return write_pyramid(folder / name, tissue_like(300, 401), levels=2, tile=64, **options)


def deflated(folder: Path, name: str = "a.tif", **options: Any) -> Path:
    """Write a TIFF whose tiles OpenSlide leaves to others, or decodes through libtiff."""
    return write_tiff(folder / name, IMAGE, **options)


def ome(folder: Path, name: str = "a.ome.tif", **options: Any) -> Path:
    return write_ome(folder / name, [IMAGE, IMAGE[::2, ::2]], **options)


def zarr(folder: Path, name: str = "a.zarr") -> Path:
    options = {"channels": ("red", "green", "blue"), "dtype": "uint8", "chunk_px": 64}
    arrays = create_pyramid(
        folder / name, IMAGE.shape[:2], frame_scale_um=(0.5, 0.5), coarsest_px=120, **options
    )
    for index, array in enumerate(arrays):
        array[:] = IMAGE[:: 2**index, :: 2**index].transpose(2, 0, 1)
    return folder / name


def png(folder: Path, name: str = "a.png") -> Path:
    Image.fromarray(IMAGE).save(folder / name)
    return folder / name


def edited(make: Callable[[Path], Path], edit: Callable[[Path], object]) -> Callable[[Path], Path]:
    """Return a maker whose file is changed after it is made."""

    def make_and_edit(folder: Path) -> Path:
        path = make(folder)
        edit(path)
        return path

    return make_and_edit


def cut(share: float) -> Callable[[Path], object]:
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


def holding(name: str, data: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def renamed(make: Callable[[Path], Path], name: str) -> Callable[[Path], Path]:
    return lambda folder: make(folder).rename(folder / name)


def folder_with(*names: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "slides").mkdir()
        for name in names:
            (folder / "slides" / name).write_text("not a slide")
        return folder / "slides"

    return make


def next_page_is_the_first(path: Path) -> None:
    """Close the chain of pages into a ring."""
    with tifffile.TiffFile(path) as tiff:
        page, is_big = tiff.pages[len(tiff.pages) - 1], tiff.is_bigtiff
        first = tiff.pages[0].offset
    head, entry, offset = (8, 20, "<Q") if is_big else (2, 12, "<I")
    overwrite(path, page.offset + head + entry * len(page.tags), struct.pack(offset, first))


def sub_page_is_nowhere(path: Path) -> None:
    with tifffile.TiffFile(path) as tiff:
        entry = tiff.pages[0].tags["SubIFDs"].valueoffset
    overwrite(path, entry, struct.pack("<Q", 2**40))


def stray_markers(path: Path) -> None:
    offset, count = tile_bytes(path, 0)
    overwrite(path, offset + count // 2, b"\xff\x12" * 20)


def enormous_tile(path: Path) -> None:
    offset, count = tile_bytes(path, 0)
    frame = path.read_bytes()[offset : offset + count].index(b"\xff\xc0")
    overwrite(path, offset + frame + 5, (65_000).to_bytes(2) * 2)


def png_bomb(folder: Path) -> Path:
    """Write 100,000 x 100,000 white pixels into a few kilobytes."""
    side = 100_000
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side // 8 + 1)) for _ in range(200)) + packer.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return folder / "bomb.png"


def laughs(folder: Path) -> Path:
    lines = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(12))
    bomb = f'<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY l0 "ha">{lines}]><OME>&l12;</OME>'
    return write_tiff(folder / "laughs.ome.tif", IMAGE, description=bomb, compression="jpeg")


def stack(folder: Path) -> Path:
    data = np.stack([IMAGE[..., 0]] * 5)
    options = {"ome": True, "photometric": "minisblack"}
    tifffile.imwrite(folder / "z.ome.tif", data, metadata={"axes": "ZYX"}, **options)
    return folder / "z.ome.tif"


def change_json(name: str, edit: Callable[[Any], object]) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        value = json.loads((path / name).read_text())
        edit(value)
        (path / name).write_text(json.dumps(value))

    return change


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.svs")
    return folder / "pipe.svs"


def loop(folder: Path) -> Path:
    (folder / "loop.svs").symlink_to(folder / "loop.svs")
    return folder / "loop.svs"


DAMAGE = r"{}: 1 damaged tile.*\(0, 0, {}\)"


def odd_letter(path: Path) -> None:
    """Put a byte that is not UTF-8 into the name of a property."""
    overwrite(path, path.read_bytes().index(b"AppMag"), b"App\xffag")


LONG = "a very long name " * 13
CASES = (
    # Nothing to open.
    Case("missing", lambda f: f / "absent.svs", SlideError, r"absent\.svs does not exist"),
    Case("empty file", holding("a.svs", b""), UnsupportedSlideError, r"a\.svs is empty"),
    Case("empty folder", folder_with(), UnsupportedSlideError, "slides is an empty folder"),
    Case("folder of letters", folder_with("a.txt"), UnsupportedSlideError, "no DICOM slide"),
    Case("text as svs", holding("a.svs", b"Dear colleague, " * 99), UnsupportedSlideError,
         r"a\.svs is no slide that can be read here .*tiff: not a TIFF file"),
    Case("text as zarr", holding("a.zarr", b"Dear colleague, " * 99), UnsupportedSlideError,
         "ngff: not an OME-Zarr folder"),
    Case("GIF", holding("a.gif", b"GIF89a" + bytes(99)), UnsupportedSlideError, "not a PNG"),
    Case("no permission", edited(jpeg, lambda p: p.chmod(0)), SlideError,
         "give yourself permission", needs_permissions=True),
    Case("named pipe", fifo, SlideError, r"pipe\.svs is neither a file nor a folder"),
    Case("link to itself", loop, SlideError, r"loop\.svs"),
    Case("name too long", lambda f: f / ("a" * 300 + ".svs"), SlideError, "aaa"),
    Case("name with a zero byte", lambda f: f / "a\0b.svs", SlideError, "name"),
    # Names and endings that are odd but fine.
    Case("name not in ASCII", renamed(jpeg, "Schnitt Nº 7 – 標本.tif")),
    Case("OME name not in ASCII", renamed(ome, "Schnitt Nº 7 – 標本.ome.tif")),
    Case("zarr name not in ASCII", renamed(zarr, "Schnitt Nº 7 – 標本.zarr")),
    Case("220 letters", renamed(jpeg, f"{LONG[:216]}.tif")),
    Case("TIFF as ndpi", renamed(jpeg, "a.ndpi")),
    Case("OME-TIFF as png", renamed(ome, "a.png")),
    Case("no ending", renamed(jpeg, "slide")),
    Case("zarr without ending", renamed(zarr, "slide")),
    # The structure of a TIFF.
    Case("four bytes of a TIFF", holding("a.tif", b"II*\0"), UnsupportedSlideError, "damaged TIFF"),
    Case("cut within the first page", edited(jpeg, lambda p: os.truncate(p, 60)),
         UnsupportedSlideError, "tiff: "),
    Case("wrong byte order", edited(jpeg, lambda p: overwrite(p, 0, b"MM")), UnsupportedSlideError,
         "tiff: "),
    Case("page beyond the end", edited(deflated, lambda p: overwrite(p, 4, b"\xff\xff\xff\x7f")),
         UnsupportedSlideError, "damaged TIFF|cut short: it names a page beyond its end"),
    Case("cut within the second page", edited(jpeg, cut(0.7)), UnsupportedSlideError, "cut short"),
    Case("ring of pages", edited(jpeg, next_page_is_the_first), UnsupportedSlideError,
         "its pages form a ring"),
    Case("ring of OME pages", edited(ome, next_page_is_the_first), UnsupportedSlideError,
         "its pages form a ring"),
    # Coarser levels are made anew from the finest.
    Case("sub-page nowhere", edited(ome, sub_page_is_nowhere)),
    Case("tile width 0", edited(ome, lambda p: set_tag(p, "TileWidth", 0)), UnsupportedSlideError,
         "tiff: "),
    Case("width 0", edited(deflated, lambda p: set_tag(p, "ImageWidth", 0)), UnsupportedSlideError,
         "tiff: "),
    Case("60,000 rows promised", edited(ome, lambda p: set_tag(p, "ImageLength", 60_000)),
         UnsupportedSlideError, "the file is damaged"),
    Case("compression nobody knows", edited(ome, lambda p: set_tag(p, "Compression", 9999)),
         UnsupportedSlideError, "compression 9999 is unknown"),
    Case("16 bits", lambda f: write_ome(f / "a.ome.tif", [IMAGE.astype(np.uint16)]),
         UnsupportedSlideError, "16 bits per sample; convert it to 8-bit RGB"),
    Case("focus stack", stack, UnsupportedSlideError, "a stack of 5 planes"),
    Case("billion laughs", laughs, UnsupportedSlideError, "the file is not trusted"),
    Case("property that is not UTF-8",
         edited(lambda f: write_aperio(f / "a.svs", IMAGE), odd_letter)),
    # Tiles of a TIFF.
    Case("absent tile", edited(jpeg, lambda p: set_tile(p, 3, count=0))),
    Case("absent OME tile", edited(ome, lambda p: set_tile(p, 3, count=0))),
    Case("cut tile", edited(jpeg, lambda p: set_tile(p, 3, count=400)), DamagedSlideError,
         DAMAGE.format("a.tif", 3)),
    Case("cut OME tile", edited(ome, lambda p: set_tile(p, 3, count=40)), DamagedSlideError,
         DAMAGE.format("a.ome.tif", 3)),
    Case("tile beyond the end", edited(ome, lambda p: set_tile(p, 3, offset=2**31)),
         DamagedSlideError, DAMAGE.format("a.ome.tif", 3)),
    Case("tile of 4 GB", edited(ome, lambda p: set_tile(p, 3, count=2**32 - 1)), DamagedSlideError,
         DAMAGE.format("a.ome.tif", 3)),
    Case("stray markers", edited(jpeg, stray_markers), DamagedSlideError,
         DAMAGE.format("a.tif", 0)),
    Case("tile of 65,000 px", edited(jpeg, enormous_tile), DamagedSlideError,
         DAMAGE.format("a.tif", 0)),
    Case("compression of another kind", edited(ome, lambda p: set_tag(p, "Compression", 5)),
         DamagedSlideError, r"damaged tile"),
    Case("cut within the pixels", edited(deflated, cut(0.5)), DamagedSlideError,
         r"a\.tif: \d+ damaged tile"),
    # The pixel size.
    Case("no pixel size", lambda f: jpeg(f, mpp=None), MissingMppError,
         r"a\.tif has no pixel size\. Pass mpp=0\.25"),
    Case("no pixel size, given", lambda f: jpeg(f, mpp=None), mpp=0.5),
    Case("1000 µm", lambda f: jpeg(f, mpp=1000), MissingMppError, "claims 1000 µm per pixel"),
    Case("1000 µm, given", lambda f: jpeg(f, mpp=1000), mpp=0.5),
    Case("72 dots per inch", lambda f: deflated(f, resolution=(72, 72), resolutionunit="INCH"),
         MissingMppError, r"353\.?\d* µm|352\.?\d* µm"),
    Case("resolution over zero", edited(deflated, lambda p: set_tag(p, "XResolution", (1, 0))),
         MissingMppError, "has no pixel size"),
    Case("resolution zero", edited(deflated, lambda p: set_tag(p, "YResolution", (0, 1))),
         MissingMppError, "has no pixel size"),
    Case("OME size NaN", lambda f: write_ome(f / "a.ome.tif", [IMAGE], {"PhysicalSizeX": "NaN"}),
         MissingMppError, "has no pixel size"),
    Case("Aperio without a number", lambda f: write_aperio(f / "a.svs", IMAGE, mpp="unknown"),
         MissingMppError, r"a\.svs has no pixel size"),
    Case("PNG without mpp", png, MissingMppError, r"a\.png has no pixel size"),
    Case("PNG, given", png, mpp=0.5),
    # Pictures.
    Case("cut PNG", edited(png, cut(0.5)), UnsupportedSlideError, "damaged picture", mpp=0.5),
    Case("PNG bomb", png_bomb, UnsupportedSlideError, "convert it to tiled TIFF", mpp=0.5),
    # OME-Zarr.
    Case("zarr", zarr),
    Case("zarr without multiscales", edited(zarr, change_json(".zattrs", lambda m: m.clear())),
         UnsupportedSlideError, "without 'multiscales'"),
    Case("zarr of wrong types",
         edited(zarr, change_json(".zattrs", lambda m: m.update(multiscales=[1]))),
         UnsupportedSlideError, "is malformed"),
    Case("zarr without a level", edited(zarr, lambda p: shutil.rmtree(p / "1")),
         UnsupportedSlideError, "names the level '1', which is missing"),
    Case("zarr of 16 bits",
         edited(zarr, change_json("0/.zarray", lambda a: a.update(dtype="<u2"))),
         UnsupportedSlideError, "image of uint16"),
    Case("zarr chunk of letters", edited(zarr, lambda p: (p / "0/1/1/1").write_text("Dear all")),
         DamagedSlideError, r"a\.zarr.*\(0, 1, 1\)"),
    Case("zarr chunk cut", edited(zarr, lambda p: os.truncate(p / "0/0/0/2", 50)),
         DamagedSlideError, r"a\.zarr.*\(0, 0, 2\)"),
    Case("zarr without a unit", edited(zarr, change_json(
         ".zattrs", lambda m: [a.pop("unit", 0) for a in m["multiscales"][0]["axes"]])),
         MissingMppError, r"a\.zarr has no pixel size"),
)  # fmt: skip
