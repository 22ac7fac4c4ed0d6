"""Classes to draw with: what they may be called, and how their colours are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slideconcord.annotations.classes import (
    PALETTE,
    AnnotationClass,
    next_colour,
    read_colour,
    require_distinct,
)
from slideconcord.errors import ParameterError

RED = (200, 0, 0)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_a_colour_survives_its_text(colour):
    assert read_colour(AnnotationClass("Tumor", colour).hex) == colour


@pytest.mark.parametrize("text", ["red", "#12345", "#1234567", "#gg0000", "", 0xC80000, None])
def test_what_is_no_colour_is_refused(text):
    with pytest.raises(ParameterError, match="is no colour: write #rrggbb, such as #c80000"):
        read_colour(text)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("", RED), "cannot be called ''"),
        (("a\nb", RED), "one line of text"),
        (("Tumor", (0, 0, 256)), "each from 0 to 255"),
        (("Tumor", (0.5, 0, 0)), "each from 0 to 255"),
        (("Tumor", RED, "ctrl"), "one letter or digit"),
        (("Tumor", RED, "ß"), "one letter or digit"),
    ],
)
def test_a_class_that_makes_no_sense_is_refused(values, said):
    with pytest.raises(ParameterError, match=said):
        AnnotationClass(*values)


def test_two_classes_have_neither_one_name_nor_one_key():
    tumor, stroma = AnnotationClass("Tumor", RED, "t"), AnnotationClass("Stroma", RED, "T")
    with pytest.raises(ParameterError, match="have the key 't'"):
        require_distinct([tumor, stroma])
    with pytest.raises(ParameterError, match="have the name 'tumor'"):
        require_distinct([tumor, AnnotationClass("tumor", RED)])
    plain = AnnotationClass("Fat", RED), AnnotationClass("Mucosa", RED)
    assert require_distinct(plain) == plain


def test_colours_of_the_palette_come_in_turn():
    classes = []
    for number in range(len(PALETTE) + 1):
        classes.append(AnnotationClass(f"class {number}", next_colour(classes)))
    assert tuple(each.colour for each in classes[:-1]) == PALETTE
    assert classes[-1].colour == PALETTE[0]
