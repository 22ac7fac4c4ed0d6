"""What data call their classes, and the numbers that a network learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ParameterError, TrainingError
from slideconcord.training.data.tile import IGNORE, Mask

BACKGROUND, TISSUE = "background", "tissue"
"""Labels of pixels that no annotation covers: white glass, and all else."""

_MOST_CLASSES = 250


@dataclass(frozen=True)
class Labels:
    """Class -> the labels that mean it: annotation classes, mask values, virtual classes.

    Raises
    ------
    ParameterError
        When a label means two classes, or there are fewer than two classes.
    """

    classes: Mapping[str, tuple[str, ...]]
    ignored: tuple[str, ...] = ()
    """Labels whose pixels are not learnt from."""
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 2 <= len(self.classes) <= _MOST_CLASSES:
            raise ParameterError(
                f"classes: there are {len(self.classes)}; give at least two, "
                "the one to be found last."
            )
        numbers: dict[str, int] = {}
        named = [(labels, number) for number, labels in enumerate(self.classes.values())]
        for labels, number in [*named, (self.ignored, IGNORE)]:
            for label in labels:
                if numbers.setdefault(label, number) != number:
                    raise ParameterError(f"classes: the label {label!r} stands for two of them.")
        object.__setattr__(self, "_numbers", numbers)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(self.classes)

    def number(self, label: str, where: str) -> int:
        """Return the class number of a label, or `IGNORE`.

        Raises
        ------
        TrainingError
            When no class has it; ``where`` names the file.
        """
        if label not in self._numbers:
            raise TrainingError(
                f"{where} has the label {label!r}, which stands for none of the recipe's classes: "
                f"add it to one of {', '.join(self.names)}, or to data.ignore."
            )
        return self._numbers[label]

    def translated(self, values: NDArray[np.uint8], where: str, group: str = "") -> Mask:
        """Return class numbers of a mask whose values, and group if given, are labels."""
        table = np.full(256, IGNORE, np.uint8)
        for value in np.flatnonzero(np.bincount(values.ravel(), minlength=256)):
            label = f"{value} {group}" if group and value else str(value)
            table[value] = self.number(label, where)
        return table[values]
