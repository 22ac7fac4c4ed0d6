"""ASAP XML, written. Holes become polygons of a group "<class> hole" within the class's."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from slideconcord.annotations.annotation import Annotation, Annotations, Colour
from slideconcord.annotations.asap_read import HOLE, NO_GROUP
from slideconcord.annotations.hints import Hints
from slideconcord.annotations.outlines import (
    Points,
    lost_facts,
    polygons_of,
    positions,
    require_finite,
    thin_parts_of,
)
from slideconcord.annotations.xml_scan import attribute, decimal

_DEFAULT: Colour = (244, 250, 88)


def write(annotations: Annotations, path: Path, hints: Hints) -> list[str]:
    """Write an ASAP file; return what it has no place for, one line each."""
    require_finite(annotations)
    report = lost_facts(annotations, {"class_name", "name"}, "ASAP XML")
    groups: dict[str, tuple[str, Colour]] = {}
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write('<?xml version="1.0"?>\n<ASAP_Annotations>\n\t<Annotations>\n')
        for i, annotation in enumerate(annotations):
            _write_annotation(annotation, i, file, groups, report)
        file.write("\t</Annotations>\n\t<AnnotationGroups>\n")
        # ASAP discards a file that uses a group it does not declare
        for name, (parent, colour) in groups.items():
            file.write(
                f"\t\t<Group Name={attribute(name)} PartOfGroup={attribute(parent)} "
                f'Color="{_hex(colour)}">\n\t\t\t<Attributes />\n\t\t</Group>\n'
            )
        file.write("\t</AnnotationGroups>\n</ASAP_Annotations>\n")
    return report


def _write_annotation(
    annotation: Annotation,
    number_: int,
    file: IO[str],
    groups: dict[str, tuple[str, Colour]],
    report: list[str],
) -> None:
    label = f"annotation {number_} ({annotation.name or annotation.id})"
    group, colour = annotation.class_name or NO_GROUP, annotation.colour or _DEFAULT
    if group != NO_GROUP:
        groups.setdefault(group, (NO_GROUP, colour))
    name = annotation.name or f"Annotation {number_}"
    polygons = polygons_of(annotation.geometry)
    if len(polygons) > 1:
        report.append(f"{label}: its {len(polygons)} parts were written as annotations of one name")
    for polygon in polygons:
        _write_outline(
            file, name, "Polygon", group, colour, positions(polygon.exterior, closed=True)
        )
        for hole in polygon.interiors:
            inner = f"{'' if group == NO_GROUP else group}{HOLE}"
            groups.setdefault(inner, (group, colour))
            _write_outline(
                file, name + HOLE, "Polygon", inner, colour, positions(hole, closed=True)
            )
    for part in thin_parts_of(annotation.geometry):
        kind = {"Point": "Dot", "MultiPoint": "PointSet", "LineString": "Measurement"}
        _write_outline(file, name, kind[part.geom_type], group, colour, positions(part))
    if annotation.geometry.is_empty:
        report.append(f"{label}: left out, it is empty")


def _write_outline(
    file: IO[str], name: str, kind: str, group: str, colour: Colour, points: Points
) -> None:
    file.write(
        f'\t\t<Annotation Name={attribute(name)} Type="{kind}" PartOfGroup={attribute(group)} '
        f'Color="{_hex(colour)}">\n\t\t\t<Coordinates>\n'
    )
    for order, (x, y) in enumerate(points):
        file.write(f'\t\t\t\t<Coordinate Order="{order}" X="{decimal(x)}" Y="{decimal(y)}" />\n')
    file.write("\t\t\t</Coordinates>\n\t\t</Annotation>\n")


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
