"""Reports as one HTML page that needs no other file: templates, pictures and figures inside."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_SHARED = ("page.html", "macros.html")


def render_page(package: str, name: str, context: Mapping[str, Any]) -> str:
    """Return a template of a package as HTML; it may extend ``page.html`` and use its macros.

    Everything is text unless it is marked as markup, and a value that is missing is an error.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    def load(wanted: str) -> str:
        home = __package__ if wanted in _SHARED else package
        return resources.files(home or "").joinpath(wanted).read_text(encoding="utf-8")

    environment = Environment(
        loader=FunctionLoader(load), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(name).render(context)


def picture_source(rgb: NDArray[Any]) -> str:
    """Return a picture (y, x, 3) uint8 as what an img shows."""
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(rgb).save(held, format="JPEG", quality=88)
    return _source("image/jpeg", held)


def figure_source(figure: Figure) -> str:
    """Return a figure as what an img shows."""
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=110)
    return _source("image/png", held)


def markup(svg: str) -> Any:
    """Mark our own SVG, whose texts are escaped, as markup."""
    from markupsafe import Markup

    return Markup(svg)  # noqa: S704 - charts escape every text


def _source(kind: str, held: io.BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(held.getvalue()).decode()}"
