"""Adding up all components at one grey level by how high they reach: any high is then a lookup."""

from __future__ import annotations

from typing import Any

import numpy as np

from slideconcord.compiled import compiled

AREA, REGIONS, OUTSIDE, INSIDE = range(4)


@compiled
def tally_blocks(forest: Any, reach: Any, blocks: Any, weights: Any) -> Any:
    """Return totals of the inner components of ``blocks`` by reach, (256, 4).

    AREA in pixels, REGIONS, and of ``weights`` (2, node), if it has nodes, OUTSIDE and INSIDE.
    """
    grey, totals = reach.grey, np.zeros((256, 4), np.int64)
    for block in blocks:
        if forest.highest[block] <= grey or reach.largest[block] == 0:
            continue
        first, end = forest.start[block], forest.node_start[block]
        for i in range(first, forest.start[block + 1]):
            begin, end = end, end + np.int64(forest.node_count[i])
            height = reach.of_branch[i]
            if begin < end and forest.saddle[i] <= grey < forest.peak[i] and height > 0:
                n = end - 1
                while forest.node_level[n] <= grey:
                    n -= 1
                totals[height, AREA] += np.int64(forest.node_area[n]) + 1
                totals[height, REGIONS] += 1
                if weights.shape[1] > 0:
                    totals[height, OUTSIDE] += weights[0, n]
                    totals[height, INSIDE] += weights[1, n]
    return totals


@compiled
def tally_joined(joined: Any, reach: Any, weights: Any) -> Any:
    """Return the same of the components that cross seams."""
    grey, totals = reach.grey, np.zeros((256, 4), np.int64)
    for i in range(len(joined.peak)):
        height = reach.of_border[joined.border[i]]
        if joined.saddle[i] <= grey < joined.peak[i] and height > 0:
            n = joined.node_start[i + 1] - 1
            while joined.node_level[n] <= grey:
                n -= 1
            totals[height, AREA] += joined.node_area[n]
            totals[height, REGIONS] += 1
            if weights.shape[1] > 0:
                totals[height, OUTSIDE] += weights[0, n]
                totals[height, INSIDE] += weights[1, n]
    return totals
