"""Locks on a shared folder: whose, since when, and what becomes of forgotten ones."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from slideconcord.annotations.studies.lock import OwnedLock, holder
from slideconcord.annotations.studies.owner import Owner, birth, is_running
from slideconcord.errors import OutputError

DAY_S = 86_400


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s1.geojson.lock"


def put(path, owner, age_s=0.0):
    """Leave the lock of somebody, as old as it is said to be."""
    path.write_text(owner.to_json(), encoding="utf-8")
    then = path.stat().st_mtime - age_s
    os.utime(path, (then, then))


def dead_pid() -> int:
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    return int(done.stdout)


def test_a_lock_says_whose_it_is_and_goes_with_its_release(path):
    with OwnedLock(path, Owner("o1")) as lock:
        assert holder(path) == lock.owner
        lock.require()
        lock.renew()
    assert holder(path) is None
    assert list(path.parent.iterdir()) == []


def test_a_live_lock_is_refused_with_who_and_since_when(path):
    with OwnedLock(path, Owner("o1")) as lock:
        since = lock.owner.since.strftime("%Y-%m-%d %H:%M UTC")
        with pytest.raises(OutputError) as caught:
            OwnedLock(path, Owner("o2"))
    text = str(caught.value)
    assert text.startswith("s1.geojson is open: o1 on ")
    assert f"(process {os.getpid()}, since {since})" in text
    assert text.endswith("Wait until it is closed there.")


def test_the_lock_of_a_process_that_ended_is_taken_over(path):
    gone = replace(Owner("o1"), pid=dead_pid())
    put(path, gone)
    with OwnedLock(path, Owner("o2")) as lock:
        assert lock.replaced == gone
        assert holder(path) == lock.owner


def test_a_process_that_got_the_number_of_a_dead_one_keeps_nothing_locked(path):
    put(path, replace(Owner("o1"), born="another boot 17"))
    if not birth(os.getpid()):
        pytest.skip("this system does not say when a process began")
    with OwnedLock(path, Owner("o2")) as lock:
        assert lock.replaced is not None


def test_a_lock_of_another_computer_is_taken_over_by_age_alone(path):
    far = replace(Owner("o1"), host="elsewhere", pid=dead_pid())
    put(path, far, age_s=DAY_S)
    with pytest.raises(OutputError, match="o1 on elsewhere"):
        OwnedLock(path, Owner("o2"), stale_after=timedelta(days=2))
    with OwnedLock(path, Owner("o2"), stale_after=timedelta(hours=12)) as lock:
        assert lock.replaced == far


def test_whoever_lost_the_lock_is_told_and_takes_nothing_away(path):
    lost = OwnedLock(path, Owner("o1"))
    put(path, lost.owner, age_s=DAY_S)
    with OwnedLock(path, Owner("o2")) as lock:
        with pytest.raises(OutputError, match=r"s1\.geojson was taken over by o2 on .* anew"):
            lost.require()
        with pytest.raises(OutputError, match="nothing was written"):
            lost.renew()
        lost.release()
        assert holder(path) == lock.owner


def test_renewing_makes_a_lock_young(path):
    with OwnedLock(path, Owner("o1")) as lock:
        put(path, lock.owner, age_s=DAY_S)
        lock.renew()
        with pytest.raises(OutputError, match="is open"):
            OwnedLock(path, Owner("o2"))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "o1"}', "\udcff"])
def test_a_lock_that_names_nobody_holds_until_it_is_old(path, content, monkeypatch):
    monkeypatch.setattr("slideconcord.annotations.studies.lock._WRITTEN_WITHIN_S", 0.0)
    path.write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(OutputError, match="somebody holds it"):
        OwnedLock(path, Owner("o1"))
    os.utime(path, (0, 0))
    OwnedLock(path, Owner("o1")).release()
    assert list(path.parent.iterdir()) == []


def test_a_claim_left_by_a_process_that_died_taking_over_is_in_nobodys_way(path):
    gone = replace(Owner("o1"), pid=dead_pid())
    put(path, gone)
    put(path.with_name(f"{path.name}.{gone.token}"), replace(Owner("o3"), pid=gone.pid))
    with OwnedLock(path, Owner("o2")) as lock:
        assert lock.replaced == gone
    assert list(path.parent.iterdir()) == []


def test_of_many_who_find_a_stale_lock_one_gets_it(path):
    put(path, replace(Owner("o1"), pid=dead_pid()))
    start, got, refused = threading.Barrier(8), [], []

    def reach(number):
        start.wait()
        try:
            got.append(OwnedLock(path, Owner(f"o{number}")))
        except OutputError as error:
            refused.append(error)

    threads = [threading.Thread(target=reach, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 7)
    got[0].require()
    got[0].release()
    assert list(path.parent.iterdir()) == []


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0,
                    reason="root may write everywhere")  # fmt: skip
def test_a_folder_that_may_not_be_written_is_said_to_be_so(path):
    path.parent.chmod(0o500)
    try:
        with pytest.raises(OutputError, match=r"cannot be written: Permission denied\. Ask"):
            OwnedLock(path, Owner("o1"))
    finally:
        path.parent.chmod(0o700)


def test_processes_are_told_from_those_that_are_not_there():
    assert is_running(os.getpid())
    assert not is_running(dead_pid())
    assert not is_running(0)
    assert not is_running(-1)
