"""What every source of tiles keeps: subclass `TileSourceTests` and open one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from slideconcord.training.data.tile import IGNORE, TileSource, shares_of


class TileSourceTests:
    """The contract of `TileSource`."""

    levels: tuple[int, ...] = ()
    """What comes before (y, x): (2,) with a context."""

    @pytest.fixture(scope="class")
    def opened(self, tmp_path_factory) -> tuple[TileSource, TileSource]:
        """Return the same data opened twice; a subclass has it."""
        raise NotImplementedError

    def test_every_tile_has_a_name_of_its_own_and_an_owner(self, opened):
        records = opened[0].records
        assert records
        assert len({record.name for record in records}) == len(records)
        assert all(record.patient and record.slide and record.scanner for record in records)
        owners = {(record.slide, record.patient) for record in records}
        assert len(owners) == len({record.slide for record in records})

    def test_images_and_masks_are_of_one_size_and_of_the_classes(self, opened):
        source = opened[0]
        for index in range(len(source.records)):
            rgb, mask = source.read(index)
            assert rgb.dtype == mask.dtype == np.uint8
            assert rgb.shape == (*mask.shape, 3)
            assert mask.shape[:-2] == self.levels
            assert set(np.unique(mask)) <= {*range(len(source.classes)), IGNORE}

    def test_shares_are_those_of_the_mask(self, opened):
        source = opened[0]
        for index, record in enumerate(source.records):
            mask = source.read(index)[1]
            own = mask[0] if self.levels else mask
            assert record.shares == pytest.approx(shares_of(own, len(source.classes)))

    def test_reading_again_and_from_several_threads_gives_the_same(self, opened):
        first, second = opened
        indices = [*range(len(first.records))] * 3
        with ThreadPoolExecutor(4) as pool:
            tiles = list(pool.map(first.read, indices))
        for index, tile in zip(indices, tiles, strict=True):
            for mine, theirs in zip(tile, second.read(index), strict=True):
                np.testing.assert_array_equal(mine, theirs)

    def test_the_same_data_have_the_same_fingerprint_and_records(self, opened):
        first, second = opened
        assert len(bytes.fromhex(first.fingerprint)) == 32
        assert (first.fingerprint, first.records) == (second.fingerprint, second.records)
