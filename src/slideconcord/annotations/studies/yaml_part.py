"""One mapping of a YAML file, read value by value; an error names file, key and what to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from slideconcord.errors import ParameterError
from slideconcord.yaml_files import check_keys

Value = TypeVar("Value")


class Part:
    """A mapping whose keys are all known.

    Parameters
    ----------
    values
        What the file holds there.
    keys
        Every key it may have.
    where
        Begins the sentence of every error, such as "Slide 2 of study.yaml".

    Raises
    ------
    ParameterError
        When it is no mapping, or has a key that nobody knows.
    """

    def __init__(self, values: Any, keys: tuple[str, ...], where: str) -> None:
        if not isinstance(values, Mapping):
            raise ParameterError(
                f"{where} is {values!r}: give it keys and values; it can have {', '.join(keys)}."
            )
        check_keys(values, keys, where)
        self.where = where
        self._values = values

    @classmethod
    def of(cls, values: Any, keys: tuple[str, ...], where: str) -> Self:
        """Read a mapping, or a text that stands alone for the value of its first key."""
        return cls({keys[0]: values} if isinstance(values, str) else values, keys, where)

    def text(self, key: str, default: str | None = None, example: str = "and a text") -> str:
        """Return one text; without a default the key must be there."""
        value = self._values.get(key)
        if value is None or (value == "" and default is None):
            if default is not None:
                return default
            raise ParameterError(f"{self.where} has no {key}: write {key}: {example}.")
        if not isinstance(value, str):
            raise ParameterError(
                f"{self.where} has {key}: {value!r}, which YAML reads as no text: put it in "
                "quotation marks."
            )
        return value

    def number(self, key: str, default: float) -> float:
        """Return a number; a truth value is none."""
        value = self._values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ParameterError(f"{self.where} has {key}: {value!r}, which is no number.")
        return value

    def whole(self, key: str, default: int) -> int:
        """Return a whole number that is not negative."""
        value = self.number(key, default)
        if not isinstance(value, int) or value < 0:
            raise ParameterError(f"{self.where} has {key}: {value!r}, which is no whole number.")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            raise ParameterError(f"{self.where} has {key}: {value!r}: write true or false.")
        return value

    def path(self, key: str, folder: Path) -> Path | None:
        """Return a place relative to a folder."""
        text = self.text(key, "")
        return folder / text if text else None

    def part(self, key: str, keys: tuple[str, ...]) -> Part:
        """Return the mapping that stands under a key; an empty one when the key is not there."""
        return Part.of(self._values.get(key, {}), keys, f"{key} in {self.where}")

    def raw(self, key: str) -> Any:
        """Return what stands there, whatever it is."""
        return self._values.get(key)

    def each(self, key: str, make: Callable[[Any, str], Value]) -> tuple[Value, ...]:
        """Return what ``make(value, where)`` makes of every entry of a list."""
        values = self._values.get(key)
        if not isinstance(values, list) or not values:
            raise ParameterError(f"{self.where} lists no {key}: write at least one under {key}:.")
        one = key.removesuffix("es") if key == "classes" else key.removesuffix("s")
        return tuple(make(value, f"{one} {n} of {self.where}") for n, value in enumerate(values, 1))

    def told(self, make: Callable[[], Value]) -> Value:
        """Return what ``make`` returns; an error that does not say where names this part."""
        try:
            return make()
        except ParameterError as error:
            if self.where in str(error):
                raise
            raise ParameterError(f"{self.where}: {error}") from error
