"""What was compared, as one looks at it: the matrix, pictures on the slide, and the walk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from slideconcord.plugin.agreement_layers import KINDS, hide, show_pair, show_votes
from slideconcord.plugin.agreement_look import MEASURES, LookBox
from slideconcord.plugin.agreement_walk import DisputeWalk
from slideconcord.plugin.agreement_work import Compared, Drawn, Levels, drawing_steps, pair_steps
from slideconcord.plugin.task import Task

if TYPE_CHECKING:
    from slideconcord.comparison.observers.result import ClassAgreement
    from slideconcord.plugin.session import Session
    from slideconcord.plugin.workspace import SlideEntry


class AgreementView(QObject):
    """Shows one comparison at a time in a box and on the slide."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._entry: SlideEntry | None = None
        self.compared: Compared | None = None
        self.drawn: Drawn | None = None
        self.pair: tuple[str, str] | None = None
        """The labels of the two readings that are looked at."""
        self.look, self.drawing = LookBox(), Task(self)
        self.walk = DisputeWalk(session, self)
        self._connect()

    def close(self) -> None:
        """Stop, and wait for the threads."""
        self.drawing.close()
        self.walk.close()

    def show(self, entry: SlideEntry, compared: Compared) -> None:
        """Show what was compared on a slide, its first class."""
        self._entry, self.compared = entry, compared
        names = compared.class_names
        self.look.show_classes(names, names[0])
        self.show_class(names[0])

    def forget(self) -> None:
        """What was compared no longer holds."""
        self.compared = None
        self._drop_pictures()
        self.look.show_nothing()
        self._entry = None

    def show_class(self, name: str) -> None:
        """Look at another class."""
        compared = self.compared
        if compared is None:
            return
        self._drop_pictures()
        self._show_matrix()
        self.drawing.start(
            partial(drawing_steps, compared, name), self._take_drawn, "Laying on one another…"
        )

    def choose_pair(self, row: int, column: int) -> None:
        """Show where two readings differ, and both outlines."""
        found = self._agreement()
        if found is None or self.drawn is None:
            return
        self.pair = found.readers[row].label, found.readers[column].label
        self._follow_walk()
        self._draw_pair()

    def called(self, label: str) -> str:
        """Return what a reader is called on the screen: a number, unless names are wanted."""
        if self.compared is None or not self.look.names.isChecked():
            return label
        number, comma, rest = label.partition(",")
        return self.compared.names.get(number, number) + comma + rest

    def _take_drawn(self, drawn: Drawn) -> None:
        self.drawn = drawn
        self._show_votes()
        self._follow_walk()

    def _draw_pair(self) -> None:
        if self.pair is not None and self.drawn is not None:
            steps = partial(pair_steps, self.drawn.stack, *self.pair)
            self.drawing.start(steps, self._take_pair, "Drawing…")

    def _take_pair(self, levels: tuple[Levels, Levels]) -> None:
        if self._entry is None or self.drawn is None or self.pair is None:
            return
        names = self.called(self.pair[0]), self.called(self.pair[1])
        show_pair(self._session.viewer, self._entry, self.drawn.stack, levels, names)
        self._show_legend()

    def _show_matrix(self, _value: Any = None) -> None:
        found, compared = self._agreement(), self.compared
        if found is not None and compared is not None:
            measure = self.look.measure.currentData()
            self.look.show_agreement(found, measure, self.called)
            self.look.caption.setText(_caption(compared, MEASURES[measure]))
            self._show_legend()

    def _show_votes(self, _value: Any = None) -> None:
        viewer, entry, drawn = self._session.viewer, self._entry, self.drawn
        if entry is None:
            return
        if drawn is not None and self.look.votes.isChecked():
            show_votes(viewer, entry, drawn.stack, drawn.votes, len(drawn.voters))
        else:
            hide(viewer, entry, "votes")
        self._show_legend()

    def _show_names(self, _value: Any = None) -> None:
        self._show_matrix()
        self._follow_walk()
        self._draw_pair()

    def _show_legend(self) -> None:
        pair = self.pair and (self.called(self.pair[0]), self.called(self.pair[1]))
        shows_votes = self.drawn is not None and self.look.votes.isChecked()
        voters = len(self.drawn.voters) if self.drawn is not None and shows_votes else 0
        self.look.show_legend(pair, voters)

    def _agreement(self) -> ClassAgreement | None:
        name = self.look.class_name.currentData()
        return None if self.compared is None else self.compared.of_class(name)

    def _follow_walk(self) -> None:
        drawn = self.drawn
        names = self.pair or (drawn.voters if drawn is not None else ())
        stack = None if drawn is None else drawn.stack
        self.walk.follow(self._entry, stack, names, self.called)

    def _drop_pictures(self) -> None:
        self.drawing.close()
        self.pair = self.drawn = None
        self._follow_walk()
        for entry in self._session.workspace.entries:
            hide(self._session.viewer, entry, *KINDS)

    def _connect(self) -> None:
        look = self.look
        look.measure_chosen.connect(self._show_matrix)
        look.pair_chosen.connect(self.choose_pair)
        look.votes_wanted.connect(self._show_votes)
        look.names_wanted.connect(self._show_names)
        look.step_wanted.connect(self.walk.go)
        self.walk.changed.connect(lambda: look.say_walk(self.walk.message))


def _caption(compared: Compared, measure: str) -> str:
    slide, options = compared.found.slides[0], compared.found.options
    area = slide.counted_px * slide.grid.pixel_um2 * 1e-6
    tolerance = f", within {options.tolerance_um:g} µm" if measure == "Surface Dice" else ""
    what = "tissue" if compared.slide.tissue is not None else "slide"
    return f"{measure}{tolerance}, on {area:.3g} mm² of {what} at {slide.grid.mpp.y:.3g} µm/px."
