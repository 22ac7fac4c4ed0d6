"""The classes that observers draw: their names, colours and keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from slideconcord.annotations.annotation import Colour
from slideconcord.errors import ParameterError

# Told apart by most people, and seen on H&E: green, blue, yellow, cyan, violet, orange.
PALETTE: tuple[Colour, ...] = (
    (0, 160, 70),
    (0, 90, 220),
    (240, 200, 0),
    (0, 190, 200),
    (130, 60, 200),
    (240, 130, 30),
)
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class AnnotationClass:
    """A class that can be drawn.

    Raises
    ------
    ParameterError
        When the name is empty, the colour is none, or the key is not one letter or digit.
    """

    name: str
    """A class within a class reads "Tumor: Positive", as in QuPath."""
    colour: Colour
    """(r, g, b), 0 to 255."""
    key: str = ""
    """The letter or digit that chooses it; none when empty."""

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name.splitlines()) > 1:
            raise ParameterError(f"A class cannot be called {self.name!r}: give one line of text.")
        if len(self.colour) != 3 or not all(
            isinstance(part, int) and 0 <= part <= 255 for part in self.colour
        ):
            raise ParameterError(
                f"The class {self.name} has the colour {self.colour!r}: give (red, green, blue), "
                "each from 0 to 255."
            )
        if self.key and not (len(self.key) == 1 and self.key.isascii() and self.key.isalnum()):
            raise ParameterError(
                f"The class {self.name} has the key {self.key!r}: give one letter or digit."
            )

    @property
    def hex(self) -> str:
        """The colour as ``#rrggbb``."""
        return "#{:02x}{:02x}{:02x}".format(*self.colour)


def read_colour(text: str) -> Colour:
    """Return the colour that ``#rrggbb`` means.

    Raises
    ------
    ParameterError
        When it means none.
    """
    if not isinstance(text, str) or not _HEX.fullmatch(text):
        raise ParameterError(f"{text!r} is no colour: write #rrggbb, such as #c80000.")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def next_colour(taken: Sequence[AnnotationClass]) -> Colour:
    """Return the first colour of the palette that no class has, or begin it anew."""
    used = {each.colour for each in taken}
    free = [colour for colour in PALETTE if colour not in used]
    return free[0] if free else PALETTE[len(taken) % len(PALETTE)]


def require_distinct(classes: Iterable[AnnotationClass]) -> tuple[AnnotationClass, ...]:
    """Return the classes; refuse two that have one name or one key.

    Raises
    ------
    ParameterError
        Naming what stands twice.
    """
    found = tuple(classes)
    for what in ("name", "key"):
        values = [getattr(each, what).lower() for each in found if getattr(each, what)]
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise ParameterError(f"Two classes have the {what} {twice!r}: give each its own.")
    return found
