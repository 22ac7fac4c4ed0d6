"""Documents survive whatever ends them: what was confirmed comes back, and damage is named."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotations.editing.making import CLASSES, ring, square
from slideconcord.annotations import Annotation, read_annotations, write_annotations
from slideconcord.annotations.editing import About, Document, read_document
from slideconcord.annotations.editing import document as document_module
from slideconcord.annotations.editing import operations as op
from slideconcord.annotations.editing.journal import journal_of
from slideconcord.errors import AnnotationError, MismatchError, OutputError, ParameterError
from slideconcord.geometry import Box, Mpp

ABOUT = About("a" * 64, Mpp(0.25, 0.25), Box(100, 200, 5000, 4000))
IN_TMP = settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def crash(document: Document) -> None:
    """End a document as a crash does: nothing more is written, the lock goes."""
    document.close(save=False)


def state(document: Document) -> dict[str, Annotation]:
    return {a.id: a for a in document.sheet}


def drawn(path: Path, count: int = 3) -> dict[str, Annotation]:
    """Draw squares, crash, and return what was confirmed."""
    document = Document(path, ABOUT, classes=CLASSES)
    for i in range(count):
        document.do(op.add([square(20 * i + 0.1, 1 / 3)]))
    confirmed = state(document)
    crash(document)
    return confirmed


@pytest.fixture(scope="module")
def journalled(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Annotation], bytes]:
    """Return three squares and the journal that holds them."""
    path = tmp_path_factory.mktemp("journal") / "case.geojson"
    return drawn(path), journal_of(path).read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "case.geojson"


def test_what_was_done_comes_back_after_a_crash_bit_by_bit(path):
    document = Document(path, ABOUT, classes=CLASSES)
    odd = Annotation(
        shapely.union(ring(0, 0).geometry, shapely.box(50, 0, 51, 1 / 3)),
        "Tumor",
        (1, 2, 3),
        "gland",
        "Dr. A",
        measurements={"Area": 1.5, "nothing": float("inf")},
        metadata={"note": "µ"},
        nucleus=shapely.Point(1, 1).buffer(1),
        plane=(-1, 0, 0),
    )
    document.do(op.add([odd, square(0, 0, class_name=None)]))
    document.do(op.edit_classes(document.sheet, CLASSES.with_hidden("Stroma", True)))
    document.do(op.add([square(20, 0)]))
    document.undo()
    document.undo()
    document.redo()
    before, classes = state(document), document.sheet.classes
    crash(document)
    with Document(path, ABOUT) as again:
        assert state(again) == before
        assert again.sheet.classes == classes
        assert again.report == ()


def test_a_closed_document_is_geojson_that_anything_reads(path):
    with Document(path, ABOUT, classes=CLASSES, metadata={"observer": "A"}) as document:
        document.do(op.add([square(10, 20)]))
    assert not [p for p in path.parent.iterdir() if "partial" in p.name]
    (read,) = found = read_annotations(path, bounds=ABOUT.bounds)
    assert (read.geometry.bounds, read.class_name) == ((10, 20, 20, 30), "Tumor")
    assert found.metadata["observer"] == "A"
    with Document(path, ABOUT) as again:
        assert [a.geometry.bounds for a in again.sheet] == [(10, 20, 20, 30)]
        assert again.sheet.classes == CLASSES


def test_a_document_without_annotations_keeps_its_classes(path):
    with Document(path, classes=CLASSES) as document:
        document.do(op.add([square(0, 0)]))
        document.undo()
    with Document(path) as again:
        assert (len(again.sheet), again.sheet.classes) == (0, CLASSES)


def test_files_of_other_programs_are_edited_in_place(path):
    drawn_elsewhere = [square(0, 0), square(20, 0, class_name="Fat")]
    write_annotations(drawn_elsewhere, path, metadata={"provenance": {"model": "m"}})
    with Document(path, classes=CLASSES) as document:
        assert document.sheet.classes.names == ("Tumor", "Stroma", "Fat")
        document.do(op.delete(document.sheet, [next(iter(document.sheet)).id]))
    found = read_annotations(path)
    assert [a.class_name for a in found] == ["Fat"]
    assert found.metadata["provenance"] == {"model": "m"}


def test_an_untouched_file_stays_as_it_was(path):
    write_annotations([square(0, 0)], path)
    before = path.read_bytes()
    Document(path, classes=CLASSES).close()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_only_the_owner_may_read(path):
    with Document(path) as document:
        document.do(op.edit_classes(document.sheet, CLASSES))
        document.save()
        for made in (path, journal_of(path)):
            assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_a_document_is_open_once(path):
    with Document(path), pytest.raises(OutputError, match="being edited in another window"):
        Document(path)
    Document(path).close()


def test_others_can_read_what_is_not_closed(path):
    with Document(path, ABOUT, classes=CLASSES) as document:
        document.do(op.add([square(0, 0)]))
        document.save()
        document.do(op.add([square(20, 0)]))
        before = path.read_bytes(), journal_of(path).read_bytes()
        assert [a.geometry.bounds[0] for a in read_document(path, ABOUT)] == [0, 20]
        assert (path.read_bytes(), journal_of(path).read_bytes()) == before
    with pytest.raises(AnnotationError, match="does not exist"):
        read_document(path.with_name("other.geojson"))


@IN_TMP
@given(st.data())
def test_a_last_line_cut_short_anywhere_is_cut_off_and_reported(tmp_path, journalled, data):
    path = tmp_path / f"{uuid4()}.geojson"
    confirmed, content = journalled
    journal = journal_of(path)
    begins = content[:-1].rindex(b"\n") + 1
    size = data.draw(st.integers(begins, len(content) - 1))
    journal.write_bytes(content[:size])
    with Document(path, ABOUT) as again:
        assert list(state(again).values()) == list(confirmed.values())[:-1]
        told = [line for line in again.report if "was being written when the program ended" in line]
        assert len(told) == (size > begins)
        again.do(op.add([square(500, 0)]))
        after = state(again)
        crash(again)
        with Document(path, ABOUT) as third:
            assert state(third) == after
            assert third.report == ()


@IN_TMP
@given(st.data())
def test_any_other_damage_is_refused_by_name_and_nothing_is_lost(tmp_path, journalled, data):
    path = tmp_path / f"{uuid4()}.geojson"
    journal, content = journal_of(path), bytearray(journalled[1])
    at = data.draw(st.integers(0, len(content) - 2))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    journal.write_bytes(content)
    with pytest.raises(AnnotationError, match=r"\.geojson\.journal") as error:
        Document(path, ABOUT)
    assert "damaged" in str(error.value)
    assert journal.read_bytes() == bytes(content)


def test_a_line_that_is_missing_is_noticed(path):
    drawn(path)
    lines = journal_of(path).read_bytes().splitlines(keepends=True)
    journal_of(path).write_bytes(b"".join(lines[:2] + lines[3:]))
    with pytest.raises(AnnotationError, match=r"line 3 is change 3, not 2\. Restore it"):
        Document(path)


def test_a_snapshot_that_another_program_replaced_is_noticed(path):
    drawn(path)
    with Document(path, ABOUT) as document:
        document.do(op.add([square(300, 0)]))
        document.save()
        document.do(op.add([square(400, 0)]))
        crash(document)
    write_annotations([square(0, 0)], path)
    with pytest.raises(AnnotationError, match="was replaced since its journal was begun"):
        Document(path)
    journal_of(path).unlink()
    Document(path).close()


def test_the_classes_of_a_new_document_survive_a_crash(path):
    document = Document(path, classes=CLASSES)
    document.do(op.add([square(0, 0)]))
    crash(document)
    with Document(path) as again:
        assert again.sheet.classes == CLASSES


def test_a_crash_between_snapshot_and_journal_loses_and_repeats_nothing(path, monkeypatch):
    drawn(path)
    document = Document(path, ABOUT)
    before = {key: a.geometry.bounds for key, a in state(document).items()}
    monkeypatch.setattr(document._journal, "begin", lambda number: None)
    document.save()
    crash(document)
    with Document(path, ABOUT) as again:
        found = {key: a.geometry.bounds for key, a in state(again).items()}
        assert found == {key: pytest.approx(bounds, abs=0.01) for key, bounds in before.items()}


def test_a_journal_whose_first_line_was_never_finished_is_begun_anew(path):
    journal_of(path).write_bytes(b"0123 {")
    with Document(path, classes=CLASSES) as document:
        document.do(op.add([square(0, 0)]))
        crash(document)
    assert len(read_document(path)) == 1


@pytest.mark.parametrize("tool", ["do", "undo"])
def test_a_change_that_cannot_be_written_is_not_made(path, monkeypatch, tool):
    with Document(path, classes=CLASSES) as document:
        document.do(op.add([square(0, 0)]))
        before = state(document)

        def full(_handle: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        change = [op.add([square(20, 0)])] if tool == "do" else []
        with pytest.raises(OutputError, match=r"No space left.*The change was not made"):
            getattr(document, tool)(*change)
        assert state(document) == before
        monkeypatch.undo()
        document.do(op.add([square(40, 0)]))
        after = state(document)
        crash(document)
    with Document(path) as again:
        assert state(again) == after


def test_a_change_of_very_many_is_kept_as_a_snapshot(path, monkeypatch):
    monkeypatch.setattr(document_module, "BULK", 5)
    document = Document(path, classes=CLASSES)
    document.do(op.add([square(20 * i, 0) for i in range(9)], "open file"))
    assert journal_of(path).stat().st_size < 200
    document.undo()
    document.redo()
    crash(document)
    assert len(read_document(path)) == 9


def test_another_slides_document_is_refused(path):
    with Document(path, ABOUT, classes=CLASSES) as document:
        document.do(op.add([square(0, 0)]))
    with pytest.raises(MismatchError, match="was drawn on another slide"):
        Document(path, About("b" * 64))


def test_only_geojson_is_edited(path):
    with pytest.raises(ParameterError, match=r"case.xml is no place to edit annotations in"):
        Document(path.with_suffix(".xml"))


def test_a_copy_is_saved_in_any_format(path):
    with Document(path, ABOUT, classes=CLASSES) as document:
        document.do(op.add([square(10, 20)]))
        copy = path.with_name("copy.xml")
        document.save_as(copy, format="asap")
    (read,) = read_annotations(copy)
    assert (read.class_name, read.geometry.bounds) == ("Tumor", (10, 20, 20, 30))


_DRAWS_FOREVER = """
import sys
from slideconcord.annotations.editing import Document, operations as op
from annotations.editing.making import CLASSES, square
document = Document(sys.argv[1], classes=CLASSES)
first = len(document.sheet)
for i in range(first, 10_000):
    document.do(op.add([square(20 * i, 0, name=str(i))]))
    print(i, flush=True)
    if i % 7 == 6:
        document.save()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_at_any_moment_nothing_confirmed_is_lost(path):
    chance = random.Random(20)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    told = -1
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", _DRAWS_FOREVER, str(path)],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        assert process.stdout is not None
        told = int(process.stdout.readline())
        time.sleep(chance.uniform(0, 0.06))
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        told = int((rest.split() or [told])[-1])
        names = [a.name for a in read_document(path)]
        # the last one may be on disk without having been told
        assert names == [str(i) for i in range(len(names))]
        assert told < len(names) <= told + 2
