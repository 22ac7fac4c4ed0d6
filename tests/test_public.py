"""The public names: each is there, and each says what it is."""

from __future__ import annotations

import inspect

import pytest

import slideconcord


@pytest.mark.parametrize("name", slideconcord.__all__)
def test_public_name_resolves(name):
    assert getattr(slideconcord, name) is not None


@pytest.mark.parametrize("name", sorted(set(slideconcord.__all__) - {"__version__"}))
def test_public_name_has_a_docstring_of_its_own(name):
    value = getattr(slideconcord, name)
    assert (value.__doc__ or "").strip()
    if inspect.isclass(value):
        # A dataclass without a docstring gets its signature instead.
        assert not value.__doc__.startswith(f"{name}(")


@pytest.mark.parametrize("name", sorted(set(slideconcord.__all__) - {"__version__"}))
def test_a_section_of_parameters_names_every_parameter(name):
    value = getattr(slideconcord, name)
    if inspect.isfunction(value) and "Parameters\n" in value.__doc__:
        undocumented = [p for p in inspect.signature(value).parameters if p not in value.__doc__]
        assert undocumented == []


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'predit'"):
        _ = slideconcord.predit


def test_dir_lists_the_public_names():
    assert set(dir(slideconcord)) == set(slideconcord.__all__)
