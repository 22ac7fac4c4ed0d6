import numpy as np
from hypothesis import given, settings
from skimage.measure import label

from segmentation.threshold_maps import maps
from slideconcord.segmentation.components import find_border_components, paint_block
from slideconcord.segmentation.seams import SeamTable


@settings(max_examples=60, deadline=None)
@given(maps(24))
def test_border_components_are_those_that_touch_the_border(values):
    inside = values > 100
    labels = label(inside, connectivity=1)
    found = find_border_components(inside, values > 200)
    edges = [(found.top, labels[0]), (found.bottom, labels[-1])]
    edges += [(found.left, labels[:, 0]), (found.right, labels[:, -1])]
    ours, theirs = (np.concatenate(parts) for parts in zip(*edges, strict=True))
    assert np.array_equal(ours >= 0, theirs > 0)
    # The same pixels share a number in both, and the seeds are the peaks'.
    pairs = {(a, b) for a, b in zip(ours.tolist(), theirs.tolist(), strict=True) if b}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    assert len(pairs) == len(found.facts)
    assert all(found.facts[a, 0] == (values[labels == b] > 200).any() for a, b in pairs)


def test_the_border_decides_only_for_what_touches_it():
    inside = np.zeros((5, 9), bool)
    inside[2, 2] = inside[1:4, 4:9] = inside[0, 0] = True
    seeds = np.zeros_like(inside)
    seeds[2, 2] = seeds[0, 0] = True
    none, both = (paint_block(inside, seeds, np.full(2, keep)) for keep in (False, True))
    assert none.sum() == 1
    assert none[2, 2]
    assert np.array_equal(both, inside)


def test_a_seed_reaches_through_three_blocks():
    table = SeamTable()
    row = np.ones((1, 4), bool)
    first = find_border_components(row, np.zeros_like(row))
    last = find_border_components(row, row)
    offsets = [table.add(first), table.add(first), table.add(last)]
    table.join(first.right, offsets[0], first.left, offsets[1])
    table.join(first.right, offsets[1], last.left, offsets[2])
    assert [facts.tolist() for facts in table.add_up()] == [[[1, 12]]] * 3
