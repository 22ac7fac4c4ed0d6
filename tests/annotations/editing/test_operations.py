"""What the tools change in a sheet, that all of it can be undone, and what is refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from annotations.editing.making import CLASSES, MPP, STROMA, TUMOR, areas, lines, ring, square
from slideconcord.annotations import Annotation
from slideconcord.annotations.classes import AnnotationClass
from slideconcord.annotations.editing import Sheet, shapes
from slideconcord.annotations.editing import operations as op
from slideconcord.annotations.editing.change import Change, Edit
from slideconcord.errors import AnnotationError, MismatchError, ParameterError


def sheet_of(*annotations: Annotation) -> Sheet:
    return Sheet(annotations, CLASSES)


def ids(sheet: Sheet) -> list[str]:
    return [a.id for a in sheet]


class Hand(RuleBasedStateMachine):
    """Draws, cuts and undoes as it likes; a list of all states tells what must come back."""

    def __init__(self) -> None:
        super().__init__()
        self.sheet = Sheet((), CLASSES)
        self.states = [self.state()]
        self.at = 0

    def state(self) -> dict[str, Annotation]:
        return {a.id: a for a in self.sheet}

    def do(self, change: Change) -> None:
        self.sheet.apply(change)
        self.states[self.at + 1 :] = [self.state()]
        self.at += 1

    def some(self, data: st.DataObject) -> list[str]:
        return data.draw(st.lists(st.sampled_from(ids(self.sheet)), min_size=1, unique=True))

    @rule(area=areas, name=st.sampled_from(["Tumor", "Stroma", None]))
    def draw(self, area, name):
        self.do(op.add([Annotation(area, name)]))

    @precondition(lambda self: len(self.sheet) > 1)
    @rule(data=st.data(), tool=st.sampled_from([op.merge, op.subtract]))
    def combine(self, data, tool):
        chosen = data.draw(st.permutations(ids(self.sheet)))[:2]
        self.do(tool(self.sheet, chosen))

    @precondition(lambda self: len(self.sheet) > 0)
    @rule(data=st.data(), area=areas, line=lines)
    def change(self, data, area, line):
        some = self.some(data)
        tool = data.draw(st.sampled_from(["erase", "class", "delete", "fill", "split", "brush"]))
        if tool == "split":
            try:
                self.do(op.split(self.sheet, some, line))
            except AnnotationError as error:
                assert "cuts none" in str(error)  # noqa: PT017
            return
        self.do(
            {
                "erase": lambda: op.erase(self.sheet, area, some),
                "class": lambda: op.set_class(self.sheet, some, "Stroma"),
                "delete": lambda: op.delete(self.sheet, some),
                "fill": lambda: op.fill_holes(self.sheet, some, MPP),
                "brush": lambda: op.brush(self.sheet, area, self.sheet[some[0]]),
            }[tool]()
        )

    @precondition(lambda self: self.at > 0)
    @rule()
    def undo(self):
        self.sheet.undo()
        self.at -= 1

    @precondition(lambda self: self.at + 1 < len(self.states))
    @rule()
    def redo(self):
        self.sheet.redo()
        self.at += 1

    @invariant()
    def every_state_comes_back(self):
        assert self.state() == self.states[self.at]
        assert (self.sheet.undo_label is None) == (self.at == 0)

    @invariant()
    def everything_is_valid_and_found_where_it_lies(self):
        assert +self.sheet.counts == Counter(a.class_name for a in self.sheet)
        for annotation in self.sheet:
            assert annotation.geometry.is_valid
            assert not annotation.geometry.is_empty
            assert annotation in self.sheet.near(annotation.geometry.bounds)


Hand.TestCase.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
TestHand = Hand.TestCase


@given(areas, areas)
def test_a_stroke_and_its_eraser_share_out_the_area(area, stroke):
    sheet = sheet_of(Annotation(area, "Tumor"))
    (key,) = ids(sheet)
    sheet.apply(op.brush(sheet, stroke, sheet[key]))
    both = shapes.joined([area, stroke]).area
    assert sheet[key].geometry.area == pytest.approx(both, rel=1e-6)
    sheet.apply(op.erase(sheet, stroke, [key]))
    left = sheet[key].geometry.area if key in sheet else 0
    assert left + stroke.area == pytest.approx(both, rel=1e-6, abs=1e-6)


def test_merging_keeps_the_first_and_its_class():
    first, second = square(0, 0, name="first"), square(5, 0, class_name="Stroma")
    sheet = sheet_of(first, second)
    sheet.apply(op.merge(sheet, [first.id, second.id]))
    (merged,) = sheet
    assert (merged.id, merged.name, merged.class_name) == (first.id, "first", "Tumor")
    assert merged.geometry.area == 150


def test_subtracting_cuts_the_first_and_keeps_the_others():
    first, second = square(0, 0), square(5, 0)
    sheet = sheet_of(first, second)
    sheet.apply(op.subtract(sheet, [first.id, second.id]))
    assert [a.geometry.area for a in sheet] == [50, 100]


def test_what_nothing_is_left_of_is_deleted():
    first, cover = square(2, 2, 4), square(0, 0)
    sheet = sheet_of(first, cover)
    sheet.apply(op.subtract(sheet, [first.id, cover.id]))
    assert ids(sheet) == [cover.id]
    sheet.undo()
    assert ids(sheet) == [first.id, cover.id]


def test_a_split_keeps_class_and_name_on_both_pieces():
    sheet = sheet_of(square(0, 0, name="gland"))
    sheet.apply(op.split(sheet, ids(sheet), [(-1, 7), (11, 7)]))
    assert [(a.name, a.class_name, a.geometry.area) for a in sheet] == [
        ("gland", "Tumor", 70),
        ("gland", "Tumor", 30),
    ]


def test_what_was_measured_of_another_outline_is_dropped():
    old = square(0, 0, measurements={"Area um^2": 12.5}, is_ellipse=True)
    sheet = sheet_of(old)
    sheet.apply(op.reshape(sheet, old.id, shapely.box(0, 0, 3, 3)))
    assert not sheet[old.id].measurements
    assert not sheet[old.id].is_ellipse


def test_filling_and_smoothing_leave_out_what_they_do_not_change():
    plain, holed = square(0, 0), ring(20, 0)
    sheet = sheet_of(plain, holed)
    assert list(op.fill_holes(sheet, ids(sheet), MPP).edits) == [holed.id]


def test_smoothing_is_a_change_of_its_own():
    sheet = sheet_of(square(0, 0, 200))
    sheet.apply(op.smooth(sheet, ids(sheet), 5, MPP))
    assert sheet.undo_label == "smooth"
    assert next(iter(sheet)).geometry.area < 200**2


def test_a_class_is_renamed_with_its_annotations_and_back():
    sheet = sheet_of(square(0, 0), square(20, 0, class_name="Stroma"))
    sheet.apply(op.replace_class(sheet, "Tumor", AnnotationClass("Cancer", (1, 2, 3))))
    assert [a.class_name for a in sheet] == ["Cancer", "Stroma"]
    assert [a.colour for a in sheet.coloured()] == [(1, 2, 3), STROMA.colour]
    sheet.undo()
    assert [a.class_name for a in sheet] == ["Tumor", "Stroma"]
    assert sheet.classes == CLASSES


def test_a_class_goes_with_its_annotations():
    sheet = sheet_of(square(0, 0), square(20, 0, class_name="Stroma"))
    sheet.apply(op.remove_class(sheet, "Tumor"))
    assert (sheet.classes.names, len(sheet)) == (("Stroma",), 1)


def test_nothing_of_a_locked_class_changes_until_it_is_unlocked():
    mine, other = square(0, 0, name="gland"), square(5, 0, class_name="Stroma")
    sheet = sheet_of(mine, other)
    sheet.apply(op.edit_classes(sheet, sheet.classes.with_locked("Tumor", True)))
    refused = [
        op.delete(sheet, [mine.id]),
        op.add([square(40, 40)]),
        op.set_class(sheet, [other.id], "Tumor"),
        op.merge(sheet, [other.id, mine.id]),
    ]
    for change in refused:
        with pytest.raises(AnnotationError, match="class Tumor is locked: unlock it"):
            sheet.apply(change)
    with pytest.raises(AnnotationError, match="Tumor is locked: unlock it to remove it"):
        op.remove_class(sheet, "Tumor")
    sheet.undo()
    sheet.apply(op.delete(sheet, [mine.id]))
    assert ids(sheet) == [other.id]


def test_one_locked_annotation_can_only_be_unlocked():
    sheet = sheet_of(square(0, 0, name="gland", locked=True))
    key = ids(sheet)[0]
    with pytest.raises(AnnotationError, match=r"gland \(.*\) is locked: unlock it first") as error:
        sheet.apply(op.set_class(sheet, [key], "Stroma"))
    assert error.value.feature == key
    sheet.apply(op.set_locked(sheet, [key], False))
    sheet.apply(op.set_class(sheet, [key], "Stroma"))


def test_a_change_made_for_another_state_is_refused():
    sheet = sheet_of(square(0, 0))
    change = op.set_class(sheet, ids(sheet), "Stroma")
    sheet.apply(op.delete(sheet, ids(sheet)))
    with pytest.raises(MismatchError, match="has changed since: make the change again"):
        sheet.apply(change)
    classes = op.edit_classes(sheet_of(), CLASSES.with_hidden("Tumor", True))
    sheet.apply(op.edit_classes(sheet, CLASSES.with_locked("Tumor", True)))
    with pytest.raises(MismatchError, match="class list has changed since"):
        sheet.apply(classes)


@pytest.mark.parametrize(
    ("geometry", "said"),
    [
        (shapely.Polygon(), "encloses nothing"),
        (shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)]), r"not valid \(Self-intersection"),
        (shapely.box(0, 0, 1, float("inf")), "not valid"),
    ],
)
def test_what_is_not_valid_is_refused_by_name(geometry, said):
    bad = Annotation(geometry, "Tumor", name="gland 7")
    sheet = sheet_of()
    with pytest.raises(AnnotationError, match=f"gland 7.*{said}"):
        sheet.apply(op.add([square(0, 0), bad]))
    assert len(sheet) == 0


def test_a_class_that_nobody_listed_is_refused():
    with pytest.raises(AnnotationError, match="add Fat to the classes first"):
        sheet_of().apply(op.add([square(0, 0, class_name="Fat")]))


def test_an_id_that_is_not_its_own_is_refused():
    one = square(0, 0)
    with pytest.raises(AnnotationError, match="is filed as other: use its own id"):
        sheet_of().apply(Change("draw", {"other": Edit(None, one)}))
    with pytest.raises(AnnotationError, match="Two annotations have the id"):
        Sheet([one, replace(one, name="twin")])


@pytest.mark.parametrize("tool", [op.merge, op.subtract])
def test_one_alone_can_be_neither_merged_nor_subtracted(tool):
    sheet = sheet_of(square(0, 0))
    with pytest.raises(AnnotationError, match="Choose two annotations or more"):
        tool(sheet, ids(sheet) * 2)


def test_points_have_no_area_to_work_on():
    sheet = sheet_of(Annotation(shapely.Point(1, 1), "Tumor"), square(0, 0))
    with pytest.raises(AnnotationError, match="is a Point without an area: choose areas"):
        op.merge(sheet, ids(sheet))


def test_what_is_hidden_is_not_found_under_the_mouse():
    below, above = square(0, 0), square(5, 5, class_name="Stroma")
    sheet = sheet_of(below, above)
    assert [a.id for a in sheet.at(7, 7)] == [above.id, below.id]
    sheet.apply(op.edit_classes(sheet, CLASSES.with_hidden("Stroma", True)))
    assert [a.id for a in sheet.at(7, 7)] == [below.id]
    assert sheet.near((0, 0, 9, 9), hidden=True) == [below, above]


def test_what_comes_back_lies_where_it_lay():
    low, high = square(0, 0), square(5, 5)
    sheet = sheet_of(low, high)
    sheet.apply(op.delete(sheet, [low.id]))
    sheet.undo()
    assert ids(sheet) == [low.id, high.id]


def test_many_changes_keep_the_places_right():
    sheet = sheet_of()
    for i in range(1200):
        sheet.apply(op.add([square(i * 20, 0)]))
        if i % 3 == 0:
            sheet.apply(op.delete(sheet, [a.id for a in sheet.near((i * 20, 0, i * 20 + 1, 1))]))
    assert len(sheet.near((0, 0, 24_000, 10))) == len(sheet) == 800
    assert [a.geometry.bounds[0] for a in sheet.near((20, 0, 41, 1))] == [20, 40]


def test_a_class_list_is_checked_and_kept():
    listed = CLASSES.with_locked("Tumor", True).with_hidden("Stroma", True)
    assert type(listed).of_record(listed.record()) == listed
    renamed = listed.replaced("Tumor", AnnotationClass("Cancer", TUMOR.colour))
    assert (renamed.names, renamed.locked) == (("Cancer", "Stroma"), {"Cancer"})
    assert listed.removed("Stroma").hidden == frozenset()
    with pytest.raises(ParameterError, match="no class 'Fat': there are Tumor, Stroma"):
        listed.of("Fat")
    with pytest.raises(ParameterError, match="Two classes have the name"):
        listed.added(TUMOR)
