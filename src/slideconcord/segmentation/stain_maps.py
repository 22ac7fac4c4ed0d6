"""What a stain-separation model sees of the stains: matrix, density and what they leave out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ModelError, ParameterError
from slideconcord.geometry import Box, Frame

if TYPE_CHECKING:
    from slideconcord.segmentation.model import Model
    from slideconcord.slides import Slide

MOST_PX = 1024
"""Side of the largest part that is taken apart at once, in pixels of the model."""


@dataclass(frozen=True, eq=False)
class StainMaps:
    """A picture taken apart; the stain that takes more red away comes first.

    Which stain is haematoxylin is not said by the network: its separation has no truth.
    """

    density: NDArray[np.float32]
    """(stain, y, x): how much of the picture each stain makes up, the length of density times
    colour in ``unit``; unlike the density alone it does not depend on how long the colour is."""
    colours: NDArray[np.uint8]
    """(stain, y, x, 3): what one unit of each stain looks like there, by the predicted matrix."""
    mean_colours: NDArray[np.uint8]
    """(stain, 3): the same over the whole picture, dense pixels counting more."""
    rebuilt: NDArray[np.uint8]
    """(y, x, 3): the picture made of both stains."""
    error: NDArray[np.float32]
    """(y, x): root mean square over the colours of rebuilt minus given, in ``unit``."""
    unit: str


def separate(model: Model, rgb: NDArray[np.uint8]) -> StainMaps:
    """Take a picture apart.

    Parameters
    ----------
    model
        One whose architecture is ``stain-separation-unet``.
    rgb
        (y, x, 3) uint8, at the model's pixel size.

    Raises
    ------
    ModelError
        When the model takes no stains apart.
    ParameterError
        When the picture is of another shape or type.
    """
    import torch

    from slideconcord.segmentation.standardise import Standardise

    space = getattr(model.network, "reconstruction", None)
    if space is None:
        raise ModelError(
            f"Model {model.name!r} takes no stains apart: choose one of the architecture "
            "stain-separation-unet, such as the recipe stain-separation makes.",
            model.name,
        )
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ParameterError(f"A picture is RGB (y, x, 3) uint8, not {rgb.shape} {rgb.dtype}.")
    device = torch.device(model.device)
    with torch.inference_mode():
        tiles = torch.from_numpy(np.array(rgb)[None]).to(device)
        normalised, crop = Standardise(model.spec, device)(tiles)
        found = model.network(normalised, with_stains=True)
        normalised, matrix, density = (
            part[..., crop[0], crop[1]].float()
            for part in (normalised, found.matrix, found.density)
        )
        images = tiles.permute(0, 3, 1, 2).float()
        return _maps(model, space, images, normalised, matrix, density)


def _maps(
    model: Model, space: Any, images: Any, normalised: Any, matrix: Any, density: Any
) -> StainMaps:
    mean, std = (matrix.new_tensor(v)[:, None, None] for v in (model.spec.mean, model.spec.std))

    def shown(values: Any) -> NDArray[np.uint8]:
        """Return (..., y, x, 3) of what is rebuilt (..., colour, y, x)."""
        rgb = space.shown(values, mean, std).clamp(0, 1).mul(255).round().movedim(-3, -1)
        return np.asarray(rgb.byte().cpu().numpy())

    rebuilt = space.rebuilt(matrix, density)
    error = (rebuilt - space.target(images, normalised)).square().mean(1).sqrt()
    length = matrix.norm(dim=2, keepdim=True)
    amount = density.abs() * length[:, :, 0]
    unit_colours = matrix / length.clamp_min(1e-6)
    weights = amount[:, :, None]
    typical = (unit_colours * weights).sum((3, 4)) / weights.sum((3, 4)).clamp_min(1e-6)
    typical_rgb = shown(typical[..., None, None])[0, :, 0, 0]
    first = np.argsort(typical_rgb[:, 0], kind="stable")  # less red is left where more is absorbed
    return StainMaps(
        amount[0].cpu().numpy()[first],
        shown(unit_colours)[0][first],
        typical_rgb[first],
        shown(rebuilt)[0],
        error[0].cpu().numpy(),
        space.unit,
    )


@dataclass(frozen=True, eq=False)
class SeparatedRegion:
    """A part of a slide, taken apart."""

    maps: StainMaps
    frame: Frame
    """Where the pixels lie on level 0."""
    is_cut: bool
    """Whether it is only the middle of what was asked for."""


def separate_region(slide: Slide, model: Model, box: Box | None = None) -> SeparatedRegion:
    """Take a part of a slide apart at the model's pixel size.

    Parameters
    ----------
    slide, model
        See `separate`.
    box
        The part, in level-0 pixels; the whole slide when None. Of more than 1024 px of the model
        a side only the middle is taken.

    Raises
    ------
    ModelError, ParameterError
        As `separate`; when the slide is too coarse for the model or the box lies beside it.
    """
    from slideconcord.segmentation.options import PredictOptions
    from slideconcord.segmentation.plan import plan_run

    plan = plan_run(slide, model, PredictOptions(box=box))
    whole = plan.box_px
    height, width = min(whole.height, MOST_PX), min(whole.width, MOST_PX)
    part = Box(
        whole.y + (whole.height - height) // 2,
        whole.x + (whole.width - width) // 2,
        height,
        width,
    )
    step_y, step_x = slide.grid_step(plan.mpp)
    frame = Frame(part.y * step_y, part.x * step_x, step_y, step_x)
    maps = separate(model, slide.read_grid(plan.mpp, part))
    return SeparatedRegion(maps, frame, part != whole)
