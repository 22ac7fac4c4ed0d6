"""An open slide: levels, pixel size, and pixels at any level, pixel size or place."""

from __future__ import annotations

from functools import cached_property
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from slideconcord.errors import DamagedSlideError, ParameterError, SlideError
from slideconcord.geometry import Box, Mpp
from slideconcord.slides.cache import NativeTile, Tile, TileCache, shared_cache
from slideconcord.slides.colour import Colour, colour_transform
from slideconcord.slides.fingerprint import fingerprint
from slideconcord.slides.level import Level, plan_levels
from slideconcord.slides.pyramid import Pyramid, paste
from slideconcord.slides.reader import Rgb, SlideInfo, SlideReader
from slideconcord.slides.resample import SAME_STEP, area_taps, grid_count, resample

if TYPE_CHECKING:
    from slideconcord.slides.store import SlideStore

OnDamage = Literal["raise", "mark"]
# Both can show the paper label with the patient's name on it.
_HIDDEN = ("label", "macro")


class Slide:
    """A whole-slide image, read tile by tile. Made by `open_slide`; safe to read from threads.

    Parameters
    ----------
    path
        The file or folder.
    reader
        Where its pixels come from.
    mpp
        Level-0 pixel size in µm.
    mpp_source
        Whether the file says so or the user does.
    colour
        ``"raw"``: pixels as stored. ``"srgb"``: through the slide's ICC profile, if it has one.
    cache
        Where decoded tiles are kept; by default all slides share one.
    """

    def __init__(
        self,
        path: Path,
        reader: SlideReader,
        mpp: Mpp,
        mpp_source: Literal["file", "given"] = "file",
        colour: Colour = "raw",
        cache: TileCache | None = None,
    ) -> None:
        self.path = path
        self.name = path.name if path.is_dir() else path.stem
        self.info: SlideInfo = reader.info
        self.mpp = mpp
        self.mpp_source = mpp_source
        self.colour = colour
        transform = colour_transform(self.info.icc_profile, colour, path)
        self.background = self._transformed(transform, self.info.background)
        self._reader = reader
        plans = plan_levels(self.info.levels)
        self.pyramid = Pyramid(reader, plans, cache or shared_cache(), transform, self.background)
        self.levels = tuple(Level(self, i, plan) for i, plan in enumerate(plans))
        self.native_levels = tuple(level for level in self.levels if level.native is not None)

    @staticmethod
    def _transformed(transform: Any, colour: tuple[int, int, int]) -> tuple[int, int, int]:
        red, green, blue = transform(np.array([[colour]], np.uint8))[0, 0].tolist()
        return red, green, blue

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of level 0."""
        return self.info.levels[0].shape

    @property
    def box(self) -> Box:
        """All of level 0."""
        return Box(0, 0, *self.shape)

    @property
    def bounds(self) -> Box | None:
        """The scanned part of level 0, where the file names one."""
        return self.info.bounds

    @property
    def vendor(self) -> str | None:
        return self.info.vendor

    @property
    def scanner(self) -> str | None:
        return self.info.scanner

    @property
    def associated_images(self) -> tuple[str, ...]:
        return self.info.associated

    @property
    def damaged(self) -> frozenset[NativeTile]:
        """Every native tile (level, row, column) that could not be decoded so far."""
        return frozenset(self.pyramid.damaged)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 that tells this slide from others; place and name do not enter."""
        return fingerprint(self.path)

    @cached_property
    def store(self) -> SlideStore:
        """A read-only zarr v3 store: a group with one array (y, x, 3) a level."""
        from slideconcord.slides.store import SlideStore

        return SlideStore(self)

    def level(self, index: int) -> Level:
        """Return a level, 0 the finest.

        Raises
        ------
        ParameterError
            When there is no such level.
        """
        if 0 <= index < len(self.levels):
            return self.levels[index]
        raise ParameterError(
            f"{self.path.name} has levels 0 to {len(self.levels) - 1}, not {index}."
        )

    def read_region(self, level: int, box: Box, *, on_damage: OnDamage = "raise") -> Rgb:
        """Return a box (pixels of the level) as (y, x, 3) uint8; outside is background.

        Raises
        ------
        DamagedSlideError
            When a tile cannot be decoded and ``on_damage`` is ``"raise"``; with ``"mark"`` such
            a tile is background and listed in `damaged`.
        """
        return self._checked(self._read(self.level(level), box), on_damage)

    def read_region_mpp(
        self, box: Box, mpp: float | tuple[float, float] | Mpp, *, on_damage: OnDamage = "raise"
    ) -> Rgb:
        """Return a box (level-0 pixels) at another pixel size, as (y, x, 3) uint8.

        Each pixel is the mean of the area it covers, from the coarsest stored level that is at
        least as fine. There are ``floor(extent / factor)`` pixels a side, at least 1.

        Raises
        ------
        ParameterError
            When ``mpp`` is finer than the slide's own.
        DamagedSlideError
            As `read_region`.
        """
        step_y, step_x = (1.0 if abs(f - 1) < SAME_STEP else f for f in self.grid_step(mpp))
        shape = grid_count(box.height, step_y), grid_count(box.width, step_x)
        tile = self._resampled(box.y, box.x, (step_y, step_x), shape)
        return self._checked(tile, on_damage)

    def read_grid(
        self,
        mpp: float | tuple[float, float] | Mpp,
        box_px: Box,
        *,
        on_damage: OnDamage = "raise",
    ) -> Rgb:
        """Return a box of the slide's grid at another pixel size, as (y, x, 3) uint8.

        Pixel i of the grid covers level-0 pixels ``[i * f, (i + 1) * f)`` with
        ``f = mpp / slide.mpp``, so reads that adjoin are parts of one image.

        Raises
        ------
        ParameterError, DamagedSlideError
            As `read_region_mpp`.
        """
        step_y, step_x = self.grid_step(mpp)
        tile = self._resampled(box_px.y * step_y, box_px.x * step_x, (step_y, step_x), box_px.shape)
        return self._checked(tile, on_damage)

    def grid_step(self, mpp: float | tuple[float, float] | Mpp) -> tuple[float, float]:
        """Return how many level-0 pixels (y, x) a pixel of the grid at ``mpp`` is.

        Raises
        ------
        ParameterError
            When ``mpp`` is finer than the slide's own.
        """
        target = Mpp.of(mpp)
        step = target.y / self.mpp.y, target.x / self.mpp.x
        if min(step) < 1 - SAME_STEP:
            raise ParameterError(
                f"{self.path.name} has {min(self.mpp):g} µm per pixel; "
                f"ask for that or more, not {min(target):g}: pixels are never made up."
            )
        return step

    def grid_shape(
        self, mpp: float | tuple[float, float] | Mpp, box: Box | None = None
    ) -> tuple[int, int]:
        """Return how many whole pixels of the grid at ``mpp`` fit into a level-0 box."""
        box = box or self.box
        step_y, step_x = self.grid_step(mpp)
        return grid_count(box.height, step_y), grid_count(box.width, step_x)

    def overview(self, max_px: int = 1024) -> Rgb:
        """Return the slide itself, never its macro image, with at most ``max_px`` a side."""
        fine = [level for level in self.levels if max(level.shape) >= max_px] or self.levels[:1]
        level = fine[-1]
        shrink = max(max(level.shape) / max_px, 1.0)
        if shrink == 1.0:
            return self._read(level, level.box).rgb
        rows, columns = (area_taps(0, shrink, grid_count(side, shrink)) for side in level.shape[:2])
        box = Box(0, 0, rows.stop, columns.stop)
        return resample(self._read(level, box).rgb, rows, columns)

    def associated_image(self, name: str, *, allow_label: bool = False) -> Rgb:
        """Return an image stored beside the slide; label and macro only when allowed.

        Raises
        ------
        SlideError
            When there is no such image, or it may show a name and ``allow_label`` is False.
        """
        if name not in self.associated_images:
            there = ", ".join(self.associated_images) or "none"
            raise SlideError(f"{self.path.name} has no image {name!r}; it has: {there}.", self.path)
        if name in _HIDDEN and not allow_label:
            raise SlideError(
                f"the {name} image of {self.path.name} can show a patient's name. "
                "Pass allow_label=True to read it.",
                self.path,
            )
        return self._reader.associated_image(name)

    def description(self) -> dict[str, Any]:
        """Return the facts of the slide as plain values; nothing that could name a patient."""
        srgb = self.info.icc_profile is not None
        return {
            "name": self.name,
            "format": self.info.format,
            "vendor": self.vendor,
            "scanner": self.scanner,
            "objective_power": self.info.objective_power,
            "shape": list(self.shape),
            "mpp": list(self.mpp),
            "mpp_source": self.mpp_source,
            "bounds": [*self.bounds.shape] if self.bounds else None,
            "background": list(self.background),
            "icc_profile": srgb,
            "colour": self.colour if srgb or self.colour == "raw" else "srgb (no profile: as raw)",
            "levels": [
                {
                    "shape": list(level.shape[:2]),
                    "downsample": list(level.downsample),
                    "tile": list(level.tile_shape),
                    "native": level.native is not None,
                }
                for level in self.levels
            ],
            "fingerprint": self.fingerprint,
        }

    def close(self) -> None:
        """Let go of the file and of every decoded tile."""
        self.pyramid.close()
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        height, width = self.shape
        return f"<Slide {self.name}: {height} x {width} px, {self.mpp.y:g} µm/px>"

    def _checked(self, tile: Tile, on_damage: OnDamage) -> Rgb:
        if tile.damaged and on_damage == "raise":
            tiles = sorted(tile.damaged)
            shown = ", ".join(map(str, tiles[:3])) + (" …" if len(tiles) > 3 else "")
            raise DamagedSlideError(
                f"{self.path.name}: {len(tiles)} damaged tile(s) (level, row, column): {shown}. "
                'Pass on_damage="mark" to go on without them.',
                self.path,
                tiles,
            )
        return tile.rgb

    def _read(self, level: Level, box: Box) -> Tile:
        inside = box.intersect(level.box)
        if inside == box:
            return self.pyramid.read(level.index, box)
        out = np.empty((*box.shape, 3), np.uint8)
        out[:] = self.background
        if not inside.area:
            return Tile(out)
        tile = self.pyramid.read(level.index, inside)
        paste(out, box, tile.rgb, inside)
        self._extend_edge(out, box, level, inside)
        return Tile(out, tile.damaged)

    def _extend_edge(self, out: Rgb, box: Box, level: Level, inside: Box) -> None:
        """Repeat the last row and column where level 0 reaches further than a rounded level."""
        stop_y, stop_x = (
            ceil(side / factor - 1e-6)
            for side, factor in zip(self.shape, level.downsample, strict=True)
        )
        reach = box.intersect(Box(0, 0, stop_y, stop_x))
        below, right = inside.stop_y - box.y, inside.stop_x - box.x
        top, left = inside.y - box.y, inside.x - box.x
        if inside.stop_y == level.box.stop_y:
            out[below : reach.stop_y - box.y, left:right] = out[below - 1, left:right]
        if inside.stop_x == level.box.stop_x:
            bottom = reach.stop_y - box.y
            out[top:bottom, right : reach.stop_x - box.x] = out[top:bottom, right - 1 : right]

    def _level_for(self, step: tuple[float, float]) -> Level:
        """Return the coarsest stored level that is at least as fine as ``step``."""
        allowed = [
            level
            for level in self.native_levels
            if all(d <= f * (1 + SAME_STEP) for d, f in zip(level.downsample, step, strict=True))
        ]
        return allowed[-1] if allowed else self.native_levels[0]

    def _resampled(
        self, y: float, x: float, step: tuple[float, float], shape: tuple[int, int]
    ) -> Tile:
        """Return ``shape`` pixels of ``step`` level-0 pixels each, from level-0 (y, x) on."""
        level = self._level_for(step)
        rows, columns = (
            area_taps(start / d, f / d, count)
            for start, d, f, count in zip((y, x), level.downsample, step, shape, strict=True)
        )
        box = Box(rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)
        tile = self._read(level, box)
        return Tile(resample(tile.rgb, rows, columns), tile.damaged)
