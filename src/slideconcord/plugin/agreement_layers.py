"""Readings of a slide as layers: how many mark a place, where two differ, and both outlines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.comparison.overlay import FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE
from slideconcord.comparison.views.agreement import A_ONLY, B_ONLY, BOTH
from slideconcord.geometry import Box
from slideconcord.plugin.layers import place
from slideconcord.plugin.live import LiveLevel, outlined, with_margin, with_tiny_level
from slideconcord.plugin.plotting import ramp
from slideconcord.plugin.results import same_selection
from slideconcord.plugin.tags import KEY, Kind, Tag, find_layer

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from slideconcord.comparison.observers.votes import ReadingStack
    from slideconcord.plugin.workspace import SlideEntry

Bytes = NDArray[np.uint8]
Draw = Callable[[Box, int], Bytes]
Rgba = tuple[float, float, float, float]
KINDS: tuple[Kind, ...] = ("votes", "pair", "outlines")
FIRST, SECOND, SHARED = FALSE_POSITIVE, FALSE_NEGATIVE, TRUE_POSITIVE
"""Colours of the first reading alone, of the second alone, and of both: as in overlays."""
# Levels this small are drawn once, beside the GUI; finer ones where one looks.
_KEPT_PX = 1024


def vote_levels(stack: ReadingStack, voters: Sequence[str]) -> list[LiveLevel]:
    """Return the levels of a layer that says how many of some readings mark a pixel."""
    return _levels(stack, partial(stack.votes, names=voters))


def pair_levels(stack: ReadingStack, a: str, b: str) -> list[LiveLevel]:
    """Return the levels of a layer that says 1 A only, 2 B only, 3 both."""
    return _levels(stack, partial(stack.kinds, a, b))


def outline_levels(stack: ReadingStack, a: str, b: str) -> list[LiveLevel]:
    """Return the levels of a layer with the outlines of A (1), of B (2), and where both run (3)."""

    def draw(box: Box, step: int) -> Bytes:
        wide = with_margin(box, Box(0, 0, *stack.shape_at(step)))
        lines = outlined(stack.read(a, wide, step)) * np.uint8(A_ONLY)
        lines += outlined(stack.read(b, wide, step)) * np.uint8(B_ONLY)
        return lines[box.shift(-wide.y, -wide.x).slices]

    return _levels(stack, draw)


def show_votes(
    viewer: ViewerModel, entry: SlideEntry, stack: ReadingStack, levels: list[LiveLevel], most: int
) -> Layer:
    """Show how many of ``most`` readings mark each place; one such layer a slide."""
    return _show(viewer, entry, stack, levels, "votes", "Votes", vote_colours(most), 0.6)


def show_pair(
    viewer: ViewerModel,
    entry: SlideEntry,
    stack: ReadingStack,
    levels: tuple[list[LiveLevel], list[LiveLevel]],
    names: tuple[str, str],
) -> None:
    """Show where two readings differ, and the outlines of both on top."""
    title = " / ".join(names)
    colours = {A_ONLY: FIRST, B_ONLY: SECOND, BOTH: SHARED}
    found = {kind: _opaque(colour) for kind, colour in colours.items()}
    _show(viewer, entry, stack, levels[0], "pair", f"Differs: {title}", found, 0.35)
    _show(viewer, entry, stack, levels[1], "outlines", f"Outlines: {title}", found, 1.0)


def hide(viewer: ViewerModel, entry: SlideEntry, *kinds: Kind) -> None:
    """Remove the layers of some kinds from a slide, where there are any."""
    for kind in kinds:
        layer = find_layer(viewer.layers, entry.id, kind)
        if layer is not None:
            viewer.layers.remove(layer)


def vote_colours(most: int) -> dict[int, Rgba]:
    """Return the colour of each number of votes, dark for one and bright for all."""
    share = np.linspace(0, 1, most) if most > 1 else np.ones(1)
    return {votes: _opaque(tuple(colour)) for votes, colour in enumerate(ramp(share), start=1)}


def _opaque(colour: Any) -> Rgba:
    red, green, blue = (int(value) / 255 for value in colour)
    return red, green, blue, 1.0


def _levels(stack: ReadingStack, draw: Draw) -> list[LiveLevel]:
    levels = []
    for step in stack.steps():
        shape = stack.shape_at(step)
        read = partial(_draw_at, draw, step)
        if max(shape) <= _KEPT_PX:
            read = partial(_part_of, read(Box(0, 0, *shape)))
        levels.append(LiveLevel(shape, read))
    return with_tiny_level(levels)


def _draw_at(draw: Draw, step: int, box: Box) -> Bytes:
    return draw(box, step) if box.area else np.zeros(box.shape, np.uint8)


def _part_of(pixels: Bytes, box: Box) -> Bytes:
    return pixels[box.slices]


def _show(
    viewer: ViewerModel,
    entry: SlideEntry,
    stack: ReadingStack,
    levels: list[LiveLevel],
    kind: Kind,
    name: str,
    colours: Mapping[int, Rgba],
    opacity: float,
) -> Layer:
    from napari.utils import DirectLabelColormap

    hide(viewer, entry, kind)
    clear = (0.0, 0.0, 0.0, 0.0)
    shown: dict[int | None, Rgba] = {0: clear, None: clear}
    shown |= dict(colours.items())
    with same_selection(viewer):
        return viewer.add_labels(
            levels,
            name=name,
            multiscale=True,
            cache=False,
            colormap=DirectLabelColormap(color_dict=shown),
            opacity=opacity,
            blending="translucent_no_depth",
            metadata={KEY: Tag(kind, entry.slide, entry.id)},
            **place(stack.frame, entry.slide),
        )
