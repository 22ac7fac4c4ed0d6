"""Which annotations lie where, kept true change by change."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from slideconcord.annotations.editing.change import Bounds

_MOST_LOOSE = 512


class Places:
    """A tree over most annotations, and a short list of those that changed since it was built."""

    def __init__(self, geometries: Mapping[str, BaseGeometry]) -> None:
        self._geometries = dict(geometries)
        self._loose: dict[str, Bounds | None] = {}
        self._plant()

    def put(self, key: str, geometry: BaseGeometry | None) -> None:
        """Say where an annotation lies now; None when it is no more."""
        if geometry is None:
            self._geometries.pop(key, None)
            self._loose[key] = None
        else:
            self._geometries[key] = geometry
            self._loose[key] = geometry.bounds

    def near(self, bounds: Bounds) -> list[str]:
        """Return the annotations whose bounding boxes meet ``bounds``, in no order."""
        if len(self._loose) > _MOST_LOOSE:
            self._plant()
        found = [self._ids[i] for i in self._tree.query(shapely.box(*bounds))]
        settled = [key for key in found if key not in self._loose]
        x0, y0, x1, y1 = bounds
        loose = [
            key
            for key, box in self._loose.items()
            # an empty geometry has bounds of NaN, which meet nothing
            if box is not None and box[0] <= x1 and box[2] >= x0 and box[1] <= y1 and box[3] >= y0
        ]
        return settled + loose

    def _plant(self) -> None:
        self._ids = list(self._geometries)
        geometries = np.empty(len(self._ids), object)
        geometries[:] = list(self._geometries.values())
        self._tree = shapely.STRtree(geometries)
        self._loose.clear()
