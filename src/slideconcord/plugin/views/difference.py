"""Difference of optical densities: magenta is A's alone, green B's, grey both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slideconcord.comparison.views.balance import Balance
from slideconcord.comparison.views.combine import Difference
from slideconcord.plugin.views.composite_view import Composite

if TYPE_CHECKING:
    from slideconcord.comparison.views.composite import CompositeView


class DensityDifference(Composite):
    """What absorbs light in one scan and not in the other."""

    key = "Alt-6"
    title = "Difference"
    tip = (
        "Optical density: magenta where A absorbs more, green where B does, grey where both do "
        "alike. White points and mean densities of the two are made equal first."
    )

    def first(self) -> Difference:
        return Difference(Balance())

    def prepare(self, view: CompositeView) -> None:
        view.combine = Difference(view.balance())
