"""TIFF files of every kind, made in a line, and the means to break them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile


def write_tiff(path: Path, image: np.ndarray, **options: object) -> Path:
    """Write one page; without other wishes, RGB in deflated tiles of 64 x 48 px at 0.5 µm/px."""
    wanted = {"photometric": "rgb", "compression": "zlib", "tile": (64, 48), "metadata": None}
    wanted |= {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"} | options
    if "rowsperstrip" in options:
        wanted.pop("tile")
    tifffile.imwrite(path, image, **wanted)
    return path


def write_ome(
    path: Path,
    levels: Sequence[np.ndarray],
    metadata: dict[str, object] | None = None,
    **options: object,
) -> Path:
    """Write a lossless OME-TIFF at 0.25 µm/px whose coarser levels are SubIFDs."""
    shared = {"photometric": "rgb", "compression": "zlib", "tile": (64, 48)} | options
    described = {"axes": "YXS", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25} | (metadata or {})
    with tifffile.TiffWriter(path, bigtiff=True, ome=True) as tiff:
        tiff.write(levels[0], subifds=len(levels) - 1, metadata=described, **shared)
        for level in levels[1:]:
            tiff.write(level, subfiletype=1, **shared)
    return path


def write_aperio(path: Path, image: np.ndarray, *, rgb: bool = True, mpp: str = "0.5") -> Path:
    """Write what Aperio's scanners write: tiles that share JPEGTables, a thumbnail, a level."""
    height, width = image.shape[:2]
    about = f"Aperio Image Library v11.2.1\n{width}x{height} (64x64) JPEG/RGB Q=90"
    with tifffile.TiffWriter(path) as tiff:
        _write_shared(tiff, image, rgb, f"{about}|AppMag = 20|MPP = {mpp}|ScanScope ID = X")
        tiff.write(image[::8, ::8], photometric="rgb", metadata=None, rowsperstrip=16,
                   description="Aperio Image Library v11.2.1\nthumbnail")  # fmt: skip
        _write_shared(tiff, np.ascontiguousarray(image[::2, ::2]), rgb, about)
    return path


def _write_shared(tiff: tifffile.TiffWriter, image: np.ndarray, rgb: bool, about: str) -> None:
    tiles = [_encode(tile, rgb) for tile in cut(image, 64)]
    tables, _ = split_jpeg(tiles[0])
    tiff.write(
        iter([split_jpeg(tile)[1] for tile in tiles]),
        shape=image.shape,
        dtype=np.uint8,
        tile=(64, 64),
        photometric="rgb" if rgb else "ycbcr",
        compression="jpeg",
        compressionargs={"outcolorspace": "rgb"} if rgb else {},
        jpegtables=tables,
        description=about,
        metadata=None,
    )


def _encode(tile: np.ndarray, rgb: bool) -> bytes:
    return imagecodecs.jpeg8_encode(
        tile, level=95, colorspace="RGB", outcolorspace="RGB" if rgb else "YCBCR"
    )


def cut(image: np.ndarray, side: int) -> Iterator[np.ndarray]:
    """Yield square tiles row by row, padded with their last pixels."""
    pad = [(0, -size % side) for size in image.shape[:2]]
    whole = np.pad(image, [*pad, (0, 0)], mode="edge")
    for y in range(0, whole.shape[0], side):
        for x in range(0, whole.shape[1], side):
            yield np.ascontiguousarray(whole[y : y + side, x : x + side])


def split_jpeg(data: bytes) -> tuple[bytes, bytes]:
    """Return the tables of a JPEG stream as a stream of their own, and the stream without them."""
    at, tables, rest = 2, [], []
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        # Tables of quantisation and of Huffman codes.
        (tables if data[at + 1] in (0xDB, 0xC4) else rest).append(data[at:end])
        at = end
    start, stop = b"\xff\xd8", b"\xff\xd9"
    return b"".join([start, *tables, stop]), b"".join([start, *rest, data[at:]])


def set_tag(path: Path, name: str, value: object, page: int = 0) -> None:
    """Overwrite a tag of a file."""
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[page].tags[name].overwrite(value)


def set_tile(
    path: Path, tile: int, *, count: int | None = None, offset: int | None = None, page: int = 0
) -> None:
    """Change how many bytes a tile has, or where it lies."""
    for name, value in (("TileByteCounts", count), ("TileOffsets", offset)):
        if value is not None:
            with tifffile.TiffFile(path) as tiff:
                values = list(tiff.pages[page].tags[name].value)
            values[tile] = value
            set_tag(path, name, values, page)


def tile_bytes(path: Path, tile: int, page: int = 0) -> tuple[int, int]:
    """Return where a tile lies and how many bytes it has."""
    with tifffile.TiffFile(path) as tiff:
        return tiff.pages[page].dataoffsets[tile], tiff.pages[page].databytecounts[tile]


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
