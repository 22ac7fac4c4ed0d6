from __future__ import annotations

import threading

import pytest
from qtpy.QtCore import QObject, QThread

from slideconcord.plugin.jobs import Job
from slideconcord.plugin.throttle import Throttle


class Ear(QObject):
    """Hears a job, and on which thread."""

    def __init__(self, job):
        super().__init__()
        self.pieces, self.threads, self.jobs = [], set(), []
        job.advanced.connect(self.hear)
        job.ended.connect(self.end)

    def hear(self, piece):
        self.pieces.append(piece)
        self.threads.add(QThread.currentThread())

    def end(self, job):
        self.jobs.append(job)


def job_threads():
    return [t for t in threading.enumerate() if t.name.startswith("slideconcord-job")]


def count_to(number):
    yield from range(number)
    return "whole"


def test_pieces_are_heard_on_the_gui_thread(qtbot):
    job = Job(lambda: count_to(5))
    ear = Ear(job)
    job.start()
    qtbot.waitUntil(lambda: bool(ear.jobs))
    assert ear.pieces == [0, 1, 2, 3, 4]
    assert ear.threads == {QThread.currentThread()}
    assert (job.result, job.error, job.was_cancelled) == ("whole", None, False)


def test_a_cancelled_job_ends_after_the_piece_in_hand_and_closes_its_generator(qtbot):
    closed, going = [], threading.Event()

    def forever():
        try:
            while True:
                going.wait(5)
                yield 1
        finally:
            closed.append(True)

    job = Job(forever)
    ear = Ear(job)
    job.start()
    job.cancel()
    going.set()
    qtbot.waitUntil(lambda: bool(ear.jobs))
    assert closed == [True]
    assert job.was_cancelled
    assert job.result is None
    qtbot.waitUntil(lambda: not job_threads())


def test_an_error_is_kept_and_told(qtbot):
    def broken():
        yield 1
        raise ValueError("no ink")

    job = Job(broken)
    ear = Ear(job)
    job.start()
    qtbot.waitUntil(lambda: bool(ear.jobs))
    assert str(job.error) == "no ink"
    assert job.result is None


def test_closing_waits_for_the_thread_and_says_nothing_more(qtbot):
    job = Job(lambda: count_to(10**9))
    ear = Ear(job)
    job.start()
    job.close()
    assert not job_threads()
    heard = len(ear.pieces)
    qtbot.wait(30)
    assert ear.jobs == []
    assert heard <= len(ear.pieces)


def test_a_job_that_never_began_can_be_closed(qtbot):
    Job(lambda: count_to(1)).close()
    assert not job_threads()


@pytest.mark.parametrize("wishes", [1, 50])
def test_a_throttle_acts_once_for_many_wishes(qtbot, wishes):
    acted = []
    throttle = Throttle(lambda: acted.append(1), 20)
    for _ in range(wishes):
        throttle.ask()
    assert acted == []
    qtbot.waitUntil(lambda: bool(acted))
    qtbot.wait(60)
    assert acted == [1]


def test_a_cancelled_throttle_forgets(qtbot):
    acted = []
    throttle = Throttle(lambda: acted.append(1), 5)
    throttle.ask()
    throttle.cancel()
    qtbot.wait(40)
    assert acted == []
    throttle.flush()
    assert acted == [1]
