"""Interrupted anywhere, a run goes on and ends with the bytes of one that was not."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import slideconcord as sc
from segmentation.predict_helpers import (
    OPTIONS,
    chunks_of,
    edgy,
    edgy_model,
    pixel_model,
    spec_for,
)
from slideconcord.errors import OutputError
from slideconcord.segmentation.lock import FolderLock
from slideconcord.segmentation.model import Model
from slideconcord.segmentation.predict import PredictOptions, predict, predict_tiles
from slideconcord.segmentation.probability import open_probability
from slideconcord.segmentation.tiles import TileGrid
from slideconcord.slides import Slide


@pytest.fixture(scope="module")
def slide(tiny_slide_path: Path) -> Iterator[Slide]:
    with sc.open_slide(tiny_slide_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def expected(slide: Slide, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    list(predict_tiles(slide, edgy_model(), out, OPTIONS))
    return chunks_of(out)


def finish(slide: Slide, out: Path) -> int:
    """Go on with a run; return how many tiles that took."""
    return len(list(predict_tiles(slide, edgy_model(), out, OPTIONS)))


def test_order_does_not_matter(slide: Slide, tmp_path: Path, expected: dict[str, bytes]):
    list(predict_tiles(slide, edgy_model(), tmp_path, OPTIONS, focus=(700, 1000)))
    assert chunks_of(tmp_path) == expected


@pytest.mark.parametrize("after", [1, 7, 15])
def test_a_cancelled_run_goes_on(
    slide: Slide, tmp_path: Path, expected: dict[str, bytes], after: int
):
    tiles = predict_tiles(slide, edgy_model(), tmp_path, OPTIONS, focus=(700, 1000))
    total = [next(tiles) for _ in range(after)][-1].total
    tiles.close()
    assert not open_probability(tmp_path).complete
    assert not (tmp_path / "run.json").exists()
    rest = finish(slide, tmp_path)
    # What was computed when it was cancelled is kept as well.
    assert total - after - 8 <= rest <= total - after
    assert chunks_of(tmp_path) == expected


def test_what_is_finished_shows_after_a_cancel(slide: Slide, tmp_path: Path):
    tiles = predict_tiles(slide, pixel_model(), tmp_path, OPTIONS)
    done = [next(tiles) for _ in range(5)]
    tiles.close()
    image = slide.read_grid(0.5, slide.box)[..., 2]
    shown = open_probability(tmp_path).level(0)
    for tile in done:
        np.testing.assert_array_equal(shown[tile.box_px.slices], image[tile.box_px.slices])


def test_a_finished_run_answers_at_once(slide: Slide, tmp_path: Path):
    finish(slide, tmp_path)

    def never(rgb: np.ndarray) -> np.ndarray:
        raise AssertionError("computed again")

    model = Model.from_function(spec_for(), never)
    result = predict(slide, model, tmp_path, tile_px=420, overlap_px=50, readers=1, batch=2)
    assert result.complete


class CrashError(BaseException):
    """The process ends here, as far as the run can tell."""


def crash_at(monkeypatch: pytest.MonkeyPatch, count: int) -> list[str]:
    """Let the ``count``-th change of the disk end everything; every later one fails too."""
    made: list[str] = []

    def counted(name: str, change: Callable[..., object]) -> Callable[..., object]:
        def counting(*args: object, **options: object) -> object:
            made.append(name)
            if len(made) >= count:
                raise CrashError(name)
            return change(*args, **options)

        return counting

    for owner, name in [
        (Path, "replace"), (Path, "rename"), (Path, "unlink"), (Path, "write_bytes"),
        (os, "fsync"),
    ]:  # fmt: skip
        monkeypatch.setattr(owner, name, counted(name, getattr(owner, name)))
    return made


@pytest.fixture(scope="module")
def change_count(slide: Slide, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How often a whole run changes the disk, when all is shown after each tile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("slideconcord.segmentation.pipeline._SHOW_S", -1.0)
        changes = crash_at(patch, 10**9)
        finish(slide, tmp_path_factory.mktemp("count"))
    return len(changes)


def crash(slide: Slide, out: Path, count: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("slideconcord.segmentation.pipeline._SHOW_S", -1.0)
        crash_at(patch, count)
        with pytest.raises(CrashError):
            finish(slide, out)


# The last changes finish the run: each of them is tried. The others are drawn.
@pytest.mark.parametrize("place", [*range(-8, -1), *np.linspace(0.01, 0.95, 11)])
def test_a_crash_at_any_change_of_the_disk_costs_nothing_but_time(
    slide: Slide,
    tmp_path: Path,
    expected: dict[str, bytes],
    change_count: int,
    place: float,
):
    first = change_count + 1 + int(place) if place < 0 else int(place * change_count) + 1
    crash(slide, tmp_path, first)
    # And again soon after it went on, where there is still that much to do.
    if place > 0:
        crash(slide, tmp_path, 2 + first % 9)
    finish(slide, tmp_path)
    assert chunks_of(tmp_path) == expected
    left = {path.name for path in tmp_path.iterdir()} - {"run.lock"}
    assert left == {"probability.zarr", "run.json"}


KILLED = """
import sys, time
import slideconcord as sc
from segmentation.predict_helpers import OPTIONS, edgy, spec_for
from slideconcord.segmentation.model import Model
from slideconcord.segmentation.predict import predict_tiles

