"""An open slide: levels, pixel size, and pixels at any level, pixel size or place."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from slideconcord.errors import DamagedSlideError, ParameterError, SlideError
from slideconcord.geometry import Box, Mpp
from slideconcord.slides.cache import NativeTile, Tile, TileCache, shared_cache
from slideconcord.slides.colour import Colour, colour_transform
from slideconcord.slides.description import describe_slide, slide_name
from slideconcord.slides.fingerprint import fingerprint
from slideconcord.slides.level import Level
from slideconcord.slides.plan import plan_levels
from slideconcord.slides.pyramid import Pyramid
from slideconcord.slides.reader import Rgb, SlideInfo, SlideReader
from slideconcord.slides.resample import SAME_STEP, grid_count
from slideconcord.slides.sampling import Sampler

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
        self.name = slide_name(path)
        self.info: SlideInfo = reader.info
        self.mpp = mpp
        self.mpp_source = mpp_source
        self.colour = colour
        transform = colour_transform(self.info.icc_profile, colour, path)
        self.background = self._transformed(transform, self.info.background)
        self._reader = reader
        plans = plan_levels(self.info.levels)
        self.pyramid = Pyramid(reader, plans, cache or shared_cache(), transform, self.background)
        self._sampler = Sampler(self.pyramid, self.shape, self.background)
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
        return self.pyramid.damaged

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
        self._check_request(box, on_damage)
        return self._checked(self._sampler.at_level(self.level(level).index, box), on_damage)

    def read_region_mpp(
        self, box: Box, mpp: float | tuple[float, float] | Mpp, *, on_damage: OnDamage = "raise"
    ) -> Rgb:
        """Return a box (level-0 pixels) at another pixel size, as (y, x, 3) uint8.

        Each pixel is the mean of the area it covers, from the coarsest stored level that is at
        least as fine. There are ``floor(extent / factor)`` pixels a side, at least 1. Where
        ``mpp`` is within 0.1 % of that level's, its pixels are picked, as in `read_grid`.

        Raises
        ------
        ParameterError
            When ``mpp`` is finer than the slide's own.
        DamagedSlideError
            As `read_region`.
        """
        self._check_request(box, on_damage)
        step_y, step_x = (1.0 if abs(f - 1) < SAME_STEP else f for f in self.grid_step(mpp))
        shape = grid_count(box.height, step_y), grid_count(box.width, step_x)
        tile = self._sampler.at_step(box.y, box.x, (step_y, step_x), shape)
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
        ``f = mpp / slide.mpp``, so reads that adjoin are parts of one image. Where ``mpp`` is
        within 0.1 % of the pixel size of the stored level that is read, pixels are not mixed,
        which would only blur: each is that level's pixel under its centre, whose own centre is at
        most half a pixel away.

        Raises
        ------
        ParameterError, DamagedSlideError
            As `read_region_mpp`.
        """
        self._check_request(box_px, on_damage)
        step_y, step_x = step = self.grid_step(mpp)
        tile = self._sampler.at_step(box_px.y * step_y, box_px.x * step_x, step, box_px.shape)
        return self._checked(tile, on_damage)

    def read_area(
        self,
        y: float,
        x: float,
        mpp: float | tuple[float, float] | Mpp,
        shape: tuple[int, int],
        *,
        on_damage: OnDamage = "raise",
    ) -> Rgb:
        """Return ``shape`` pixels of size ``mpp``, from the level-0 corner (y, x) on.

        Each pixel of the (y, x, 3) uint8 image is the mean of exactly the area it covers, also
        where ``mpp`` is that of a stored level and the area begins between two of its pixels;
        `read_grid` would move the image by up to half a pixel. Outside is background.

        Raises
        ------
        ParameterError, DamagedSlideError
            As `read_region_mpp`.
        """
        self._check_request(Box(0, 0, *shape), on_damage)
        tile = self._sampler.at_step(y, x, self.grid_step(mpp), shape, exact=True)
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
        shrink = max(max(self.shape) / max_px, 1.0)
        # averaged levels, too: a picture of all must not decode level 0 anew
        fine = [level.index for level in self.levels if max(level.downsample) <= shrink]
        shape = grid_count(self.shape[0], shrink), grid_count(self.shape[1], shrink)
        return self._sampler.from_level(fine[-1], 0, 0, (shrink, shrink), shape).rgb

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
        return describe_slide(self)

    def apart(self, max_bytes: int) -> Slide:
        """Return this slide with a small cache of its own, over the same open file.

        Long work that reads every pixel once would push what is on the screen out of the shared
        cache. Its `damaged` is its own too. Leave closing to the slide it was made from.
        """
        cache = TileCache(max_bytes)
        return Slide(self.path, self._reader, self.mpp, self.mpp_source, self.colour, cache)

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

    @staticmethod
    def _check_request(box: Box, on_damage: OnDamage) -> None:
        if min(box.shape) < 1:
            raise ParameterError(f"{box} holds no pixel: height and width begin at 1.")
        if on_damage not in ("raise", "mark"):
            raise ParameterError(f'on_damage={on_damage!r} is unknown: choose "raise" or "mark".')

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
