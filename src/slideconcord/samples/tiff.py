"""Tiles that are already encoded become a TIFF that is there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from slideconcord.errors import OutputError
from slideconcord.samples.origin import MAKER
from slideconcord.samples.pyramid import PyramidSpool


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a name to write to; the file takes its own name only when the block ends well.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}. "
            "Choose a folder that exists, can be written and has room.",
            path,
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def tile_options(tile_px: int, mpp: float) -> dict[str, Any]:
    """Return what tifffile needs to know of tiles that `encode` made, at ``mpp`` µm."""
    return {
        "dtype": "uint8",
        "tile": (tile_px, tile_px),
        "photometric": "ycbcr",
        "subsampling": (2, 2),
        "compression": "jpeg",
        "resolution": (1e4 / mpp, 1e4 / mpp),
        "resolutionunit": "CENTIMETER",
    }


def maker_tags(model: str) -> list[tuple[int, str, int, str, bool]]:
    """Return the TIFF tags Make and Model, so that every reader names the scanner as virtual."""
    return [(271, "s", 0, MAKER, True), (272, "s", 0, model, True)]


def write_tiff(
    path: Path, spool: PyramidSpool, *, mpp: float, model: str, description: str
) -> None:
    """Write the spooled levels as OME-TIFF with the coarser ones in SubIFDs; rename at the end.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    import tifffile

    ome = {
        "axes": "YXS",
        "Name": f"virtual slide {model}",
        "UUID": uuid5(NAMESPACE_URL, description).urn,
        "Description": description,
        "PhysicalSizeX": mpp,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": mpp,
        "PhysicalSizeYUnit": "µm",
    }
    first = {"subifds": spool.levels - 1, "metadata": ome, "software": "slideconcord"}
    first["extratags"] = maker_tags(model)
    with (
        written_whole(path) as part,
        tifffile.TiffWriter(part, bigtiff=True, ome=True) as tiff,
    ):
        for level, tiles in enumerate(spool.spools):
            shape = (*spool.shape_of(level), 3)
            options = tile_options(spool.tile_px, mpp * (1 << level))
            more = first if level == 0 else {"subfiletype": 1}
            tiff.write(iter(tiles), shape=shape, **options, **more)
