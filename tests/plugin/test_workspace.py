from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slideconcord.plugin.keys import nudge
from slideconcord.plugin.workspace import History, RunState, SlideEntry, Workspace
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tuning import Tuning


def slide(name="a"):
    return SimpleNamespace(name=name)


def test_first_slide_becomes_active_and_later_ones_do_not():
    workspace = Workspace()
    first = workspace.take_in("1", slide("a"))
    workspace.take_in("2", slide("b"))
    assert workspace.active is first
    assert [entry.name for entry in workspace.entries] == ["a", "b"]


def test_a_slide_taken_in_twice_has_one_entry():
    workspace = Workspace()
    assert workspace.take_in("1", slide()) is workspace.take_in("1", slide())


def test_forgetting_the_active_slide_makes_another_one_active():
    workspace = Workspace()
    workspace.take_in("1", slide("a"))
    other = workspace.take_in("2", slide("b"))
    workspace.forget("1")
    assert workspace.active is other
    workspace.forget("2")
    assert workspace.active is None
    workspace.forget("2")


def test_changes_are_announced_once():
    entry, heard = SlideEntry("1", slide()), []
    entry.events.tuning.connect(heard.append)
    tuning = Tuning(Thresholds(0.2, 0.4))
    entry.tuning = tuning
    entry.tuning = Tuning(Thresholds(0.2, 0.4))
    assert heard == [tuning]


def test_settled_cuts_can_be_undone_and_redone():
    entry = SlideEntry("1", slide())
    first, second = entry.tuning, Tuning(Thresholds(0.2, 0.4))
    entry.settle(second)
    assert entry.history.undo() == first
    assert entry.history.redo() == second


def test_undo_is_ready_when_a_settled_cut_is_announced():
    entry, ready = SlideEntry("1", slide()), []
    entry.events.tuning.connect(lambda _: ready.append(entry.history.can_undo))
    entry.settle(Tuning(Thresholds(0.2, 0.4)))
    assert ready == [True]


def test_a_new_cut_forgets_what_was_undone():
    tunings = [Tuning(Thresholds(low / 10, 0.9)) for low in range(4)]
    history = History(tunings[0])
    history.push(tunings[1])
    history.push(tunings[2])
    history.undo()
    history.push(tunings[3])
    assert not history.can_redo
    assert history.undo() == tunings[1]


def test_the_same_cut_is_remembered_once():
    history = History(Tuning())
    history.push(Tuning())
    assert not history.can_undo


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(["low", "high"]), st.floats(-1.5, 1.5))
def test_nudging_keeps_low_at_or_below_high(a, b, name, by):
    tuning = Tuning(Thresholds(min(a, b), max(a, b))).nudged(name, by)
    assert 0 <= tuning.thresholds.low <= tuning.thresholds.high <= 1


def test_keys_move_thresholds_only_where_there_is_a_map():
    workspace = Workspace()
    nudge(workspace, "low", 0.01)
    entry = workspace.take_in("1", slide())
    nudge(workspace, "low", 0.01)
    assert entry.tuning == Tuning()
    entry.probability = object()
    nudge(workspace, "low", 0.01)
    assert entry.tuning.thresholds.low == pytest.approx(1 / 3 + 0.01, abs=1e-5)


@pytest.mark.parametrize(
    ("status", "busy"), [("idle", False), ("running", True), ("cancelling", True), ("done", False)]
)
def test_busy_states(status, busy):
    assert RunState(status).is_busy is busy
