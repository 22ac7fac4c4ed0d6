"""The views there are; another one is a file and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slideconcord.plugin.views.agreement_view import Agreement
from slideconcord.plugin.views.arrows import ResidualArrows
from slideconcord.plugin.views.checkerboard import Board
from slideconcord.plugin.views.curtain import SwipeCurtain
from slideconcord.plugin.views.difference import DensityDifference
from slideconcord.plugin.views.flicker import Flicker
from slideconcord.plugin.views.grid import LinkedGrid
from slideconcord.plugin.views.overlay import Overlay

if TYPE_CHECKING:
    from slideconcord.plugin.views.base import ComparisonView

VIEWS: dict[str, type[ComparisonView]] = {
    "grid": LinkedGrid,
    "overlay": Overlay,
    "flicker": Flicker,
    "curtain": SwipeCurtain,
    "checkerboard": Board,
    "difference": DensityDifference,
    "agreement": Agreement,
    "arrows": ResidualArrows,
}
