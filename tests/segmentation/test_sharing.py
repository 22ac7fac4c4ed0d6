import threading

import pytest

from slideconcord.segmentation.sharing import share, workers


def test_every_part_is_done_once():
    done = []
    share(range(100), done.append)
    assert sorted(done) == list(range(100))


def test_helpers_busy_elsewhere_are_not_waited_for():
    release, started = threading.Event(), threading.Barrier(workers() + 1)

    def hold(part: int) -> None:
        started.wait(20)
        release.wait(20)

    busy = threading.Thread(target=share, args=(range(workers()), hold))
    busy.start()
    started.wait(20)
    done = []
    share(range(10), done.append)
    assert done == list(range(10))
    release.set()
    busy.join()


def test_what_goes_wrong_in_a_part_is_raised():
    def fail(part: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        share(range(4), fail)
