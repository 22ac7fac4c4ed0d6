"""The classes of a sheet, and which of them are locked or hidden."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from slideconcord.annotations.annotation import Annotation
from slideconcord.annotations.classes import (
    AnnotationClass,
    next_colour,
    read_colour,
    require_distinct,
)
from slideconcord.errors import ParameterError

UNCLASSIFIED = AnnotationClass("Unclassified", (128, 128, 128))
"""How annotations without a class are shown; no class of a list stands for them."""


@dataclass(frozen=True, slots=True)
class ClassList:
    """Classes with names and keys of their own, in the order in which they are shown.

    Raises
    ------
    ParameterError
        When two have one name or key, or a class that is not there is locked or hidden.
    """

    classes: tuple[AnnotationClass, ...] = ()
    locked: frozenset[str] = frozenset()
    """Names of the classes whose annotations cannot be changed."""
    hidden: frozenset[str] = frozenset()
    """Names of the classes that are not shown."""

    def __post_init__(self) -> None:
        require_distinct(self.classes)
        for unknown in sorted((self.locked | self.hidden) - set(self.names)):
            raise ParameterError(f"There is no class {unknown!r}: there are {self._named()}.")

    @classmethod
    def found_in(cls, annotations: Iterable[Annotation]) -> ClassList:
        """Return the classes that annotations have, in the order in which they first appear."""
        return cls().with_those_of(annotations)

    def with_those_of(self, annotations: Iterable[Annotation]) -> ClassList:
        """Return the list with the classes that annotations have and it lacks at its end."""
        classes = list(self.classes)
        known = {each.name.lower() for each in classes}
        for annotation in annotations:
            name = annotation.class_name
            if name is not None and name.lower() not in known:
                known.add(name.lower())
                classes.append(AnnotationClass(name, annotation.colour or next_colour(classes)))
        return replace(self, classes=tuple(classes))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.classes)

    def __iter__(self) -> Iterator[AnnotationClass]:
        return iter(self.classes)

    def __len__(self) -> int:
        return len(self.classes)

    def of(self, name: str | None) -> AnnotationClass:
        """Return the class called ``name``; ``UNCLASSIFIED`` for none.

        Raises
        ------
        ParameterError
            When there is none.
        """
        if name is None:
            return UNCLASSIFIED
        for each in self.classes:
            if each.name == name:
                return each
        raise ParameterError(f"There is no class {name!r}: there are {self._named()}.")

    def added(self, new: AnnotationClass) -> ClassList:
        return replace(self, classes=(*self.classes, new))

    def removed(self, name: str) -> ClassList:
        """Return the list without a class; annotations that have it must be gone first."""
        gone = self.of(name)
        return ClassList(
            tuple(each for each in self.classes if each != gone),
            self.locked - {name},
            self.hidden - {name},
        )

    def replaced(self, name: str, new: AnnotationClass) -> ClassList:
        """Return the list with another class in the place of one, as locked and hidden as it."""
        old = self.of(name)
        return ClassList(
            tuple(new if each == old else each for each in self.classes),
            frozenset(new.name if locked == name else locked for locked in self.locked),
            frozenset(new.name if hidden == name else hidden for hidden in self.hidden),
        )

    def with_locked(self, name: str, locked: bool) -> ClassList:
        self.of(name)
        return replace(self, locked=self.locked | {name} if locked else self.locked - {name})

    def with_hidden(self, name: str, hidden: bool) -> ClassList:
        self.of(name)
        return replace(self, hidden=self.hidden | {name} if hidden else self.hidden - {name})

    def record(self) -> list[dict[str, Any]]:
        """Return the list as JSON values."""
        return [
            {
                "name": each.name,
                "colour": each.hex,
                "key": each.key,
                "locked": each.name in self.locked,
                "hidden": each.name in self.hidden,
            }
            for each in self.classes
        ]

    @classmethod
    def of_record(cls, record: Iterable[Mapping[str, Any]]) -> ClassList:
        """Return the list that ``record`` gave.

        Raises
        ------
        ParameterError, KeyError, TypeError, AttributeError
            When it is no such record.
        """
        rows = list(record)
        return cls(
            tuple(AnnotationClass(r["name"], read_colour(r["colour"]), r["key"]) for r in rows),
            frozenset(row["name"] for row in rows if row["locked"]),
            frozenset(row["name"] for row in rows if row["hidden"]),
        )

    def _named(self) -> str:
        return ", ".join(self.names) or "none yet"
