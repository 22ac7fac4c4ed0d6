"""A sheet as pixels: the same however it came about, and by the rule of the rasteriser."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotations.editing.making import CLASSES, areas, square
from slideconcord.annotations import Annotation
from slideconcord.annotations.editing import Sheet, picture
from slideconcord.annotations.editing import operations as op
from slideconcord.annotations.editing.picture import SheetPicture
from slideconcord.annotations.raster import rasterise
from slideconcord.geometry import Box

SHAPE = (61, 75)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(picture, "TILE_PX", 16)


def whole(shown: SheetPicture, level: int) -> np.ndarray:
    return shown.read(level, Box(0, 0, *shown.shapes[level]))


@settings(deadline=None, max_examples=60)
@given(st.lists(areas, max_size=4), areas, st.data())
def test_what_changed_is_drawn_as_if_all_were_drawn_anew(old, new, data):
    names = st.sampled_from(["Tumor", "Stroma", None])
    sheet = Sheet([Annotation(area, data.draw(names)) for area in old], CLASSES)
    shown = SheetPicture(sheet, SHAPE, 3)
    for level in range(3):
        whole(shown, level)
    change = op.add([Annotation(new, data.draw(names))])
    sheet.apply(change)
    shown.spoil(change.bounds)
    if old and data.draw(st.booleans()):
        shown.override({next(iter(sheet)).id: None})
        whole(shown, 1)
        shown.override({})
    for level in range(3):
        assert np.array_equal(whole(shown, level), whole(SheetPicture(sheet, SHAPE, 3), level))


@settings(deadline=None, max_examples=60)
@given(areas, st.integers(0, 2))
def test_pixels_are_those_whose_centres_lie_inside(area, level):
    shown = SheetPicture(Sheet([Annotation(area, "Stroma")], CLASSES), SHAPE, 3)
    expected = rasterise([area], shown.frames[level], shown.shapes[level])
    assert np.array_equal(whole(shown, level) > 0, expected)


def test_outlines_follow_each_annotation_and_not_the_tiles():
    sheet = Sheet([square(2, 2, 20), square(22, 2, 20)], CLASSES)
    pixels = whole(SheetPicture(sheet, SHAPE, 1), 0)
    inside = SheetPicture(sheet, SHAPE, 1).value_of("Tumor")
    assert (pixels[10, [2, 3, 4, 19, 20, 21, 22, 23, 24]] - inside).tolist() == [
        1, 1, 0, 0, 1, 1, 1, 1, 0
    ]  # fmt: skip
    assert (pixels[16, 5:18] == inside).all()


def test_classes_have_values_of_their_own_and_the_topmost_is_seen():
    sheet = Sheet([square(0, 0, 20), square(6, 6, 20, class_name="Stroma")], CLASSES)
    shown = SheetPicture(sheet, SHAPE, 1)
    assert whole(shown, 0)[12, 12] == shown.value_of("Stroma") != shown.value_of("Tumor")
    assert len({shown.value_of(name) for name in ("Tumor", "Stroma", None)}) == 3


def test_hidden_classes_are_not_drawn():
    sheet = Sheet([square(0, 0, 20)], CLASSES.with_hidden("Tumor", True))
    assert not whole(SheetPicture(sheet, SHAPE, 1), 0).any()


def test_a_draft_is_drawn_instead_of_what_it_will_replace():
    sheet = Sheet([square(0, 0, 20)], CLASSES)
    shown = SheetPicture(sheet, SHAPE, 1)
    before = whole(shown, 0)
    (old,) = sheet
    shown.override({old.id: square(30, 30, 20, id=old.id)})
    drafted = whole(shown, 0)
    assert (drafted[10, 10], drafted[40, 40]) == (0, shown.value_of("Tumor"))
    shown.override({})
    assert np.array_equal(whole(shown, 0), before)


def test_only_so_many_tiles_are_kept(monkeypatch):
    monkeypatch.setattr(picture, "_KEPT_TILES", 3)
    sheet = Sheet([square(0, 0, 60)], CLASSES)
    shown = SheetPicture(sheet, SHAPE, 1)
    assert np.array_equal(whole(shown, 0), whole(SheetPicture(sheet, SHAPE, 1), 0))
    assert len(shown._tiles) == 3
