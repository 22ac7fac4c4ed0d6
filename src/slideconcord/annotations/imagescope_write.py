"""Aperio ImageScope XML, written: one layer per class, holes as regions marked NegativeROA."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import shapely
from shapely.geometry.base import BaseGeometry

from slideconcord.annotations.annotation import Annotation, Annotations, Colour
from slideconcord.annotations.hints import Hints
from slideconcord.annotations.imagescope_read import PIN, RULER
from slideconcord.annotations.outlines import (
    lost_facts,
    polygons_of,
    positions,
    require_finite,
    thin_parts_of,
)
from slideconcord.annotations.xml_scan import attribute, decimal

_GREEN: Colour = (0, 255, 0)


def write(annotations: Annotations, path: Path, hints: Hints) -> list[str]:
    """Write an ImageScope file, one layer per class; return what it has no place for."""
    require_finite(annotations)
    report = lost_facts(annotations, {"class_name", "name"}, "ImageScope XML")
    mpp = math.sqrt(hints.mpp.y * hints.mpp.x) if hints.mpp else None
    unit = "" if mpp is None else f' MicronsPerPixel="{decimal(mpp)}"'
    layers: dict[str | None, list[tuple[int, Annotation]]] = {}
    for i, annotation in enumerate(annotations):
        layers.setdefault(annotation.class_name, []).append((i, annotation))
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"<Annotations{unit}>\n")
        for layer, (name, members) in enumerate(layers.items(), 1):
            colour = next((a.colour for _, a in members if a.colour is not None), _GREEN)
            red, green, blue = colour
            file.write(
                f'\t<Annotation Id="{layer}" Name={attribute(name or "")} ReadOnly="0" '
                f'LineColor="{red | green << 8 | blue << 16}" Visible="1" Type="4">\n'
                "\t\t<Attributes/>\n\t\t<Regions>\n"
            )
            _write_regions(file, members, mpp, report)
            file.write("\t\t</Regions>\n\t\t<Plots/>\n\t</Annotation>\n")
        file.write("</Annotations>\n")
    return report


def _write_regions(
    file: IO[str],
    members: Iterable[tuple[int, Annotation]],
    mpp: float | None,
    report: list[str],
) -> None:
    identifier = 0
    for i, annotation in members:
        label = f"annotation {i} ({annotation.name or annotation.id})"
        count = 0
        for kind, negative, line in _lines(annotation.geometry):
            identifier += 1
            count += not negative
            _write_region(file, identifier, kind, negative, annotation.name or "", line, mpp)
        if count > 1:
            report.append(f"{label}: its {count} parts were written as separate regions")
        if count == 0:
            report.append(f"{label}: left out, it is empty")


def _lines(geometry: BaseGeometry) -> Iterator[tuple[str, bool, BaseGeometry]]:
    """Yield (type, whether it is a hole, line) of every region that a geometry needs."""
    for polygon in polygons_of(geometry):
        yield "0", False, polygon.exterior
        for hole in polygon.interiors:
            yield "0", True, hole
    for part in thin_parts_of(geometry):
        if part.geom_type == "LineString":
            yield RULER, False, part
        else:
            for point in getattr(part, "geoms", [part]):
                yield PIN, False, point


def _write_region(
    file: IO[str],
    identifier: int,
    kind: str,
    negative: bool,
    text: str,
    line: BaseGeometry,
    mpp: float | None,
) -> None:
    closed = line.geom_type == "LinearRing"
    area = shapely.Polygon(line).area if closed else 0.0
    microns = (
        f' LengthMicrons="{line.length * mpp:.1f}" AreaMicrons="{area * mpp**2:.1f}"' if mpp else ""
    )
    file.write(
        f'\t\t\t<Region Id="{identifier}" Type="{kind}" Zoom="1" Selected="0" '
        f'Length="{line.length:.1f}" Area="{area:.1f}"{microns} Text={attribute(text)} '
        f'NegativeROA="{int(negative)}" InputRegionId="0" Analyze="1" DisplayId="{identifier}">\n'
        "\t\t\t\t<Attributes/>\n\t\t\t\t<Vertices>\n"
    )
    for x, y in positions(line, closed=closed):
        file.write(f'\t\t\t\t\t<Vertex X="{decimal(x)}" Y="{decimal(y)}" Z="0"/>\n')
    file.write("\t\t\t\t</Vertices>\n\t\t\t</Region>\n")
