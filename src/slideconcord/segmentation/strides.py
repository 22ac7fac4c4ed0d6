"""Which rows, blocks and stored levels a part of a mask is made from."""

from __future__ import annotations

from typing import NamedTuple

from slideconcord.geometry import Box
from slideconcord.segmentation.block_tree import BLOCK_PX
from slideconcord.segmentation.sharing import workers

_ALONE_PX = 1 << 18  # smaller masks are not worth a second thread


class Strided(NamedTuple):
    """Every ``stride``-th pixel of a stored level, from (y, x) on."""

    level: int
    block_px: int
    y: int
    x: int
    stride: int
    shape: tuple[int, int]

    @classmethod
    def of(cls, box: Box, step: int, levels: int) -> Strided:
        """Take the coarsest of the stored levels that holds every ``step``-th pixel of a box."""
        level = min(_twos(step), _twos(box.y), _twos(box.x), levels - 1)
        shape = -(-box.height // step), -(-box.width // step)
        return cls(level, BLOCK_PX >> level, box.y >> level, box.x >> level, step >> level, shape)

    def block_columns(self) -> range:
        last = self.x + (self.shape[1] - 1) * self.stride
        return range(self.x // self.block_px, last // self.block_px + 1)

    def block_rows(self, rows: range) -> range:
        first, last = (self.y + i * self.stride for i in (rows[0], rows[-1]))
        return range(first // self.block_px, last // self.block_px + 1)

    def parts(self) -> list[range]:
        """Cut the rows of the result into parts that share no block."""
        height, width = self.shape
        if height * width < _ALONE_PX or workers() == 1:
            return [range(height)]
        parts, begin = [], 0
        # Some more parts than threads, because empty parts of a slide are done at once.
        least = -(-height // (4 * workers()))
        while begin < height:
            after = self.y + (begin + least) * self.stride
            block_end = -(-after // self.block_px) * self.block_px
            end = min(max(-(-(block_end - self.y) // self.stride), begin + 1), height)
            parts.append(range(begin, end))
            begin = end
        return parts


def _twos(number: int) -> int:
    """Return how often 2 divides the number; for 0, more often than there are levels."""
    return (number & -number).bit_length() - 1 if number else 64
