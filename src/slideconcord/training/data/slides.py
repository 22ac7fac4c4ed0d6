"""Tiles from whole slides and what observers drew on them.

A manifest (CSV) lists the scans: ``file``, ``annotations`` and ``patient`` and, as wanted,
``slide`` (the glass slide's name, the same for its scans on several scanners), ``scanner``,
``group``, ``split`` and ``mpp``. Paths are relative to the manifest. A scan whose ``annotations``
are left empty is annotated by nobody: nothing is learnt from it unless a model labels it.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from slideconcord.annotations import read_annotations
from slideconcord.annotations.raster import Rasteriser
from slideconcord.errors import ParameterError, TrainingError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.provenance import fingerprint_json
from slideconcord.segmentation.context import read_context
from slideconcord.segmentation.tiles import TileGrid
from slideconcord.segmentation.tissue import find_tissue
from slideconcord.segmentation.tissue_pixels import PAPER_TISSUE
from slideconcord.slides import Slide, open_slide
from slideconcord.training.data.index import read_index
from slideconcord.training.data.labels import BACKGROUND, TISSUE, Labels
from slideconcord.training.data.tile import IGNORE, Grid, Mask, Rgb, TileRecord, shares_of

_OPTIONAL = ("annotations", "slide", "scanner", "group", "split", "mpp")
_SAME_MPP = 0.05
"""Within this a slide's own pixels are taken, unscaled, as `predict` does."""
_MOST_OPEN = 32


@dataclass(frozen=True)
class SlideData:
    """Slides and annotations, listed in a manifest."""

    path: str = ""
    """The manifest, a CSV; the command line's --data comes first."""

    def open(self, grid: Grid, labels: Labels) -> SlideTiles:
        """Open every scan once: tiles, tissue, and the share of each class in each tile.

        Raises
        ------
        TrainingError, ParameterError
            When the manifest or a row of it is wrong, or a scan is listed twice.
        SlideError, AnnotationError
            When a file cannot be read.
        """
        if not self.path:
            raise ParameterError("data.source: give the manifest of the slides (--data FILE.csv).")
        return SlideTiles(Path(self.path), grid, labels)


@dataclass(frozen=True)
class _Scan:
    """One row of the manifest, opened once."""

    path: Path
    given_mpp: float | None
    mpp: Mpp
    grid: TileGrid
    frame: Frame
    """Where the pixels of the grid lie on level 0."""
    drawn: Rasteriser
    """Annotations in the order in which they cover one another; values are class number + 1."""
    tissue: Tissue | None
    slide: str
    """Fingerprint of the slide."""
    fingerprint: str
    """Of slide and annotations."""
    annotated: bool


