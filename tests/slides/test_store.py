from __future__ import annotations

import asyncio
from threading import Event

import numpy as np
import pytest
import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype

from fake_slides import array_slide, noise

PROTOTYPE = default_buffer_prototype()


@pytest.fixture
def slide():
    return array_slide(noise(1100, 1300))


def keys(slide, prefix=""):
    async def collect():
        return [key async for key in slide.store.list_dir(prefix)]

    return sorted(asyncio.run(collect()))


def test_zarr_reads_the_store_like_any_other(slide):
    group = zarr.open_group(slide.store, mode="r")
    assert sorted(group.array_keys()) == ["0", "1"]
    assert group.attrs["slideconcord"]["mpp"] == [0.5, 0.5]
    assert group["1"].chunks == (512, 512, 3)
    assert group["1"].metadata.dimension_names == ("y", "x", "c")
    assert np.array_equal(group["0"][500:520, 500:520], slide.levels[0][500:520, 500:520])


def test_listing_and_existence_agree(slide):
    async def all_there():
        return [await slide.store.exists(key) async for key in slide.store.list()]

    assert all(asyncio.run(all_there()))
    assert keys(slide) == ["0", "1", "zarr.json"]
    assert keys(slide, "0/c") == ["0", "1", "2"]


@pytest.mark.parametrize(
    "key", ["2/zarr.json", "0/c/3/0/0", "0/c/0/0/1", "0/c/a/0/0", "0/c/-1/0/0", "x", "0", "0/c/0/0"]
)
def test_what_is_not_there_is_none(slide, key):
    assert asyncio.run(slide.store.get(key, PROTOTYPE)) is None
    assert not asyncio.run(slide.store.exists(key))


def test_parts_of_a_chunk(slide):
    whole = asyncio.run(slide.store.get("0/c/0/0/0", PROTOTYPE)).to_bytes()
    assert len(whole) == 512 * 512 * 3
    requests = [RangeByteRequest(5, 9), OffsetByteRequest(100), SuffixByteRequest(7)]
    parts = asyncio.run(
        slide.store.get_partial_values(PROTOTYPE, [("0/c/0/0/0", r) for r in requests])
    )
    assert [p.to_bytes() for p in parts] == [whole[5:9], whole[100:], whole[-7:]]


def test_edge_chunks_are_full_size(slide):
    data = asyncio.run(slide.store.get("0/c/2/2/0", PROTOTYPE)).to_bytes()
    chunk = np.frombuffer(data, np.uint8).reshape(512, 512, 3)
    assert np.array_equal(chunk[:76, :276], slide.levels[0][1024:, 1024:])


def test_the_store_refuses_writing(slide):
    value = PROTOTYPE.buffer.from_bytes(b"x")
    with pytest.raises(PermissionError, match=r"array\.svs is open for reading only"):
        asyncio.run(slide.store.set("0/c/0/0/0", value))
    with pytest.raises(PermissionError):
        asyncio.run(slide.store.delete("zarr.json"))
    with pytest.raises(PermissionError):
        slide.store.with_read_only(False)
    assert slide.store.read_only
    with pytest.raises(PermissionError, match="reading only"):
        slide.levels[0].zarr[:] = 0


def test_the_event_loop_runs_on_while_tiles_decode(slide):
    """What makes other readers serial: a `get` that decodes on the loop."""
    reader = slide._reader
    reader.gate.clear()

    async def read():
        chunks = [asyncio.ensure_future(slide.store.get(f"0/c/{i}/0/0", PROTOTYPE)) for i in (0, 1)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert not any(chunk.done() for chunk in chunks)
        reader.gate.set()
        return await asyncio.gather(*chunks)

    assert all(asyncio.run(read()))


def test_two_chunks_decode_side_by_side(slide):
    both, inside = Event(), []

    def meet(level, box):
        inside.append(box)
        if len(inside) == 2:
            both.set()
        assert both.wait(10), "the second chunk waited for the first"

    slide._reader.before_read = meet
    assert slide.levels[0].zarr[:1024, :512].shape == (1024, 512, 3)


def test_giving_up_does_not_take_a_tile_from_others(slide):
    reader = slide._reader
    reader.gate.clear()

    async def read():
        first = asyncio.ensure_future(slide.store.get("0/c/0/0/0", PROTOTYPE))
        second = asyncio.ensure_future(slide.store.get("0/c/0/0/0", PROTOTYPE))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0.01)
        reader.gate.set()
        return await second

    assert len(asyncio.run(read())) == 512 * 512 * 3


def test_stores_are_equal_when_their_slide_is_the_same(slide):
    assert slide.store == slide.store
    assert slide.store != array_slide().store
