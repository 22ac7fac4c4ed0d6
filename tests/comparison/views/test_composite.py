"""Composites equal a slow twin that makes the whole picture at once, at every level."""

import numpy as np
import pytest

from comparison.placed_scenes import about_middle, scanned
from slideconcord.comparison.views.balance import Balance, balance_of, density
from slideconcord.comparison.views.combine import (
    Checkerboard,
    Curtain,
    Difference,
    magenta_green,
)
from slideconcord.comparison.views.composite import CompositeView
from slideconcord.comparison.views.warped import NOT_SCANNED, warped_slide
from slideconcord.errors import ParameterError


@pytest.fixture(scope="module")
def pair():
    hub = scanned(name="hub")
    return hub, scanned(about_middle(90.0, (820, 640)), (820, 640), name="B")


def view_of(pair, combine):
    a, b = pair
    return CompositeView(a, b, a.slide, combine)


def whole(pair, level):
    """Return all of a level of A and of B on the hub, and its downsample."""
    a, b = pair
    warped = warped_slide(b, a.slide).levels[level]
    return a.slide.levels[level][:], warped[:], warped.downsample


@pytest.mark.parametrize("level", [0, 1, 2])
def test_checkerboard_equals_its_slow_twin(pair, level):
    view = view_of(pair, Checkerboard((100.0, 60.0)))
    a, b, (down, along) = whole(pair, level)
    expected = a.copy()
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            if ((i + 0.5) * down // 100 + (j + 0.5) * along // 60) % 2 == 1:
                expected[i, j] = b[i, j]
    np.testing.assert_array_equal(view.levels[level][:], expected)


@pytest.mark.parametrize("edge", [-50.0, 0.0, 300.4, 300.5, 301.0, 900.0, 5000.0])
@pytest.mark.parametrize("level", [0, 1])
def test_curtain_equals_its_slow_twin(pair, level, edge):
    view = view_of(pair, Curtain(edge))
    a, b, (_, along) = whole(pair, level)
    is_a = (np.arange(a.shape[1]) + 0.5) * along < edge
    np.testing.assert_array_equal(view.levels[level][:], np.where(is_a[None, :, None], a, b))


def test_parts_of_a_composite_are_parts_of_one_picture(pair):
    for combine in (Checkerboard((77.0, 77.0)), Curtain(411.0), Difference(Balance())):
        view = view_of(pair, combine)
        np.testing.assert_array_equal(
            view.levels[0][50:300, 380:500], view.levels[0][:][50:300, 380:500]
        )


def test_difference_equals_optical_densities(pair):
    """White glass, grey agreement, magenta where A absorbs more, green where B does."""
    balance = Balance((240.0, 240.0, 240.0), (250.0, 245.0, 230.0), 1.3)
    view = view_of(pair, Difference(balance))
    a, b, _ = whole(pair, 1)
    unscanned = (b == NOT_SCANNED).all(-1)
    light_a = 255 * 10 ** -density(a, balance.white_a)
    light_b = 255 * 10 ** -(1.3 * density(b, balance.white_b))
    expected = np.stack([light_b, light_a, light_b], -1)
    shown = view.levels[1][:]
    assert (shown[unscanned] == NOT_SCANNED).all()
    assert unscanned.any()
    assert np.abs(shown - expected)[~unscanned].max() < 5


def test_colours_of_a_difference_say_whose_it_is():
    white, dark = np.full((1, 1, 3), 255, np.uint8), np.full((1, 1, 3), 40, np.uint8)
    r, g, b = (int(v) for v in magenta_green(dark, white, Balance())[0, 0])
    assert r == b == 255
    assert g < 60
    r, g, b = (int(v) for v in magenta_green(white, dark, Balance())[0, 0])
    assert r == b < 60
    assert g == 255
    r, g, b = (int(v) for v in magenta_green(dark, dark, Balance())[0, 0])
    assert r == g == b


def test_balance_finds_white_and_the_denser_scanner():
    rng = np.random.default_rng(1)
    dense = np.clip(rng.gamma(2.0, 0.15, (200, 200, 1)) * (1.0, 1.2, 0.8), 0, 1.5)
    dense[:60] = 0
    a = (240 * 10**-dense).round().astype(np.uint8)
    b = ((250, 244, 236) * 10 ** (-dense / 1.25)).round().astype(np.uint8)
    found = balance_of(a, b, np.ones((200, 200), bool))
    assert found.white_a == pytest.approx((240, 240, 240), abs=1)
    assert found.white_b == pytest.approx((250, 244, 236), abs=1)
    assert found.gain_b == pytest.approx(1.25, rel=0.02)
    shown = magenta_green(a, b, found).astype(int)
    assert np.abs(shown[..., 0] - shown[..., 1]).max() <= 8


def test_nothing_in_common_is_not_balanced():
    rgb = np.zeros((4, 4, 3), np.uint8)
    assert balance_of(rgb, rgb, np.zeros((4, 4), bool)) == Balance()


def test_blocks_need_a_size():
    with pytest.raises(ParameterError, match="above 0"):
        Checkerboard((0.0, 10.0))


def test_an_answer_that_lacks_chunks_says_so_and_calls_back(pair):
    a, b = pair
    told = []
    view = CompositeView(a, b, a.slide, Checkerboard((64.0, 64.0)))
    window = np.s_[256:512, 320:576]
    view.a.prepare()
    view.b.prepare()
    b.slide.pyramid.cache.forget(b.slide.pyramid.owner)
    b.slide._reader.gate.clear()
    view.wait_s, view.on_ready = 0.01, lambda: told.append(1)
    assert view.wait_s == pytest.approx(0.01)
    early = view.levels[0][window]
    assert not view.complete
    b.slide._reader.gate.set()
    assert view.b.wait_complete(20)
    view.wait_s = None
    late = view.levels[0][window]
    assert view.complete
    assert told
    assert not view.errors
    assert (early != late).any()
    other = view_of(pair, Checkerboard((64.0, 64.0)))
    np.testing.assert_array_equal(late, other.levels[0][window])
    view.close()
    assert view.on_ready is None
