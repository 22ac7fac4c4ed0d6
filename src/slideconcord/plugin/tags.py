"""The mark on every layer of ours: which slide it belongs to and what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Layer

    from slideconcord.slides import Slide

KEY = "slideconcord"
Kind = Literal[
    "slide",
    "probability",
    "mask",
    "area",
    "pins",
    "annotations",
    "sketch",
    "region",
    "model",
    "comparison",
    "agreement",
    "votes",
    "pair",
    "outlines",
    "stains",
]


class Tag(dict[str, Any]):
    """What ``layer.metadata["slideconcord"]`` holds; copies of a layer share the same slide.

    ``id`` names the slide as opened: it ties results to it, also when it is opened anew in other
    colours, and tells two openings of one file apart.
    """

    def __init__(self, kind: Kind, slide: Slide, slide_id: str = "", **more: Any) -> None:
        super().__init__(
            kind=kind,
            slide=slide,
            id=slide_id or uuid4().hex,
            name=slide.name,
            mpp=tuple(slide.mpp),
            **more,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Tag:
        return self


def tag_of(layer: Layer | None) -> Tag | None:
    """Return the mark of a layer; None for layers that are not ours."""
    mark = layer.metadata.get(KEY) if layer is not None else None
    return mark if isinstance(mark, Tag) else None


def find_layer(layers: Iterable[Layer], slide_id: str, kind: Kind) -> Layer | None:
    """Return the topmost layer of one kind that belongs to the slide opened as ``slide_id``."""
    found = None
    for layer in layers:
        tag = tag_of(layer)
        if tag is not None and (tag["id"], tag["kind"]) == (slide_id, kind):
            found = layer
    return found
