import numpy as np
from hypothesis import given, settings
from skimage.measure import label

from segmentation.threshold_maps import checkerboard, maps
from slideconcord.segmentation.component_tree import (
    BLOCK_PX,
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Scratch,
    grow_block,
)
from slideconcord.segmentation.joined_tree import join

SCRATCH = Scratch.new()


def grow(values, seams=0):
    branches = np.full(values.shape, 9, np.uint16)
    return grow_block(values, seams, branches, SCRATCH), branches


@settings(max_examples=60, deadline=None)
@given(maps(16))
def test_the_tree_holds_every_component_of_every_level(values):
    tree, branches = grow(values)
    ends = np.cumsum(tree.node_count.astype(int))
    for grey in {0, 254, *np.unique(values).tolist()} - {255}:
        regions, count = label(values > grey, connectivity=1, return_num=True)
        alive = np.flatnonzero((tree.peak > grey) & (tree.saddle <= grey))
        assert len(alive) == count
        areas = []
        for branch in alive:
            levels = tree.node_level[ends[branch] - tree.node_count[branch] : ends[branch]]
            node = ends[branch] - tree.node_count[branch] + np.flatnonzero(levels > grey)[-1]
            areas.append(int(tree.node_area[node]) + 1)
        assert sorted(areas) == sorted(np.bincount(regions.ravel())[1:].tolist())
        # Climbing over saddles above the level leads two pixels of a region to one branch.
        top = np.arange(len(tree.peak))
        for branch in range(len(top)):
            if tree.saddle[branch] > grey:
                top[branch] = top[tree.parent[branch]]
        pairs = set(zip(regions[regions > 0], top[branches[regions > 0]], strict=True))
        assert len(pairs) == count


@settings(max_examples=40, deadline=None)
@given(maps(20))
def test_parents_come_first_and_are_as_high(values):
    tree, _ = grow(values)
    children = np.flatnonzero(tree.saddle)
    assert (tree.parent[children] < children).all()
    assert (tree.peak[tree.parent[children]] >= tree.peak[children]).all()
    assert (tree.saddle[children] < tree.peak[children]).all()


def test_the_most_branches_a_block_can_have_fit_16_bits():
    tree, branches = grow(checkerboard(BLOCK_PX, BLOCK_PX, 0, 255))
    assert len(tree.peak) == BLOCK_PX**2 // 2
    assert branches.max() == BLOCK_PX**2 // 2 - 1


def test_a_full_block_counts_all_its_pixels():
    tree, _ = grow(np.full((BLOCK_PX, BLOCK_PX), 7, np.uint8))
    assert (len(tree.peak), int(tree.node_area[0]) + 1) == (1, BLOCK_PX**2)


def test_a_plateau_is_one_branch_whatever_its_outline():
    rng = np.random.default_rng(0)
    ragged = np.repeat(rng.random((60, 60)) < 0.8, 2, axis=1)
    tree, _ = grow(np.where(ragged, 255, 0).astype(np.uint8))
    assert len(tree.peak) == label(ragged, connectivity=1).max()


def test_only_seams_make_border_branches():
    values = np.zeros((9, 9), np.uint8)
    values[4, 4], values[0, 4], values[8, 4], values[4, 0], values[4, 8] = 50, 60, 70, 80, 90
    peaks = {TOP: [60], BOTTOM: [70], LEFT: [80], RIGHT: [90], TOP | LEFT: [80, 60], 0: []}
    for seams, expected in peaks.items():
        tree, _ = grow(values, seams)
        assert tree.border_peak.tolist() == expected
        assert tree.border_branch.tolist() == np.flatnonzero(tree.saddle == 255).tolist()


def test_two_blocks_join_at_their_highest_meeting():
    left = np.zeros((3, 4), np.uint8)
    left[0], left[2] = [200, 0, 30, 40], [90, 90, 90, 90]
    right = np.zeros((3, 4), np.uint8)
    right[0], right[2] = [50, 50, 50, 255], [10, 10, 10, 10]
    right[1, 0] = 20
    joined = join([grow(left, RIGHT)[0], grow(right, LEFT)[0]], columns=2)
    # 255 takes 40 in at 40, and, by way of 20, nothing more until 90 meets 10.
    assert joined.peak.tolist() == [255, 90, 40]
    assert joined.saddle.tolist() == [0, 10, 40]
    assert joined.parent.tolist() == [0, 0, 0]
    first = slice(joined.node_start[0], joined.node_start[1])
    assert joined.node_level[first].tolist() == [255, 50, 40, 30, 20, 10]
    assert joined.node_area[first].tolist() == [1, 4, 5, 6, 7, 15]
