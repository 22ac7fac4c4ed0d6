"""The order in which an observer reads the slides of a round."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from slideconcord.errors import ParameterError

OrderKind = Literal["fixed", "random"]


@dataclass(frozen=True, slots=True)
class Order:
    """As the file lists the slides, or shuffled anew for every observer and round."""

    kind: OrderKind = "fixed"
    seed: int = 0
    """Other seeds give other random orders."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(OrderKind):
            raise ParameterError(
                f"order is {self.kind!r}: choose one of {', '.join(get_args(OrderKind))}."
            )

    def arrange(self, slides: Iterable[str], observer: str, round_name: str) -> tuple[str, ...]:
        """Return the ids of the slides in the order of an observer's round.

        A random order sorts by a hash of seed, observer, round and slide. So it is the same on
        every machine and for ever, and a slide that is added moves no other.
        """
        if self.kind == "fixed":
            return tuple(slides)

        def drawn(slide: str) -> bytes:
            text = "\n".join((str(self.seed), observer, round_name, slide))
            return hashlib.sha256(text.encode()).digest()

        return tuple(sorted(slides, key=drawn))
