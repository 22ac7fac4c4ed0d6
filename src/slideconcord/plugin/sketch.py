"""The shapes layer a hand works on: what it draws becomes changes, what is chosen is shown."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from napari.layers.base import ActionType
from qtpy.QtCore import QObject, QTimer

from slideconcord.annotations.editing import operations as op
from slideconcord.annotations.editing.shapes import area_of, joined
from slideconcord.annotations.outlines import area_of as area_in
from slideconcord.annotations.outlines import polygons_of
from slideconcord.plugin.annotate_layers import (
    EDGE_PX,
    SKETCH_COLOUR,
    Ring,
    sketch_layer,
    to_points,
    to_ring,
)
from slideconcord.plugin.results import same_selection
from slideconcord.plugin.throttle import Throttle
from slideconcord.plugin.writer import ring_of

if TYPE_CHECKING:
    from slideconcord.annotations import Annotation
    from slideconcord.annotations.editing import Change, Sheet
    from slideconcord.plugin.annotating import Editor

MOST_SHOWN = 100
"""Of more chosen annotations only so many get their yellow outline."""
_EDGE_MS = 100
CROSSED = "The outline crossed itself where it was pulled; it was repaired."


class Sketch(QObject):
    """Keeps a shapes layer and an editor in step."""

    def __init__(self, editor: Editor) -> None:
        super().__init__(editor)
        self._editor = editor
        self._viewer = editor.session.viewer
        self._owners: list[tuple[str, int]] = []
        """For each shape shown: whose ring it is, and of which polygon of it."""
        self._rings: list[Ring] = []
        self._shown: list[Ring] = []
        """The same as napari gives them back, rounded."""
        self._is_ours = False
        self.splits = False
        """Whether a line that is drawn cuts what is chosen."""
        data, keywords, _ = sketch_layer(editor.entry)
        with same_selection(self._viewer):
            self.layer = self._viewer.add_shapes(data, **keywords)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self._take_drawn)
        self._edges = Throttle(self._fit_edges, _EDGE_MS, self)
        self.layer.events.data.connect(self._on_data)
        self._viewer.scene.camera.events.zoom.connect(self._edges.ask)
        self._fit_edges()

    def close(self) -> None:
        self._later.stop()
        self._edges.cancel()
        self._viewer.scene.camera.events.zoom.disconnect(self._edges.ask)
        self.layer.events.data.disconnect(self._on_data)
        if self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)

    @property
    def edits_vertices(self) -> bool:
        """Whether the outlines of what is chosen can be pulled."""
        return str(self.layer.mode) in ("direct", "vertex_insert", "vertex_remove", "select")

    def show_selection(self) -> None:
        """Show the outlines of what is chosen, and nothing else."""
        sheet, rings = self._editor.sheet, []
        self._owners = []
        for key in self._editor.selection[:MOST_SHOWN]:
            for number, polygon in enumerate(polygons_of(sheet[key].geometry)):
                for line in (polygon.exterior, *polygon.interiors):
                    rings.append(to_ring(line))
                    self._owners.append((key, number))
        self._set(rings)

    def _set(self, rings: list[Ring]) -> None:
        self._rings, self._is_ours = rings, True
        try:
            self.layer.selected_data = set()
            self.layer.data = []
            if rings:
                self.layer.add(
                    rings,
                    shape_type="polygon",
                    edge_color=SKETCH_COLOUR,
                    face_color="transparent",
                    edge_width=self._edge_width(),
                )
                if self.edits_vertices:  # napari shows the vertices of what it has selected
                    self.layer.selected_data = set(range(len(rings)))
        finally:
            self._is_ours = False
        self._shown = [np.array(ring) for ring in self.layer.data]

    def _on_data(self, event: Any) -> None:
        if self._is_ours or event.action not in (
            ActionType.ADDED,
            ActionType.CHANGED,
            ActionType.REMOVED,
        ):
            return
        # napari is not done with the shape yet
        self._later.start()

    def _take_drawn(self) -> None:
        """Turn what a hand drew or pulled into a change."""
        shapes = list(zip(self.layer.data, self.layer.shape_type, strict=True))
        known = len(self._owners)
        if len(shapes) < known:
            self.show_selection()  # napari deleted some: whole annotations are deleted by the dock
            return
        drawn, mode = shapes[known:], self.layer.mode
        if not drawn:
            self._take_pulled([np.asarray(ring) for ring, _ in shapes])
            return
        self.show_selection()
        for vertices, kind in drawn:
            if self.splits:
                line = to_points(vertices)
                self._editor.do(partial(self._split, line))
            elif (ring := ring_of(vertices, str(kind))) is not None:
                self._add(ring, is_ellipse=str(kind) == "ellipse")
        self.layer.mode = mode

    def _add(self, ring: Ring, *, is_ellipse: bool) -> None:
        told: list[str] = []
        area = area_in(to_points(ring), lambda line: told.append(f"The new outline {line}."))
        if area is not None:
            new = replace(self._editor.template(area_of(area)), is_ellipse=is_ellipse)
            self._editor.do(op.add([new]))
        if told:
            self._editor.said.emit(" ".join(told))

    def _take_pulled(self, rings: list[Ring]) -> None:
        """Reshape what was pulled; rings that were not stay as exact as they were."""
        pulled = [not np.array_equal(*each) for each in zip(rings, self._shown, strict=True)]
        rings = [new if p else old for new, old, p in zip(rings, self._rings, pulled, strict=True)]
        owners = zip(self._owners, pulled, strict=True)
        for key in dict.fromkeys(owner for (owner, _), was_pulled in owners if was_pulled):
            polygons = self._polygons(key, rings)
            new = joined([area_of(each) for each in polygons])
            crosses = not all(each.is_valid for each in polygons)
            if self._editor.do(partial(op.reshape, key=key, geometry=new)) and crosses:
                self._editor.said.emit(CROSSED)

    def _polygons(self, key: str, rings: list[Ring]) -> list[shapely.Polygon]:
        parts: dict[int, list[Any]] = {}
        for (owner, number), ring in zip(self._owners, rings, strict=True):
            if owner == key:
                parts.setdefault(number, []).append(to_points(ring))
        return [shapely.Polygon(exterior, holes) for exterior, *holes in parts.values()]

    def _split(self, line: list[tuple[float, float]], sheet: Sheet) -> Change:
        return op.split(sheet, self._targets(line), line)

    def _targets(self, line: list[tuple[float, float]]) -> list[str]:
        """Return what a line is to cut: what is chosen, else all it crosses that is not locked."""
        if self._editor.selection:
            return list(self._editor.selection)
        sheet, knife = self._editor.sheet, shapely.LineString(line)
        crossed: list[Annotation] = [
            a for a in sheet.near(knife.bounds) if a.geometry.intersects(knife)
        ]
        return [a.id for a in crossed if not sheet.is_locked(a)]

    def _edge_width(self) -> float:
        return EDGE_PX / self._viewer.scene.camera.zoom / max(self._editor.entry.slide.mpp)

    def _fit_edges(self) -> None:
        width = self._edge_width()
        self.layer.current_edge_width = width
        if len(self.layer.data):
            self.layer.edge_width = width
