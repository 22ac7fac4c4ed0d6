"""Every format against the contract, and how a format is chosen."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import shapely
import tifffile
import zarr
from PIL import Image

from contracts.annotation_format import AnnotationFormatTests, drawn
from slideconcord.annotations import (
    FORMATS,
    Annotation,
    exchange,
    read_annotations,
    write_annotations,
)
from slideconcord.errors import AnnotationError, OutputError, ParameterError
from slideconcord.geometry import Frame, Mpp
from slideconcord.slides.ngff import create_pyramid, read_multiscale


class TestGeojson(AnnotationFormatTests):
    format_name = "geojson"
    suffix = ".geojson"


class TestPackedGeojson(AnnotationFormatTests):
    format_name = "geojson"
    suffix = ".geojson.gz"


class TestAsap(AnnotationFormatTests):
    format_name = "asap"
    suffix = ".xml"


class TestImageScope(AnnotationFormatTests):
    format_name = "imagescope"
    suffix = ".xml"


class TestPng(AnnotationFormatTests):
    format_name = "png"
    suffix = ".png"
    keeps_points = False


class TestTiff(AnnotationFormatTests):
    format_name = "tiff"
    suffix = ".tif"
    keeps_points = False


class TestOmeZarr4(AnnotationFormatTests):
    format_name = "ome-zarr"
    suffix = ".zarr"
    keeps_points = False


class TestOmeZarr5(TestOmeZarr4):
    options: ClassVar[dict[str, Any]] = {**AnnotationFormatTests.options, "version": "0.5"}


class TestTiatoolbox(AnnotationFormatTests):
    format_name = "tiatoolbox"
    suffix = ".db"


def test_unknown_formats_name_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(
        AnnotationError, match=r"no known annotation format: known are geojson \("
    ) as e:
        read_annotations(tmp_path / "a.txt")
    assert all(name in str(e.value) for name in FORMATS)
    with pytest.raises(ParameterError, match="format='word' is unknown: known are geojson"):
        read_annotations(tmp_path / "a.txt", format="word")
    with pytest.raises(AnnotationError, match=r"a\.doc ends like no annotation format"):
        write_annotations([], tmp_path / "a.doc")
    with pytest.raises(AnnotationError, match=r"pass format='asap' or format='imagescope'"):
        write_annotations([], tmp_path / "a.xml")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.geojson"
    write_annotations(drawn()[:1], path)

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exchange, "_replace", full)
    with pytest.raises(OutputError, match=r"a\.geojson cannot be written: No space left on device"):
        write_annotations(drawn(), path)
    assert len(read_annotations(path)) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folders(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written: Permission denied"):
        write_annotations([], tmp_path / "a.geojson")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".zarr"])
def test_label_masks_lie_where_their_frame_says(tmp_path: Path, suffix: str) -> None:
    frame = Frame(100, 200, 4, 2)
    polygon = shapely.box(204, 108, 210, 120)
    options = {"shape": (140, 220), "mpp": (0.5, 0.25), "frame": frame}
    write_annotations([Annotation(polygon, "T")], tmp_path / f"a{suffix}", **options)
    (found,) = read_annotations(tmp_path / f"a{suffix}")
    assert found.geometry.equals(polygon)
    (moved,) = read_annotations(
        tmp_path / f"a{suffix}", frame=Frame(0, 0, 1, 1), classes={1: "other"}
    )
    assert moved.geometry.bounds == (2, 2, 5, 5)
    assert moved.class_name == "other"


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_masks_of_other_programs_need_a_frame(tmp_path: Path, suffix: str, dtype: Any) -> None:
    path = tmp_path / f"a{suffix}"
    values = np.zeros((4, 6), dtype)
    values[1:3, 1:3], values[0, 5] = 1, 1 if dtype is bool else 3
    if suffix == ".tif":
        tifffile.imwrite(path, values)
    elif dtype is np.int32:
        Image.fromarray(values.astype(np.uint16)).save(path)
    else:
        Image.fromarray(values).save(path)
    with pytest.raises(AnnotationError, match=r"does not say where its pixels lie .* pass frame="):
        read_annotations(path)
    found = read_annotations(path, frame=Frame(0, 0, 2, 2), classes={1: "T"})
    assert sorted(a.geometry.area for a in found) == [4, 16]
    assert {a.class_name for a in found} == ({"T"} if dtype is bool else {"T", "3"})


def test_pictures_that_are_no_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (5, 5)).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 5, 3), np.uint8), photometric="rgb")
    tifffile.imwrite(tmp_path / "f.tif", np.zeros((5, 5), np.float32))
    frame = Frame(0, 0, 1, 1)
    with pytest.raises(AnnotationError, match=r"a\.png is a picture in colour \(RGB\)"):
        read_annotations(tmp_path / "a.png", frame=frame)
    with pytest.raises(AnnotationError, match=r"shape \(5, 5, 3\): label masks have one channel"):
        read_annotations(tmp_path / "a.tif", frame=frame)
    with pytest.raises(AnnotationError, match=r"holds float32 .* one whole number per pixel"):
        read_annotations(tmp_path / "f.tif", frame=frame)
    for module in ("masks", "ome_labels"):
        monkeypatch.setattr(f"slideconcord.annotations.{module}.MOST_PX", 20)
    Image.new("L", (5, 5)).save(tmp_path / "a.png")
    for name in ("a.png", "f.tif"):
        with pytest.raises(AnnotationError, match=r"5 x 5 px, over the 0 Mpx .* coarser"):
            read_annotations(tmp_path / name, frame=frame)
    with pytest.raises(AnnotationError, match="The mask has 9 x 9 px"):
        write_annotations([], tmp_path / "b.png", shape=(9, 9))


def test_masks_ask_for_what_they_need(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"pass shape=, \(height, width\) of level 0"):
        write_annotations([], tmp_path / "a.png")
    with pytest.raises(AnnotationError, match="pass mpp=, in µm per pixel"):
        write_annotations([], tmp_path / "a.zarr", shape=(4, 4))
    with pytest.raises(ParameterError, match=r"version='0\.9' is no OME-Zarr version"):
        write_annotations([], tmp_path / "a.zarr", shape=(4, 4), mpp=1, version="0.9")


def test_overlapping_classes_are_counted(tmp_path: Path) -> None:
    shapes = [Annotation(shapely.box(0, 0, 4, 4), "A"), Annotation(shapely.box(2, 2, 6, 6), "B")]
    report = write_annotations(shapes, tmp_path / "a.png", shape=(8, 8))
    assert report == ["4 pixel(s) lie in several classes and hold the last one"]


def test_values_far_apart_are_found(tmp_path: Path) -> None:
    values = np.array([[5, 0, 2_000_000_000], [-7, -7, 0]], np.int32)
    tifffile.imwrite(tmp_path / "a.tif", values)
    found = read_annotations(tmp_path / "a.tif", frame=Frame(0, 0, 1, 1))
    assert {a.class_name: a.geometry.area for a in found} == {"5": 1, "2000000000": 1, "-7": 2}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_labels_have_levels_names_and_colours(tmp_path: Path, version: str) -> None:
    options = {"shape": (3000, 2000), "mpp": 0.5, "version": version}
    shape = Annotation(shapely.box(100, 200, 1100, 1200), "Tumor", (1, 2, 3))
    write_annotations([shape], tmp_path / "a.zarr", **options)
    pyramid = read_multiscale(tmp_path / "a.zarr")
    assert pyramid.version == version
    assert [a.shape for a in pyramid.arrays] == [(3000, 2000), (1500, 1000), (750, 500)]
    assert [int(np.asarray(a[...]).sum()) for a in pyramid.arrays] == [10**6, 250_000, 62_500]
    label = pyramid.attributes.get("ome", pyramid.attributes)["image-label"]
    assert label["properties"] == [{"label-value": 1, "class": "Tumor"}]
    assert label["colors"] == [{"label-value": 1, "rgba": [1, 2, 3, 255]}]
    assert ("version" in label) == (version == "0.4")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_of_other_programs_are_placed_by_their_scales(tmp_path: Path, version: Any) -> None:
    image = tmp_path / "image.zarr"
    create_pyramid(
        image, (40, 40), channels=["r"], dtype=np.uint8, frame_scale_um=(0.5, 0.5), ngff=version
    )
    folder = image / "labels" / "tumour"
    scale = {"frame_scale_um": (2.0, 2.0), "translate_um": (0.75, 0.75)}
    (level,) = create_pyramid(folder, (10, 10), channels=None, dtype=np.uint8, image_label=True,
                              ngff=version, name="tumour", **scale)  # fmt: skip
    level[2:4, 5:6] = 1
    attributes = {"labels": ["tumour"]}
    group = zarr.open_group(image / "labels", mode="a", zarr_format=2 if version == "0.4" else 3)
    group.attrs.update(attributes if version == "0.4" else {"ome": attributes})
    for given in (image, image / "labels", folder):
        (found,) = read_annotations(given)
        assert found.geometry.bounds == (20, 8, 24, 16)
        assert found.class_name == "tumour"
    alone = tmp_path / "alone.zarr"
    folder.rename(alone)
    with pytest.raises(AnnotationError, match="does not say where its pixels lie"):
        read_annotations(alone)
    assert read_annotations(alone, mpp=Mpp(0.5, 1.0))[0].geometry.bounds[1] == 8


def test_masks_that_segmentation_keeps_are_read_as_labels(tmp_path: Path) -> None:
    facts = {"kind": "mask", "frame": [0.0, 0.0, 4.0, 4.0], "class_name": "gland"}
    (level,) = create_pyramid(
        tmp_path / "mask.zarr",
        (8, 8),
        channels=None,
        dtype=np.uint8,
        frame_scale_um=(1.0, 1.0),
        image_label=True,
        name="gland",
        attributes={"slideconcord": facts},
    )
    level[1:3, 1:3] = 1
    (found,) = read_annotations(tmp_path / "mask.zarr")
    assert (found.class_name, found.geometry.bounds) == ("gland", (4, 4, 12, 12))


def test_stores_that_are_none(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "a.db").execute("CREATE TABLE t(x)").connection.close()
    with pytest.raises(AnnotationError, match="is no annotation store of TIAToolbox"):
        read_annotations(tmp_path / "a.db")


def test_stores_keep_names_observers_and_numbers(tmp_path: Path) -> None:
    before = Annotation(
        shapely.box(0, 0, 3, 3), "T", (1, 2, 3), "n'); DROP TABLE annotations; --", "A",
        measurements={"area": 9.0}, metadata={"round": "2"},
    )  # fmt: skip
    write_annotations([before], tmp_path / "a.db", metadata={"model": "m"})
    found = read_annotations(tmp_path / "a.db")
    assert found.metadata == {"model": "m"}
    for name in ["class_name", "colour", "name", "observer", "measurements", "metadata", "id"]:
        assert getattr(found[0], name) == getattr(before, name)


def test_the_format_table_is_whole() -> None:
    assert " ".join(FORMATS) == "geojson asap imagescope png tiff ome-zarr tiatoolbox"
