"""GeoJSON: what QuPath writes is read, what is written QuPath reads, nothing vanishes silently."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from slideconcord.annotations import Annotation, Annotations, read_annotations, write_annotations
from slideconcord.annotations import geojson_split as split
from slideconcord.annotations.contours import polygons_from_mask
from slideconcord.errors import MismatchError, ParameterError
from slideconcord.geometry import Box, Frame

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]}
REAL = (
    "qupath05.geojson",
    "holed.geojson",
    "qupath-polygon-cell-classified.json",
    "qupath-ellipse.json",
    "qupath-multipoint.json",
    "qupath-line.json",
)
FACTS = ["class_name", "colour", "name", "observer", "id", "locked", "measurements", "metadata"]
ID = "6423a977-ffff-48db-affc-cd11632010f0"


def feature(geometry: Any = SQUARE, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "id": ID, "geometry": geometry, "properties": properties}


def read_text(tmp_path: Path, content: Any, name: str = "a.geojson") -> Annotations:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_annotations(path)


def read_one(tmp_path: Path, content: Any) -> Annotation:
    (annotation,) = read_text(tmp_path, content)
    return annotation


def written(tmp_path: Path, *annotations: Annotation, **options: Any) -> dict[str, Any]:
    write_annotations(annotations, tmp_path / "w.geojson", **options)
    record: dict[str, Any] = json.loads((tmp_path / "w.geojson").read_text())
    return record


@pytest.mark.parametrize(
    "document",
    [
        {"type": "FeatureCollection", "features": [feature()]},
        {"features": [feature()], "type": "FeatureCollection", "name": "after"},
        [feature()],
        feature(),
        SQUARE,
    ],
)
def test_every_form_of_document_is_read(tmp_path: Path, document: Any) -> None:
    assert read_one(tmp_path, document).geometry.equals(shapely.box(0, 0, 10, 10))


def test_all_that_qupath_says_of_an_object(tmp_path: Path) -> None:
    found = read_one(
        tmp_path,
        feature(
            objectType="detection",
            name="Läsion 1",
            color=[1, 2, 3],
            classification={"name": "Tumor", "color": [200, 0, 0]},
            isLocked=True,
            measurements={"Dice": 0.91, "a": "NaN", "b": "-Infinity"},
            metadata={"observer": "A", "round": 2},
        ),
    )
    assert (found.id, found.object_type, found.name) == (ID, "detection", "Läsion 1")
    assert (found.class_name, found.colour, found.locked) == ("Tumor", (1, 2, 3), True)
    assert (found.observer, found.metadata) == ("A", {"round": "2"})
    assert found.measurements["Dice"] == 0.91
    assert math.isnan(found.measurements["a"])
    assert found.measurements["b"] == -math.inf


@pytest.mark.parametrize(
    ("classification", "name", "colour"),
    [
        ("Tumor", "Tumor", None),
        ({"name": "Tumor", "color": [1, 2, 3]}, "Tumor", (1, 2, 3)),
        ({"name": "Tumor", "color": [1, 2, 3, 128]}, "Tumor", (1, 2, 3)),
        ({"name": "Cell", "colorRGB": -8397766}, "Cell", (127, 220, 58)),
        ({"names": ["Tumor", "Positive"], "color": [1, 2, 3]}, "Tumor: Positive", (1, 2, 3)),
        ({"name": "P", "parentClass": {"name": "T"}, "colorRGB": 0}, "T: P", (0, 0, 0)),
        ({"name": "Tumor"}, "Tumor", None),
        ({"name": "Tumor", "color": "#0a141e"}, "Tumor", (10, 20, 30)),
        ({}, None, None),
        (None, None, None),
    ],
)
def test_classifications_old_and_new(
    tmp_path: Path, classification: Any, name: str | None, colour: Any
) -> None:
    found = read_one(tmp_path, feature(classification=classification))
    assert (found.class_name, found.colour) == (name, colour)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id": "PathDetectionObject"}, "detection"),
        ({"properties": {"object_type": "cell"}}, "cell"),
        ({"properties": {"type": "tma_core"}}, "tmaCore"),
        ({"objectType": "tile"}, "tile"),
        ({"id": None}, "annotation"),
    ],
)
def test_object_types_of_every_version(
    tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    found = read_one(tmp_path, {**feature(), **changes})
    assert found.object_type == expected
    if "id" in changes:
        assert UUID(found.id) != UUID(ID)


def test_tiatoolbox_keeps_the_class_in_type(tmp_path: Path) -> None:
    assert read_one(tmp_path, feature(type="Gland")).class_name == "Gland"
    assert read_one(tmp_path, feature(type=3)).class_name == "3"


def test_old_measurement_lists_and_what_is_no_number(tmp_path: Path) -> None:
    old = [{"name": "Area", "value": 3.5}, {"name": "Odd", "value": "much"}]
    found = read_text(tmp_path, feature(measurements=old))
    assert found[0].measurements == {"Area": 3.5}
    assert found.report == ("feature 0: measurement 'Odd' is no number, left out",)


def test_repeated_metadata_is_joined_and_other_repetitions_are_reported(tmp_path: Path) -> None:
    properties = '{"name": "x", "name": "y", "metadata": {"a": "1"}, "metadata": {"b": "2"}}'
    text = json.dumps(feature()).replace('"properties": {}', f'"properties": {properties}')
    found = read_text(tmp_path, f"[{text}]")
    assert (found[0].name, found[0].metadata) == ("y", {"a": "1", "b": "2"})
    assert found.report == ("feature 0: 'name' stands twice, its last value was taken",)


def test_children_follow_their_parents(tmp_path: Path) -> None:
    inner = feature({"type": "Point", "coordinates": [1, 2]}, name="inner")
    child = feature(name="child", childObjects=[inner])
    found = read_text(tmp_path, [feature(name="outer", childObjects=[child]), feature(name="next")])
    assert [a.name for a in found] == ["outer", "child", "inner", "next"]


def test_nucleus_plane_and_ellipse_survive(tmp_path: Path) -> None:
    circle = shapely.Point(50, 50).buffer(20, quad_segs=32)
    cell = Annotation(
        circle,
        nucleus=shapely.box(45, 45, 55, 55),
        plane=(-1, 2, 3),
        is_ellipse=True,
        object_type="cell",
    )
    record = written(tmp_path, cell)["features"][0]
    assert record["geometry"]["plane"] == {"c": -1, "z": 2, "t": 3}
    assert record["geometry"]["isEllipse"] is True
    assert record["nucleusGeometry"]["type"] == "Polygon"
    (back,) = read_annotations(tmp_path / "w.geojson")
    assert (back.plane, back.is_ellipse, back.object_type) == ((-1, 2, 3), True, "cell")
    assert back.nucleus is not None
    assert back.nucleus.equals(cell.nucleus)


def test_an_edited_ellipse_is_no_ellipse_any_more(tmp_path: Path) -> None:
    square = Annotation(shapely.box(0, 0, 9, 9), is_ellipse=True)
    assert "isEllipse" not in written(tmp_path, square)["features"][0]["geometry"]


def test_written_features_have_what_qupath_demands(tmp_path: Path) -> None:
    annotation = Annotation(
        shapely.box(1, 2, 3, 4),
        class_name="Tumor",
        observer="A",
        id="slide7-region-3",
        measurements={"Dice": 0.5, "none": math.nan},
    )
    record = written(tmp_path, annotation, metadata={"provenance": {"model": "m"}})
    assert record["type"] == "FeatureCollection"
    assert record["metadata"] == {"provenance": {"model": "m"}}
    (found,) = record["features"]
    UUID(found["id"])
    assert found["properties"] == {
        "objectType": "annotation",
        "classification": {"name": "Tumor", "color": [200, 0, 0]},
        "measurements": {"Dice": 0.5, "none": "NaN"},
        "metadata": {"observer": "A"},
    }
    ring = found["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1]
    assert all(isinstance(v, int) for position in ring for v in position)
    assert json.dumps(record) == json.dumps(
        written(tmp_path, annotation, metadata=record["metadata"])
    )


def test_a_class_within_a_class_is_written_as_names(tmp_path: Path) -> None:
    properties = written(tmp_path, Annotation(shapely.box(0, 0, 1, 1), "T: P", (1, 2, 3)))
    classification = properties["features"][0]["properties"]["classification"]
    assert classification == {"names": ["T", "P"], "color": [1, 2, 3]}


@settings(deadline=None)
@given(st.data())
def test_round_trips_keep_area_topology_and_facts(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    step = data.draw(st.floats(0.3, 5))
    mask = np.array(
        data.draw(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1))
    )
    polygons = polygons_from_mask(mask, Frame(data.draw(st.floats(0, 1e5)), 0, step, step))
    drawn = [
        Annotation(
            polygon,
            class_name=data.draw(st.none() | st.text(min_size=1)),
            colour=(1, 2, i % 256),
            name=data.draw(st.none() | st.text()),
            observer=data.draw(st.none() | st.text()),
            locked=data.draw(st.booleans()),
            measurements=data.draw(st.dictionaries(st.text(), st.floats(allow_nan=False))),
            metadata=data.draw(
                st.dictionaries(st.text().filter(lambda k: k != "observer"), st.text())
            ),
        )
        for i, polygon in enumerate(polygons)
    ]
    path = tmp_path_factory.mktemp("trip") / data.draw(
        st.sampled_from(["a.geojson", "a.geojson.gz"])
    )
    assert write_annotations(drawn, path) == []
    back = read_annotations(path)
    assert back.report == ()
    assert len(back) == len(drawn)
    for before, after in zip(drawn, back, strict=True):
        assert after.geometry.area == pytest.approx(before.geometry.area, rel=1e-6)
        assert len(after.geometry.interiors) == len(before.geometry.interiors)
        for name in (
            "class_name",
            "colour",
            "name",
            "observer",
            "id",
            "locked",
            "measurements",
            "metadata",
        ):
            if name != "colour" or before.class_name is not None:
                assert getattr(after, name) == getattr(before, name)


def test_pixel_edges_at_whole_steps_come_back_exactly(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random((40, 40)) < 0.6
    polygons = polygons_from_mask(mask, Frame(1000, 2000, 4, 4))
    write_annotations([Annotation(p) for p in polygons], tmp_path / "a.geojson")
    back = read_annotations(tmp_path / "a.geojson")
    for annotation, polygon in zip(back, polygons, strict=True):
        assert annotation.geometry.area == polygon.area
        assert annotation.geometry.equals(polygon)


def test_every_geometry_type_survives(tmp_path: Path) -> None:
    hole = shapely.Polygon([(0, 0), (9, 0), (9, 9), (0, 9)], [[(1, 1), (2, 1), (2, 2)]])
    geometries = [
        shapely.Point(1.5, 2),
        shapely.MultiPoint([(1, 2), (3, 4)]),
        shapely.LineString([(0, 0), (1, 1)]),
        shapely.MultiLineString([[(0, 0), (1, 1)], [(2, 2), (3, 3), (4, 2)]]),
        hole,
        shapely.MultiPolygon([hole, shapely.box(20, 20, 30, 30)]),
        shapely.GeometryCollection([shapely.Point(1, 2), hole]),
    ]
    write_annotations([Annotation(g) for g in geometries], tmp_path / "a.geojson")
    back = read_annotations(tmp_path / "a.geojson")
    assert [a.geometry.geom_type for a in back] == [g.geom_type for g in geometries]
    assert all(a.geometry.equals(g) for a, g in zip(back, geometries, strict=True))


def test_bounds_are_subtracted_and_added_again(tmp_path: Path) -> None:
    box = Box(1000, 2000, 30_000, 40_000)
    annotation = Annotation(shapely.box(2100, 1200, 2200, 1300), nucleus=shapely.Point(2150, 1250))
    record = written(tmp_path, annotation, bounds=box)
    ring = shapely.Polygon(record["features"][0]["geometry"]["coordinates"][0])
    assert ring.bounds == (100, 200, 200, 300)
    (back,) = read_annotations(tmp_path / "w.geojson")
    assert back.geometry.equals(annotation.geometry)
    assert back.nucleus == annotation.nucleus
    assert read_annotations(tmp_path / "w.geojson", bounds=box)[0] == back
    with pytest.raises(MismatchError, match="written for the slide bounds"):
        read_annotations(tmp_path / "w.geojson", bounds=Box(1, 2, 3, 4))
    # QuPath keeps no metadata of the whole file: then the caller says it
    del record["metadata"]
    found = read_text(tmp_path, record)
    assert found[0].geometry.bounds == (100, 200, 200, 300)
    (moved,) = read_annotations(tmp_path / "a.geojson", bounds=box)
    assert moved.geometry.bounds == (2100, 1200, 2200, 1300)
    # and a file read with bounds and written without them counts from the slide's corner
    again = written(tmp_path, moved)
    assert "metadata" not in again


def test_self_crossing_outlines_are_repaired_and_reported(tmp_path: Path) -> None:
    bow = {"type": "Polygon", "coordinates": [[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]]}
    found = read_text(tmp_path, [feature(), feature(bow)])
    assert found[1].geometry.is_valid
    assert found[1].geometry.area == 50
    (line,) = found.report
    assert line.startswith("feature 1: has an outline that crosses itself; it was repaired")
    report = write_annotations(
        [Annotation(shapely.Polygon(bow["coordinates"][0]), name="bow")], tmp_path / "w.geojson"
    )
    assert report == [
        "annotation 0 (bow): its outline crossed itself and was repaired; area 0 -> 50 px²"
    ]


def test_what_encloses_nothing_is_left_out_and_reported(tmp_path: Path) -> None:
    line = {"type": "Polygon", "coordinates": [[[0, 0], [5, 5], [0, 0]]]}
    open_ring = {"type": "Polygon", "coordinates": [[[0, 0], [5, 0], [5, 5]]]}
    tiny_hole = {"type": "Polygon", "coordinates": [*SQUARE["coordinates"], [[1, 1], [2, 2]]]}
    empty = {"type": "Polygon", "coordinates": []}
    found = read_text(tmp_path, [feature(g) for g in (None, line, open_ring, tiny_hole, empty)])
    assert [a.geometry.area for a in found] == [12.5, 100]
    assert list(found.report) == [
        "feature 0: left out, it has no geometry or encloses nothing",
        "feature 1: 1 ring(s) with fewer than three points were left out",
        "feature 1: left out, it has no geometry or encloses nothing",
        "feature 2: was not closed; its last point was joined to its first",
        "feature 3: 1 ring(s) with fewer than three points were left out",
        "feature 4: left out, it has no geometry or encloses nothing",
    ]
    assert write_annotations([Annotation(shapely.Polygon(), name="e")], tmp_path / "w.geojson") == [
        "annotation 0 (e): left out, its outline encloses nothing"
    ]


def test_chunks_of_any_size_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["plain", 'with "quotes" and \\ and ] } [', "Ü€𝄞", "features"]
    document = {
        "note": {"features": "no", "x": [1, "features", 2]},
        "type": "FeatureCollection",
        "features": [feature(name=name, color=[1, 2, 3]) for name in names],
        "metadata": {"later": [[1, 2]]},
    }
    (tmp_path / "a.geojson").write_text(json.dumps(document, indent=1, ensure_ascii=False), "utf-8")
    whole = read_annotations(tmp_path / "a.geojson")
    assert [a.name for a in whole] == names
    assert whole.metadata == {"later": [[1, 2]]}
    monkeypatch.setattr(split, "_MOST_AT_ONCE", 1)
    for size in (1, 2, 7, 64):
        monkeypatch.setattr(split, "CHUNK", size)
        assert read_annotations(tmp_path / "a.geojson") == whole


def test_numbers_are_read_as_python_reads_them(tmp_path: Path) -> None:
    texts = [
        "0.1",
        "-0",
        "1e3",
        "1E-2",
        "123456.789012345",
        "0.30000000000000004",
        "12345678901234567890",
    ]
    positions = ",".join(f"[{t},{t}]" for t in texts)
    text = f'{{"type":"MultiPoint","coordinates":[{positions}]}}'
    points = read_one(tmp_path, text).geometry.geoms
    assert [p.x for p in points] == [float(t) for t in texts]


def test_gzip_and_byte_order_mark_are_accepted(tmp_path: Path) -> None:
    text = json.dumps([feature()])
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "b.geojson").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "gz-without-suffix.geojson").write_bytes(gzip.compress(text.encode()))
    for name in ("a.json.gz", "b.geojson", "gz-without-suffix.geojson"):
        assert len(read_annotations(tmp_path / name)) == 1


def test_numpy_in_metadata_is_written_and_nonsense_refused(tmp_path: Path) -> None:
    record = written(tmp_path, metadata={"a": np.float32(0.5), "b": np.arange(2), "c": Path("x/y")})
    assert record["metadata"] == {"a": 0.5, "b": [0, 1], "c": "x/y"}
    with pytest.raises(ParameterError, match="metadata cannot be written as JSON"):
        written(tmp_path, metadata={"a": math.nan})


@pytest.mark.parametrize("path", REAL)
def test_real_exports_survive_a_round_trip(real_data: Path, tmp_path: Path, path: str) -> None:
    before = read_annotations(real_data / "annotations" / "qupath" / path)
    assert before.report == ()
    write_annotations(before, tmp_path / "a.geojson")
    after = read_annotations(tmp_path / "a.geojson")
    assert [a.id for a in after] == [a.id for a in before]
    for a, b in zip(after, before, strict=True):
        assert a.geometry.equals(b.geometry)
        assert (a.name, a.class_name, a.colour) == (b.name, b.class_name, b.colour)
