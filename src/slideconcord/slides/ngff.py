"""OME-Zarr: the reader of slides, and the door to the pyramids that results are kept in."""

from __future__ import annotations

from slideconcord.slides.ngff_metadata import Multiscale, NgffVersion, read_multiscale
from slideconcord.slides.ngff_pyramid import create_pyramid, level_shapes

__all__ = ["Multiscale", "NgffVersion", "create_pyramid", "level_shapes", "read_multiscale"]
