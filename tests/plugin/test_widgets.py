"""Widgets by themselves, without a viewer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QDialogButtonBox

from slideconcord.plugin.minimap import FRAME_COLOUR, Minimap
from slideconcord.plugin.mpp_dialog import OBJECTIVES, MppDialog
from slideconcord.plugin.threshold_controls import ThresholdControls
from slideconcord.segmentation.thresholds import Thresholds


@pytest.fixture
def minimap(qtbot):
    widget = Minimap()
    qtbot.addWidget(widget)
    widget.resize(220, 160)
    widget.show_overview(np.full((100, 200, 3), 250, np.uint8), (1000, 2000))
    return widget


def pixel(widget, x, y):
    colour = widget.grab().toImage().pixelColor(x, y)
    return colour.red(), colour.green(), colour.blue()


def test_the_picture_keeps_its_proportions(minimap):
    rect = minimap.picture_rect()
    assert rect.width() / rect.height() == pytest.approx(2)
    assert rect.center().x() == pytest.approx(110)


def test_the_view_is_framed(minimap):
    minimap.show_view(((249.5, 499.5), (249.5, 1499.5), (749.5, 1499.5), (749.5, 499.5)))
    rect = minimap.picture_rect()
    left = round(rect.left() + rect.width() / 4)
    red, green, _ = pixel(minimap, left, 80)
    assert red > 200
    assert green < 150
    assert pixel(minimap, 110, 80) == (250, 250, 250)


def test_a_tiny_view_is_a_cross(minimap):
    minimap.show_view(((499, 999), (499, 1001), (501, 1001), (501, 999)))
    assert pixel(minimap, 110, 80)[1] < 200
    assert FRAME_COLOUR.red() > 200


def test_pressing_and_dragging_point_at_level_0(minimap, qtbot):
    pointed = []
    minimap.pointed.connect(lambda y, x: pointed.append((y, x)))
    minimap.show()
    rect = minimap.picture_rect()
    middle = QPoint(round(rect.center().x()), round(rect.center().y()))
    qtbot.mousePress(minimap, Qt.MouseButton.LeftButton, pos=middle)
    qtbot.mouseMove(minimap, QPoint(-50, -50))
    assert pointed[0] == (pytest.approx(499.5, abs=12), pytest.approx(999.5, abs=12))
    assert all(0 <= y <= 999 and 0 <= x <= 1999 for y, x in pointed)


def test_an_empty_map_points_nowhere(qtbot):
    widget = Minimap()
    qtbot.addWidget(widget)
    with qtbot.assertNotEmitted(widget.pointed):
        qtbot.mousePress(widget, Qt.MouseButton.LeftButton)
    widget.grab()


@pytest.fixture
def dialog(qtbot):
    dialog = MppDialog(Path("a.svs"), "a.svs has no pixel size.", (20_000, 40_000))
    qtbot.addWidget(dialog)
    return dialog


def ok(dialog):
    return dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok)


def test_nothing_is_guessed(dialog):
    assert dialog.mpp is None
    assert not ok(dialog).isEnabled()


@pytest.mark.parametrize(("text", "value"), OBJECTIVES.items())
def test_an_objective_is_a_proposal(dialog, text, value):
    dialog._objective.setCurrentText(text)
    assert dialog.mpp == (value, value)
    assert ok(dialog).isEnabled()


def test_the_size_in_mm_helps_to_judge(dialog):
    dialog._value.setValue(0.25)
    assert dialog._size.text() == "10.00 × 5.00 mm"


@pytest.fixture
def controls(qtbot):
    controls = ThresholdControls()
    qtbot.addWidget(controls)
    return controls


def heard_by(controls):
    heard = []
    controls.changed.connect(heard.append)
    return heard


def test_the_slider_and_the_fields_agree(controls):
    heard = heard_by(controls)
    controls.slider.setValue((0.25, 0.75))
    assert heard == [Thresholds(0.25, 0.75)]
    assert (controls.low.value(), controls.high.value()) == (0.25, 0.75)
    controls.low.setValue(0.5)
    assert heard[-1] == Thresholds(0.5, 0.75)
    assert controls.slider.value() == pytest.approx((0.5, 0.75))


def test_the_fields_push_each_other(controls):
    controls.show_thresholds(Thresholds(0.2, 0.6))
    heard = heard_by(controls)
    controls.low.setValue(0.8)
    assert heard[-1] == Thresholds(0.8, 0.8)
    controls.high.setValue(0.3)
    assert heard[-1] == Thresholds(0.3, 0.3)


def test_showing_tells_nobody(controls):
    heard = heard_by(controls)
    controls.show_thresholds(Thresholds(0.1, 0.2))
    assert heard == []
    assert controls.thresholds == Thresholds(0.1, 0.2)


def test_one_third_stays_one_third(controls):
    """A value that the field rounds for display is not changed by showing it."""
    controls.show_thresholds(Thresholds())
    heard = heard_by(controls)
    controls.high.setValue(0.8)
    assert heard[-1] == Thresholds(1 / 3, 0.8)
