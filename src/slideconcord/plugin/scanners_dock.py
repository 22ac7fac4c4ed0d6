"""The Scanners dock: one glass slide on many scanners: register, look, place by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog

from slideconcord.errors import RegistrationError, SlideconcordError
from slideconcord.plugin.case_box import CaseBox
from slideconcord.plugin.dock import Dock
from slideconcord.plugin.looking import PAIRS, Looking
from slideconcord.plugin.measure_box import MeasureBox, Measurer
from slideconcord.plugin.opening_case import open_case, open_folder
from slideconcord.plugin.registering import Registrar
from slideconcord.plugin.rescue import moved_scan, nudged, rotated
from slideconcord.plugin.rescue_box import RescueBox
from slideconcord.plugin.scanner_keys import bind_keys, unbind_keys
from slideconcord.plugin.scans import Scan
from slideconcord.plugin.view_box import ViewBox

JSON = "Registration (*.json)"


class ScannersDock(Dock):
    """Compares the scans of one glass slide."""

    title = "Scanners"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.case = self.session.case
        self.registrar = Registrar(self)
        self.looking = Looking(self.session, self.case, self)
        self.case_box, self.view_box, self.rescue_box = CaseBox(), ViewBox(), RescueBox()
        self.measurer, self.measure_box = Measurer(self), MeasureBox()
        for box in (self.case_box, self.view_box, self.rescue_box, self.measure_box):
            self.body.addWidget(box)
        self.body.addStretch(1)
        self._connect()
        bind_keys(self)
        self._show_case()

    def let_go(self) -> None:
        self.session.workspace.entries.events.removed.disconnect(self._on_closed)
        unbind_keys(self)
        self.registrar.close()
        self.measurer.close()
        self.looking.close()
        self.case.clear()

    def take_open_slides(self) -> None:
        """Make a case of all slides that are open."""
        self._make_case(list(self.session.workspace.entries))

    def open_folder(self, folder: Path) -> None:
        """Open every slide of a folder and make a case of them."""
        self._try(lambda: self._make_case(open_folder(self.session, folder)))

    def open_case(self, path: Path) -> None:
        """Open the scans that a case file names."""
        self._try(lambda: self._open_case(path))

    def register(self) -> None:
        """Register every scan but the hub, in the background."""
        if self.case.hub is not None:
            scans = [scan for scan in self.case.scans if scan is not self.case.hub]
            self.registrar.start(scans, self.case.hub)

    def choose_hub(self, scan_id: str) -> None:
        """Let another scan carry the common frame."""
        scan = self.case.find(scan_id)
        if scan is None or scan is self.case.hub:
            return
        self.case.choose_hub(scan)
        self._show_case()
        self._try(self.looking.refresh)

    def choose_pair(self, a_id: str, b_id: str) -> None:
        """Look at two other scans."""
        self.case.a, self.case.b = self.case.find(a_id), self.case.find(b_id)
        self._show_case()
        self._try(self.looking.refresh)

    def show_view(self, name: str) -> None:
        """Show a view by its name in `VIEWS`, or ``"plain"``."""
        self._try(lambda: self.looking.show(name))
        self._show_looking()

    def next_disagreement(self, step: int = 1) -> None:
        """Go to the next place where the masks of A and B differ."""
        self._try(lambda: self.looking.next_disagreement(step))

    def mark_pairs(self, wanted: bool) -> None:
        """Show hub and scan side by side to mark landmarks on both, or stop that."""
        self.show_view(PAIRS if wanted else "grid")

    def align(self) -> None:
        """Place the scan by the marked pairs."""
        self._try(self._align)

    def nudge(self, dy_um: float, dx_um: float) -> None:
        """Move the scan by hand, in µm of the hub."""
        self._try(lambda: nudged(self.case, dy_um, dx_um))
        self._follow_placement()

    def rotate(self, degrees: float) -> None:
        """Turn the scan by hand about the middle of the view."""
        y, x = (float(v) for v in self.viewer.scene.camera.center[-2:])
        self._try(lambda: rotated(self.case, degrees, (y, x)))
        self._follow_placement()

    def undo(self) -> None:
        """Go back to the placement before."""
        if (scan := self._moved()) is not None:
            scan.undo()
            self._follow_placement()

    def redo(self) -> None:
        """Go forward again."""
        if (scan := self._moved()) is not None:
            scan.redo()
            self._follow_placement()

    def save(self, path: Path) -> None:
        """Write the placement of the scan."""
        scan = self._moved()
        if scan is not None and scan.registration is not None:
            registration = scan.registration
            self._try(lambda: registration.write(path, overwrite=True))

    def load(self, path: Path) -> None:
        """Read a placement; one of other scans is refused."""
        self._try(lambda: self._load(path))

    def measure(self, accept_coarse: bool = False) -> None:
        """Measure how far the masks of the scans agree, in the background."""
        self._try(lambda: self.measurer.start(self.case, accept_coarse=accept_coarse))

    def write_report(self, folder: Path) -> None:
        """Write the report of what was measured into a folder, and open it."""
        self._try(lambda: self._write_report(folder))

    def _write_report(self, folder: Path) -> None:
        from slideconcord.comparison.concordance.report import write_report
        from slideconcord.comparison.concordance.study import study_of

        if self.measurer.found is not None:
            files = write_report(study_of([self.measurer.found]), folder)
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(files[0].resolve())))

    def _align(self) -> None:
        view = self.looking.pairs
        if view is None:
            raise RegistrationError("Mark point pairs first.", "no pairs")
        scan, registration = view.scan, view.registration()
        scan.settle(registration)
        self._follow_placement()
        self.show_view("overlay")

    def _load(self, path: Path) -> None:
        from slideconcord.comparison.registration.files import read_registration

        scan, hub = moved_scan(self.case), self.case.hub
        if hub is not None:
            found = read_registration(path).require(scan.entry.slide, hub.entry.slide)
            scan.settle(found)
            self._follow_placement()

    def _open_case(self, path: Path) -> None:
        opened = open_case(self.session, path)
        self._make_case(opened.entries, opened.names)
        self.case.virtual = opened.virtual
        for scan in self.case.scans:
            scan.source = opened.sources[scan.id]
        self.choose_hub(opened.hub_id)

    def _make_case(self, entries: list[Any], names: dict[str, str] | None = None) -> None:
        self.registrar.close()
        self._try(lambda: self._take(entries, names))

    def _take(self, entries: list[Any], names: dict[str, str] | None) -> None:
        self.measurer.forget()
        self.looking.show("plain")
        self.case.take(entries, names)
        self._show_case()
        self.show_view("grid")

    def _on_registered(self, scan_id: str, registration: Any) -> None:
        if (scan := self.case.find(scan_id)) is not None:
            scan.settle(registration)
            self._follow_placement()

    def _on_closed(self, _index: int, entry: Any) -> None:
        if any(scan.entry is entry for scan in self.case.scans):
            self.registrar.close()
            self.looking.show("plain")
            self.case.forget(entry)
            self._show_case()

    def _follow_placement(self) -> None:
        self.measurer.forget()
        self._try(self.looking.follow_placement)
        self._show_case()

    def _moved(self) -> Scan | None:
        """Return the scan that a hand moves, where there is one."""
        pair = (self.case.b, self.case.a)
        return next((s for s in pair if s is not None and s is not self.case.hub), None)

    def _try(self, action: Any) -> None:
        """Do something; what a user can cause is said as a notification."""
        from napari.utils.notifications import show_warning

        try:
            action()
        except SlideconcordError as error:
            show_warning(str(error))

    def _show_case(self) -> None:
        self.case_box.show_case(self.case)
        self.view_box.show_case(self.case)
        self._show_work()
        self._show_looking()
        self._show_measured()

    def _show_measured(self) -> None:
        self.measure_box.show_measurer(self.measurer, has_case=bool(self.case.scans))

    def _show_work(self) -> None:
        self.case_box.show_work(self.registrar, self.case)

    def _show_looking(self) -> None:
        self.view_box.show_looking(self.looking)
        self.rescue_box.show_scan(self._moved())
        pairs, hub = self.looking.pairs, self.case.hub
        if pairs is None or hub is None:
            self.rescue_box.show_marks(None)
        else:
            self.rescue_box.show_marks(pairs.counts, (hub.name, pairs.scan.name))

    def _say_where(self, y_um: float, x_um: float) -> None:
        self.view_box.say_where(f"Cross-hair at y {y_um:,.1f} µm, x {x_um:,.1f} µm of the hub")

    def _turn(self, value: float) -> None:
        if self.looking.view is not None:
            self.looking.view.turn(value)

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder with the scans of one glass slide")
        if folder:
            self.open_folder(Path(folder))

    def _ask_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Case", "", "Case (*.yaml *.yml)")
        if name:
            self.open_case(Path(name))

    def _ask_save(self) -> None:
        if (scan := self._moved()) is None:
            return
        name, _ = QFileDialog.getSaveFileName(self, "Placement", f"{scan.name}.json", JSON)
        if name:
            self.save(Path(name))

    def _ask_report(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the report")
        if folder:
            self.write_report(Path(folder))

    def _ask_load(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Placement", "", JSON)
        if name:
            self.load(Path(name))

    def _connect(self) -> None:
        case, view, rescue = self.case_box, self.view_box, self.rescue_box
        case.open_slides_wanted.connect(self.take_open_slides)
        case.folder_wanted.connect(self._ask_folder)
        case.file_wanted.connect(self._ask_file)
        case.hub_chosen.connect(self.choose_hub)
        case.register_wanted.connect(self.register)
        case.cancel_wanted.connect(self.registrar.cancel)
        view.view_chosen.connect(self.show_view)
        view.pair_chosen.connect(self.choose_pair)
        view.turned.connect(self._turn)
        view.next_wanted.connect(self.next_disagreement)
        rescue.mark_wanted.connect(self.mark_pairs)
        rescue.align_wanted.connect(self.align)
        rescue.nudged.connect(self.nudge)
        rescue.rotated.connect(self.rotate)
        rescue.undo_wanted.connect(self.undo)
        rescue.redo_wanted.connect(self.redo)
        rescue.save_wanted.connect(self._ask_save)
        rescue.load_wanted.connect(self._ask_load)
        self.measure_box.measure_wanted.connect(self.measure)
        self.measure_box.report_wanted.connect(self._ask_report)
        self.measurer.changed.connect(self._show_measured)
        self.registrar.changed.connect(self._show_work)
        self.registrar.registered.connect(self._on_registered)
        self.looking.changed.connect(self._show_looking)
        self.looking.pointed.connect(self._say_where)
        self.session.workspace.entries.events.removed.connect(self._on_closed)