class Tissue:
    """Where a slide has tissue, kept small: about 50 kB for a large slide."""

    def __init__(self, mask: NDArray[np.bool_], frame: Frame) -> None:
        self._shape, self._frame = mask.shape, frame
        self._packed = zlib.compress(np.packbits(mask).tobytes(), 1)

    def at(self, box: Box, frame: Frame) -> NDArray[np.bool_]:
        """Return the tissue under each pixel's centre of a box (pixels of ``frame``)."""
        height, width = self._shape
        bits = np.frombuffer(zlib.decompress(self._packed), np.uint8)
        mask = np.unpackbits(bits, count=height * width).reshape(height, width)
        rows, columns = (
            np.clip(
                ((origin + (start + np.arange(count) + 0.5) * step - first) // coarse).astype(int),
                0,
                side - 1,
            )
            for origin, start, count, step, first, coarse, side in (
                (frame.origin_y, box.y, box.height, frame.step_y,
                 self._frame.origin_y, self._frame.step_y, height),
                (frame.origin_x, box.x, box.width, frame.step_x,
                 self._frame.origin_x, self._frame.step_x, width),
            )
        )  # fmt: skip
        return mask[rows[:, None], columns].astype(bool)


class SlideTiles:
    """The tiles of `SlideData`; see `TileSource`."""

    def __init__(self, manifest: Path, grid: Grid, labels: Labels) -> None:
        self._grid, self._labels = grid, labels
        rows = read_index(manifest, ("file", "patient"), _OPTIONAL)
        with ThreadPoolExecutor() as pool:
            scans = list(pool.map(lambda row: self._open(row, manifest.parent), rows))
        _refuse_twice(scans)
        self._scans = tuple(scan for scan, _ in scans)
        self._tiles = [(k, i) for k, scan in enumerate(self._scans) for i in range(len(scan.grid))]
        self._records = tuple(
            record
            for row, (scan, scanner) in zip(rows, scans, strict=True)
            for record in self._records_of(row, scan, scanner)
        )
        self._opened: OrderedDict[int, Slide] = OrderedDict()
        self._lock = Lock()

    @property
    def classes(self) -> tuple[str, ...]:
        return self._labels.names

    @property
    def records(self) -> tuple[TileRecord, ...]:
        return self._records

    @cached_property
    def fingerprint(self) -> str:
        scans = [scan.fingerprint for scan in self._scans]
        facts = {"slides": 1, "scans": scans, "grid": str(self._grid)}
        return fingerprint_json({**facts, "labels": str(self._labels)})

    def read(self, index: int) -> tuple[Rgb, Mask]:
        number, tile = self._tiles[index]
        scan = self._scans[number]
        box, slide = scan.grid.box(tile), self._slide(number)
        rgb, mask = slide.read_grid(scan.mpp, box), self._mask(scan, box, scan.frame)
        context = self._grid.context
        if context is None:
            return rgb, mask
        frame = context.frame(scan.frame, box, (self._grid.tile_px,) * 2)
        around = self._mask(scan, Box(0, 0, *box.shape), frame)
        around[~_on_slide(slide.shape, frame, box.shape)] = IGNORE
        return np.stack([rgb, read_context(slide, frame, box.shape)]), np.stack([mask, around])

    def _slide(self, number: int) -> Slide:
        """Return an open slide; the longest unused is let go of when there are many."""
        with self._lock:
            slide = self._opened.pop(number, None)
            if slide is None:
                scan = self._scans[number]
                slide = open_slide(scan.path, mpp=scan.given_mpp)
            self._opened[number] = slide
            if len(self._opened) > _MOST_OPEN:
                # Not closed: another thread may be reading from it. The last reader lets it go.
                self._opened.popitem(last=False)
        return slide

    def _open(self, row: dict[str, str], folder: Path) -> tuple[_Scan, str]:
        path = folder / row["file"]
        given = _number(row["mpp"], path)
        with open_slide(path, mpp=given) as slide:
            mpp = _tile_mpp(slide, self._grid.mpp)
            step_y, step_x = slide.grid_step(mpp)
            where = row["annotations"]
            annotations = (
                read_annotations(folder / where, bounds=slide.bounds, mpp=tuple(slide.mpp))
                if where
                else ()
            )
            numbered = [
                (self._labels.number(a.class_name or "", where), a.geometry) for a in annotations
            ]
            # Later classes cover earlier ones, and what is ignored covers all.
            numbered.sort(key=lambda pair: pair[0])
            frame = Frame(0.0, 0.0, step_y, step_x)
            drawn = Rasteriser(
                [geometry for _, geometry in numbered], frame, [n + 1 for n, _ in numbered]
            )
            grid = TileGrid(slide.grid_shape(mpp), self._grid.tile_px, self._grid.overlap_px)
            made = fingerprint_json(
                {
                    "slide": slide.fingerprint,
                    "annotations": [[n, geometry.wkt] for n, geometry in numbered],
                }
            )
            scanner = row["scanner"] or slide.scanner or "unknown"
            tissue = self._tissue(slide)
            return _Scan(
                path, given, mpp, grid, frame, drawn, tissue, slide.fingerprint, made, bool(where)
            ), scanner

    def _tissue(self, slide: Slide) -> Tissue | None:
        """Return the tissue, unless the classes do not tell it from white glass."""
        numbers = [self._labels.number(name, slide.name) for name in (BACKGROUND, TISSUE)]
        if numbers[0] == numbers[1]:
            return None
        found = find_tissue(slide)
        return Tissue(np.asarray(found.array, np.bool_), found.frame)

    def _mask(self, scan: _Scan, box: Box, frame: Frame) -> Mask:
        if not scan.annotated:
            return np.full(box.shape, IGNORE, np.uint8)
        drawn = scan.drawn.in_frame(frame).fill(box, np.uint16)
        background, tissue = (
            self._labels.number(name, scan.path.name) for name in (BACKGROUND, TISSUE)
        )
        base = np.full(box.shape, tissue, np.uint8)
        if scan.tissue is not None:
            base[~scan.tissue.at(box, frame)] = background
        # Holes in the tissue are white glass even inside an outline.
        covered = (drawn > 0) & ((base == tissue) | (scan.tissue is None))
        return np.where(covered, drawn - 1, base).astype(np.uint8)

    def _records_of(self, row: dict[str, str], scan: _Scan, scanner: str) -> Iterator[TileRecord]:
        """Yield the tiles of a scan, with shares of classes as seen at the pixels of the tissue."""
        coarse = max(PAPER_TISSUE.mpp / self._grid.mpp, 1.0)
        frame = scan.frame.coarser(coarse)
        name = Path(row["file"]).name
        for tile in range(len(scan.grid)):
            box = scan.grid.box(tile)
            start_y, start_x = int(box.y / coarse), int(box.x / coarse)
            seen = Box(start_y, start_x, max(int(box.stop_y / coarse) - start_y, 1),
                       max(int(box.stop_x / coarse) - start_x, 1))  # fmt: skip
            shares = shares_of(self._mask(scan, seen, frame), len(self.classes))
            yield TileRecord(
                f"{name}@{box.y},{box.x}",
                row["patient"],
                row["slide"] or Path(row["file"]).stem,
                scanner,
                row["group"],
                row["split"],
                shares,
                scan.slide,
            )


def _on_slide(slide: tuple[int, int], frame: Frame, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return for each pixel of a frame whether its centre lies on the slide."""
    rows, columns = (
        (place >= 0) & (place < side)
        for place, side in (
            (frame.origin_y + (np.arange(shape[0]) + 0.5) * frame.step_y, slide[0]),
            (frame.origin_x + (np.arange(shape[1]) + 0.5) * frame.step_x, slide[1]),
        )
    )
    inside: NDArray[np.bool_] = rows[:, None] & columns
    return inside


def _tile_mpp(slide: Slide, wanted: float) -> Mpp:
    if max(slide.mpp) > wanted * (1 + _SAME_MPP):
        raise ParameterError(
            f"{slide.path.name} has {max(slide.mpp):g} µm per pixel, coarser than data.mpp "
            f"{wanted:g}, and pixels are never made up: leave it out, or raise data.mpp."
        )
    return Mpp(max(wanted, slide.mpp.y), max(wanted, slide.mpp.x))


def _number(text: str, path: Path) -> float | None:
    try:
        return float(text) if text else None
    except ValueError as error:
        raise TrainingError(f"mpp {text!r} of {path.name} in the manifest is no number.") from error


def _refuse_twice(scans: list[tuple[_Scan, str]]) -> None:
    seen: dict[str, Path] = {}
    for scan, _ in scans:
        if scan.fingerprint in seen:
            raise TrainingError(
                f"{scan.path.name} and {seen[scan.fingerprint].name} are one scan with the same "
                "annotations: list it once, or a tile may be learnt from and tested on."
            )
        seen[scan.fingerprint] = scan.path
