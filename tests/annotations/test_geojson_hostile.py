"""Files made to break a reader: each gives one clear line, none hangs, none drops silently."""

from __future__ import annotations

import gzip
import json
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slideconcord.annotations import (
    geojson_geometry,
    geojson_read,
    geojson_split,
    limits,
    packed,
    read_annotations,
)
from slideconcord.errors import AnnotationError

SQUARE = "[[[0,0],[10,0],[10,10],[0,10],[0,0]]]"
GOOD = f'{{"type":"Feature","geometry":{{"type":"Polygon","coordinates":{SQUARE}}}}}'


def with_coordinates(coordinates: str, kind: str = "Polygon") -> str:
    geometry = f'{{"type":"{kind}","coordinates":{coordinates}}}'
    return f'[{GOOD},{{"type":"Feature","geometry":{geometry}}}]'


def with_properties(**properties: Any) -> str:
    return f'[{GOOD},{GOOD[:-1]},"properties":{json.dumps(properties)}}}]'


def failure(tmp_path: Path, content: str | bytes, name: str = "a.geojson") -> AnnotationError:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(AnnotationError) as caught:
        read_annotations(path, format="geojson")
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 250
    assert caught.value.path == str(path)
    return caught.value


@pytest.mark.parametrize(
    ("coordinates", "message"),
    [
        ("[[[NaN,0],[1,0],[1,1]]]", "has a coordinate that is not finite"),
        ("[[[1e999,0],[1,0],[1,1]]]", "has a coordinate that is not finite"),
        ("[[[-Infinity,0],[1,0],[1,1]]]", "has a coordinate that is not finite|syntax error"),
        ('[[["NaN",0],[1,0],[1,1]]]', "holds something else than a number"),
        ("[[[null,0],[1,0],[1,1]]]", "holds something else than a number"),
        ('[[[{"x":1},0],[1,0],[1,1]]]', "holds something else than a number"),
        ("[[[true,0],[1,0],[1,1]]]", "holds something else than a number"),
        ("[[[1],[1,0],[1,1]]]", "fewer than two numbers"),
        ("[[[1,2],[[1,0]],[1,1]]]", "nested unevenly"),
        ("[[1,2],[3,4],[5,6]]", "nested 2 deep instead of 3"),
        ("[1,2]", "nested 1 deep instead of 3"),
        ("[" * 100_000 + "]" * 100_000, "nested too deep"),
        ("[[[1 2],[1,0],[1,1]]]", "syntax error"),
        ("[[[1,,2],[1,0],[1,1]]]", "syntax error"),
        ("[[[1,2][1,0],[1,1]]]", "syntax error"),
        ("[[[1,2],[1,0],[1,1],]]", "syntax error"),
        ("[[[-,2],[1,0],[1,1]]]", "syntax error"),
        ("7", "coordinates that are a number, not an array"),
        ('"' + "x" * 3_000_000 + '"', "coordinates that are text"),
        ("{}", "coordinates that are an object"),
    ],
)
def test_hostile_coordinates(tmp_path: Path, coordinates: str, message: str) -> None:
    error = failure(tmp_path, with_coordinates(coordinates))
    assert error.feature == "feature 1"
    assert " feature 1 " in str(error)
    assert re.search(message, str(error)), str(error)


