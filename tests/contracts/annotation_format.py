"""What every annotation format keeps to; a new one is tested by naming it.

Subclass ``AnnotationFormatTests`` and set ``format_name`` and ``suffix``.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import shapely

from slideconcord.annotations import FORMATS, Annotation, read_annotations, write_annotations
from slideconcord.annotations.contours import polygons_from_mask
from slideconcord.errors import AnnotationError, OutputError
from slideconcord.geometry import Box, Frame

SIDE = 40


def drawn() -> list[Annotation]:
    """Two classes of polygons on pixel edges, with holes, islands and touching corners."""
    rng = np.random.default_rng(5)
    one = rng.random((SIDE, SIDE)) < 0.6
    other = ~one & (rng.random((SIDE, SIDE)) < 0.6)
    named = {"Tumor": (one, (200, 0, 0)), "Ünd <&\"' strömä": (other, (0, 150, 30))}
    return [
        Annotation(polygon, name, colour)
        for name, (mask, colour) in named.items()
        for polygon in polygons_from_mask(mask, Frame(0, 0, 1, 1))
    ]


class AnnotationFormatTests:
    """The tests every format passes."""

    format_name: ClassVar[str]
    suffix: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {"shape": (SIDE, SIDE), "mpp": 0.5}
    keeps_points: ClassVar[bool] = True

    def write(self, path: Path, *annotations: Annotation, **options: Any) -> list[str]:
        return write_annotations(
            annotations, path, format=self.format_name, **{**self.options, **options}
        )

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / f"größe{self.suffix}"

    def test_polygons_come_back_with_area_topology_and_class(self, path: Path) -> None:
        before = drawn()
        assert self.write(path, *before) == []
        after = read_annotations(path)
        assert after.report == ()
        assert after.class_names == ("Tumor", "Ünd <&\"' strömä")
        for name in after.class_names:
            expected = {a.geometry.normalize().wkb: a for a in before if a.class_name == name}
            found = {a.geometry.normalize().wkb: a for a in after.of_class(name)}
            assert set(found) == set(expected)
            assert {a.colour for a in found.values()} == {a.colour for a in expected.values()}

    def test_content_decides_when_reading(self, path: Path) -> None:
        self.write(path, *drawn())
        other = path.rename(path.with_name("renamed"))
        assert len(read_annotations(other)) == len(drawn())

    def test_the_format_is_listed_with_its_ending(self) -> None:
        assert any(self.suffix.endswith(s) for s in FORMATS[self.format_name].suffixes)

    def test_nothing_can_be_written_and_read(self, path: Path) -> None:
        assert self.write(path) == []
        assert len(read_annotations(path)) == 0

    def test_bounds_never_move_what_comes_back(self, path: Path) -> None:
        box = Box(3, 5, 30, 30)
        self.write(path, *drawn(), bounds=box)
        for bounds in (None, box):
            found = read_annotations(path, bounds=bounds)
            assert shapely.union_all([a.geometry for a in found]).bounds == (0, 0, SIDE, SIDE)

    def test_what_is_there_is_replaced_whole_or_not_at_all(self, path: Path) -> None:
        self.write(path, *drawn())
        bad = Annotation(shapely.Point(0, np.nan), name="bad")
        with pytest.raises(AnnotationError, match=r"\(bad\) has a coordinate that is not finite"):
            self.write(path, *drawn(), bad)
        assert len(read_annotations(path)) == len(drawn())
        self.write(path, drawn()[0])
        assert len(read_annotations(path)) == 1
        assert list(path.parent.iterdir()) == [path]

    def test_places_that_cannot_be_written(self, path: Path) -> None:
        target = path.parent / "no-such-folder" / path.name
        with pytest.raises(OutputError) as caught:
            self.write(target, *drawn())
        assert str(caught.value).startswith(f"{target} cannot be written")
        assert ".partial" not in str(caught.value)

    def test_missing_files(self, path: Path) -> None:
        with pytest.raises(AnnotationError, match="does not exist"):
            read_annotations(path, format=self.format_name)

    def test_cut_off_and_changed_files_are_read_or_refused(self, path: Path) -> None:
        self.write(path, *drawn())
        rng = np.random.default_rng(0)
        for file in sorted(p for p in (path, *path.rglob("*")) if p.is_file()):
            content = file.read_bytes()
            for length in (0, 1, len(content) // 3, len(content) - 1):
                self._read_changed(path, file, content[:length])
            for _ in range(5):
                changed = np.frombuffer(content, np.uint8).copy()
                places = rng.integers(0, max(len(changed), 1), 4)
                if len(changed):
                    changed[places] = rng.integers(0, 256, 4)
                self._read_changed(path, file, changed.tobytes())
            file.write_bytes(content)

    def _read_changed(self, path: Path, file: Path, content: bytes) -> None:
        file.write_bytes(content)
        # any other error fails the test
        with suppress(AnnotationError):
            read_annotations(path, format=self.format_name)

    def test_points_and_lines_are_kept_or_reported(self, path: Path) -> None:
        point = Annotation(shapely.Point(2.5, 3.5))
        line = Annotation(shapely.LineString([(1, 1), (2.5, 3)]))
        report = self.write(path, point, line)
        found = read_annotations(path)
        if self.keeps_points:
            assert [a.geometry.wkt for a in found] == [point.geometry.wkt, line.geometry.wkt]
        else:
            assert report == ["2 annotation(s) without area were left out"]
