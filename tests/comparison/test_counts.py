from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from comparison.comparison_maps import FRAME, masks, placed
from slideconcord.annotations import Annotation, Annotations
from slideconcord.comparison.counts import ConfusionCounts, count_masks, count_operands
from slideconcord.comparison.operands import DrawnBools, bring_together
from slideconcord.errors import MismatchError, ParameterError
from slideconcord.geometry import Frame
from slideconcord.segmentation.mask import open_mask


def slowly(prediction, reference, tissue) -> ConfusionCounts:
    seen = [
        (bool(p), bool(r))
        for p, r, t in zip(prediction.flat, reference.flat, tissue.flat, strict=True)
        if t
    ]
    kinds = [(True, True), (True, False), (False, True), (False, False)]
    return ConfusionCounts(*(seen.count(kind) for kind in kinds))


@given(masks(), st.integers(1, 5))
def test_blocks_of_any_size_count_as_a_plain_loop_does(three, block_px):
    operands = bring_together(*three)
    assert count_operands(operands, block_px) == slowly(*three)


@given(masks())
def test_without_tissue_every_pixel_counts(three):
    prediction, reference, _ = three
    everything = np.ones_like(prediction)
    assert count_masks(prediction, reference) == slowly(prediction, reference, everything)


def test_white_background_enters_no_count_true_negatives_included():
    prediction = np.array([[True, True, False, False]])
    reference = np.array([[True, True, False, False]])
    tissue = np.array([[True, False, True, False]])
    assert count_masks(prediction, reference, tissue) == ConfusionCounts(tp=1, tn=1)
    assert count_masks(prediction, reference) == ConfusionCounts(tp=2, tn=2)


def test_masks_on_disk_count_the_same_and_are_never_held_whole(tmp_path):
    rng = np.random.default_rng(2)
    arrays = [np.kron(rng.random((50, 50)) < 0.4, np.ones((60, 60), bool)) for _ in range(3)]
    stored = []
    for number, array in enumerate(arrays):
        placed(array).save(tmp_path / f"{number}.zarr")
        stored.append(open_mask(tmp_path / f"{number}.zarr"))
    expected = count_masks(*arrays)
    operands = bring_together(*stored)
    count_operands(operands, 256)
    tracemalloc.start()
    assert count_operands(operands, 256) == expected
    # three masks of 9 MB; blocks of 256 x 256 in a few threads
    assert tracemalloc.get_traced_memory()[1] < 6e6
    tracemalloc.stop()


def square(y0, x0, y1, x1, class_name="Tumor") -> Annotation:
    return Annotation(shapely.box(x0, y0, x1, y1), class_name=class_name)


def test_annotations_are_drawn_in_the_frame_of_the_mask():
    prediction = placed(np.zeros((20, 30), bool))
    prediction.array[2:6, 3:9] = True
    # level 0: the mask's pixel (2, 3) begins at 8 + 2 * 4, 4 + 3 * 4; one row less is drawn
    drawn = Annotations.of([square(16, 16, 28, 40)])
    assert count_masks(prediction, drawn) == ConfusionCounts(18, 6, 0, 600 - 24)
    assert count_masks(drawn, prediction) == ConfusionCounts(18, 0, 6, 600 - 24)
    assert count_masks(drawn, drawn, prediction) == ConfusionCounts(18, 0, 0, 6)


def test_drawn_pixels_are_read_by_box_or_by_rows():
    drawn = DrawnBools(Annotations.of([square(16, 16, 28, 40)]), FRAME, (20, 30))
    whole = drawn[:, :]
    assert whole.shape == (20, 30)
    assert np.array_equal(drawn[3:9, 5:11], whole[3:9, 5:11])
    assert np.array_equal(drawn[4:], whole[4:])
    assert drawn[30:, :].shape == (0, 30)
    with pytest.raises(ParameterError, match="leave the step of slices at 1"):
        drawn[::2]


def test_masks_in_other_frames_are_refused_with_both_named():
    a = placed(np.zeros((20, 30), bool))
    b = placed(np.zeros((20, 30), bool), Frame(0.0, 0.0, 8.0, 8.0))
    with pytest.raises(MismatchError) as caught:
        count_masks(a, b)
    assert "20 x 30 px of 4 x 4 level-0 px from (8, 4)" in str(caught.value)
    assert "20 x 30 px of 8 x 8 level-0 px from (0, 0)" in str(caught.value)


def test_what_does_not_belong_together_is_refused_with_what_to_do():
    array = np.zeros((20, 30), bool)
    with pytest.raises(MismatchError, match="different slides: register"):
        count_masks(placed(array), placed(array, fingerprint="beef"))
    with pytest.raises(MismatchError, match=r"tissue has 3 x 4 px, but .* has 20 x 30"):
        count_masks(placed(array), array, np.zeros((3, 4), bool))
    with pytest.raises(ParameterError, match=r"reference is uint8 .* compare it with a threshold"):
        count_masks(array, array.astype(np.uint8))
    with pytest.raises(ParameterError, match=r"bool \(y, x\)"):
        count_masks(np.zeros((2, 3, 4), bool), array)
    elsewhere = replace(Annotations.of([square(0, 0, 9, 9)]), metadata={"slide_fingerprint": "b"})
    with pytest.raises(MismatchError, match="reference was drawn on another slide"):
        count_masks(placed(array), elsewhere)


def test_annotations_need_a_mask_to_be_drawn_in():
    drawn = Annotations.of([square(0, 0, 9, 9)])
    for other in (drawn, np.zeros((20, 30), bool)):
        with pytest.raises(ParameterError, match="give at least one Mask"):
            count_masks(other, drawn)


def test_a_mask_of_no_pixel_counts_nothing():
    assert count_masks(np.zeros((0, 5), bool), np.zeros((0, 5), bool)) == ConfusionCounts()


def test_counts_add_up():
    total = ConfusionCounts(1, 2, 3, 4) + ConfusionCounts(10, 20, 30, 40)
    assert total == ConfusionCounts(11, 22, 33, 44)
    assert (total.n, total.predicted, total.reference) == (110, 33, 44)