def test_a_key_spelt_with_escapes_cannot_point_at_other_coordinates(tmp_path: Path) -> None:
    for hidden in ("[0]", "[7]", "[[[1,2]]]", "[]", '["x"]'):
        escaped = f'"coordin\\u0061tes":{hidden}'
        text = with_coordinates(hidden).replace(f'"coordinates":{hidden}', escaped)
        assert "cannot be understood" in str(failure(tmp_path, text))


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"name": ["a"]}, "has a name that is an array, not text"),
        ({"name": "x" * 1_000_000}, "has a name of 1,000,000 characters; at most 65,536"),
        ({"classification": {"name": "c" * 100_000}}, "has a class of 100,000 characters"),
        ({"classification": [1]}, "has classification that are an array"),
        ({"classification": {"names": [{"a": 1}]}}, "has a class that is an object"),
        ({"color": [1, 2]}, "has a colour that is neither"),
        ({"color": [1, 2, 256]}, "has a colour that is neither"),
        ({"color": ["a", "b", "c"]}, "has a colour that is neither"),
        ({"color": "red"}, "has a colour that is neither"),
        ({"metadata": "x"}, "has metadata that are text"),
        ({"metadata": {"k": "v" * 70_000}}, "has a value of 'k' of 70,000 characters"),
        ({"metadata": {"k" * 70_000: "v"}}, "has a metadata key of 70,000 characters"),
        ({"measurements": 7}, "has measurements that are a number"),
        ({"childObjects": [7]}, "feature 1, child 0 is a number, not an object"),
    ],
)
def test_hostile_properties(tmp_path: Path, properties: dict[str, Any], message: str) -> None:
    assert message in str(failure(tmp_path, with_properties(**properties)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("  \n ", "the file is empty"),
        ("{}", "neither a FeatureCollection nor a feature"),
        ('"text"', "neither a FeatureCollection nor a feature"),
        ('{"type":"FeatureCollection"}', "neither a FeatureCollection"),
        ('{"type":"FeatureCollection","features":7}', "neither a FeatureCollection"),
        (f"[{GOOD},null]", "feature 1 is not a JSON object"),
        (f"[{GOOD},[1,2]]", "feature 1 is not a JSON object"),
        (f"[{GOOD},{GOOD}", "the document is not valid JSON"),
        (f"[{GOOD},{GOOD[:-9]}", "ends within feature 1: it was cut off"),
        (f'{{"type":"FeatureCollection","features":[{GOOD}]', "the document is not valid JSON"),
        (f"[{GOOD}] and more", "the document is not valid JSON"),
        (GOOD + "\n" + GOOD, "the document is not valid JSON"),
        (GOOD.replace('"type":"F', '"type" "F'), "the document is not valid JSON"),
        (f"[{GOOD.replace(':', ';', 1)}]", "feature 0 is not valid JSON"),
        (f"[{GOOD[:-1]},}}]", "feature 0 is not valid JSON"),
        ('[{"a":' * 500_000, "cut off|nested too deep|larger than"),
        ('{"a":' * 500_000 + "1" + "}" * 500_000, "is nested too deep"),
        ('[{"type":"Feature","geometry":7}]', "has a geometry that is a number, not an object"),
        ('[{"type":"Feature","geometry":{"type":"Blob"}}]', "unknown type 'Blob'"),
        ('[{"type":"Feature","geometry":{"type":["x"]}}]', "unknown type"),
        ('[{"type":"Feature","geometry":{"type":"Polygon"}}]', "coordinates that are null"),
        ('[{"geometry":{"type":"GeometryCollection"}}]', "without its list of geometries"),
        (GOOD.encode("utf-16"), "the text is UTF-16; save it as UTF-8"),
        (f'[{GOOD[:-1]},"id":"\udcff"}}]'.encode("utf-8", "surrogateescape"), "not valid JSON"),
        (b"\x00\x01\x02" * 100, "the document is not valid JSON"),
        (b"\x1f\x8b\x08\x00garbage", "the gzip data is damaged"),
        (gzip.compress(b"[" * 1000)[:-12], "the gzip data is damaged"),
    ],
)
def test_hostile_documents(tmp_path: Path, content: str | bytes, message: str) -> None:
    error = failure(tmp_path, content)
    assert re.search(message, str(error)), str(error)


def test_files_beyond_every_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(limits.LIMITS, feature_bytes=5000, vertices=40, features=20, packed_ratio=50)
    for module in (geojson_split, geojson_read, geojson_geometry, packed):
        monkeypatch.setattr(module, "LIMITS", small)
    monkeypatch.setattr(geojson_split, "CHUNK", 1000)
    long = "[[" + ",".join(["[1,2]"] * 2000) + "]]"
    tiny = '{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]}}'
    assert "feature 1 is larger than" in str(failure(tmp_path, with_coordinates(long)))
    assert "more than 40 points" in str(failure(tmp_path, f"[{','.join([GOOD] * 9)}]"))
    assert "more than 20 features" in str(failure(tmp_path, f"[{','.join([tiny] * 21)}]"))
    assert "outside the features is larger" in str(failure(tmp_path, f'{{"a":"{"x" * 9000}"'))
    bomb = gzip.compress(b"[" + b" " * 10_000_000)
    assert "this is no annotation file" in str(failure(tmp_path, bomb, "a.geojson.gz"))


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"none\.geojson does not exist"):
        read_annotations(tmp_path / "none.geojson")
    (tmp_path / "folder.geojson").mkdir()
    with pytest.raises(AnnotationError, match=r"folder\.geojson is in no known annotation format"):
        read_annotations(tmp_path / "folder.geojson")
    with pytest.raises(AnnotationError, match=r"folder\.geojson cannot be read: Is a directory"):
        read_annotations(tmp_path / "folder.geojson", format="geojson")


DOCUMENT = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": "PathCellObject",
                "geometry": {"type": "MultiPolygon", "coordinates": [json.loads(SQUARE)] * 2},
                "nucleusGeometry": {"type": "Polygon", "coordinates": json.loads(SQUARE)},
                "properties": {
                    "name": 'a "b" \\ c',
                    "classification": {"names": ["x", "y"], "color": [1, 2, 3]},
                    "measurements": [{"name": "a", "value": 1}],
                    "childObjects": [json.loads(GOOD)],
                },
            }
        ]
        * 2,
        "metadata": {"bounds": {"y": 1, "x": 2, "height": 3, "width": 4}},
    }
).encode()
PIECES = b'[ ] { } " , : \\ null 1e9 - [] "coordinates":'.split()


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_mutated_files_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = bytearray(DOCUMENT)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.sampled_from([0, 0, 1, 5, 60]))
        text[start : start + length] = data.draw(st.sampled_from(PIECES) | st.binary(max_size=4))
    path = tmp_path_factory.mktemp("mutated") / "a.geojson"
    path.write_bytes(text)
    # any other error than this one fails the test
    with suppress(AnnotationError):
        for annotation in read_annotations(path, format="geojson"):
            assert annotation.geometry.is_valid
