"""Reading ahead: the next slide's first tiles come while this one is worked on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import slideconcord as sc
from segmentation.predict_helpers import OPTIONS, chunks_of, edgy_model
from slideconcord.cli import main
from slideconcord.segmentation.plan import plan_run
from slideconcord.segmentation.predict import predict_tiles
from slideconcord.segmentation.reading import TileReader, one_ahead
from slideconcord.slides import Slide


@pytest.fixture
def slide(tiny_slide_path: Path) -> Iterator[Slide]:
    with sc.open_slide(tiny_slide_path) as opened:
        yield opened


def test_tiles_read_early_are_not_read_again_and_change_nothing(
    slide: Slide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    list(predict_tiles(slide, edgy_model(), tmp_path / "a", OPTIONS))
    reader = TileReader(plan_run(slide, edgy_model(), OPTIONS))
    reader.read_early()
    read: list[sc.Box] = []
    whole = Slide.read_grid
    monkeypatch.setattr(
        Slide,
        "read_grid",
        lambda slide, mpp, box, **how: read.append(box) or whole(slide, mpp, box, **how),
    )
    tiles = list(predict_tiles(slide, edgy_model(), tmp_path / "b", ahead=reader))
    assert len(read) == len(tiles) - 2
    assert chunks_of(tmp_path / "a") == chunks_of(tmp_path / "b")


class Thing:
    def __init__(self, name: str, is_ahead: bool) -> None:
        self.name, self.is_ahead, self.closed = name, is_ahead, False
        if name == "bad":
            raise OSError("bad cannot be opened")

    def close(self) -> None:
        self.closed = True


def test_the_next_is_ready_before_this_one_is_done():
    made: dict[str, Thing] = {}
    there = {name: threading.Event() for name in "abc"}

    def prepare(name: str, is_ahead: bool) -> Thing:
        made[name] = Thing(name, is_ahead)
        there[name].set()
        return made[name]

    ready = one_ahead("abc", prepare)
    assert next(ready).result().name == "a"
    assert there["b"].wait(5)
    assert "c" not in made
    assert [made[name].is_ahead for name in "ab"] == [False, True]
    ready.close()
    # What was handed over is the caller's to close, the rest is not.
    assert [made[name].closed for name in "ab"] == [False, True]


def test_what_cannot_be_prepared_is_told_in_its_turn_and_the_rest_goes_on():
    names, failed = [], []
    with closing(one_ahead(["a", "bad", "c"], Thing)) as ready:
        for future in ready:
            if future.exception() is None:
                names.append(future.result().name)
            else:
                failed.append(str(future.exception()))
    assert (names, failed) == (["a", "c"], ["bad cannot be opened"])


def test_several_slides_give_what_each_gives_alone(
    tiny_slide_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    copies = [tmp_path / f"slide{i}.tif" for i in range(3)]
    for number, copy in enumerate(copies):
        copy.write_bytes(tiny_slide_path.read_bytes() + bytes([number]))
    words = ["--model", "stain-density", "--tile-px", "300", "--low", "0.1", "--high", "0.2"]
    assert main(["segment", *map(str, copies), *words, "--out", str(tmp_path / "all")]) == 0
    assert main(["segment", str(copies[2]), *words, "--out", str(tmp_path / "one")]) == 0
    alone, among = chunks_of(tmp_path / "one" / "slide2"), chunks_of(tmp_path / "all" / "slide2")
    assert alone == among
    assert not [t for t in threading.enumerate() if t.name.startswith("slideconcord-ahead")]
    assert np.all([(tmp_path / "all" / f"slide{i}" / "run.json").is_file() for i in range(3)])


def test_tiles_go_through_jpeg_files_where_asked(slide: Slide, tmp_path: Path):
    import cv2

    plain = plan_run(slide, edgy_model(), OPTIONS)
    parity = plan_run(slide, edgy_model(), replace(OPTIONS, jpeg_tiles=True))
    assert parity.key != plain.key
    assert parity.parameters["jpeg_tiles"] == 95
    assert "jpeg_tiles" not in plain.parameters, "runs of older versions keep their key"
    tile = TileReader(plain).read(1)
    cv2.imwrite(str(tmp_path / "tile.jpg"), tile[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    expected = cv2.imread(str(tmp_path / "tile.jpg"))[..., ::-1]
    np.testing.assert_array_equal(TileReader(parity).read(1), expected)
    assert (expected != tile).any()