def slow(rgb):
    time.sleep(0.02)
    return edgy(rgb)

model = Model.from_function(spec_for(), slow)
for tile in predict_tiles(sc.open_slide(sys.argv[1]), model, sys.argv[2], OPTIONS):
    print(tile.index, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_process_leaves_its_finished_tiles(
    slide: Slide, tmp_path: Path, expected: dict[str, bytes]
):
    tests = Path(__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(slide.path), str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tests)},
    ) as process:
        assert process.stdout is not None
        seen = [int(process.stdout.readline()) for _ in range(12)]
        with pytest.raises(OutputError, match=f"another run .process {process.pid}."):
            finish(slide, tmp_path / "out")
        process.send_signal(signal.SIGKILL)
    tiles = list(predict_tiles(slide, edgy_model(), tmp_path / "out", OPTIONS))
    assert not {tile.index for tile in tiles} & set(seen)
    assert chunks_of(tmp_path / "out") == expected


@pytest.mark.parametrize("count", [3, 15])
def test_a_full_disk_keeps_what_is_finished(
    slide: Slide, tmp_path: Path, expected: dict[str, bytes], count: int
):
    written: list[int] = []

    def full(path: Path, content: bytes) -> int:
        written.append(1)
        if len(written) > count:
            raise OSError(errno.ENOSPC, "No space left on device")
        with path.open("wb") as file:
            return file.write(content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match=r"the disk is full. Finished tiles are kept") as told:
            finish(slide, tmp_path)
    assert told.value.path == str(tmp_path)
    assert not list(tmp_path.rglob("*.partial[!.]*/**/*.partial"))
    rest = finish(slide, tmp_path)
    assert count < 10 or rest < len(TileGrid((1500, 2000), 420, 50))
    assert chunks_of(tmp_path) == expected


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_read_only_folder_is_named(slide: Slide, tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written: Permission denied"):
        finish(slide, tmp_path)
    tmp_path.chmod(0o700)


def test_a_file_in_the_way_of_the_folder_is_named(slide: Slide, tmp_path: Path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="out cannot be made"):
        finish(slide, tmp_path / "out")
    with pytest.raises(OutputError, match="cannot be made"):
        finish(slide, tmp_path / "out" / "deeper")


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    "other", [{"mpp": 1.0}, {"version": "2"}, {"classes": ("a", "b")}], ids=str
)
def test_the_result_of_another_run_is_refused_and_replaced_on_request(
    slide: Slide, tmp_path: Path, other: dict[str, object], finished: bool
):
    tiles = predict_tiles(slide, edgy_model(), tmp_path, OPTIONS)
    next(tiles)
    if finished:
        list(tiles)
    tiles.close()
    model = Model.from_function(spec_for(**other), edgy)
    with pytest.raises(OutputError, match=r"holds another run .*overwrite=True \(--overwrite\)"):
        next(predict_tiles(slide, model, tmp_path, OPTIONS))
    result = predict(slide, model, tmp_path, tile_px=420, overlap_px=50, overwrite=True)
    assert result.provenance["model"]["hash"] == model.hash
    assert not (tmp_path / "run.partial").exists()


def test_another_box_or_tile_size_is_another_run(slide: Slide, tmp_path: Path):
    finish(slide, tmp_path)
    for options in (
        PredictOptions(tile_px=421, overlap_px=50),
        PredictOptions(tile_px=420, overlap_px=50, box=sc.Box(0, 0, 100, 100)),
        PredictOptions(tile_px=420, overlap_px=51),
    ):
        with pytest.raises(OutputError, match="holds another run"):
            next(predict_tiles(slide, edgy_model(), tmp_path, options))


def test_a_map_of_unknown_origin_is_not_touched(slide: Slide, tmp_path: Path):
    (tmp_path / "probability.zarr").mkdir()
    (tmp_path / "probability.zarr" / "precious").write_text("keep")
    with pytest.raises(OutputError, match=r"holds probability.zarr of unknown origin"):
        finish(slide, tmp_path)
    assert (tmp_path / "probability.zarr" / "precious").exists()


def test_overwriting_leaves_other_files_alone(slide: Slide, tmp_path: Path):
    finish(slide, tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    model = Model.from_function(spec_for(version="2"), edgy)
    predict(slide, model, tmp_path, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_lost_map_is_computed_anew(slide: Slide, tmp_path: Path, expected: dict[str, bytes]):
    import shutil

    tiles = predict_tiles(slide, edgy_model(), tmp_path, OPTIONS)
    total = next(tiles).total
    tiles.close()
    shutil.rmtree(tmp_path / "probability.partial.zarr")
    assert finish(slide, tmp_path) == total
    assert chunks_of(tmp_path) == expected


def test_a_lock_is_exclusive_names_its_owner_and_goes(tmp_path: Path):
    lock = FolderLock(tmp_path)
    with pytest.raises(OutputError, match=rf"another run \(process {os.getpid()}\)"):
        FolderLock(tmp_path)
    lock.release()
    assert not lock.path.exists()
    FolderLock(tmp_path).release()


def test_a_lock_file_left_by_a_dead_owner_is_no_lock(tmp_path: Path):
    (tmp_path / "run.lock").write_text("999999")
    lock = FolderLock(tmp_path)
    assert lock.path.read_text() == str(os.getpid())
    lock.release()
