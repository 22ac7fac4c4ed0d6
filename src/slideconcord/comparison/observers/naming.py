"""Names that say nothing: observers, slides and cases by number."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from slideconcord.comparison.observers.readings import ReadSlide


@dataclass(slots=True)
class Naming:
    """Gives numbers in the order in which names come; one name keeps its number."""

    keep: bool = False
    """Whether names stay."""
    given: dict[str, dict[str, str]] = field(default_factory=dict)
    """By kind, what each name became."""

    def slide(self, slide: ReadSlide) -> ReadSlide:
        """Return a slide under other names. Models keep theirs: they are nobody's."""
        if self.keep:
            return slide
        # a slide without a case is its own
        case = self._number("case", slide.case or slide.name)
        readings = tuple(
            each
            if each.reader.role == "model"
            else replace(
                each,
                reader=replace(each.reader, name=self._number("observer", each.reader.name)),
            )
            for each in slide.readings
        )
        return replace(slide, name=self._number("slide", slide.name), case=case, readings=readings)

    @property
    def names(self) -> dict[str, str]:
        """What every number stands for."""
        return {new: old for kind in self.given.values() for old, new in kind.items()}

    def _number(self, kind: str, name: str) -> str:
        known = self.given.setdefault(kind, {})
        return known.setdefault(name, f"{kind} {len(known) + 1}")
