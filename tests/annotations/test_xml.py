"""ASAP and ImageScope: real files, round trips, hostile files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from slideconcord.annotations import (
    Annotation,
    Annotations,
    asap_read,
    read_annotations,
    write_annotations,
)
from slideconcord.annotations.contours import polygons_from_mask
from slideconcord.annotations.limits import LIMITS
from slideconcord.errors import AnnotationError
from slideconcord.geometry import Frame

FORMATS = ("asap", "imagescope")


def read_text(tmp_path: Path, text: str) -> Annotations:
    (tmp_path / "a.xml").write_text(text, "utf-8")
    return read_annotations(tmp_path / "a.xml")


def failure(tmp_path: Path, text: str) -> str:
    with pytest.raises(AnnotationError) as caught:
        read_text(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert caught.value.path == str(tmp_path / "a.xml")
    return str(caught.value)


def asap(*points: tuple[object, object], kind: str = "Polygon", group: str = "None") -> str:
    coordinates = "".join(
        f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>' for i, (x, y) in enumerate(points)
    )
    return (
        f'<ASAP_Annotations><Annotations><Annotation Name="n" Type="{kind}" PartOfGroup="{group}" '
        f'Color="#F4FA58"><Coordinates>{coordinates}</Coordinates></Annotation></Annotations>'
        '<AnnotationGroups><Group Name="T" PartOfGroup="None" Color="#0000ff"/></AnnotationGroups>'
        "</ASAP_Annotations>"
    )


def imagescope(
    *regions: tuple[str, str, list[tuple[float, float]]], layer: str = 'Name="T"'
) -> str:
    texts = (
        f'<Region Type="{kind}" NegativeROA="{negative}"><Vertices>'
        + "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in points)
        + "</Vertices></Region>"
        for kind, negative, points in regions
    )
    return (
        f'<Annotations MicronsPerPixel="0.25"><Annotation Id="1" {layer} LineColor="255"><Regions>'
        + "".join(texts)
        + "</Regions></Annotation></Annotations>"
    )


def square(x: float, y: float, side: float) -> list[tuple[float, float]]:
    return [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]


@pytest.mark.parametrize("format_name", FORMATS)
def test_masks_with_holes_islands_and_touching_corners_come_back_exactly(
    tmp_path: Path, format_name: str
) -> None:
    mask = np.random.default_rng(3).random((24, 24)) < 0.62
    polygons = polygons_from_mask(mask, Frame(0.1, 1 / 3, 1.7, 2.3))
    assert any(len(polygon.interiors) for polygon in polygons)
    drawn = [
        Annotation(polygon, class_name=f"class {i % 2}", colour=(i % 2, 20, 30), name=f"<&\"'{i}")
        for i, polygon in enumerate(polygons)
    ]
    assert write_annotations(drawn, tmp_path / "a.xml", format=format_name) == []
    back = read_annotations(tmp_path / "a.xml")
    assert back.report == ()
    by_name = {annotation.name: annotation for annotation in back}
    assert len(by_name) == len(back) == len(drawn)
    for before in drawn:
        after = by_name[before.name]
        assert after.geometry.equals(before.geometry)
        assert (after.class_name, after.colour) == (before.class_name, before.colour)


@pytest.mark.parametrize("format_name", FORMATS)
def test_what_a_format_has_no_place_for_is_reported(tmp_path: Path, format_name: str) -> None:
    parts = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 2, 3, 3)])
    drawn = [
        Annotation(parts, name="two", observer="A", measurements={"a": 1}),
        Annotation(shapely.Polygon(), name="none", locked=True),
        Annotation(shapely.LineString([(0, 0), (1, 1)]), name="line"),
        Annotation(shapely.Point(5, 6), name="bad\x00name"),
    ]
    report = write_annotations(drawn, tmp_path / "a.xml", format=format_name)
    text = "\n".join(report)
    for fact in ("observer", "measurements", "locked"):
        assert f"has no place for the {fact} of 1 annotation(s)" in text
    assert "annotation 0 (two): its 2 parts were written as" in text
    assert "annotation 1 (none): left out, it is empty" in text
    back = read_annotations(tmp_path / "a.xml")
    kinds = ["Polygon", "Polygon", "LineString", "Point"]
    assert [a.geometry.geom_type for a in back] == kinds
    assert back[-1].name == "bad\ufffdname"


@pytest.mark.parametrize("format_name", FORMATS)
def test_coordinates_that_are_no_numbers_are_not_written(tmp_path: Path, format_name: str) -> None:
    bad = Annotation(shapely.Point(np.nan, 1), name="x")
    with pytest.raises(AnnotationError, match=r"Annotation 0 \(x\) has a coordinate that is not"):
        write_annotations([bad], tmp_path / "a.xml", format=format_name)
    assert list(tmp_path.iterdir()) == []


def test_asap_reads_every_type(tmp_path: Path) -> None:
    points = [(0, 0), (4, 0), (4, 3)]
    kinds = {
        "Polygon": "Polygon",
        "Spline": "Polygon",
        "Rectangle": "Polygon",
        "PointSet": "MultiPoint",
        "Dot": "Point",
        "Measurement": "LineString",
    }
    for kind, expected in kinds.items():
        (found,) = read_text(tmp_path, asap(*points, kind=kind, group="T"))
        assert found.geometry.geom_type == expected
        assert (found.class_name, found.colour, found.name) == ("T", (0, 0, 255), "n")
    assert read_text(tmp_path, asap(*points, kind="Spline")).report == (
        "1 spline(s) were read as straight lines between their points",
    )


def test_asap_sorts_by_order_and_refuses_what_it_cannot(tmp_path: Path) -> None:
    text = asap(*square(0, 0, 2))
    swapped = text.replace('Order="1"', 'Order="9"').replace('Order="2"', 'Order="1"')
    (found,) = read_text(tmp_path, swapped.replace('Order="9"', 'Order="2"'))
    assert not found.geometry.equals(shapely.box(0, 0, 2, 2))
    for order in ("0", "-1", "x", "9" * 5000):
        message = failure(tmp_path, text.replace('Order="1"', f'Order="{order}"'))
        assert "annotation 0 (n) has a coordinate of Order=" in message
    assert "unknown type 'Blob'" in failure(tmp_path, asap((0, 0), kind="Blob"))


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "", "1,5", "abc" * 5000])
def test_coordinates_must_be_finite_numbers(tmp_path: Path, value: str) -> None:
    assert "annotation 0 (n) has X=" in failure(tmp_path, asap((value, 0), (1, 1)))
    message = failure(tmp_path, imagescope(("0", "0", [(value, 0)])))  # type: ignore[list-item]
    assert "layer 1, region 1 has X=" in message


def test_imagescope_negative_regions_are_holes(tmp_path: Path) -> None:
    found = read_text(
        tmp_path,
        imagescope(
            ("0", "1", square(2, 2, 6)),
            ("0", "0", square(0, 0, 10)),
            ("0", "0", square(4, 4, 2)),  # an island in the hole
            ("0", "1", square(50, 50, 2)),
        ),
    )
    assert [a.geometry.area for a in found] == [64, 4]
    assert found.report == ("layer 1, region 4: cuts nothing; left out",)
    assert found.metadata == {"microns_per_pixel": 0.25}
    assert found[0].colour == (255, 0, 0)


def test_imagescope_types_and_layer_names(tmp_path: Path) -> None:
    corners = [(0.0, 0.0), (20.0, 10.0)]
    found = read_text(
        tmp_path,
        imagescope(("2", "0", corners), ("4", "0", corners), ("5", "0", corners[:1]), layer=""),
    )
    assert found[0].geometry.area == pytest.approx(np.pi * 50, rel=1e-3)
    assert [a.geometry.geom_type for a in found] == ["Polygon", "LineString", "Point"]
    assert found[0].is_ellipse
    assert {a.class_name for a in found} == {None}
    named = imagescope(("0", "0", square(0, 0, 1)), layer="").replace(
        "<Regions>", '<Attributes><Attribute Name="CaP"/></Attributes><Regions>'
    )
    assert read_text(tmp_path, named)[0].class_name == "CaP"


def test_outlines_that_enclose_nothing_or_cross_are_reported(tmp_path: Path) -> None:
    assert read_text(tmp_path, asap((0, 0), (1, 1))).report == (
        "annotation 0 (n): left out, it has fewer than three different points",
    )
    bow = read_text(tmp_path, asap((0, 0), (10, 10), (10, 0), (0, 10)))
    assert bow[0].geometry.area == 50
    assert "crosses itself; it was repaired, area 0 -> 50 px²" in bow.report[0]
    assert "left out, it has no coordinates" in read_text(tmp_path, asap()).report[0]
    flat = read_text(tmp_path, asap((0, 0), (1, 1), (2, 2)))
    assert "its outline encloses nothing" in flat.report[0]


def test_hostile_xml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "lol"}">' for i in range(10))
    document = f"<!DOCTYPE x [{bomb}]><ASAP_Annotations>&a9;</ASAP_Annotations>"
    assert "declares a document type or entities" in failure(tmp_path, document)
    outside = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><ASAP_Annotations>&e;'
    assert "declares a document type or entities" in failure(tmp_path, outside)
    assert "the XML is damaged" in failure(tmp_path, asap((1, 2))[:-9])
    assert "the XML is damaged" in failure(tmp_path, asap((1, 2)) + "<more/>")
    deep = "<ASAP_Annotations>" + "<a>" * 200_000
    assert "<a> is nested too deep" in failure(tmp_path, deep)
    long = asap((1, 2)).replace('Name="n"', f'Name="{"n" * 1_000_000}"')
    assert "has a Name attribute of 1,000,000 characters" in failure(tmp_path, long)
    other = "<Other><!-- <ASAP_Annotations --></Other>"
    assert "begins with <Other>, not <ASAP_Annotations>" in failure(tmp_path, other)
    monkeypatch.setattr(asap_read, "LIMITS", replace(LIMITS, vertices=2))
    assert "more than 2 points" in failure(tmp_path, asap(*square(0, 0, 1)))


def test_asap_files_that_use_a_group_declare_it(tmp_path: Path) -> None:
    hole = shapely.Polygon(square(0, 0, 9), [square(1, 1, 2)])
    write_annotations([Annotation(hole, "T")], tmp_path / "a.xml", format="asap")
    text = (tmp_path / "a.xml").read_text()
    assert '<Group Name="T" PartOfGroup="None" Color="#f4fa58">' in text
    assert '<Group Name="T hole" PartOfGroup="T"' in text


def test_real_asap_files(real_data: Path) -> None:
    found = read_annotations(real_data / "annotations" / "asap" / "camelyon16-tumor_009.xml")
    assert {a.class_name for a in found} == {"metastasis"}
    assert {a.colour for a in found} == {(0, 0, 255)}
    assert len(found) == 6
    assert all(a.geometry.is_valid for a in found)


def test_real_imagescope_files(real_data: Path) -> None:
    path = real_data / "annotations" / "imagescope" / "TCGA-EJ-5518-01Z-00-DX1.xml"
    found = read_annotations(path)
    # the file states the area of its first region
    assert found[0].geometry.area == pytest.approx(29046449.6, abs=0.1)
    assert [a.class_name for a in found] == ["CaP", "CaP", None, None]
    assert [a.colour for a in found[:2]] == [(0, 255, 0)] * 2
