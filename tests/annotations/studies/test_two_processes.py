"""Two real processes that save into one study at once: nothing is lost."""

from __future__ import annotations

import subprocess
import sys

import pytest

from annotations.studies.study_folders import make_study
from slideconcord.annotations.studies import open_study

SAVES = 8
# Opens a reading, adds one annotation to what it finds, saves, closes; again and again.
WORK = """
import sys, time
from pathlib import Path
import shapely
from slideconcord.annotations import Annotation
from slideconcord.annotations.studies import open_study
from slideconcord.errors import OutputError

folder, observer, saves, meet = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
desk, refused = open_study(folder).desk(observer), 0
print("ready", flush=True)
sys.stdin.readline()
for number in range(saves):
    while True:
        try:
            reading = desk.open("s1")
            break
        except OutputError as error:
            assert "is open" in str(error), error
            meet.touch()
            refused += 1
            time.sleep(0.002)
    with reading:
        found = list(reading.annotations())
        reading.save([*found, Annotation(shapely.box(0, 0, 10, 10), "Tumor")])
        while not meet.exists():
            time.sleep(0.01)
print(refused)
"""
CRASH = """
import os, sys
from slideconcord.annotations.studies import open_study

reading = open_study(sys.argv[1]).desk("o1").open("s1")
os._exit(9)
"""


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", WORK, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def run_together(*runs):
    """Let processes begin at one moment; return what each said in the end."""
    workers = [start(*arguments) for arguments in runs]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    return [int(text) for text in said]


@pytest.fixture
def folder(tmp_path, tiny_slide_path):
    make_study(tmp_path / "study", tiny_slide_path)
    return tmp_path / "study"


def test_two_who_save_the_same_reading_lose_nothing(folder):
    # whoever comes first waits until the other was refused once: so they do meet
    met = folder / "met"
    refused = run_together((folder, "o1", SAVES, met), (folder, "o1", SAVES, met))
    assert len(open_study(folder).desk("o1").read("s1")) == 2 * SAVES
    assert sum(refused) > 0
    left = {path.name for path in (folder / "annotations" / "o1" / "first").iterdir()}
    assert left == {"s1.geojson"}


def test_two_observers_are_never_in_each_others_way(folder):
    refused = run_together((folder, "o1", SAVES, folder), (folder, "o2", SAVES, folder))
    study = open_study(folder)
    assert [len(study.desk(observer).read("s1")) for observer in ("o1", "o2")] == [SAVES, SAVES]
    assert refused == [0, 0]


def test_the_lock_of_a_program_that_crashed_holds_nobody_up(folder):
    done = subprocess.run([sys.executable, "-c", CRASH, str(folder)], check=False)
    assert done.returncode == 9
    desk = open_study(folder).desk("o1")
    assert desk.slides()[0].holder.is_dead
    with desk.open("s1") as reading:
        assert reading.replaced is not None
        reading.finish([])
