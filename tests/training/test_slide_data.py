"""Tiles from slides and annotations: masks are the truth, tissue is told from glass."""

from __future__ import annotations

import shutil
from dataclasses import replace
from math import ceil
from pathlib import Path

import numpy as np
import pytest

import slideconcord as sc
from slideconcord.errors import AnnotationError, ParameterError, SlideError, TrainingError
from slideconcord.geometry import Box
from slideconcord.samples.cases import shipped_files
from slideconcord.segmentation.context import Context
from slideconcord.segmentation.tissue import find_tissue
from slideconcord.training.data.labels import Labels
from slideconcord.training.data.prepare import prepare
from slideconcord.training.data.slides import SlideData
from slideconcord.training.data.tile import IGNORE, Grid
from training.training_data import tiny

CLASSES = {
    "background": ("background",),
    "other tissue": ("tissue", "Normal epithelium"),
    "tumour": ("Tumor",),
}
GRID = Grid(1.0, 256)
HEAD = "file,annotations,patient,slide,scanner,group"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with one virtual slide from two scanners, and their truth."""
    place = tmp_path_factory.mktemp("slides")
    for path in shipped_files("colon-virtual-small"):
        shutil.copy(path, place)
    return place


def rows(folder: Path) -> list[str]:
    slides = sorted(path.name for path in folder.glob("*.ome.tiff"))
    return [f"{s},{s.replace('.ome.tiff', '.truth.geojson')},p1,s1,,colon" for s in slides]


def manifest(folder: Path, lines: list[str], head: str = HEAD, name: str = "slides.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def source(folder):
    return SlideData(str(manifest(folder, rows(folder)))).open(GRID, Labels(CLASSES))


def test_tiles_lie_as_the_tiling_rule_says(source, folder):
    with sc.open_slide(sorted(folder.glob("*.ome.tiff"))[0]) as slide:
        height, width = slide.grid_shape(1.0)
    own = [r for r in source.records if r.scanner.endswith("virtual-A")]
    assert len(own) == ceil(height / 256) * ceil(width / 256)
    assert len({r.scanner for r in source.records}) == 2
    assert {(r.patient, r.slide, r.group) for r in source.records} == {("p1", "s1", "colon")}
    assert len({r.name for r in source.records}) == len(source.records)
    for path in folder.glob("*.ome.tiff"):
        with sc.open_slide(path) as slide:
            assert {r.scan for r in source.records if r.name.startswith(path.name)} == {
                slide.fingerprint
            }


def test_pixels_are_those_of_the_slide_and_masks_those_of_the_annotations(source, folder):
    slides = sorted(folder.glob("*.ome.tiff"))
    for index, record in enumerate(source.records):
        rgb, mask = source.read(index)
        name, place = record.name.split("@")
        y, x = map(int, place.split(","))
        box = Box(y, x, *mask.shape)
        with sc.open_slide(next(path for path in slides if path.name == name)) as slide:
            np.testing.assert_array_equal(rgb, slide.read_grid((1.0, 1.0), box))
            drawn = sc.read_annotations(
                folder / name.replace(".ome.tiff", ".truth.geojson"), bounds=slide.bounds
            )
            tissue = find_tissue(slide)
            step = 1.0 / slide.mpp.y
        from shapely import contains_xy, union_all

        tumour = union_all([a.geometry for a in drawn.of_class("Tumor")])
        rows_, columns = (np.arange(s) + 0.5 for s in mask.shape)
        inside = contains_xy(tumour, *np.meshgrid((x + columns) * step, (y + rows_) * step))
        glass_y = np.minimum(((y + rows_) * step / tissue.frame.step_y).astype(int),
                             tissue.array.shape[0] - 1)  # fmt: skip
        glass_x = np.minimum(((x + columns) * step / tissue.frame.step_x).astype(int),
                             tissue.array.shape[1] - 1)  # fmt: skip
        held = tissue.array[glass_y[:, None], glass_x]
        np.testing.assert_array_equal(mask == 0, ~held)
        assert ((mask == 2) != (inside & held)).mean() < 1e-3  # pixels on an outline


def test_a_tiles_context_is_the_slide_around_it(source, folder):
    path = str(manifest(folder, rows(folder)))
    wide = SlideData(path).open(replace(GRID, context=Context(4)), Labels(CLASSES))
    assert wide.records == source.records
    assert wide.fingerprint != source.fingerprint
    index = len(wide.records) // 4  # in the middle of the first scan
    (rgb, mask), (alone, own) = wide.read(index), source.read(index)
    np.testing.assert_array_equal(rgb[0], alone)
    np.testing.assert_array_equal(mask[0], own)
    name, place = wide.records[index].name.split("@")
    y, x = map(int, place.split(","))
    height, width = own.shape
    with sc.open_slide(folder / name) as slide:
        step = 1.0 / slide.mpp.y
        first = [start - 1.5 * side for start, side in zip((y, x), own.shape, strict=True)]
        around = slide.read_area(first[0] * step, first[1] * step, 4.0, own.shape)
        inside = [
            (start + (np.arange(side) + 0.5) * 4 >= 0)
            & (start + (np.arange(side) + 0.5) * 4 < extent / step)
            for start, side, extent in zip(first, own.shape, slide.shape, strict=True)
        ]
    np.testing.assert_array_equal(rgb[1], around)
    np.testing.assert_array_equal(mask[1] == IGNORE, ~(inside[0][:, None] & inside[1]))
    middle = mask[1][height * 3 // 8 : height * 5 // 8, width * 3 // 8 : width * 5 // 8]
    assert (middle != own[2::4, 2::4]).mean() < 0.02  # half a pixel beside these on outlines


def test_what_nobody_annotated_is_not_learnt_from(folder):
    first, second = rows(folder)
    lines = [first, ",".join([second.split(",")[0], "", *second.split(",")[2:]])]
    source = SlideData(str(manifest(folder, lines, name="half.csv"))).open(GRID, Labels(CLASSES))
    for index, record in enumerate(source.records):
        annotated = record.scanner.endswith("virtual-A")
        assert bool(sum(record.shares)) == annotated
        if index % 5 == 0:
            assert ((source.read(index)[1] == IGNORE).all()) != annotated


def test_shares_tell_which_tiles_hold_tumour(source):
    for index, record in enumerate(source.records):
        mask = source.read(index)[1]
        exact = np.bincount(mask.ravel(), minlength=3) / mask.size
        np.testing.assert_allclose(record.shares, exact, atol=0.03)


def test_without_a_class_for_glass_tissue_is_not_looked_for(folder):
    classes = {"rest": ("background", "tissue", "Normal epithelium"), "tumour": ("Tumor",)}
    path = manifest(folder, rows(folder))
    source = SlideData(str(path)).open(GRID, Labels(classes))
    assert set(np.unique(np.concatenate([source.read(i)[1].ravel() for i in range(4)]))) <= {0, 1}


def test_annotations_to_ignore_cover_the_others(folder):
    classes = {name: labels for name, labels in CLASSES.items() if name != "tumour"}
    source = SlideData(str(manifest(folder, rows(folder)))).open(GRID, Labels(classes, ("Tumor",)))
    found = {int(v) for i in range(len(source.records)) for v in np.unique(source.read(i)[1])}
    assert found == {0, 1, IGNORE}


def test_a_label_mask_does_as_well_as_outlines(folder, source):
    with sc.open_slide(folder / rows(folder)[0].split(",")[0]) as slide:
        outlines = sc.read_annotations(folder / rows(folder)[0].split(",")[1], bounds=slide.bounds)
        sc.write_annotations(outlines, folder / "mask.tif", mpp=slide.mpp, shape=slide.shape)
    first = rows(folder)[0].split(",")
    path = manifest(folder, [",".join([first[0], "mask.tif", *first[2:]])], name="mask.csv")
    other = SlideData(str(path)).open(GRID, Labels(CLASSES))
    for index in range(len(other.records)):
        assert (other.read(index)[1] != source.read(index)[1]).mean() < 2e-3


def test_the_two_scans_of_a_slide_are_of_one_patient_so_nothing_is_left_to_check_on(folder):
    source = {"slides": {"path": str(manifest(folder, rows(folder)))}}
    recipe = tiny(
        data__source=source, data__mpp=2.0, data__tile_px=128, classes=CLASSES,
    )  # fmt: skip
    with pytest.raises(TrainingError, match=r"nothing to check on: the tiles come from 1 patient"):
        prepare(recipe)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda r: [r[0].replace(".ome.tiff,", ".svs,", 1)], SlideError, r"virtual-A\.svs"),
        (lambda r: [r[0].replace("truth.geojson", "json")], AnnotationError, "does not exist"),
        (lambda r: [r[0], r[0]], TrainingError, "are one scan with the same annotations: list it"),
        (lambda r: [f"{r[0]},quarter"], TrainingError, "mpp 'quarter' of .* is no number"),
    ],
)
def test_wrong_manifests_are_named(folder, change, error, message):
    head = f"{HEAD},mpp" if "quarter" in str(change(rows(folder))) else HEAD
    path = manifest(folder, change(rows(folder)), head, "wrong.csv")
    with pytest.raises(error, match=message):
        SlideData(str(path)).open(GRID, Labels(CLASSES))


def test_an_annotation_class_without_a_class_is_named(folder):
    classes = {**CLASSES, "other tissue": ("tissue",)}
    with pytest.raises(TrainingError, match=r"truth\.geojson has the label .Normal epithelium., w"):
        SlideData(str(manifest(folder, rows(folder)))).open(GRID, Labels(classes))


def test_slides_too_coarse_are_refused_and_the_manifest_must_be_given(folder):
    path = str(manifest(folder, rows(folder)))
    with pytest.raises(ParameterError, match=r"coarser than data\.mpp 0\.25, and pixels are never"):
        SlideData(path).open(replace(GRID, mpp=0.25), Labels(CLASSES))
    with pytest.raises(ParameterError, match=r"give the manifest of the slides \(--data FILE\.csv"):
        SlideData().open(GRID, Labels(CLASSES))
