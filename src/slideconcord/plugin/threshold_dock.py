"""The Threshold dock: turn low and high, see the mask follow, read the numbers, export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from qtpy.QtCore import QTimer, Slot

from slideconcord.errors import SlideconcordError
from slideconcord.plugin.comparing import Comparer
from slideconcord.plugin.dock import Dock, line
from slideconcord.plugin.export_box import ExportBox
from slideconcord.plugin.indexing import Indexer
from slideconcord.plugin.landscape_dock import open_landscape
from slideconcord.plugin.live_numbers import LiveNumbers, note_for
from slideconcord.plugin.look_box import LookBox
from slideconcord.plugin.masks import fits, model_tuning
from slideconcord.plugin.mover import Mover
from slideconcord.plugin.numbers_box import NumbersBox
from slideconcord.plugin.pins_box import PinsBox, idle_pins
from slideconcord.plugin.pointer import Pointer
from slideconcord.plugin.references import Choice, from_file, from_layer, layer_choices
from slideconcord.plugin.results import dim_changes, show_heat, show_mask
from slideconcord.plugin.scan_reference import OtherScan, from_scan, scan_choices
from slideconcord.plugin.tuning_box import TuningBox
from slideconcord.plugin.viewport import look_at
from slideconcord.plugin.watching import Watching
from slideconcord.plugin.workspace import RunState, SlideEntry
from slideconcord.segmentation.tuning import Edit

HIGHLIGHT_MS = 400


class ThresholdDock(Dock):
    """Cuts the active slide's probability map into regions."""

    title = "Threshold"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.tuning, self.look = TuningBox(), LookBox()
        self.numbers, self.pins = NumbersBox(), PinsBox()
        self.export, self.state = ExportBox(), line(name="state")
        self._groups = (self.tuning, self.look, self.numbers, self.pins, self.export)
        for group in (*self._groups, self.state):
            self.body.addWidget(group)
        self.body.addStretch(1)
        self.mover, self.pointer = Mover(self.session, self), Pointer(self.session, self)
        self._indexer, self.comparer = Indexer(self), Comparer(self)
        self._live, self._watching = LiveNumbers(self), Watching()
        self._dim = QTimer(self)
        self._dim.setSingleShot(True)
        self._dim.setInterval(HIGHLIGHT_MS)
        self.session.workspace.mover = self.mover
        self._connect()
        self.follow()

    def let_go(self) -> None:
        if self.session.workspace.mover is self.mover:
            self.session.workspace.mover = None
        self._watching.follow(None, {})
        self._dim.stop()
        self._end_highlight()
        if self.entry is not None:
            self.entry.highlight = False
        layers = self.viewer.layers.events
        layers.inserted.disconnect(self._offer_references)
        layers.removed.disconnect(self._offer_references)
        self.session.case.events.scans.disconnect(self._offer_references)
        for worker in (self.mover, self._live, self._indexer, self.comparer, self.pointer):
            worker.close()
        self.export.let_go()

    def show_entry(self, entry: SlideEntry | None) -> None:
        self._watching.follow(
            entry,
            {
                "probability": self._on_probability,
                "class_name": self._on_probability,
                "run": self._on_run,
                "index": self._on_index,
                "exact": self._show,
                "tuning": self._on_tuning,
                "can_go": self._on_history,
                "style": self._on_look,
                "heat": self._on_look,
                "facts": self._on_facts,
                "tissue": self._show,
                "reference": self._on_reference,
            },
        )
        self.mover.follow(entry)
        self.pointer.follow(entry)
        self.export.show_entry(entry)
        self.comparer.close()
        self._live.forget()
        self._on_probability()

    # --- what the user does -------------------------------------------------------------------

    @Slot(object)
    def _want(self, changes: dict[str, Any]) -> None:
        self.mover.want(**changes)

    def _go_home(self) -> None:
        if self.entry is not None and self.entry.probability is not None:
            self.mover.settle(model_tuning(self.entry.probability))

    def _remove_pins(self, pins: list[Edit]) -> None:
        if self.entry is not None:
            edits = tuple(edit for edit in self.entry.tuning.edits if edit not in pins)
            self.mover.settle(replace(self.entry.tuning, edits=edits))

    def _look_at(self, pin: Edit) -> None:
        layer = self.session.layer_of(self.entry)
        if layer is not None:
            look_at(self.viewer, layer, pin.y_level0 - 0.5, pin.x_level0 - 0.5)

    def _take_class(self, name: str) -> None:
        if self.entry is not None and self.entry.probability is not None:
            self.entry.index = None
            self.entry.class_name = None if name == self.entry.probability.target else name

    def compare_with_layer(self, layer: Any) -> None:
        """Compare with shapes or labels of this slide, or with another scan of the case."""
        if isinstance(layer, OtherScan):
            self._compare(lambda: from_scan(layer))
            return
        slide_layer = self.session.layer_of(self.entry)
        if self.entry is not None and slide_layer is not None:
            entry = self.entry
            self._compare(lambda: from_layer(layer, slide_layer, entry))

    def compare_with_file(self, path: Path | None) -> None:
        """Compare with annotations or a mask in a file; None leaves things as they are."""
        entry = self.entry
        if path is None or entry is None:
            self._offer_references()
        else:
            self._compare(lambda: from_file(path, entry))

    def _compare(self, make: Any) -> None:
        if self.entry is None:
            return
        try:
            choice: Choice = make()
        except SlideconcordError as error:
            self.comparer.drop(self.entry)
            self.comparer.message = str(error)
            self._on_reference()
        else:
            self.comparer.compare(self.entry, choice)

    def _drop_reference(self) -> None:
        if self.entry is not None:
            self.comparer.drop(self.entry)

    # --- what the workspace says ---------------------------------------------------------------

    def _on_probability(self, _new: Any = None) -> None:
        entry = self.entry
        there = entry is not None and entry.probability is not None
        for group in self._groups:
            group.setEnabled(there)
        self.tuning.preset.offer(entry.probability if entry else None)
        self.state.setText("" if there else "Segment a slide first: this needs a probability map.")
        self.state.setVisible(not there)
        self.look.show_entry(entry)
        self._on_tuning()
        self._on_look()
        self._offer_references()
        if entry is not None and there:
            self._indexer.build(entry)

    def _on_run(self, run: RunState) -> None:
        if run.status == "done" and self.entry is not None:
            self._indexer.build(self.entry)

    def _on_index(self, index: Any = None) -> None:
        self._show()
        if self.entry is not None and index is not None:
            self.comparer.count_again(self.entry)

    def _on_tuning(self, _tuning: Any = None) -> None:
        entry = self.entry
        if entry is not None:
            self.tuning.show_tuning(self.mover.wanted or entry.tuning)
            self.tuning.show_history(*entry.can_go)
            self.pins.show_tuning(entry.tuning, entry.slide.mpp, idle_pins(entry))
        self._show()

    def _on_history(self, can_go: tuple[bool, bool]) -> None:
        self.tuning.show_history(*can_go)

    def _on_look(self, _look: Any = None) -> None:
        self.look.show_entry(self.entry)
        if self.entry is not None:
            show_heat(self.viewer, self.entry)
        self._show()

    def _show(self, _new: Any = None) -> None:
        entry = self.entry
        if entry is None or entry.probability is None:
            self._on_facts()
            return
        show_mask(self.viewer, entry)
        self._dim.start()
        if entry.index is None or not fits(entry.index, entry.tuning):
            self._indexer.build(entry)
        self._live.follow(entry)
        self._on_facts()

    def _on_facts(self, _facts: Any = None) -> None:
        entry = self.entry
        facts = entry.facts if entry else None
        self.numbers.show_facts(facts, has_reference=bool(entry and entry.reference))
        self.numbers.show_tissue(entry.tissue if entry else None)
        self.numbers.tell(note_for(entry), self._reference_note())

    def _on_reference(self, _reference: Any = None) -> None:
        self._offer_references()
        self._on_facts()
        self._show()

    def _reference_note(self) -> str:
        return "Comparing with the reference…" if self.comparer.is_busy else self.comparer.message

    def _offer_references(self, _event: Any = None) -> None:
        entry = self.entry
        layers: list[Any] = []
        if entry is not None:
            scans = scan_choices(self.session.case, entry.id)
            layers = [*layer_choices(self.viewer, entry), *scans]
        chosen = entry.reference.name if entry is not None and entry.reference else None
        self.numbers.offer([(layer.name, layer) for layer in layers], chosen)

    def _end_highlight(self) -> None:
        if self.entry is not None:
            dim_changes(self.viewer, self.entry)

    def _connect(self) -> None:
        box = self.tuning
        box.changed.connect(self._want)
        box.settled.connect(self.mover.settle)
        box.undo.clicked.connect(self.mover.undo)
        box.redo.clicked.connect(self.mover.redo)
        box.reset.clicked.connect(self._go_home)
        self.look.class_chosen.connect(self._take_class)
        self.numbers.layer_chosen.connect(self.compare_with_layer)
        self.numbers.file_chosen.connect(self.compare_with_file)
        self.numbers.dropped.connect(self._drop_reference)
        self.numbers.landscape_wanted.connect(lambda: open_landscape(self.viewer))
        self.pins.removed.connect(self._remove_pins)
        self.pins.wanted.connect(self._look_at)
        self.pins.mode_changed.connect(self._set_pin_mode)
        self.pointer.said.connect(self.numbers.say_why)
        self.pointer.pinned.connect(self.mover.settle)
        self.comparer.changed.connect(self._on_reference)
        self._dim.timeout.connect(self._end_highlight)
        self.export.starting.connect(self.mover.flush)
        self.viewer.layers.events.inserted.connect(self._offer_references)
        self.viewer.layers.events.removed.connect(self._offer_references)
        self.session.case.events.scans.connect(self._offer_references)

    def _set_pin_mode(self, on: bool) -> None:
        self.pointer.pins_by_click = on
