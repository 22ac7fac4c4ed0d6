"""JPEG tiles of TIFF files, looked at before they are decoded: libjpeg forgives too much."""

from __future__ import annotations

import re
from typing import NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

# In the entropy-coded bytes of a scan 0xFF is followed by 0, a restart number or more 0xFF.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START, _END, _SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Progressive files hold several scans, with tables between them.
_BETWEEN_SCANS = frozenset({0xC4, 0xDA, 0xDB, 0xDC, 0xDD})


class JpegFrame(NamedTuple):
    """What the headers of a JPEG stream promise."""

    height: int
    width: int
    components: int
    scan: int
    """Where the first scan's header begins."""


def jpeg_frame(data: bytes) -> JpegFrame:
    """Read the headers of a (possibly abbreviated) JPEG stream.

    Raises
    ------
    ValueError
        When the bytes are no JPEG stream, or end within its headers.
    """
    if not data.startswith(_START):
        raise ValueError("no JPEG data")
    at, frame = 2, None
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise ValueError("broken JPEG headers")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == _SCAN:
            if frame is None:
                raise ValueError("JPEG data without a frame header")
            return JpegFrame(*frame, at)
        if marker in _FRAMES and at + 10 <= len(data):
            height, width = (
                int.from_bytes(data[at + 5 : at + 7]),
                int.from_bytes(data[at + 7 : at + 9]),
            )
            frame = height, width, data[at + 9]
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    raise ValueError("JPEG data that ends within its headers")


def _uint16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2])


def check_complete(data: bytes, frame: JpegFrame) -> None:
    """Refuse a stream whose scan is cut short or broken by a stray marker.

    libjpeg only warns of these and fills the rest of the tile with grey.

    Raises
    ------
    ValueError
        When the scan does not run to its end marker.
    """
    found = _MARKER.search(
        data, frame.scan + 2 + int.from_bytes(data[frame.scan + 2 : frame.scan + 4])
    )
    if found is not None and found[0] == _END:
        return
    several = found is not None and found[0][1] in _BETWEEN_SCANS
    if not several or data.find(_END, frame.scan) < 0:
        raise ValueError("JPEG data that ends too early")


def decode_jpeg(
    data: bytes,
    shape: tuple[int, int],
    *,
    tables: bytes | None,
    is_rgb: bool,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Decode a 3-component tile of exactly ``shape`` (height, width) to RGB (y, x, 3) uint8.

    Parameters
    ----------
    tables
        The page's JPEGTables, shared by its tiles.
    is_rgb
        Whether the components are red, green, blue (Aperio) rather than YCbCr.
    out
        Decode into this C-contiguous array instead of a new one.

    Raises
    ------
    ValueError, RuntimeError
        When the data is damaged, or of another size than the tile.
    """
    frame = jpeg_frame(data)
    if frame[:3] != (*shape, 3):
        raise ValueError(
            f"JPEG data of {frame.width} x {frame.height} px in a tile of another size"
        )
    check_complete(data, frame)
    decoded: NDArray[np.uint8] = imagecodecs.jpeg8_decode(
        data,
        tables=tables,
        colorspace="RGB" if is_rgb else "YCBCR",
        outcolorspace="RGB",
        out=out,
    )
    return decoded
