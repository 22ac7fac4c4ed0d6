"""Slide + model + options -> what exactly a run computes, and the key that names it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np

from slideconcord.errors import ParameterError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.provenance import fingerprint_json
from slideconcord.segmentation.model import Model, ModelSpec
from slideconcord.segmentation.options import PredictOptions
from slideconcord.segmentation.tile_jpeg import JPEG_QUALITY
from slideconcord.segmentation.tiles import TileGrid
from slideconcord.segmentation.tissue import find_tissue
from slideconcord.segmentation.tissue_pixels import PAPER_TISSUE

if TYPE_CHECKING:
    from slideconcord.slides import Slide

# Scanners called 0.25 µm are 0.252 or so. Within this the slide's own pixels are taken, unscaled.
_SAME_MPP = 0.05
_FORMAT = 1
"""Part of the key: raise it when the same run would give other pixels."""


@dataclass(frozen=True)
class Plan:
    """A run before it starts."""

    slide: Slide
    model: Model
    options: PredictOptions
    mpp: Mpp
    """Pixel size of the map, µm."""
    box_px: Box
    """The map's place in the slide's grid at ``mpp``."""
    grid: TileGrid

    @property
    def frame(self) -> Frame:
        """Where the map lies on the slide."""
        step_y, step_x = self.slide.grid_step(self.mpp)
        return Frame(self.box_px.y * step_y, self.box_px.x * step_x, step_y, step_x)

    @cached_property
    def skipped(self) -> frozenset[int]:
        """The tiles that are left out for want of tissue; none unless asked for."""
        return self._without_tissue() if self.options.skip_background else frozenset()

    def _without_tissue(self) -> frozenset[int]:
        # Of the whole slide: a small part alone might hold less than the least piece of tissue.
        mask = find_tissue(self.slide)
        pixels, frame, ours = np.asarray(mask.array), mask.frame, self.frame
        empty = set()
        for index in range(len(self.grid)):
            box = self.grid.box(index)
            y, x = frame.from_level0(*ours.to_level0(box.y, box.x))
            stop_y, stop_x = frame.from_level0(*ours.to_level0(box.stop_y, box.stop_x))
            if not pixels[floor(y) : ceil(stop_y), floor(x) : ceil(stop_x)].any():
                empty.add(index)
        return frozenset(empty)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """What was chosen, as JSON: everything besides slide and model that changes a pixel."""
        return {
            "mpp": list(self.mpp),
            "box_px": [self.box_px.y, self.box_px.x, *self.box_px.shape],
            "tile_px": self.grid.tile_px,
            "overlap_px": self.grid.overlap_px,
            "precision": self.model.precision,
            "slide_mpp": list(self.slide.mpp),
            "slide_colour": self.slide.colour,
            **({"skipped": self._skipped_facts()} if self.skipped else {}),
            **({"jpeg_tiles": JPEG_QUALITY} if self.options.jpeg_tiles else {}),
            **({} if self.options.tta == "none" else {"tta": self.options.tta}),
            # Others round otherwise.
            **({} if self.model.engine == "eager" else {"engine": self.model.engine}),
        }

    def _skipped_facts(self) -> dict[str, Any]:
        return {"tissue": PAPER_TISSUE.facts(), "tiles": sorted(self.skipped)}

    @cached_property
    def key(self) -> str:
        """SHA-256 that two runs share when they give the same map."""
        return fingerprint_json(
            {
                "format": _FORMAT,
                "slide": self.slide.fingerprint,
                "model": self.model.hash,
                "parameters": self.parameters,
            }
        )


def unlike_model(spec: ModelSpec, tile_px: int) -> str | None:
    """Return what to say when tiles have another size than the model was made for, else None."""
    if tile_px == spec.tile_px or spec.weights_sha256 is None:
        return None
    return (
        f"Tiles of {tile_px} px are not the {spec.tile_px} px that model {spec.name!r} was made "
        "for: results can differ. A check with moved tiles (check_shift) says how much they matter."
    )


def plan_run(slide: Slide, model: Model, options: PredictOptions) -> Plan:
    """Work out what a run computes.

    Raises
    ------
    ParameterError
        When the slide is too coarse for the model, or the box lies beside it.
    ModelError
        When the device asked for is not there.
    """
    model = model.on(options.device, options.precision, options.engine)
    if options.tta == "rotations":
        model = model.rotated()
    mpp = _map_mpp(slide, model)
    box_px = _map_box(slide, mpp, options)
    tile_px = options.tile_px or model.spec.tile_px
    overlap_px = model.spec.overlap_px if options.overlap_px is None else options.overlap_px
    if overlap_px >= tile_px:
        raise ParameterError(
            f"overlap_px {overlap_px} must be smaller than tile_px {tile_px}: give both, "
            "or a smaller overlap."
        )
    return Plan(slide, model, options, mpp, box_px, TileGrid(box_px.shape, tile_px, overlap_px))


def _map_mpp(slide: Slide, model: Model) -> Mpp:
    wanted = model.spec.mpp
    if max(slide.mpp) > wanted * (1 + _SAME_MPP):
        raise ParameterError(
            f"{slide.path.name} has {max(slide.mpp):g} µm per pixel, but model {model.name!r} "
            f"needs {wanted:g} or finer, and pixels are never made up. "
            "Choose a model for coarser slides, or correct the slide's mpp if it is wrong."
        )
    return Mpp(max(wanted, slide.mpp.y), max(wanted, slide.mpp.x))


def _map_box(slide: Slide, mpp: Mpp, options: PredictOptions) -> Box:
    """Return the part of the slide's grid to predict, snapped outwards to whole pixels."""
    height, width = slide.grid_shape(mpp)
    whole = Box(0, 0, height, width)
    step = slide.grid_step(mpp)
    if options.within_bounds and slide.bounds is not None:
        whole = whole.intersect(_snapped(slide.bounds, step))
    if options.box is not None:
        whole = whole.intersect(_snapped(options.box, step))
    if not whole.area:
        raise ParameterError(
            f"{options.box or slide.bounds} holds no pixel of {slide.path.name}, "
            f"whose level 0 has {slide.shape[0]} x {slide.shape[1]}."
        )
    return whole


def _snapped(box: Box, step: tuple[float, float]) -> Box:
    y, x = floor(box.y / step[0]), floor(box.x / step[1])
    return Box(y, x, ceil(box.stop_y / step[0]) - y, ceil(box.stop_x / step[1]) - x)
